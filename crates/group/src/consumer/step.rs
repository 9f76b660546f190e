//! What handlers of consumer groups put together: records, changes that are not in the log, timers.

use super::error::GroupError;
use super::group::ConsumerGroup;
use super::{ConsumerChange, ConsumerEvent, records};
use crate::effect::{GroupCount, GroupEffect};
use crate::event::{GroupEvent, GroupReply};
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard, GroupVolatile};
use crate::timer::{GroupTimer, TimerKind};
use ottla_coordinator::{Change, Context, Decision, Record, ReplySlot, TimerChange};
use ottla_protocol::EncodeError;
use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;

/// A decision about one group in the making. A record that cannot be encoded makes the whole step fail.
pub(crate) struct Step<'a> {
    pub(crate) shard: &'a GroupShard,
    pub(crate) context: &'a Context,
    pub(crate) group_id: GroupId,
    decision: GroupDecision,
    broken: Option<EncodeError>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(shard: &'a GroupShard, group_id: &str, context: &'a Context) -> Step<'a> {
        // The group's own id is shared; a new one is made only when it joins for the first time.
        let group_id = match shard.groups.get(group_id) {
            Some(Group::Consumer(group)) => group.group_id.clone(),
            Some(Group::Classic(group)) => group.group_id.clone(),
            Some(Group::Streams(group)) => group.group_id.clone(),
            Some(Group::Share(group)) => group.group_id.clone(),
            None => Arc::from(group_id),
        };
        Step { shard, context, decision: Decision::about(group_id.clone()), group_id, broken: None }
    }

    /// Appends a record.
    pub(crate) fn record(&mut self, record: Result<Record, EncodeError>) {
        match record {
            Ok(record) => self.decision.changes.push(Change::Record(record)),
            Err(error) => self.broken = self.broken.take().or(Some(error)),
        }
    }

    /// Changes what is not in the log.
    pub(crate) fn change(&mut self, change: ConsumerChange) {
        let change = GroupVolatile::Consumer(self.group_id.clone(), change);
        self.decision.changes.push(Change::Volatile(change));
    }

    pub(crate) fn schedule(&mut self, kind: TimerKind, member_id: &Arc<str>, after_ms: u64) {
        let key = GroupTimer::of_member(kind, &self.group_id, member_id.clone());
        self.decision.timers.push(TimerChange::Schedule { key, after_ms });
    }

    pub(crate) fn cancel(&mut self, kind: TimerKind, member_id: &Arc<str>) {
        let key = GroupTimer::of_member(kind, &self.group_id, member_id.clone());
        self.decision.timers.push(TimerChange::Cancel(key));
    }

    /// Cancels all timers of a member that is gone.
    pub(crate) fn cancel_all(&mut self, member_id: &Arc<str>) {
        use TimerKind::{ConsumerJoin, ConsumerRebalance, ConsumerSession, ConsumerSync};
        for kind in [ConsumerSession, ConsumerRebalance, ConsumerJoin, ConsumerSync] {
            self.cancel(kind, member_id);
        }
    }

    /// The member was heard of.
    pub(crate) fn heard_of(&mut self, member_id: &Arc<str>) {
        let timeout_ms = self.shard.config.session_timeout_ms(&self.group_id);
        self.schedule(TimerKind::ConsumerSession, member_id, timeout_ms);
    }

    /// A classic member was told to rejoin: it has its rebalance timeout for that, counted from the first time it was told.
    pub(crate) fn await_join(&mut self, group: &ConsumerGroup, member_id: &Arc<str>, rebalance_timeout_ms: i32) {
        if !group.volatile.awaited_joins.contains(member_id) {
            self.schedule(TimerKind::ConsumerJoin, member_id, timeout_ms(rebalance_timeout_ms));
            self.change(ConsumerChange::AwaitJoin(member_id.clone()));
        }
    }

    /// Raises the group's epoch.
    pub(crate) fn raise_epoch(&mut self, group: &ConsumerGroup, epoch: i32, metadata_hash: i64) {
        self.record(records::epoch(&group.group_id, epoch, metadata_hash));
        self.count(GroupCount::ConsumerRebalances, 1);
    }

    /// Counts what happened, once it is committed.
    pub(crate) fn count(&mut self, what: GroupCount, by: u64) {
        GroupEffect::count(&mut self.decision.effects, what, by);
    }

    /// Something to do when the changes are applied, before any other event.
    pub(crate) fn then(&mut self, event: ConsumerEvent) {
        self.decision.next.push(GroupEvent::Consumer(event));
    }

    /// Answers a request.
    pub(crate) fn reply(&mut self, slot: ReplySlot, reply: GroupReply) {
        self.decision.replies.push((slot, reply));
    }

    /// The decision under construction, for what another module adds.
    pub(crate) fn decision_mut(&mut self) -> &mut GroupDecision {
        &mut self.decision
    }

    /// A new member id.
    pub(crate) fn random_id(&self) -> Uuid {
        let high = (self.context.random >> 64) as u64;
        let low = self.context.random as u64;
        let mut ids = (0..).filter_map(|attempt: u64| Uuid::from_random_halves(high.wrapping_add(attempt << 56), low));
        ids.next().unwrap_or_default()
    }

    /// The decision.
    ///
    /// # Errors
    /// INVALID_REQUEST when a text is too long for a record.
    pub(crate) fn finish(self) -> Result<GroupDecision, GroupError> {
        match self.broken {
            None => Ok(self.decision),
            Some(error) => Err(GroupError::new(ErrorCode::InvalidRequest, error.to_string())),
        }
    }
}

/// A timeout of a request as a time span; negative ones are none.
pub(crate) fn timeout_ms(timeout_ms: i32) -> u64 {
    u64::try_from(timeout_ms).unwrap_or(0)
}
