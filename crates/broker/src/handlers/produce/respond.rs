//! Encoding a Produce response.

use super::append::{PartitionResult, TopicResult};
use crate::Broker;
use crate::handlers::codec::{respond as reply, respond_throttled};
use ottla_net::Reply;
use ottla_protocol::RequestHeader;
use ottla_protocol::generated::produce_request::ProduceRequestRef;
use ottla_protocol::generated::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceResponse,
    TopicProduceResponse,
};
use ottla_types::ErrorCode;

/// First version whose errors name the current leader and its endpoint (KIP-951).
const LEADERS_FROM: i16 = 10;

/// `wait_ms`: how long the client was told to wait when its records were appended.
pub(super) fn respond(
    broker: &Broker,
    header: &RequestHeader,
    listener: &str,
    results: Vec<TopicResult>,
    wait_ms: i64,
) -> Reply {
    let version = header.api_version;
    let topic = |topic: TopicResult| TopicProduceResponse {
        name: topic.name,
        topic_id: topic.topic_id,
        partition_responses: topic.partitions.into_iter().map(|result| partition_response(version, result)).collect(),
    };
    let responses = results.into_iter().map(topic).collect();
    let mut response = ProduceResponse { responses, ..ProduceResponse::default() };
    if version >= LEADERS_FROM {
        response.node_endpoints = node_endpoints(broker, listener, &response);
    }
    respond_throttled(broker, header, &response, wait_ms)
}

/// acks other than 0, 1 and -1: nothing is appended.
pub(super) fn invalid_acks(broker: &Broker, header: &RequestHeader, body: &ProduceRequestRef<'_>) -> Reply {
    let refused = |index: i32| PartitionProduceResponse {
        index,
        error_code: ErrorCode::InvalidRequiredAcks.code(),
        base_offset: -1,
        ..PartitionProduceResponse::default()
    };
    let topics = body.topic_data.iter().map(|topic| TopicProduceResponse {
        name: topic.name.to_string(),
        topic_id: topic.topic_id,
        partition_responses: topic.partition_data.iter().map(|partition| refused(partition.index)).collect(),
    });
    reply(broker, header, &ProduceResponse { responses: topics.collect(), ..ProduceResponse::default() })
}

/// The code of the first failure; 0 if there is none.
pub(super) fn first_error(results: &[TopicResult]) -> i16 {
    let mut partitions = results.iter().flat_map(|topic| &topic.partitions);
    partitions.find_map(|result| result.outcome.as_ref().err()).map_or(0, |failure| failure.error.code.code())
}

fn partition_response(version: i16, result: PartitionResult) -> PartitionProduceResponse {
    let index = result.index;
    match result.outcome {
        Ok(accepted) => PartitionProduceResponse {
            index,
            base_offset: accepted.appended.first_offset,
            log_append_time_ms: accepted.appended.log_append_time_ms,
            log_start_offset: accepted.appended.log_start_offset,
            ..PartitionProduceResponse::default()
        },
        Err(failure) => {
            let is_misdirected = failure.error.code == ErrorCode::NotLeaderOrFollower && version >= LEADERS_FROM;
            let leader = failure.error.leader.filter(|_| is_misdirected);
            PartitionProduceResponse {
                index,
                error_code: failure.error.code.code(),
                base_offset: -1,
                log_start_offset: failure.log_start_offset,
                record_errors: record_errors(failure.record_errors),
                error_message: Some(failure.error.message.into_owned()),
                current_leader: leader
                    .map(|(id, epoch)| LeaderIdAndEpoch { leader_id: id.0, leader_epoch: epoch.0 })
                    .unwrap_or_default(),
                ..PartitionProduceResponse::default()
            }
        }
    }
}

fn record_errors(errors: Vec<(i32, String)>) -> Vec<BatchIndexAndErrorMessage> {
    let entry =
        |(batch_index, message)| BatchIndexAndErrorMessage { batch_index, batch_index_error_message: Some(message) };
    errors.into_iter().map(entry).collect()
}

fn node_endpoints(broker: &Broker, listener: &str, response: &ProduceResponse) -> Vec<NodeEndpoint> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    let leaders = partitions.map(|partition| partition.current_leader.leader_id);
    let endpoints = broker.endpoints_of(leaders, listener).into_iter();
    endpoints.map(|e| NodeEndpoint { node_id: e.node_id, host: e.host, port: e.port, rack: e.rack }).collect()
}
