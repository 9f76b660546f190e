//! CreateTopics (key 19), versions 2 to 7.
//!
//! v4 -1 for partitions and replication factor (KIP-464), v5 configs in the response (KIP-525), v7 topic id (KIP-516).
//! Decided by the controller: see `ottla_metadata::decide` for names, counts, assignments, configs and their errors.
//! THROTTLING_QUOTA_EXCEEDED for topics beyond the controller mutation quota (from v6 on; before, the client waits).
//! NOT_CONTROLLER and REQUEST_TIMED_OUT where it cannot be reached in time.

use super::codec::{Handled, decode};
use super::controlled::{quota_exceeded, submit_throttled, timeout_ms};
use crate::Broker;
use crate::quotas::Mutations;
use ottla_metadata::ApiError;
use ottla_net::Request;
use ottla_protocol::generated::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use ottla_protocol::generated::create_topics_response::{CreatableTopicResult, CreateTopicsResponse};
use std::collections::BTreeMap;
use std::sync::Arc;

/// First version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_QUOTA_FROM: i16 = 6;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: CreateTopicsRequest = decode(&request)?;
    let mut mutations = broker.quotas.mutations(&request.header, request.header.api_version >= STRICT_QUOTA_FROM);
    let refused_topics = match body.validate_only {
        true => Vec::new(),
        false => without_quota(broker, &mut body, &mut mutations),
    };
    let counts: BTreeMap<String, usize> =
        body.topics.iter().map(|topic| (topic.name.clone(), partitions_of(broker, topic))).collect();
    let is_validated_only = body.validate_only;
    let names: Vec<String> = body.topics.iter().map(|topic| topic.name.clone()).collect();
    let timeout = timeout_ms(body.timeout_ms);
    Ok(submit_throttled(broker, request.header, timeout, body, move |outcome| {
        let mut response = match outcome {
            Ok(response) => response.into_create_topics(),
            Err(error) => refused(&names, &error),
        };
        let failed = response.topics.iter().filter(|topic| topic.error_code != 0 && !is_validated_only);
        mutations.give_back(failed.filter_map(|topic| counts.get(&topic.name)).sum());
        response.topics.extend(refused_topics);
        (response, mutations.wait_ms())
    }))
}

/// Takes out the topics for which there is no quota; the answers to them.
fn without_quota(
    broker: &Broker,
    body: &mut CreateTopicsRequest,
    mutations: &mut Mutations,
) -> Vec<CreatableTopicResult> {
    let mut over = Vec::new();
    body.topics.retain(|topic| {
        let fits = mutations.take(partitions_of(broker, topic));
        if !fits {
            over.push(topic.name.clone());
        }
        fits
    });
    refused(&over, &quota_exceeded()).topics
}

/// Partitions that the topic would have.
fn partitions_of(broker: &Broker, topic: &CreatableTopic) -> usize {
    match (topic.assignments.len(), topic.num_partitions) {
        (0, -1) => usize::try_from(broker.config().topics.num_partitions).unwrap_or(1),
        (0, count) => usize::try_from(count).unwrap_or(0),
        (assigned, _) => assigned,
    }
}

fn refused(names: &[String], error: &ApiError) -> CreateTopicsResponse {
    let result = |name: &String| CreatableTopicResult {
        name: name.clone(),
        error_code: error.code.code(),
        error_message: error.message.clone(),
        ..CreatableTopicResult::default()
    };
    CreateTopicsResponse { topics: names.iter().map(result).collect(), ..CreateTopicsResponse::default() }
}
