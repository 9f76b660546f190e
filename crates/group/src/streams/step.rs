//! What handlers of streams groups add to a [`Step`].

use super::StreamsChange;
use super::group::{AssignmentConfigs, StreamsGroup};
use super::records;
use crate::consumer::step::Step;
use crate::effect::GroupCount;
use crate::shard::GroupVolatile;
use crate::timer::{GroupTimer, TimerKind};
use ottla_coordinator::{Change, TimerChange};
use std::sync::Arc;

impl Step<'_> {
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
        self.count(GroupCount::StreamsRebalances, 1);
        epoch
    }
}
