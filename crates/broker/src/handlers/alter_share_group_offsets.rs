//! AlterShareGroupOffsets (key 91), version 0 (KIP-932): start offsets of a share group without members.
//!
//! NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND (a group of another kind), INVALID_GROUP_ID, UNSUPPORTED_VERSION; by partition
//! UNKNOWN_TOPIC_OR_PARTITION, and what the share coordinator refuses. A group that does not exist is made; -1 leaves the start
//! to `share.auto.offset.reset`.

use super::codec::{Handled, decode, respond};
use super::groups::context;
use super::share_groups::{StateResults, are_enabled, initialize, share_reply_of};
use crate::Broker;
use ottla_group::{GroupRequest, ShareRequest};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::alter_share_group_offsets_request::AlterShareGroupOffsetsRequest;
use ottla_protocol::generated::alter_share_group_offsets_response::AlterShareGroupOffsetsResponse;
use ottla_types::ErrorCode;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: AlterShareGroupOffsetsRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let group_id = body.group_id.clone();
    let request = GroupRequest::Share(ShareRequest::AlterOffsets(body));
    let refused = match (are_enabled(broker), group_id.is_empty()) {
        (false, _) => Some(ErrorCode::UnsupportedVersion),
        (true, true) => Some(ErrorCode::InvalidGroupId),
        (true, false) => None,
    };
    if let Some(error) = refused {
        let (response, _) = share_reply_of!(AlterOffsets with call, request.failed(error));
        return Ok(Outcome::Reply(respond(broker, &header, &response)));
    }
    let under_way = broker.groups().answer(context, request);
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let (mut response, call) = share_reply_of!(AlterOffsets with call, under_way.await);
        if let Some(call) = call {
            let results = initialize(&broker, &group_id, call).await;
            broker.share_partitions().forget_group(&group_id);
            show(&mut response, &results);
        }
        respond(&broker, &header, &response)
    })))
}

fn show(response: &mut AlterShareGroupOffsetsResponse, results: &StateResults) {
    for topic in &mut response.responses {
        for partition in &mut topic.partitions {
            if let Some(Err(error)) = results.get(&(topic.topic_id, partition.partition_index)) {
                partition.error_code = error.code.code();
                partition.error_message = Some(error.message.clone());
            }
        }
    }
}
