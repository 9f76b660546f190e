//! ConsumerGroupHeartbeat (key 68), versions 0 and 1 (KIP-848).
//!
//! v1 member ids made by clients (KIP-1082), regular expressions. What a heartbeat does is in `ottla_group::consumer`.
//! UNSUPPORTED_VERSION where the protocol is switched off.

use super::codec::{Handled, decode, respond};
use super::groups::{ask, context, has_consumer_protocol, reply_of};
use crate::Broker;
use ottla_group::GroupRequest;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use ottla_types::ErrorCode;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ConsumerGroupHeartbeatRequest = decode(&request)?;
    let mut context = context(&request);
    // Before the shard has it: an expression may be expensive, and one group must not delay the others.
    context.regex_error = body.subscribed_topic_regex.as_deref().and_then(|regex| broker.groups().regex_error(regex));
    let header = request.header;
    let request = GroupRequest::ConsumerGroupHeartbeat(body);
    if !has_consumer_protocol(broker) {
        let refused = request.failed(ErrorCode::UnsupportedVersion);
        let response = reply_of!(ConsumerGroupHeartbeat, refused);
        return Ok(Outcome::Reply(respond(broker, &header, &response)));
    }
    ask(broker, header, context, request, |reply| reply_of!(ConsumerGroupHeartbeat, reply))
}
