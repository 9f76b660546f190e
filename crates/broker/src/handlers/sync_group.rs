//! SyncGroup (key 14), versions 0 to 5, of classic groups.
//!
//! v3 static members (KIP-345), v5 protocol type and name, which are then mandatory (KIP-559): INCONSISTENT_GROUP_PROTOCOL
//! without. The answer waits for the leader's assignment; see `ottla_group::classic`. INVALID_GROUP_ID for an empty group
//! id, and what a coordinator answers that is not here.

use super::codec::{Handled, decode, respond};
use super::groups::{ask_named, context, reply_of};
use crate::Broker;
use bytes::Bytes;
use ottla_group::GroupRequest;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::sync_group_request::SyncGroupRequest;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// First version in which protocol type and name are mandatory.
const PROTOCOL_FROM: i16 = 5;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: SyncGroupRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    // The group keeps it longer than the request lives.
    for member in &mut body.assignments {
        member.assignment = Bytes::copy_from_slice(&member.assignment);
    }
    let lacks_protocol = body.protocol_type.is_none() || body.protocol_name.is_none();
    let request = GroupRequest::SyncGroup(body);
    if header.api_version >= PROTOCOL_FROM && lacks_protocol {
        let refused = reply_of!(SyncGroup, request.failed(ErrorCode::InconsistentGroupProtocol));
        return Ok(Outcome::Reply(respond(broker, &header, &refused)));
    }
    ask_named(broker, header, context, request, |reply| reply_of!(SyncGroup, reply))
}
