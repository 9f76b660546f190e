//! One partition of `__share_group_state`.

use super::entry::Entry;
use super::{StateEvent, StateKey, StateReply, handle, prune, replay};
use ottla_coordinator::{Context, Decision, Position, Record, ReplayError, ReplySlot, Shard, TimerChange};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// What a state shard decides.
pub type StateDecision = Decision<StateShard>;

/// Configs of the share coordinator. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateConfig {
    /// `share.coordinator.snapshot.update.records.per.snapshot`.
    pub updates_per_snapshot: u32,
    /// `share.coordinator.state.topic.prune.interval.ms`.
    pub prune_interval_ms: u64,
    /// `share.coordinator.cold.partition.snapshot.interval.ms`.
    pub cold_snapshot_interval_ms: u64,
}

/// A timer of a state shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateTimer {
    /// Time to delete what the log no longer needs.
    Prune,
    /// Time to write share partitions down anew that nobody uses, so that they do not hold the log back.
    SnapshotCold,
}

/// What others are asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateEffect {
    /// Nobody needs the records of the shard's log below this offset any more.
    DeleteRecordsBelow(i64),
}

/// The states of the share partitions of one partition of `__share_group_state`.
#[derive(Debug, Clone)]
pub struct StateShard {
    pub(super) config: StateConfig,
    pub(super) entries: BTreeMap<StateKey, Entry>,
    /// The offset after the last record that was replayed.
    pub(super) next_offset: i64,
}

impl StateShard {
    /// A shard before its log is replayed.
    pub fn new(config: StateConfig) -> StateShard {
        StateShard { config, entries: BTreeMap::new(), next_offset: 0 }
    }
}

impl Shard for StateShard {
    type Event = StateEvent;
    type Reply = StateReply;
    type Volatile = Infallible;
    type Timer = StateTimer;
    type Subject = StateKey;
    type Effect = StateEffect;

    fn handle(&self, event: StateEvent, slot: Option<ReplySlot>, context: &Context) -> StateDecision {
        match (event, slot) {
            (StateEvent::Request(key, request), Some(slot)) => handle::request(self, key, request, slot, context),
            (StateEvent::Request(..), None) => Decision::none(),
            (StateEvent::TopicsDeleted(topics), _) => handle::topics_deleted(self, &topics),
        }
    }

    fn expired(&self, timer: StateTimer, context: &Context) -> StateDecision {
        match timer {
            StateTimer::Prune => prune::prune(self),
            StateTimer::SnapshotCold => prune::snapshot_cold(self, context),
        }
    }

    fn loaded(&self, _context: &Context) -> StateDecision {
        let mut decision = Decision::none();
        let timers = [
            (StateTimer::Prune, self.config.prune_interval_ms),
            (StateTimer::SnapshotCold, self.config.cold_snapshot_interval_ms),
        ];
        decision.timers.extend(timers.map(|(key, after_ms)| TimerChange::Schedule { key, after_ms }));
        decision
    }

    fn replay(&mut self, record: &Record, position: Position) -> Result<(), ReplayError> {
        replay::replay(self, record, position)
    }

    fn replay_end_of_transaction(&mut self, _producer_id: i64, _is_commit: bool) -> Vec<StateKey> {
        Vec::new()
    }

    fn apply(&mut self, change: Infallible) {
        match change {}
    }
}
