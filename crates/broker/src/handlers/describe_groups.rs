//! DescribeGroups (key 15), versions 0 to 6, of classic groups.
//!
//! v3 authorized operations (KIP-430), v4 static members (KIP-345), v6 error message, and GROUP_ID_NOT_FOUND instead of a
//! dead group (KIP-1043). Each group is asked by itself; an error of one does not touch the others.

use super::codec::{Handled, decode, respond};
use super::groups::{GROUP_OPERATIONS, ask_each, context, reply_of};
use crate::Broker;
use ottla_group::{GroupReply, GroupRequest};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_groups_request::DescribeGroupsRequest;
use ottla_protocol::generated::describe_groups_response::{DescribeGroupsResponse, DescribedGroup};
use std::sync::Arc;

/// First version with authorized operations.
const OPERATIONS_FROM: i16 = 3;
/// First version with an error message.
const ERROR_MESSAGE_FROM: i16 = 6;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DescribeGroupsRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let (broker, with_operations) = (Arc::clone(broker), body.include_authorized_operations);
    Ok(Outcome::Later(Box::pin(async move {
        let describe = |reply: GroupReply| described(reply, header.api_version, with_operations);
        let ask = |id: String| broker.groups().answer(context.clone(), GroupRequest::DescribeGroup(id));
        let groups = ask_each(body.groups, ask).await.into_iter().map(describe).collect();
        respond(&broker, &header, &DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() })
    })))
}

fn described(reply: GroupReply, version: i16, with_operations: bool) -> DescribedGroup {
    let mut group = reply_of!(DescribeGroup, reply);
    let may_tell = group.error_code == 0 && with_operations && version >= OPERATIONS_FROM;
    group.authorized_operations = if may_tell { GROUP_OPERATIONS } else { i32::MIN };
    group.error_message = group.error_message.filter(|_| version >= ERROR_MESSAGE_FROM);
    group
}
