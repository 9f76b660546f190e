//! What handlers of streams groups add to a [`Step`].

use super::StreamsChange;
use super::group::{AssignmentConfigs, StreamsGroup};
use super::records;
use super::topology::invalid;
use crate::consumer::error::GroupError;
use crate::consumer::step::Step;
use crate::shard::GroupVolatile;
use crate::timer::{GroupTimer, TimerKind};
use ottla_coordinator::{Change, TimerChange};
use std::sync::Arc;

/// Bytes of records that one decision may have: all go into one batch, and `__consumer_offsets` takes 1 MB unless it is configured
/// otherwise. Most are tasks: 4 bytes in the target of a member, 8 in what it has.
const DECISION_BYTES_MAX: usize = 1_000_000;
/// What a record has beside key and value, at most.
const RECORD_OVERHEAD_BYTES: usize = 32;

impl Step<'_> {
    /// Refuses tasks whose records would not fit into one batch.
    ///
    /// # Errors
    /// STREAMS_INVALID_TOPOLOGY.
    pub(super) fn check_fits(&mut self) -> Result<(), GroupError> {
        let bytes = |change: &Change<GroupVolatile>| match change {
            Change::Record(record) => {
                record.key.len() + record.value.as_ref().map_or(0, |value| value.len()) + RECORD_OVERHEAD_BYTES
            }
            Change::Volatile(_) => 0,
        };
        if self.decision_mut().changes.iter().map(bytes).sum::<usize>() <= DECISION_BYTES_MAX {
            return Ok(());
        }
        Err(invalid(format!(
            "The tasks of the group do not fit into one batch of {DECISION_BYTES_MAX} bytes. Split the application, or use topics with fewer partitions."
        )))
    }

    /// Changes what is not in the log.
    pub(super) fn change_streams(&mut self, change: StreamsChange) {
        let change = GroupVolatile::Streams(self.group_id.clone(), change);
        self.decision_mut().changes.push(Change::Volatile(change));
    }

    /// The member was heard of.
    pub(super) fn heard_of_streams(&mut self, member_id: &Arc<str>) {
        let timeout_ms = self.shard.config.streams.session_timeout_ms(&self.group_id);
        self.schedule(TimerKind::StreamsSession, member_id, timeout_ms);
    }

    /// The first assignment of the group waits so long for more members.
    pub(super) fn await_streams_members(&mut self, after_ms: u64) {
        let key = GroupTimer::of_group(TimerKind::StreamsInitialRebalance, &self.group_id);
        self.decision_mut().timers.push(TimerChange::Schedule { key, after_ms });
        self.change_streams(StreamsChange::AwaitsMembers(true));
    }

    /// Raises the group's epoch.
    pub(super) fn raise_streams_epoch(
        &mut self,
        group: &StreamsGroup,
        metadata_hash: i64,
        validated_topology_epoch: i32,
        configs: &AssignmentConfigs,
    ) -> i32 {
        let epoch = group.group_epoch.saturating_add(1);
        self.record(records::epoch(&group.group_id, epoch, metadata_hash, validated_topology_epoch, configs));
        epoch
    }
}
