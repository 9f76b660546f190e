//! StreamsGroupHeartbeat (key 88), version 0 (KIP-1071).
//!
//! What a heartbeat does is in `ottla_group::streams`. STREAMS_INVALID_TOPOLOGY also for topics whose names are not valid or the
//! platform's own; UNSUPPORTED_VERSION where the protocol is switched off. Internal topics that the application misses are created
//! before the answer leaves, if that takes no longer than a moment, and the answer says why one could not be; Kafka tells that at
//! the next heartbeat.

use super::codec::{Handled, decode, respond};
use super::groups::{context, has_streams_protocol, reply_of};
use super::metadata::auto_create::Failed;
use crate::Broker;
use crate::streams_topics;
use ottla_group::{GroupRequest, StreamsHeartbeat};
use ottla_metadata::topic_name;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::streams_group_heartbeat_request::{StreamsGroupHeartbeatRequest, Topology};
use ottla_protocol::generated::streams_group_heartbeat_response::StreamsGroupHeartbeatResponse;
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;

/// `status_code` of an answer that tells of internal topics.
const MISSING_INTERNAL_TOPICS: i8 = 3;

/// Topics that one text names, at most.
const TOPICS_TOLD_MAX: usize = 3;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: StreamsGroupHeartbeatRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let wrong = body.topology.as_ref().and_then(wrong_names);
    let request = GroupRequest::StreamsGroupHeartbeat(body);
    if !has_streams_protocol(broker) {
        let refused = reply_of!(StreamsGroupHeartbeat, request.failed(ErrorCode::UnsupportedVersion));
        return Ok(Outcome::Reply(respond(broker, &header, &refused.response)));
    }
    if let Some(error_message) = wrong {
        let response = StreamsGroupHeartbeatResponse {
            error_code: ErrorCode::StreamsInvalidTopology.code(),
            error_message: Some(error_message),
            ..StreamsGroupHeartbeatResponse::default()
        };
        return Ok(Outcome::Reply(respond(broker, &header, &response)));
    }
    let under_way = broker.groups().answer(context, request);
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let reply = reply_of!(StreamsGroupHeartbeat, under_way.await);
        let StreamsHeartbeat { mut response, internal_topics } = reply;
        if !internal_topics.is_empty() {
            let failed = streams_topics::create(&broker, &header, internal_topics).await;
            tell(&mut response, &failed);
        }
        respond(&broker, &header, &response)
    })))
}

/// Names that no topology may have, as Kafka refuses them.
fn wrong_names(topology: &Topology) -> Option<String> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for subtopology in &topology.subtopologies {
        names.extend(subtopology.source_topics.iter().chain(&subtopology.repartition_sink_topics).map(String::as_str));
        let internal = subtopology.repartition_source_topics.iter().chain(&subtopology.state_changelog_topics);
        names.extend(internal.map(|topic| topic.name.as_str()));
    }
    let some = |is_wrong: &dyn Fn(&str) -> bool| {
        let wrong: Vec<&str> = names.iter().copied().filter(|name| is_wrong(name)).take(TOPICS_TOLD_MAX).collect();
        (!wrong.is_empty()).then(|| wrong.join(","))
    };
    if let Some(names) = some(&topic_name::is_internal) {
        return Some(format!("Use of Kafka internal topics {names} in a Kafka Streams topology is prohibited."));
    }
    // The names may be as long as a request.
    some(&|name| topic_name::validate(name).is_err()).map(|mut names| {
        names.truncate(names.floor_char_boundary(3 * topic_name::LENGTH_MAX));
        format!("Topic names {names} are not valid topic names.")
    })
}

/// Writes the errors of failed creations into the status that tells of the missing topics.
fn tell(response: &mut StreamsGroupHeartbeatResponse, failed: &[Failed]) {
    if failed.is_empty() {
        return;
    }
    let told = failed.iter().take(TOPICS_TOLD_MAX).map(|failed| {
        let reason = failed.message.as_deref().unwrap_or(failed.error.name());
        format!("{} ({reason})", failed.name)
    });
    let mut detail = told.collect::<Vec<_>>().join(", ");
    if failed.len() > TOPICS_TOLD_MAX {
        detail = format!("{detail} and {} more", failed.len() - TOPICS_TOLD_MAX);
    }
    let mut statuses = response.status.iter_mut().flatten();
    if let Some(status) = statuses.find(|status| status.status_code == MISSING_INTERNAL_TOPICS) {
        status.status_detail.push_str(&format!("; Creation failed: {detail}."));
    }
}
