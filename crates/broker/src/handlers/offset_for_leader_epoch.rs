//! OffsetForLeaderEpoch (key 23), versions 2 to 4 (KIP-101, KIP-279, KIP-320).
//!
//! The end offset of a leader epoch, by which consumers find out that a log was truncated. Unknown epochs answer
//! (-1, -1) without an error. Errors: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER,
//! UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition,
};
use ottla_protocol::generated::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

pub(super) fn handle(broker: &Broker, request: &Request) -> Handled {
    let body: OffsetForLeaderEpochRequest = decode(request)?;
    let topics = body.topics.into_iter().map(|topic| OffsetForLeaderTopicResult {
        partitions: topic.partitions.iter().map(|asked| answer(broker, &topic.topic, asked)).collect(),
        topic: topic.topic,
    });
    let response = OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn answer(broker: &Broker, topic: &str, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let found = broker
        .partitions
        .by_name(topic, asked.partition)
        .and_then(|partition| partition.end_of_epoch(asked.current_leader_epoch, asked.leader_epoch));
    match found {
        Ok((leader_epoch, end_offset)) => {
            EpochEndOffset { error_code: 0, partition: asked.partition, leader_epoch: leader_epoch.0, end_offset }
        }
        Err(error) => EpochEndOffset {
            error_code: error.code.code(),
            partition: asked.partition,
            leader_epoch: -1,
            end_offset: -1,
        },
    }
}
