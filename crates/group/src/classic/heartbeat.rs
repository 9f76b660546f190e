//! Heartbeat, versions 0-4, and sessions that end without one.
//!
//! v3: static members (KIP-345). Nothing of the group changes: only the member's timer starts anew.
//!
//! Errors: INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS (join again).

use super::group::ClassicGroup;
use super::member::ClassicMember;
use super::state::ClassicState;
use super::step::{ClassicStep, heartbeat_timer};
use crate::consumer;
use crate::effect::GroupCount;
use crate::event::{GroupReply, RequestContext};
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::GroupTimer;
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_protocol::{HeartbeatRequest, HeartbeatResponse};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Decides about a Heartbeat.
pub fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &HeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let group_id = GroupId::from(request.group_id.as_str());
    let answer =
        |error: ErrorCode| GroupReply::Heartbeat(HeartbeatResponse { throttle_time_ms: 0, error_code: error.code() });
    let refuse = |error| Decision::about(group_id.clone()).reply(slot, answer(error));
    if request.group_id.is_empty() {
        return refuse(ErrorCode::InvalidGroupId);
    }
    let group = match shard.groups.get(&group_id) {
        None | Some(Group::Streams(_) | Group::Share(_)) => return refuse(ErrorCode::UnknownMemberId),
        Some(Group::Consumer(_)) => return consumer::classic_heartbeat(shard, caller, request, slot, context),
        Some(Group::Classic(group)) => group,
    };
    match validate(group, request) {
        Err(error) => refuse(error),
        Ok((member_id, member)) => {
            let is_rebalancing = group.state == ClassicState::PreparingRebalance;
            let error = if is_rebalancing { ErrorCode::RebalanceInProgress } else { ErrorCode::None };
            let (key, after_ms) = heartbeat_timer(&group.group_id, member_id, member);
            Decision::about(group.group_id.clone()).reply(slot, answer(error)).schedule(key, after_ms)
        }
    }
}

fn validate<'a>(
    group: &'a ClassicGroup,
    request: &HeartbeatRequest,
) -> Result<(&'a Arc<str>, &'a Arc<ClassicMember>), ErrorCode> {
    let found = group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation_id == group.generation_id { Ok(found) } else { Err(ErrorCode::IllegalGeneration) }
}

/// A member, or one that was given its id and has not joined yet, was silent for too long.
pub fn expired(shard: &GroupShard, timer: &GroupTimer, context: &Context) -> GroupDecision {
    let Some(group) = shard.groups.classic(&timer.group) else { return Decision::none() };
    let is_pending = group.pending_join.contains(&timer.member);
    let is_silent = group.members.get(&timer.member).is_some_and(|member| !member.has_satisfied_heartbeat());
    if !is_pending && !is_silent {
        return Decision::none();
    }
    let mut step = ClassicStep::new(shard, group.clone(), context);
    step.remove_member(&timer.member);
    if is_silent {
        step.count(GroupCount::MembersExpired, 1);
    }
    match step.group.state {
        ClassicState::Stable | ClassicState::CompletingRebalance if is_silent => {
            step.prepare_rebalance("a member was not heard of for its session timeout");
        }
        ClassicState::PreparingRebalance if step.group.has_all_members_joined() => step.complete_join(),
        _ => {}
    }
    step.finish()
}
