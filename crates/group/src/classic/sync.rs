//! SyncGroup, versions 0-5, and the end of the wait for it.
//!
//! v3: static members (KIP-345). v5: protocol type and name are sent and must be those of the generation (KIP-559).
//!
//! Errors: INVALID_GROUP_ID, INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION,
//! REBALANCE_IN_PROGRESS, UNKNOWN_SERVER_ERROR (the assignment is too large for a record).

use super::group::ClassicGroup;
use super::state::ClassicState;
use super::step::ClassicStep;
use crate::consumer;
use crate::effect::GroupCount;
use crate::event::{GroupReply, RequestContext};
use crate::failed;
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::{GroupTimer, TimerKind};
use bytes::Bytes;
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_protocol::SyncGroupRequest;
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Decides about a SyncGroup.
pub fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    request: SyncGroupRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let group_id = GroupId::from(request.group_id.as_str());
    let refuse = |error| Decision::about(group_id.clone()).reply(slot, GroupReply::SyncGroup(failed::sync(error)));
    let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if caller.api_version >= 5 && !names_protocol {
        return refuse(ErrorCode::InconsistentGroupProtocol);
    }
    if request.group_id.is_empty() {
        return refuse(ErrorCode::InvalidGroupId);
    }
    match shard.groups.get(&group_id) {
        None | Some(Group::Streams(_) | Group::Share(_)) => refuse(ErrorCode::UnknownMemberId),
        Some(group) if group.is_empty() => refuse(ErrorCode::UnknownMemberId),
        Some(Group::Consumer(_)) => consumer::classic_sync(shard, caller, request, slot, context),
        Some(Group::Classic(group)) => match validate(group, &request) {
            Err(error) => refuse(error),
            Ok(()) => sync_group(ClassicStep::new(shard, group.clone(), context), &request, slot),
        },
    }
}

fn validate(group: &ClassicGroup, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
    group.validate_member(&request.member_id, request.group_instance_id.as_deref())?;
    if request.generation_id != group.generation_id {
        return Err(ErrorCode::IllegalGeneration);
    }
    let differs = |sent: &Option<String>, own: &Option<Arc<str>>| {
        sent.as_deref().zip(own.as_deref()).is_some_and(|(sent, own)| sent != own)
    };
    if differs(&request.protocol_type, &group.protocol_type) || differs(&request.protocol_name, &group.protocol_name) {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    if group.state == ClassicState::PreparingRebalance {
        return Err(ErrorCode::RebalanceInProgress);
    }
    Ok(())
}

fn sync_group(mut step: ClassicStep<'_>, request: &SyncGroupRequest, slot: ReplySlot) -> GroupDecision {
    let member_id = request.member_id.as_str();
    step.group.pending_sync.remove(member_id);
    if step.group.pending_sync.is_empty() {
        step.cancel(TimerKind::ClassicSync);
    }
    if step.group.state == ClassicState::Stable {
        let response = step.synced(member_id);
        step.reply_sync(slot, response);
        return step.finish();
    }
    let mut before = None;
    step.group.edit(member_id, |member| before = member.awaiting_sync.replace(slot));
    if let Some(before) = before {
        step.reply_sync(before, failed::sync(ErrorCode::RebalanceInProgress));
    }
    if step.group.is_leader(member_id) {
        assign(&mut step, request);
    }
    step.finish()
}

/// The leader's assignment: the group is stable with it, and everybody is told.
fn assign(step: &mut ClassicStep<'_>, request: &SyncGroupRequest) {
    let mut assignment: BTreeMap<&str, &Bytes> =
        request.assignments.iter().map(|assigned| (assigned.member_id.as_str(), &assigned.assignment)).collect();
    let before = step.group.clone();
    let members: Vec<Arc<str>> = step.group.members.keys().cloned().collect();
    for member_id in &members {
        // A slice of the request would keep all of it in memory.
        let assigned = assignment.remove(&**member_id).map(|bytes| Bytes::copy_from_slice(bytes)).unwrap_or_default();
        step.group.edit(member_id, |member| member.assignment = assigned);
    }
    step.transition_to(ClassicState::Stable);
    match step.append_group() {
        Ok(()) => {
            step.count(GroupCount::ClassicRebalances, 1);
            step.propagate_assignment(ErrorCode::None);
        }
        Err(error) => {
            step.group = before;
            step.clear_assignment();
            step.propagate_assignment(error);
            step.prepare_rebalance("the assignment cannot be stored");
        }
    }
}

/// Members that have not synced in time are removed.
pub fn expired(shard: &GroupShard, timer: &GroupTimer, context: &Context) -> GroupDecision {
    let Some(group) = shard.groups.classic(&timer.group) else { return Decision::none() };
    let is_waiting = matches!(group.state, ClassicState::CompletingRebalance | ClassicState::Stable);
    if !is_waiting || group.pending_sync.is_empty() {
        return Decision::none();
    }
    let mut step = ClassicStep::new(shard, group.clone(), context);
    let missing: Vec<Arc<str>> = step.group.pending_sync.iter().cloned().collect();
    for member_id in &missing {
        step.remove_member(member_id);
        step.cancel_heartbeat(member_id);
    }
    step.count(GroupCount::MembersExpired, missing.len());
    step.prepare_rebalance("members did not sync in time");
    step.finish()
}
