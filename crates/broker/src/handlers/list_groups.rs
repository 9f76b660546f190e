//! ListGroups (key 16), versions 0 to 5: the groups that this node coordinates.
//!
//! v4 filter by state (KIP-518), v5 by type (KIP-848). COORDINATOR_LOAD_IN_PROGRESS while one of the node's shards loads.

use super::codec::{Handled, decode, respond};
use super::groups::{context, reply_of};
use crate::Broker;
use ottla_group::GroupRequest;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::list_groups_request::ListGroupsRequest;
use ottla_protocol::generated::list_groups_response::ListGroupsResponse;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ListGroupsRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let under_way = broker.groups().ask_all(&context, &GroupRequest::ListGroups(body));
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let response = match under_way.await {
            Ok(replies) => {
                let groups = replies.into_iter().flat_map(|reply| reply_of!(ListGroups, reply)).collect();
                ListGroupsResponse { groups, ..ListGroupsResponse::default() }
            }
            Err(error) => ListGroupsResponse { error_code: error.code(), ..ListGroupsResponse::default() },
        };
        respond(&broker, &header, &response)
    })))
}
