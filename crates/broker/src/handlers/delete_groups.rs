//! DeleteGroups (key 42), versions 0 to 2 (KIP-229): groups without members, with their offsets.
//!
//! NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND. Each group is asked by itself; an error of one does not touch the others. A group
//! that is named twice is deleted once.

use super::codec::{Handled, decode, respond};
use super::groups::{ask_each, context, reply_of};
use super::share_groups::{ask_share, delete as delete_states};
use crate::Broker;
use ottla_group::{GroupReply, GroupRequest, RequestContext, ShareReply, ShareRequest};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::delete_groups_request::DeleteGroupsRequest;
use ottla_protocol::generated::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DeleteGroupsRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let mut seen = BTreeSet::new();
    let names: Vec<_> = body.groups_names.into_iter().filter(|name| seen.insert(name.clone())).collect();
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let ask = |group_id: String| {
            let (broker, context) = (Arc::clone(&broker), context.clone());
            async move {
                let error = delete_group(&broker, context, &group_id).await;
                DeletableGroupResult { group_id, error_code: error.code() }
            }
        };
        let results = ask_each(names, ask).await;
        respond(&broker, &header, &DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() })
    })))
}

/// Share groups lose the states of their partitions first; if that fails they stay, and are deleted another time.
async fn delete_group(broker: &Arc<Broker>, context: RequestContext, group_id: &str) -> ErrorCode {
    match ask_share(broker, ShareRequest::BeginDelete(group_id.to_string())).await {
        GroupReply::Share(ShareReply::BeginDelete(Ok(call))) if !call.topics.is_empty() => {
            let results = delete_states(broker, group_id, call).await;
            let failed = results.values().filter_map(|result| result.as_ref().err());
            let failed = failed.map(|error| error.code).find(|code| *code != ErrorCode::UnknownTopicOrPartition);
            if let Some(code) = failed {
                return code;
            }
        }
        GroupReply::Share(ShareReply::BeginDelete(Err(error))) => return error,
        _ => {}
    }
    let reply = broker.groups().answer(context, GroupRequest::DeleteGroup(group_id.to_string()));
    reply_of!(DeleteGroup, reply.await)
}
