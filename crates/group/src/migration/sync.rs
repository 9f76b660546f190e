//! SyncGroup of a classic member of a KIP-848 group: it fetches the assignment that its JoinGroup brought about.

use super::{embedded, member, request};
use crate::consumer::error::GroupError;
use crate::consumer::group::ConsumerGroup;
use crate::consumer::member::{Member, MemberState};
use crate::consumer::step::{Step, timeout_ms};
use crate::event::GroupReply;
use crate::failed;
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::TimerKind;
use ottla_coordinator::{Context, ReplySlot};
use ottla_protocol::consumer_group_member_metadata_value::ClassicMemberMetadata;
use ottla_protocol::{SyncGroupRequest, SyncGroupResponse};
use ottla_types::ErrorCode;

/// SyncGroup to a group that is one of KIP-848.
pub(crate) fn handle(
    shard: &GroupShard,
    request: &SyncGroupRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let decide = |step: Step<'_>, group: &ConsumerGroup| decide(step, group, request, slot);
    let refused = |error: ErrorCode| GroupReply::SyncGroup(failed::sync(error));
    request::take(shard, &request.group_id, slot, context, decide, refused)
}

fn decide(
    mut step: Step<'_>,
    group: &ConsumerGroup,
    request: &SyncGroupRequest,
    slot: ReplySlot,
) -> Result<GroupDecision, GroupError> {
    let instance_id = request.group_instance_id.as_deref();
    let known = member::find(group, &request.member_id, instance_id, request.generation_id)?;
    check_protocol(known.classic, request)?;
    let response = if must_rejoin(group, known.member) {
        step.await_join(group, &known.member.member_id, known.member.rebalance_timeout_ms);
        failed::sync(ErrorCode::RebalanceInProgress)
    } else {
        step.cancel(TimerKind::ConsumerSync, &known.member.member_id);
        let session_timeout_ms = timeout_ms(known.classic.session_timeout_ms);
        step.schedule(TimerKind::ConsumerSession, &known.member.member_id, session_timeout_ms);
        synced(&step, known.member, known.classic, request)
    };
    step.reply(slot, GroupReply::SyncGroup(response));
    step.finish()
}

/// There is a newer assignment. A member that must revoke has joined for it already and first has to finish that.
fn must_rejoin(group: &ConsumerGroup, member: &Member) -> bool {
    group.target.epoch > member.member_epoch && member.state != MemberState::UnrevokedPartitions
}

fn check_protocol(classic: &ClassicMemberMetadata, request: &SyncGroupRequest) -> Result<(), GroupError> {
    let own = classic.supported_protocols.first().map(|protocol| protocol.name.as_str());
    let same_type = request.protocol_type.as_deref().is_none_or(|name| name == embedded::PROTOCOL_TYPE);
    let same_name = request.protocol_name.as_deref().is_none_or(|name| Some(name) == own);
    if same_type && same_name {
        return Ok(());
    }
    let message = "The protocol of the request is not the one that the join response named.";
    Err(GroupError::new(ErrorCode::InconsistentGroupProtocol, message))
}

fn synced(
    step: &Step<'_>,
    member: &Member,
    classic: &ClassicMemberMetadata,
    request: &SyncGroupRequest,
) -> SyncGroupResponse {
    let metadata = classic.supported_protocols.first().map(|protocol| protocol.metadata.clone()).unwrap_or_default();
    let assigned = member.assigned_partitions.iter();
    let assigned = assigned.map(|(topic_id, partitions)| (*topic_id, partitions.keys().copied().collect())).collect();
    SyncGroupResponse {
        protocol_type: request.protocol_type.clone(),
        protocol_name: request.protocol_name.clone(),
        assignment: embedded::assignment_for(&metadata, &assigned, &step.shard.topics),
        ..SyncGroupResponse::default()
    }
}
