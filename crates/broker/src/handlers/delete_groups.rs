//! DeleteGroups (key 42), versions 0 to 2 (KIP-229): groups without members, with their offsets.
//!
//! NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND. Each group is asked by itself; an error of one does not touch the others. A group
//! that is named twice is deleted once.

use super::codec::{Handled, decode, respond};
use super::groups::{ask_each, context, reply_of};
use crate::Broker;
use ottla_group::GroupRequest;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::delete_groups_request::DeleteGroupsRequest;
use ottla_protocol::generated::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};
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
            let reply = broker.groups().answer(context.clone(), GroupRequest::DeleteGroup(group_id.clone()));
            async move { DeletableGroupResult { group_id, error_code: reply_of!(DeleteGroup, reply.await).code() } }
        };
        let results = ask_each(names, ask).await;
        respond(&broker, &header, &DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() })
    })))
}
