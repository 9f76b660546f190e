//! CreatePartitions (key 37), versions 0 to 3 (KIP-195).
//!
//! Partitions can only be added. Errors: INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, UNKNOWN_TOPIC_OR_PARTITION,
//! INVALID_TOPIC_EXCEPTION, INVALID_REQUEST (a topic twice), THROTTLING_QUOTA_EXCEEDED (from v3 on), NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{quota_exceeded, submit_throttled, timeout_ms};
use crate::Broker;
use ottla_metadata::ApiError;
use ottla_net::Request;
use ottla_protocol::generated::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use ottla_protocol::generated::create_partitions_response::{CreatePartitionsResponse, CreatePartitionsTopicResult};
use std::collections::BTreeMap;
use std::sync::Arc;

/// First version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_QUOTA_FROM: i16 = 3;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: CreatePartitionsRequest = decode(&request)?;
    let mut mutations = broker.quotas.mutations(&request.header, request.header.api_version >= STRICT_QUOTA_FROM);
    let mut over = Vec::new();
    if !body.validate_only {
        body.topics.retain(|topic| {
            let fits = mutations.take(added(broker, topic));
            if !fits {
                over.push(topic.name.clone());
            }
            fits
        });
    }
    let is_validated_only = body.validate_only;
    let counts: BTreeMap<String, usize> =
        body.topics.iter().map(|topic| (topic.name.clone(), added(broker, topic))).collect();
    let names: Vec<String> = body.topics.iter().map(|topic| topic.name.clone()).collect();
    let timeout = timeout_ms(body.timeout_ms);
    Ok(submit_throttled(broker, request.header, timeout, body, move |outcome| {
        let mut response = match outcome {
            Ok(response) => response.into_create_partitions(),
            Err(error) => refused(&names, &error),
        };
        let failed = response.results.iter().filter(|result| result.error_code != 0 && !is_validated_only);
        mutations.give_back(failed.filter_map(|result| counts.get(&result.name)).sum());
        response.results.extend(refused(&over, &quota_exceeded()).results);
        (response, mutations.wait_ms())
    }))
}

/// Partitions that the topic would get.
fn added(broker: &Broker, topic: &CreatePartitionsTopic) -> usize {
    let wanted = usize::try_from(topic.count).unwrap_or(0);
    broker.image().topic(&topic.name).map_or(0, |found| wanted.saturating_sub(found.partitions.len()))
}

fn refused(names: &[String], error: &ApiError) -> CreatePartitionsResponse {
    let result = |name: &String| CreatePartitionsTopicResult {
        name: name.clone(),
        error_code: error.code.code(),
        error_message: error.message.clone(),
    };
    CreatePartitionsResponse { results: names.iter().map(result).collect(), ..CreatePartitionsResponse::default() }
}
