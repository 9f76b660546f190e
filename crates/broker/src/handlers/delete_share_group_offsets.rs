//! DeleteShareGroupOffsets (key 92), version 0 (KIP-932): topics of a share group without members.
//!
//! NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, INVALID_GROUP_ID, UNSUPPORTED_VERSION; by topic UNKNOWN_TOPIC_OR_PARTITION and what the
//! share coordinator refuses.

use super::codec::{Handled, decode, respond};
use super::groups::context;
use super::share_groups::{StateResults, are_enabled, delete, share_reply_of};
use crate::Broker;
use ottla_group::{GroupRequest, ShareRequest};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequest;
use ottla_protocol::generated::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponse;
use ottla_types::ErrorCode;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DeleteShareGroupOffsetsRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let group_id = body.group_id.clone();
    let request = GroupRequest::Share(ShareRequest::DeleteOffsets(body));
    let refused = match (are_enabled(broker), group_id.is_empty()) {
        (false, _) => Some(ErrorCode::UnsupportedVersion),
        (true, true) => Some(ErrorCode::InvalidGroupId),
        (true, false) => None,
    };
    if let Some(error) = refused {
        let (response, _) = share_reply_of!(DeleteOffsets with call, request.failed(error));
        return Ok(Outcome::Reply(respond(broker, &header, &response)));
    }
    let under_way = broker.groups().answer(context, request);
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let (mut response, call) = share_reply_of!(DeleteOffsets with call, under_way.await);
        if let Some(call) = call {
            show(&mut response, &delete(&broker, &group_id, call).await);
        }
        respond(&broker, &header, &response)
    })))
}

fn show(response: &mut DeleteShareGroupOffsetsResponse, results: &StateResults) {
    for topic in &mut response.responses {
        let mut of_topic = results.iter().filter(|((id, _), _)| *id == topic.topic_id);
        if let Some(error) = of_topic.find_map(|(_, result)| result.as_ref().err()) {
            topic.error_code = error.code.code();
            topic.error_message = Some(error.message.clone());
        }
    }
}
