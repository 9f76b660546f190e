//! Encoding a Produce response.

use super::append::PartitionResult;
use crate::Broker;
use crate::handlers::codec::respond as reply;
use ottla_net::Reply;
use ottla_protocol::RequestHeader;
use ottla_protocol::generated::produce_request::ProduceRequest;
use ottla_protocol::generated::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceResponse,
    TopicProduceResponse,
};
use ottla_types::{ErrorCode, Uuid};

/// First version whose errors name the current leader and its endpoint (KIP-951).
const NODE_ENDPOINTS_FROM: i16 = 10;

pub(super) fn respond(broker: &Broker, header: &RequestHeader, listener: &str, results: Vec<PartitionResult>) -> Reply {
    let mut response = ProduceResponse::default();
    for result in results {
        let (topic, topic_id) = (result.topic.clone(), result.topic_id);
        let partition = partition_response(result);
        topic_entry(&mut response, topic, topic_id).partition_responses.push(partition);
    }
    if header.api_version >= NODE_ENDPOINTS_FROM {
        response.node_endpoints = node_endpoints(broker, listener, &response);
    }
    reply(header, &response)
}

/// acks other than 0, 1 and -1: nothing is appended.
pub(super) fn invalid_acks(header: &RequestHeader, body: &ProduceRequest) -> Reply {
    let mut response = ProduceResponse::default();
    for topic in &body.topic_data {
        let entry = topic_entry(&mut response, topic.name.clone(), topic.topic_id);
        entry.partition_responses.extend(topic.partition_data.iter().map(|partition| PartitionProduceResponse {
            index: partition.index,
            error_code: ErrorCode::InvalidRequiredAcks.code(),
            base_offset: -1,
            ..PartitionProduceResponse::default()
        }));
    }
    reply(header, &response)
}

fn topic_entry(response: &mut ProduceResponse, name: String, topic_id: Uuid) -> &mut TopicProduceResponse {
    let topics = &mut response.responses;
    let is_same = topics.last().is_some_and(|last| last.name == name && last.topic_id == topic_id);
    if !is_same {
        topics.push(TopicProduceResponse { name, topic_id, ..TopicProduceResponse::default() });
    }
    let last = topics.len() - 1;
    &mut topics[last]
}

fn partition_response(result: PartitionResult) -> PartitionProduceResponse {
    let index = result.index;
    match result.outcome {
        Ok(accepted) => PartitionProduceResponse {
            index,
            base_offset: accepted.appended.first_offset,
            log_append_time_ms: accepted.appended.log_append_time_ms,
            log_start_offset: accepted.appended.log_start_offset,
            ..PartitionProduceResponse::default()
        },
        Err(failure) => PartitionProduceResponse {
            index,
            error_code: failure.error.code.code(),
            base_offset: -1,
            log_append_time_ms: -1,
            record_errors: record_errors(failure.record_errors),
            error_message: Some(failure.error.message.clone()),
            current_leader: failure
                .error
                .leader
                .map(|(id, epoch)| LeaderIdAndEpoch { leader_id: id.0, leader_epoch: epoch.0 })
                .unwrap_or_default(),
            ..PartitionProduceResponse::default()
        },
    }
}

fn record_errors(errors: Vec<(i32, String)>) -> Vec<BatchIndexAndErrorMessage> {
    let entry = |(batch_index, message)| BatchIndexAndErrorMessage {
        batch_index,
        batch_index_error_message: Some(message),
    };
    errors.into_iter().map(entry).collect()
}

fn node_endpoints(broker: &Broker, listener: &str, response: &ProduceResponse) -> Vec<NodeEndpoint> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    let mut leaders: Vec<i32> = partitions.map(|partition| partition.current_leader.leader_id).collect();
    leaders.sort_unstable();
    leaders.dedup();
    let endpoints = broker.endpoints_of(&leaders, listener).into_iter();
    endpoints.map(|e| NodeEndpoint { node_id: e.node_id, host: e.host, port: e.port, rack: e.rack }).collect()
}
