//! LeaveGroup of members of a KIP-848 group: classic members themselves, or an administrator who removes any by instance id.

use super::request;
use crate::consumer::error::GroupError;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::member::Member;
use crate::consumer::step::Step;
use crate::consumer::{leave, seat};
use crate::event::GroupReply;
use crate::failed;
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Context, ReplySlot};
use ottla_protocol::leave_group_request::MemberIdentity;
use ottla_protocol::leave_group_response::MemberResponse;
use ottla_protocol::{LeaveGroupRequest, LeaveGroupResponse};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// LeaveGroup to a group that is one of KIP-848.
pub(crate) fn handle(
    shard: &GroupShard,
    request: &LeaveGroupRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let decide = |step: Step<'_>, group: &ConsumerGroup| decide(step, group, request, slot);
    let refused = |error: ErrorCode| GroupReply::LeaveGroup(failed::leave(error));
    request::take(shard, &request.group_id, slot, context, decide, refused)
}

fn decide(
    mut step: Step<'_>,
    group: &ConsumerGroup,
    request: &LeaveGroupRequest,
    slot: ReplySlot,
) -> Result<GroupDecision, GroupError> {
    // One that stands twice leaves once.
    let mut leaving: BTreeMap<Arc<str>, Arc<Member>> = BTreeMap::new();
    let mut members = Vec::new();
    for identity in &request.members {
        let error_code = match find(group, identity) {
            Ok(member) => {
                leaving.insert(member.member_id.clone(), member.clone());
                ErrorCode::None
            }
            Err(error) => error.code,
        };
        members.push(MemberResponse {
            member_id: identity.member_id.clone(),
            group_instance_id: identity.group_instance_id.clone(),
            error_code: error_code.code(),
        });
    }
    let leaving: Vec<Arc<Member>> = leaving.into_values().collect();
    leave::fence(&mut step, group, &leaving)?;
    step.reply(slot, GroupReply::LeaveGroup(LeaveGroupResponse { members, ..LeaveGroupResponse::default() }));
    step.finish()
}

fn find<'a>(group: &'a ConsumerGroup, identity: &MemberIdentity) -> Result<&'a Arc<Member>, GroupError> {
    let member_id = identity.member_id.as_str();
    match identity.group_instance_id.as_deref() {
        None => group.member(member_id).ok_or_else(|| GroupError::unknown_member(member_id, &group.group_id)),
        // An administrator does not know the member id.
        Some(instance_id) => seat::static_member(group, instance_id, (!member_id.is_empty()).then_some(member_id)),
    }
}
