//! DescribeProducers (key 61), version 0 (KIP-664).
//!
//! The active producers of each partition, as its log knows them. Errors: INVALID_TOPIC_EXCEPTION,
//! UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::partition::PartitionError;
use ottla_metadata::topic_name;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_producers_request::DescribeProducersRequest;
use ottla_protocol::generated::describe_producers_response::{
    DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};
use ottla_storage::producer_state::ProducerEntry;
use ottla_types::ErrorCode;

pub(super) fn handle(broker: &Broker, request: &Request) -> Handled {
    let body: DescribeProducersRequest = decode(request)?;
    let topics = body.topics.into_iter().map(|topic| TopicResponse {
        partitions: topic.partition_indexes.iter().map(|&index| describe(broker, &topic.name, index)).collect(),
        name: topic.name,
    });
    let response = DescribeProducersResponse { topics: topics.collect(), ..Default::default() };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn describe(broker: &Broker, topic: &str, partition_index: i32) -> PartitionResponse {
    match producers(broker, topic, partition_index) {
        Ok(producers) => PartitionResponse {
            partition_index,
            active_producers: producers.iter().map(producer_state).collect(),
            ..PartitionResponse::default()
        },
        Err(error) => PartitionResponse {
            partition_index,
            error_code: error.code.code(),
            error_message: Some(error.message.into_owned()),
            ..PartitionResponse::default()
        },
    }
}

fn producers(broker: &Broker, topic: &str, partition_index: i32) -> Result<Vec<ProducerEntry>, PartitionError> {
    topic_name::validate(topic).map_err(|message| PartitionError::of(ErrorCode::InvalidTopicException, message))?;
    broker.partitions.by_name(topic, partition_index)?.producers()
}

fn producer_state(producer: &ProducerEntry) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id().0,
        producer_epoch: i32::from(producer.epoch().0),
        last_sequence: producer.last_sequence(),
        last_timestamp: producer.last_timestamp(),
        coordinator_epoch: producer.coordinator_epoch(),
        current_txn_start_offset: producer.current_txn_first_offset().unwrap_or(-1),
    }
}
