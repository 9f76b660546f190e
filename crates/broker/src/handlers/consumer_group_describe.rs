//! ConsumerGroupDescribe (key 69), versions 0 and 1 (KIP-848).
//!
//! v1 member types (KIP-1099). GROUP_ID_NOT_FOUND also for a classic group, INVALID_GROUP_ID for an empty id,
//! UNSUPPORTED_VERSION where the protocol is switched off. Each group is asked by itself.

use super::codec::{Handled, decode, respond};
use super::groups::{GROUP_OPERATIONS, context, describe_each, has_consumer_protocol, reply_of};
use crate::Broker;
use ottla_group::{GroupReply, GroupRequest};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use ottla_protocol::generated::consumer_group_describe_response::{ConsumerGroupDescribeResponse, DescribedGroup};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ConsumerGroupDescribeRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let is_served = has_consumer_protocol(broker);
    let (broker, with_operations) = (Arc::clone(broker), body.include_authorized_operations);
    Ok(Outcome::Later(Box::pin(async move {
        let describe = |reply: GroupReply| described(reply, with_operations);
        let request = GroupRequest::ConsumerGroupDescribe;
        let groups = describe_each(&broker, &context, is_served, body.group_ids, request, describe).await;
        respond(&broker, &header, &ConsumerGroupDescribeResponse { groups, ..Default::default() })
    })))
}

fn described(reply: GroupReply, with_operations: bool) -> DescribedGroup {
    let mut group = reply_of!(ConsumerGroupDescribe, reply);
    let may_tell = group.error_code == 0 && with_operations;
    group.authorized_operations = if may_tell { GROUP_OPERATIONS } else { i32::MIN };
    group
}
