//! Members that did not do in time what they had to, the end of the wait before a group's first assignment, and the timers of
//! a group that was just loaded.

use super::StreamsChange;
use super::group::StreamsGroup;
use super::leave;
use super::member::{MemberState, StreamsMember};
use super::target::{self, NewTarget};
use crate::consumer::error::GroupError;
use crate::consumer::step::{Step, timeout_ms};
use crate::effect::GroupCount;
use crate::group::GroupId;
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::{GroupTimer, TimerKind};
use ottla_coordinator::{Context, Decision, TimerChange};

/// A timer of one of the `Streams` kinds.
pub(super) fn expired(shard: &GroupShard, timer: &GroupTimer, context: &Context) -> GroupDecision {
    let Some(group) = shard.groups.streams(&timer.group) else { return Decision::none() };
    let mut step = Step::new(shard, &timer.group, context);
    let result = match timer.kind {
        TimerKind::StreamsInitialRebalance => first_assignment(&mut step, group),
        _ => remove_late(&mut step, group, timer),
    };
    result.and_then(|()| step.finish()).unwrap_or_else(|error| {
        tracing::error!(group_id = &*timer.group, %error, "a timer of a streams group did not do its work");
        Decision::none()
    })
}

/// The member is removed, unless it is gone or has done what it had to.
fn remove_late(step: &mut Step<'_>, group: &StreamsGroup, timer: &GroupTimer) -> Result<(), GroupError> {
    let Some(member) = group.member(&timer.member) else { return Ok(()) };
    let reason = match timer.kind {
        TimerKind::StreamsSession => "the member session expired",
        TimerKind::StreamsRebalance if is_revoking(member) => "it did not revoke tasks within its rebalance timeout",
        _ => return Ok(()),
    };
    tracing::info!(group_id = &*timer.group, member_id = &*timer.member, reason, "fenced a member of a streams group");
    leave::fence(step, group, member);
    step.count(GroupCount::MembersExpired, 1);
    Ok(())
}

/// Whoever came in time has a part in it.
fn first_assignment(step: &mut Step<'_>, group: &StreamsGroup) -> Result<(), GroupError> {
    if !group.volatile.awaits_members {
        return Ok(());
    }
    step.change_streams(StreamsChange::AwaitsMembers(false));
    let Some(configured) = group.volatile.configured.as_ref().filter(|_| !group.is_empty()) else { return Ok(()) };
    if group.group_epoch <= group.target.epoch || !target::is_due(step, group) {
        return Ok(());
    }
    let configs = &group.last_assignment_configs;
    let new = NewTarget { group, epoch: group.group_epoch, updated: None, configured, configs };
    new.write(step);
    if let Err(error) = step.check_fits() {
        // The next heartbeat of a member makes it again, and is told.
        tracing::warn!(group_id = &*group.group_id, %error, "the first assignment of a streams group is too large");
        *step = Step::new(step.shard, &group.group_id, step.context);
        step.change_streams(StreamsChange::AwaitsMembers(false));
    }
    Ok(())
}

fn is_revoking(member: &StreamsMember) -> bool {
    member.state == MemberState::UnrevokedTasks
}

/// Every member of a loaded group has a whole session timeout to be heard of.
pub(super) fn loaded(shard: &GroupShard, group_id: &GroupId, group: &StreamsGroup, decision: &mut GroupDecision) {
    let session_timeout_ms = shard.config.streams.session_timeout_ms(group_id);
    let mut schedule = |kind, member: &StreamsMember, after_ms| {
        let key = GroupTimer::of_member(kind, group_id, member.member_id.clone());
        decision.timers.push(TimerChange::Schedule { key, after_ms });
    };
    for member in group.members() {
        schedule(TimerKind::StreamsSession, member, session_timeout_ms);
        if is_revoking(member) {
            schedule(TimerKind::StreamsRebalance, member, timeout_ms(member.rebalance_timeout_ms));
        }
    }
}
