//! What follows from a change of members: the steps that join, sync, heartbeat and leave share.
//!
//! `prepare_rebalance` makes everybody join again; `complete_join` begins the next generation with those that did.

use super::state::ClassicState;
use super::step::ClassicStep;
use crate::effect::GroupCount;
use crate::failed;
use crate::timer::TimerKind;
use bytes::Bytes;
use ottla_protocol::{JoinGroupResponse, SyncGroupResponse, join_group_response::JoinGroupResponseMember};
use ottla_types::ErrorCode;
use std::sync::Arc;

impl ClassicStep<'_> {
    /// Starts a rebalance where the state allows it; else looks whether the one under way is complete.
    pub fn rebalance_or_complete_join(&mut self, reason: &str) {
        if self.group.state.may_become(ClassicState::PreparingRebalance) {
            self.prepare_rebalance(reason);
        } else {
            self.maybe_complete_join();
        }
    }

    /// Makes every member join again.
    pub fn prepare_rebalance(&mut self, reason: &str) {
        if self.group.state == ClassicState::CompletingRebalance {
            self.clear_assignment();
            self.propagate_assignment(ErrorCode::RebalanceInProgress);
        }
        self.group.pending_sync = imbl::OrdSet::new();
        self.cancel(TimerKind::ClassicSync);
        let is_initial = self.group.is_empty();
        tracing::debug!(group = %self.group.group_id, generation = self.group.generation_id, reason, "preparing to rebalance");
        self.transition_to(ClassicState::PreparingRebalance);
        if is_initial {
            // A new group: more members may follow at once.
            let delay_ms = self.config.initial_rebalance_delay_ms;
            let left_ms = self.group.rebalance_timeout_ms().saturating_sub(delay_ms);
            self.group.initial_delay_left_ms = Some(left_ms);
            self.schedule(TimerKind::ClassicJoin, delay_ms);
        } else if self.group.has_all_members_joined() {
            self.complete_join();
        } else {
            self.schedule(TimerKind::ClassicJoin, self.group.rebalance_timeout_ms());
        }
    }

    /// Begins the next generation if everybody has joined. The initial delay is always waited for.
    pub fn maybe_complete_join(&mut self) {
        let is_rebalance =
            self.group.state == ClassicState::PreparingRebalance && self.group.initial_delay_left_ms.is_none();
        if is_rebalance && self.group.has_all_members_joined() {
            self.complete_join();
        }
    }

    /// Begins the next generation with the members that have joined, and static ones that may come back.
    pub fn complete_join(&mut self) {
        self.cancel(TimerKind::ClassicJoin);
        self.remove_members_that_did_not_join();
        if !self.elect_joined_leader() && !self.group.members.is_empty() {
            // Only static members are left and none of them has joined: wait until their sessions end.
            self.group.initial_delay_left_ms = self.group.initial_delay_left_ms.map(|_| 0);
            self.schedule(TimerKind::ClassicJoin, self.group.rebalance_timeout_ms());
            return;
        }
        self.group.initial_delay_left_ms = None;
        self.group.new_member_added = false;
        self.group.init_next_generation(self.now_ms);
        if self.group.is_empty() {
            if let Err(error) = self.append_group() {
                tracing::error!(group = %self.group.group_id, error = error.name(), "empty group cannot be written");
            }
            return;
        }
        let members: Vec<Arc<str>> = self.group.members.keys().cloned().collect();
        for member_id in &members {
            if let Some(slot) = self.group.set_awaiting_join(member_id, None) {
                let response = self.joined(member_id);
                self.reply_join(slot, response);
            }
            self.schedule_heartbeat(member_id);
            self.group.edit(member_id, |member| member.is_new = false);
            self.group.pending_sync.insert(member_id.clone());
        }
        self.schedule(TimerKind::ClassicSync, self.group.rebalance_timeout_ms());
    }

    fn remove_members_that_did_not_join(&mut self) {
        let missing = self.group.members.values().filter(|member| member.awaiting_join.is_none());
        let missing: Vec<Arc<str>> = missing
            .filter(|member| member.group_instance_id.is_none())
            .map(|member| member.member_id.clone())
            .collect();
        for member_id in &missing {
            self.group.remove_member(member_id);
            self.cancel_heartbeat(member_id);
        }
        if !missing.is_empty() {
            self.count(GroupCount::MembersExpired, missing.len());
        }
    }

    /// The leader has joined, or another member that has takes its place.
    fn elect_joined_leader(&mut self) -> bool {
        let Some(leader_id) = self.group.leader_id.clone() else { return false };
        let has_joined =
            |id: &Arc<str>| self.group.members.get(id).is_some_and(|leader| leader.awaiting_join.is_some());
        if has_joined(&leader_id) {
            return true;
        }
        let joined = self.group.members.values().find(|member| member.awaiting_join.is_some());
        let Some(member_id) = joined.map(|member| member.member_id.clone()) else { return false };
        self.group.leader_id = Some(member_id);
        true
    }

    /// Answers every SyncGroup that waits, with the member's assignment or an error.
    pub fn propagate_assignment(&mut self, error: ErrorCode) {
        let waiting = self.group.members.values().filter(|member| member.awaiting_sync.is_some());
        let waiting: Vec<Arc<str>> = waiting.map(|member| member.member_id.clone()).collect();
        for member_id in &waiting {
            let mut slot = None;
            self.group.edit(member_id, |member| slot = member.awaiting_sync.take());
            let Some(slot) = slot else { continue };
            let response = if error.is_error() { failed::sync(error) } else { self.synced(member_id) };
            self.reply_sync(slot, response);
            // Its session may have ended while it waited, which did not count.
            self.schedule_heartbeat(member_id);
        }
    }

    /// Nobody has an assignment any more.
    pub fn clear_assignment(&mut self) {
        let members: Vec<Arc<str>> = self.group.members.keys().cloned().collect();
        for member_id in &members {
            self.group.edit(member_id, |member| member.assignment = Bytes::new());
        }
    }

    /// Removes a member that left or fell silent; a JoinGroup that it waits for is answered UNKNOWN_MEMBER_ID, so that a
    /// member that is still there tries again.
    pub fn remove_member(&mut self, member_id: &str) {
        self.fail_join(member_id, "", ErrorCode::UnknownMemberId);
        if let Some(removed) = self.group.remove_member(member_id)
            && let Some(slot) = removed.awaiting_sync
        {
            self.reply_sync(slot, failed::sync(ErrorCode::UnknownMemberId));
        }
    }

    /// JoinGroup's answer about the current generation. The leader is told the members.
    pub fn joined(&self, member_id: &str) -> JoinGroupResponse {
        let members = if self.group.is_leader(member_id) { self.generation_members() } else { Vec::new() };
        JoinGroupResponse {
            throttle_time_ms: 0,
            error_code: 0,
            generation_id: self.group.generation_id,
            protocol_type: self.group.protocol_type.as_deref().map(str::to_string),
            protocol_name: self.group.protocol_name.as_deref().map(str::to_string),
            leader: self.group.leader_id.as_deref().unwrap_or("").to_string(),
            skip_assignment: false,
            member_id: member_id.to_string(),
            members,
        }
    }

    fn generation_members(&self) -> Vec<JoinGroupResponseMember> {
        let protocol_name = self.group.protocol_name.as_deref().unwrap_or("");
        let members = self.group.members.values().map(|member| JoinGroupResponseMember {
            member_id: member.member_id.to_string(),
            group_instance_id: member.group_instance_id.as_deref().map(str::to_string),
            metadata: member.metadata(protocol_name),
        });
        members.collect()
    }

    /// SyncGroup's answer: what the member is assigned.
    pub fn synced(&self, member_id: &str) -> SyncGroupResponse {
        SyncGroupResponse {
            throttle_time_ms: 0,
            error_code: 0,
            protocol_type: self.group.protocol_type.as_deref().map(str::to_string),
            protocol_name: self.group.protocol_name.as_deref().map(str::to_string),
            assignment: self.group.members.get(member_id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }
}
