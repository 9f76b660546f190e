//! ShareGroupHeartbeat (key 76), version 1 (KIP-932).
//!
//! What a heartbeat does is in `ottla_group::share`. Partitions that have no state yet get one after the answer, as in Kafka; a
//! later heartbeat assigns them. UNSUPPORTED_VERSION where share groups are switched off.

use super::codec::{Handled, decode, respond};
use super::groups::context;
use super::share_groups::{are_enabled, initialize, share_reply_of};
use crate::Broker;
use ottla_group::{GroupRequest, ShareRequest, StateCall};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::share_group_heartbeat_request::ShareGroupHeartbeatRequest;
use ottla_types::ErrorCode;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ShareGroupHeartbeatRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let group_id = body.group_id.clone();
    let request = GroupRequest::Share(ShareRequest::Heartbeat(body));
    if !are_enabled(broker) {
        let (response, _) = share_reply_of!(Heartbeat with call, request.failed(ErrorCode::UnsupportedVersion));
        return Ok(Outcome::Reply(respond(broker, &header, &response)));
    }
    let under_way = broker.groups().answer(context, request);
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let (response, call) = share_reply_of!(Heartbeat with call, under_way.await);
        if let Some(call) = call {
            begin_to_initialize(&broker, group_id, call);
        }
        respond(&broker, &header, &response)
    })))
}

/// Nobody waits for it: what fails a later heartbeat asks for again.
fn begin_to_initialize(broker: &Arc<Broker>, group_id: String, call: StateCall) {
    let mut next = broker.share_partitions().initializing.begin(&group_id, call);
    if next.is_none() {
        return;
    }
    let own = Arc::clone(broker);
    broker.tasks.spawn("broker.share-initialize", |mut stopping| async move {
        while let Some(call) = next {
            tokio::select! {
                biased;
                () = stopping.set() => return,
                _ = initialize(&own, &group_id, call) => {}
            }
            next = own.share_partitions().initializing.next(&group_id);
        }
    });
}
