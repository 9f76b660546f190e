//! LeaveGroup, versions 0-5.
//!
//! v3: several members, also by instance id alone, which administrators use (KIP-345). v5: reasons (KIP-800).
//!
//! Errors: INVALID_GROUP_ID; per member UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. Up to version 2 the one member's error is
//! the answer's, which the broker sees to.

use super::state::ClassicState;
use super::step::ClassicStep;
use crate::consumer;
use crate::event::{GroupReply, RequestContext};
use crate::failed;
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_protocol::leave_group_request::MemberIdentity;
use ottla_protocol::leave_group_response::MemberResponse;
use ottla_protocol::{LeaveGroupRequest, LeaveGroupResponse};
use ottla_types::ErrorCode;

/// Decides about a LeaveGroup.
pub fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    mut request: LeaveGroupRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let group_id = GroupId::from(request.group_id.as_str());
    if caller.api_version < 3 {
        let member_id = std::mem::take(&mut request.member_id);
        request.members = vec![MemberIdentity { member_id, ..MemberIdentity::default() }];
    }
    let answer = |response| Decision::about(group_id.clone()).reply(slot, GroupReply::LeaveGroup(response));
    if request.group_id.is_empty() {
        return answer(failed::leave(ErrorCode::InvalidGroupId));
    }
    match shard.groups.get(&group_id) {
        None | Some(Group::Streams(_) | Group::Share(_)) => {
            let members = request.members.iter().map(|member| left(member, ErrorCode::UnknownMemberId)).collect();
            answer(LeaveGroupResponse { members, ..LeaveGroupResponse::default() })
        }
        Some(Group::Consumer(_)) => consumer::classic_leave(shard, caller, request, slot, context),
        Some(Group::Classic(group)) => {
            let mut step = ClassicStep::new(shard, group.clone(), context);
            let members = leave_group(&mut step, &request.members);
            let response = LeaveGroupResponse { members, ..LeaveGroupResponse::default() };
            step.finish().reply(slot, GroupReply::LeaveGroup(response))
        }
    }
}

fn left(member: &MemberIdentity, error: ErrorCode) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error_code: error.code(),
    }
}

fn leave_group(step: &mut ClassicStep<'_>, members: &[MemberIdentity]) -> Vec<MemberResponse> {
    let mut responses = Vec::new();
    let mut has_left = false;
    for member in members {
        let error = remove(step, member).err().unwrap_or(ErrorCode::None);
        has_left |= !error.is_error();
        responses.push(left(member, error));
    }
    if has_left {
        match step.group.state {
            ClassicState::Stable | ClassicState::CompletingRebalance => {
                step.prepare_rebalance("members left the group")
            }
            ClassicState::PreparingRebalance => step.maybe_complete_join(),
            ClassicState::Empty | ClassicState::Dead => {}
        }
    }
    responses
}

fn remove(step: &mut ClassicStep<'_>, member: &MemberIdentity) -> Result<(), ErrorCode> {
    let instance_id = member.group_instance_id.as_deref();
    let member_id = if member.member_id.is_empty() {
        let by_instance = instance_id.and_then(|id| step.group.static_members.get(id));
        by_instance.cloned().ok_or(ErrorCode::UnknownMemberId)?
    } else if let Some(pending) = step.group.pending_join.get(member.member_id.as_str()) {
        pending.clone()
    } else {
        step.group.validate_member(&member.member_id, instance_id)?;
        member.member_id.as_str().into()
    };
    let reason = member.reason.as_deref().unwrap_or("not provided");
    tracing::debug!(group = %step.group.group_id, member = %member_id, reason, "member leaves");
    step.remove_member(&member_id);
    step.cancel_heartbeat(&member_id);
    Ok(())
}
