//! ElectLeaders (key 43), versions 0 to 2 (KIP-183).
//!
//! v1 kind of the election and an error of the whole (KIP-460). Errors of partitions: ELECTION_NOT_NEEDED,
//! PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE, UNKNOWN_TOPIC_OR_PARTITION; of the whole: INVALID_REQUEST,
//! NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{submit, timeout_ms};
use crate::Broker;
use ottla_metadata::ApiError;
use ottla_net::Request;
use ottla_protocol::generated::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use ottla_protocol::generated::elect_leaders_response::{ElectLeadersResponse, PartitionResult, ReplicaElectionResult};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ElectLeadersRequest = decode(&request)?;
    let asked = body.topic_partitions.clone().unwrap_or_default();
    let timeout = timeout_ms(body.timeout_ms);
    Ok(submit(broker, request.header, timeout, body, move |outcome| match outcome {
        Ok(response) => response.into_elect_leaders(),
        Err(error) => refused(asked, &error),
    }))
}

fn refused(asked: Vec<TopicPartitions>, error: &ApiError) -> ElectLeadersResponse {
    let partition = |partition_id: i32| PartitionResult {
        partition_id,
        error_code: error.code.code(),
        error_message: error.message.clone(),
    };
    let topic = |topic: TopicPartitions| ReplicaElectionResult {
        topic: topic.topic,
        partition_result: topic.partitions.into_iter().map(partition).collect(),
    };
    ElectLeadersResponse {
        error_code: error.code.code(),
        replica_election_results: asked.into_iter().map(topic).collect(),
        ..ElectLeadersResponse::default()
    }
}
