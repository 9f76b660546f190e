//! Members that did not do in time what they had to, and the timers of a group that was just loaded.

use super::error::GroupError;
use super::group::ConsumerGroup;
use super::leave;
use super::member::{Member, MemberState};
use super::step::{Step, timeout_ms};
use crate::effect::GroupCount;
use crate::group::GroupId;
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::{GroupTimer, TimerKind};
use ottla_coordinator::{Context, Decision, TimerChange};

/// A timer of one of the `Consumer` kinds. The member is removed, unless it is gone or has done what it had to.
pub(crate) fn expired(shard: &GroupShard, timer: &GroupTimer, context: &Context) -> GroupDecision {
    let Some(group) = shard.groups.consumer(&timer.group) else { return Decision::none() };
    let Some(member) = group.member(&timer.member) else { return Decision::none() };
    let reason = match timer.kind {
        TimerKind::ConsumerSession => "the member session expired",
        TimerKind::ConsumerRebalance if is_revoking(member) => {
            "it did not revoke partitions within its rebalance timeout"
        }
        TimerKind::ConsumerJoin if member.uses_classic_protocol() => {
            "the classic member failed to join within the rebalance timeout"
        }
        TimerKind::ConsumerSync if member.uses_classic_protocol() => "the classic member failed to sync in time",
        _ => return Decision::none(),
    };
    tracing::info!(group_id = &*timer.group, member_id = &*timer.member, reason, "fenced a member of a consumer group");
    let decide = || -> Result<GroupDecision, GroupError> {
        let mut step = Step::new(shard, &timer.group, context);
        leave::fence(&mut step, group, std::slice::from_ref(member))?;
        step.count(GroupCount::MembersExpired, 1);
        step.finish()
    };
    decide().unwrap_or_else(|error| {
        // Only a conversion to a classic group can fail: try again when the member would have expired again.
        tracing::warn!(group_id = &*timer.group, %error, "cannot remove a member");
        let after_ms = shard.config.session_timeout_ms(&timer.group);
        Decision::about(timer.group.clone()).schedule(timer.clone(), after_ms)
    })
}

/// A member that moved on has left this state; a static member that is away has nothing to revoke.
fn is_revoking(member: &Member) -> bool {
    member.state == MemberState::UnrevokedPartitions && member.member_epoch >= 0 && !member.uses_classic_protocol()
}

/// Every member of a loaded group has a whole session timeout to be heard of.
pub(crate) fn loaded(shard: &GroupShard, group_id: &GroupId, group: &ConsumerGroup, decision: &mut GroupDecision) {
    let session_timeout_ms = shard.config.session_timeout_ms(group_id);
    let mut schedule = |kind, member: &Member, after_ms| {
        let key = GroupTimer::of_member(kind, group_id, member.member_id.clone());
        decision.timers.push(TimerChange::Schedule { key, after_ms });
    };
    for member in group.members() {
        let classic = member.classic.as_ref().map(|classic| timeout_ms(classic.session_timeout_ms));
        schedule(TimerKind::ConsumerSession, member, classic.unwrap_or(session_timeout_ms));
        if is_revoking(member) {
            schedule(TimerKind::ConsumerRebalance, member, timeout_ms(member.rebalance_timeout_ms));
        }
    }
}
