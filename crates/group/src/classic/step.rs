//! One decision about a classic group while it is being made: a copy of the group that changes, and what follows.

use super::group::ClassicGroup;
use super::member::ClassicMember;
use super::replay::group_metadata_record;
use super::state::ClassicState;
use crate::effect::{GroupCount, GroupEffect};
use crate::failed;
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard, GroupVolatile};
use crate::timer::{GroupTimer, TimerKind};
use crate::{GroupConfig, event::GroupReply};
use ottla_coordinator::{Change, Context, Decision, Record, ReplySlot};
use ottla_protocol::{JoinGroupResponse, SyncGroupResponse};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// A decision about one classic group in the making. Records come before the group in the decision, because replaying one
/// makes a group of the durable part alone.
pub struct ClassicStep<'a> {
    /// The shard's configs.
    pub config: &'a GroupConfig,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
    /// The group as it will be.
    pub group: ClassicGroup,
    /// What is decided so far.
    pub decision: GroupDecision,
    /// The group has changed although the request fails.
    pub group_changed_on_error: bool,
}

impl<'a> ClassicStep<'a> {
    /// Starts with the group as it is, or as it was just made.
    pub fn new(shard: &'a GroupShard, group: ClassicGroup, context: &Context) -> ClassicStep<'a> {
        let decision = Decision::about(group.group_id.clone());
        ClassicStep { config: &shard.config, now_ms: context.now_ms, group, decision, group_changed_on_error: false }
    }

    /// Ends the step: the group takes the place of the old one.
    pub fn finish(mut self) -> GroupDecision {
        let group_id = self.group.group_id.clone();
        let put = GroupVolatile::Put(group_id, Box::new(Group::Classic(self.group)));
        self.decision.changes.push(Change::Volatile(put));
        self.decision
    }

    /// Ends the step without changing the group.
    pub fn unchanged(self) -> GroupDecision {
        self.decision
    }

    /// The group's id.
    pub fn group_id(&self) -> GroupId {
        self.group.group_id.clone()
    }

    /// Appends a record.
    pub fn append(&mut self, record: Record) {
        self.decision.changes.push(Change::Record(record));
    }

    /// Appends the group as it is now.
    ///
    /// # Errors
    /// UNKNOWN_SERVER_ERROR when the record would be larger than the log accepts; nothing is appended then.
    pub fn append_group(&mut self) -> Result<(), ErrorCode> {
        let record = group_metadata_record(&self.group, self.config.max_record_bytes)?;
        self.append(record);
        Ok(())
    }

    /// Answers a JoinGroup.
    pub fn reply_join(&mut self, slot: ReplySlot, response: JoinGroupResponse) {
        self.decision.replies.push((slot, GroupReply::JoinGroup(response)));
    }

    /// Answers a SyncGroup.
    pub fn reply_sync(&mut self, slot: ReplySlot, response: SyncGroupResponse) {
        self.decision.replies.push((slot, GroupReply::SyncGroup(response)));
    }

    /// Answers the member's waiting JoinGroup, if there is one, with an error.
    pub fn fail_join(&mut self, member_id: &str, shown_id: &str, error: ErrorCode) {
        if let Some(slot) = self.group.set_awaiting_join(member_id, None) {
            self.reply_join(slot, failed::join(shown_id, error));
        }
    }

    /// Expects the member's next sign of life within its session timeout.
    pub fn schedule_heartbeat(&mut self, member_id: &Arc<str>) {
        let Some(member) = self.group.members.get(member_id) else { return };
        let (key, after_ms) = heartbeat_timer(&self.group.group_id, member_id, member);
        self.decision.timers.push(ottla_coordinator::TimerChange::Schedule { key, after_ms });
    }

    /// Expects the member's next sign of life within `after_ms`.
    pub fn schedule_heartbeat_after(&mut self, member_id: &Arc<str>, after_ms: u64) {
        let key = GroupTimer::of_member(TimerKind::ClassicHeartbeat, &self.group.group_id, member_id.clone());
        self.decision.timers.push(ottla_coordinator::TimerChange::Schedule { key, after_ms });
    }

    /// Expects nothing more from the member.
    pub fn cancel_heartbeat(&mut self, member_id: &Arc<str>) {
        let key = GroupTimer::of_member(TimerKind::ClassicHeartbeat, &self.group.group_id, member_id.clone());
        self.decision.timers.push(ottla_coordinator::TimerChange::Cancel(key));
    }

    /// Schedules one of the group's own timers.
    pub fn schedule(&mut self, kind: TimerKind, after_ms: u64) {
        let key = GroupTimer::of_group(kind, &self.group.group_id);
        self.decision.timers.push(ottla_coordinator::TimerChange::Schedule { key, after_ms });
    }

    /// Cancels one of the group's own timers.
    pub fn cancel(&mut self, kind: TimerKind) {
        let key = GroupTimer::of_group(kind, &self.group.group_id);
        self.decision.timers.push(ottla_coordinator::TimerChange::Cancel(key));
    }

    /// Counts what happened, once it is committed.
    pub fn count(&mut self, what: GroupCount, by: usize) {
        GroupEffect::count(&mut self.decision.effects, what, by as u64);
    }

    /// Goes to another state.
    pub fn transition_to(&mut self, state: ClassicState) {
        self.group.transition_to(state, self.now_ms);
    }
}

/// The timer that a member's sign of life sets anew, and after how many milliseconds it fires.
pub(super) fn heartbeat_timer(group_id: &GroupId, member_id: &Arc<str>, member: &ClassicMember) -> (GroupTimer, u64) {
    let key = GroupTimer::of_member(TimerKind::ClassicHeartbeat, group_id, Arc::clone(member_id));
    (key, u64::try_from(member.session_timeout_ms).unwrap_or(0))
}
