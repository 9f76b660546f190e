//! What handlers of streams groups add to a [`Step`].

use super::StreamsChange;
use super::group::{AssignmentConfigs, StreamsGroup};
use super::records;
use super::topology::invalid;
use crate::consumer::error::GroupError;
use crate::consumer::step::Step;
use crate::shard::GroupVolatile;
use crate::timer::{GroupTimer, TimerKind};
use ottla_coordinator::{Change, Record, TimerChange};
use ottla_protocol::EncodeError;
use std::sync::Arc;

/// What a batch has beside its records: the header, 61 bytes.
const BATCH_OVERHEAD_BYTES: usize = 64;
/// What a record has beside key and value, at most.
const RECORD_OVERHEAD_BYTES: usize = 32;

impl Step<'_> {
    /// Refuses tasks whose records would not fit into one batch of `__consumer_offsets`, as all records of a decision must. Most
    /// bytes are tasks: 4 each in the target of a member, 8 in what it has. The error is the member's end, so its session is not
    /// prolonged.
    ///
    /// # Errors
    /// STREAMS_INVALID_TOPOLOGY.
    pub(super) fn check_fits(&mut self) -> Result<(), GroupError> {
        let max = self.bytes_max();
        if self.bytes() <= max {
            return Ok(());
        }
        Err(invalid(format!(
            "The tasks of the group do not fit into one batch of {max} bytes. Split the application, use topics with fewer \
             partitions, or raise max.message.bytes of __consumer_offsets."
        )))
    }

    /// Whether the record would fit by itself, but not together with what is decided already.
    pub(super) fn must_wait(&mut self, record: &Result<Record, EncodeError>) -> bool {
        let (max, bytes) = (self.bytes_max(), record.as_ref().map_or(0, bytes_of));
        bytes <= max && self.bytes() + bytes > max
    }

    fn bytes(&mut self) -> usize {
        let records = self.decision_mut().changes.iter().filter_map(|change| match change {
            Change::Record(record) => Some(record),
            Change::Volatile(_) => None,
        });
        records.map(bytes_of).sum()
    }

    fn bytes_max(&self) -> usize {
        self.shard.config.max_record_bytes.saturating_sub(BATCH_OVERHEAD_BYTES)
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

fn bytes_of(record: &Record) -> usize {
    record.key.len() + record.value.as_ref().map_or(0, |value| value.len()) + RECORD_OVERHEAD_BYTES
}
