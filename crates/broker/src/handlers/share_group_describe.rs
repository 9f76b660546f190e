//! ShareGroupDescribe (key 77), version 1 (KIP-932).
//!
//! GROUP_ID_NOT_FOUND also for groups of other kinds, INVALID_GROUP_ID for an empty id, UNSUPPORTED_VERSION where share groups
//! are switched off. Each group is asked by itself.

use super::codec::{Handled, decode, respond};
use super::groups::{GROUP_OPERATIONS, context, describe_each};
use super::share_groups::{are_enabled, share_reply_of};
use crate::Broker;
use ottla_group::{GroupReply, GroupRequest, ShareRequest};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::share_group_describe_request::ShareGroupDescribeRequest;
use ottla_protocol::generated::share_group_describe_response::{DescribedGroup, ShareGroupDescribeResponse};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ShareGroupDescribeRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let is_served = are_enabled(broker);
    let (broker, with_operations) = (Arc::clone(broker), body.include_authorized_operations);
    Ok(Outcome::Later(Box::pin(async move {
        let describe = |reply: GroupReply| described(reply, with_operations);
        let request = |id| GroupRequest::Share(ShareRequest::Describe(id));
        let groups = describe_each(&broker, &context, is_served, body.group_ids, request, describe).await;
        respond(&broker, &header, &ShareGroupDescribeResponse { groups, ..Default::default() })
    })))
}

fn described(reply: GroupReply, with_operations: bool) -> DescribedGroup {
    let mut group = share_reply_of!(Describe, reply);
    let may_tell = group.error_code == 0 && with_operations;
    group.authorized_operations = if may_tell { GROUP_OPERATIONS } else { i32::MIN };
    group
}
