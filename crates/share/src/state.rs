//! The share coordinator: states of share partitions, in `__share_group_state` (KIP-932).
//!
//! Each partition of the topic is one [`StateShard`], run by `ottla-coordinator`. A share partition belongs to the shard that
//! its key hashes to. Its log is a snapshot followed by updates; after
//! `share.coordinator.snapshot.update.records.per.snapshot` updates comes another snapshot, and what is older than the
//! last snapshot of every share partition is deleted from the log. Two epochs fence: the state epoch rises when the
//! group's state is initialised anew, the leader epoch when another broker leads the partition.
//!
//! `batches` puts states of offsets together, `entry` is what is known of one share partition, `handle` decides about
//! requests, `prune` about what the log no longer needs, `replay` is the only place that changes anything.

mod batches;
mod entry;
mod handle;
mod prune;
mod records;
mod replay;
mod shard;

#[cfg(test)]
mod tests;

pub use shard::{StateConfig, StateDecision, StateEffect, StateShard, StateTimer};

use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;

/// Names a share partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateKey {
    /// The share group.
    pub group_id: Arc<str>,
    /// The topic.
    pub topic_id: Uuid,
    /// The partition's index.
    pub partition: i32,
}

impl StateKey {
    /// As FindCoordinator carries it, and as it is hashed: `group:topicId:partition`.
    pub fn coordinator_key(&self) -> String {
        format!("{}:{}:{}", self.group_id, self.topic_id, self.partition)
    }

    /// Reads what FindCoordinator carries. The group id may hold colons.
    pub fn parse(key: &str) -> Option<StateKey> {
        let (rest, partition) = key.rsplit_once(':')?;
        let (group_id, topic_id) = rest.rsplit_once(':')?;
        let partition: i32 = partition.parse().ok().filter(|partition| *partition >= 0)?;
        let topic_id: Uuid = topic_id.parse().ok()?;
        (!group_id.trim().is_empty()).then(|| StateKey { group_id: Arc::from(group_id), topic_id, partition })
    }
}

/// States of records, as they stand in the log and in requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryState {
    /// To be delivered (again).
    Available = 0,
    /// A member has it; never written.
    Acquired = 1,
    /// Done with.
    Acknowledged = 2,
    /// On its way to a dead-letter topic (Kafka 4.4).
    Archiving = 3,
    /// Given up.
    Archived = 4,
}

impl DeliveryState {
    /// By its number.
    pub fn from_code(code: i8) -> Option<DeliveryState> {
        Some(match code {
            0 => DeliveryState::Available,
            1 => DeliveryState::Acquired,
            2 => DeliveryState::Acknowledged,
            3 => DeliveryState::Archiving,
            4 => DeliveryState::Archived,
            _ => return None,
        })
    }

    /// Its number.
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// The state of consecutive offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateBatch {
    /// First offset.
    pub first_offset: i64,
    /// Last offset.
    pub last_offset: i64,
    /// What became of them.
    pub delivery_state: DeliveryState,
    /// How often they were delivered.
    pub delivery_count: i16,
}

impl StateBatch {
    /// A batch.
    pub fn new(first_offset: i64, last_offset: i64, delivery_state: DeliveryState, delivery_count: i16) -> StateBatch {
        StateBatch { first_offset, last_offset, delivery_state, delivery_count }
    }
}

/// A request about one share partition. That the topic exists has been checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateRequest {
    /// InitializeShareGroupState.
    Initialize {
        /// Fences older states.
        state_epoch: i32,
        /// -1: decided by `share.auto.offset.reset` when the partition is first fetched.
        start_offset: i64,
    },
    /// ReadShareGroupState.
    Read {
        /// Of who asks; -1 when it is not a leader.
        leader_epoch: i32,
    },
    /// WriteShareGroupState.
    Write {
        /// As it was read.
        state_epoch: i32,
        /// Of who writes.
        leader_epoch: i32,
        /// -1: as before.
        start_offset: i64,
        /// Records from the start on that are done with; -1 when not known.
        delivery_complete_count: i32,
        /// States that have changed.
        batches: Vec<StateBatch>,
    },
    /// DeleteShareGroupState.
    Delete,
    /// ReadShareGroupStateSummary.
    Summary,
}

/// What is answered about one share partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateAnswer {
    /// Epoch of the state.
    pub state_epoch: i32,
    /// The last leader epoch that was seen.
    pub leader_epoch: i32,
    /// -1 when it is not decided yet.
    pub start_offset: i64,
    /// -1 when it is not known.
    pub delivery_complete_count: i32,
    /// States of offsets from the start on.
    pub batches: Vec<StateBatch>,
}

/// A refusal: Kafka's code and text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StateError {
    /// The code of the response.
    pub code: ErrorCode,
    /// What to do about it.
    pub message: String,
}

/// An event of a state shard.
#[derive(Debug, Clone)]
pub enum StateEvent {
    /// Somebody asks.
    Request(StateKey, StateRequest),
    /// Topics are gone, and the states of their partitions with them.
    TopicsDeleted(Vec<Uuid>),
}

/// The answer to a request.
pub type StateReply = Result<StateAnswer, StateError>;

/// What a coordinator would answer that was told of these states, in order.
#[cfg(test)]
pub(crate) fn combine_for_tests(batches: &[StateBatch], start_offset: i64) -> Vec<StateBatch> {
    batches::combine(&[], batches, start_offset)
}
