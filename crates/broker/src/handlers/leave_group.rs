//! LeaveGroup (key 13), versions 0 to 5, of members of classic groups.
//!
//! v3 many members, also static ones (KIP-345), v5 reason (KIP-800). Up to version 2 the error of the one member is the
//! response's own. INVALID_GROUP_ID for an empty group id, and what a coordinator answers that is not here.

use super::codec::{Handled, decode};
use super::groups::{ask_named, context, reply_of};
use crate::Broker;
use ottla_group::{GroupReply, GroupRequest};
use ottla_net::Request;
use ottla_protocol::generated::leave_group_request::LeaveGroupRequest;
use ottla_protocol::generated::leave_group_response::LeaveGroupResponse;
use std::sync::Arc;

/// First version with many members.
const MEMBERS_FROM: i16 = 3;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: LeaveGroupRequest = decode(&request)?;
    let context = context(&request);
    let version = request.header.api_version;
    let answer = move |reply: GroupReply| as_of_version(reply_of!(LeaveGroup, reply), version);
    ask_named(broker, request.header, context, GroupRequest::LeaveGroup(body), answer)
}

fn as_of_version(mut response: LeaveGroupResponse, version: i16) -> LeaveGroupResponse {
    if version < MEMBERS_FROM {
        let members = std::mem::take(&mut response.members);
        if let (0, Some(member)) = (response.error_code, members.first()) {
            response.error_code = member.error_code;
        }
    }
    response
}
