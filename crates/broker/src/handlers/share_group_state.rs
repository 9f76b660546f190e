//! What brokers ask the share coordinator (KIP-932): InitializeShareGroupState (key 83, version 0), ReadShareGroupState (84, 0),
//! WriteShareGroupState (85, 0 and 1), DeleteShareGroupState (86, 0), ReadShareGroupStateSummary (87, 0 and 1).
//!
//! v1 of the last two: how many records are done with. Each partition is asked about by itself. By partition: INVALID_REQUEST,
//! UNKNOWN_TOPIC_OR_PARTITION, FENCED_STATE_EPOCH, FENCED_LEADER_EPOCH, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS.

use super::answer::Answer;
use super::codec::{Handled, decode, respond};
use super::groups::ask_each;
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::{
    DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, InitializeShareGroupStateRequest,
    InitializeShareGroupStateResponse, ReadShareGroupStateRequest, ReadShareGroupStateResponse,
    ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse, RequestHeader, WriteShareGroupStateRequest,
    WriteShareGroupStateResponse, delete_share_group_state_response as deleted,
    initialize_share_group_state_response as initialized, read_share_group_state_response as read,
    read_share_group_state_summary_response as summary, write_share_group_state_request,
    write_share_group_state_response as written,
};
use ottla_share::state::{StateKey, StateReply, StateRequest};
use ottla_share::{DeliveryState, StateBatch};
use ottla_types::Uuid;
use std::sync::Arc;

/// Partitions of a request, by topic, with what is asked about each.
type Asked = Vec<(Uuid, Vec<(i32, StateRequest)>)>;
/// The same with the answers.
type Answered = Vec<(Uuid, Vec<(i32, StateReply)>)>;

fn ask<A: Answer + Send + Sync + 'static>(
    broker: &Arc<Broker>,
    header: RequestHeader,
    group_id: String,
    asked: Asked,
    answer: impl FnOnce(Answered) -> A + Send + 'static,
) -> Handled {
    let (broker, group_id) = (Arc::clone(broker), Arc::<str>::from(group_id));
    Ok(Outcome::Later(Box::pin(async move {
        let mut answered = Vec::with_capacity(asked.len());
        for (topic_id, partitions) in asked {
            let replies = ask_each(partitions, |(partition, request)| {
                let key = StateKey { group_id: Arc::clone(&group_id), topic_id, partition };
                let asked = broker.share_coordinator().serve(key, request);
                async move { (partition, asked.await) }
            });
            answered.push((topic_id, replies.await));
        }
        respond(&broker, &header, &answer(answered))
    })))
}

/// Code and message of a refusal.
fn error(reply: &StateReply) -> (i16, Option<String>) {
    match reply {
        Ok(_) => (0, None),
        Err(error) => (error.code.code(), Some(error.message.clone())),
    }
}

pub(super) fn initialize(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: InitializeShareGroupStateRequest = decode(&request)?;
    let of = |p: ottla_protocol::initialize_share_group_state_request::PartitionData| {
        (p.partition, StateRequest::Initialize { state_epoch: p.state_epoch, start_offset: p.start_offset })
    };
    let topics = body.topics.into_iter().map(|topic| (topic.topic_id, topic.partitions.into_iter().map(of).collect()));
    ask(broker, request.header, body.group_id, topics.collect(), |answered| {
        let results = answered.into_iter().map(|(topic_id, replies)| initialized::InitializeStateResult {
            topic_id,
            partitions: replies
                .iter()
                .map(|(partition, reply)| {
                    let (error_code, error_message) = error(reply);
                    initialized::PartitionResult { partition: *partition, error_code, error_message }
                })
                .collect(),
        });
        InitializeShareGroupStateResponse { results: results.collect() }
    })
}

pub(super) fn read(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ReadShareGroupStateRequest = decode(&request)?;
    let of = |p: ottla_protocol::read_share_group_state_request::PartitionData| {
        (p.partition, StateRequest::Read { leader_epoch: p.leader_epoch })
    };
    let topics = body.topics.into_iter().map(|topic| (topic.topic_id, topic.partitions.into_iter().map(of).collect()));
    ask(broker, request.header, body.group_id, topics.collect(), |answered| {
        let results = answered.into_iter().map(|(topic_id, replies)| read::ReadStateResult {
            topic_id,
            partitions: replies.into_iter().map(|(partition, reply)| read_partition(partition, reply)).collect(),
        });
        ReadShareGroupStateResponse { results: results.collect() }
    })
}

fn read_partition(partition: i32, reply: StateReply) -> read::PartitionResult {
    let (error_code, error_message) = error(&reply);
    let state = reply.unwrap_or_default();
    let batches = state.batches.iter().map(|batch| read::StateBatch {
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
        delivery_state: batch.delivery_state.code(),
        delivery_count: batch.delivery_count,
    });
    read::PartitionResult {
        partition,
        error_code,
        error_message,
        state_epoch: state.state_epoch,
        start_offset: state.start_offset,
        state_batches: batches.collect(),
    }
}

pub(super) fn write(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: WriteShareGroupStateRequest = decode(&request)?;
    let topics = body.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(write_partition).collect();
        (topic.topic_id, partitions)
    });
    ask(broker, request.header, body.group_id, topics.collect(), |answered| {
        let results = answered.into_iter().map(|(topic_id, replies)| written::WriteStateResult {
            topic_id,
            partitions: replies
                .iter()
                .map(|(partition, reply)| {
                    let (error_code, error_message) = error(reply);
                    written::PartitionResult { partition: *partition, error_code, error_message }
                })
                .collect(),
        });
        WriteShareGroupStateResponse { results: results.collect() }
    })
}

/// A batch in a state that there is none of is left out: its records are delivered again.
fn write_partition(asked: write_share_group_state_request::PartitionData) -> (i32, StateRequest) {
    let batch = |batch: &write_share_group_state_request::StateBatch| {
        let state = DeliveryState::from_code(batch.delivery_state)?;
        Some(StateBatch::new(batch.first_offset, batch.last_offset, state, batch.delivery_count))
    };
    let request = StateRequest::Write {
        state_epoch: asked.state_epoch,
        leader_epoch: asked.leader_epoch,
        start_offset: asked.start_offset,
        delivery_complete_count: asked.delivery_complete_count,
        batches: asked.state_batches.iter().filter_map(batch).collect(),
    };
    (asked.partition, request)
}

pub(super) fn delete(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DeleteShareGroupStateRequest = decode(&request)?;
    let of = |p: ottla_protocol::delete_share_group_state_request::PartitionData| (p.partition, StateRequest::Delete);
    let topics = body.topics.into_iter().map(|topic| (topic.topic_id, topic.partitions.into_iter().map(of).collect()));
    ask(broker, request.header, body.group_id, topics.collect(), |answered| {
        let results = answered.into_iter().map(|(topic_id, replies)| deleted::DeleteStateResult {
            topic_id,
            partitions: replies
                .iter()
                .map(|(partition, reply)| {
                    let (error_code, error_message) = error(reply);
                    deleted::PartitionResult { partition: *partition, error_code, error_message }
                })
                .collect(),
        });
        DeleteShareGroupStateResponse { results: results.collect() }
    })
}

pub(super) fn read_summary(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ReadShareGroupStateSummaryRequest = decode(&request)?;
    let of =
        |p: ottla_protocol::read_share_group_state_summary_request::PartitionData| (p.partition, StateRequest::Summary);
    let topics = body.topics.into_iter().map(|topic| (topic.topic_id, topic.partitions.into_iter().map(of).collect()));
    ask(broker, request.header, body.group_id, topics.collect(), |answered| {
        let results = answered.into_iter().map(|(topic_id, replies)| summary::ReadStateSummaryResult {
            topic_id,
            partitions: replies.into_iter().map(|(partition, reply)| summary_partition(partition, reply)).collect(),
        });
        ReadShareGroupStateSummaryResponse { results: results.collect() }
    })
}

fn summary_partition(partition: i32, reply: StateReply) -> summary::PartitionResult {
    let (error_code, error_message) = error(&reply);
    let state = reply.unwrap_or_default();
    summary::PartitionResult {
        partition,
        error_code,
        error_message,
        state_epoch: state.state_epoch,
        leader_epoch: state.leader_epoch,
        start_offset: state.start_offset,
        delivery_complete_count: state.delivery_complete_count,
    }
}
