//! Heartbeat (key 12), versions 0 to 4, of members of classic groups.
//!
//! v3 static members (KIP-345). INVALID_GROUP_ID for an empty group id. While the coordinator loads every heartbeat is
//! answered well, as in Kafka: nobody is to rejoin because of that.

use super::codec::{Handled, decode};
use super::groups::{ask_named, context, reply_of};
use crate::Broker;
use ottla_group::GroupRequest;
use ottla_net::Request;
use ottla_protocol::generated::heartbeat_request::HeartbeatRequest;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: HeartbeatRequest = decode(&request)?;
    let context = context(&request);
    ask_named(broker, request.header, context, GroupRequest::Heartbeat(body), |reply| reply_of!(Heartbeat, reply))
}
