//! JoinGroup (key 11), versions 0 to 9, of classic groups.
//!
//! v1 rebalance timeout (KIP-62), v4 MEMBER_ID_REQUIRED (KIP-394), v5 static members (KIP-345), v7 protocol type (KIP-559),
//! v8 reason (KIP-800), v9 skip assignment (KIP-814). The answer waits until the group has formed; see `ottla_group::classic`.
//! INVALID_GROUP_ID for an empty group id, and what a coordinator answers that is not here.

use super::codec::{Handled, decode};
use super::groups::{ask_named, context, reply_of};
use crate::Broker;
use bytes::Bytes;
use ottla_group::{GroupReply, GroupRequest};
use ottla_net::Request;
use ottla_protocol::generated::join_group_request::JoinGroupRequest;
use ottla_protocol::generated::join_group_response::JoinGroupResponse;
use std::sync::Arc;

/// First version in which there may be no protocol name; before it is empty then.
const NO_PROTOCOL_NAME_FROM: i16 = 7;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: JoinGroupRequest = decode(&request)?;
    let context = context(&request);
    // The group keeps it longer than the request lives.
    for protocol in &mut body.protocols {
        protocol.metadata = Bytes::copy_from_slice(&protocol.metadata);
    }
    let version = request.header.api_version;
    let answer = move |reply: GroupReply| as_of_version(reply_of!(JoinGroup, reply), version);
    ask_named(broker, request.header, context, GroupRequest::JoinGroup(body), answer)
}

fn as_of_version(mut response: JoinGroupResponse, version: i16) -> JoinGroupResponse {
    let name = response.protocol_name.take().unwrap_or_default();
    response.protocol_name = (version < NO_PROTOCOL_NAME_FROM || !name.is_empty()).then_some(name);
    response
}
