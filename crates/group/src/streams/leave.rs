//! Members that go: by their own word (epoch -1), or because they fell silent.

use super::StreamsChange;
use super::group::StreamsGroup;
use super::member::StreamsMember;
use super::records;
use crate::consumer::error::GroupError;
use crate::consumer::step::Step;
use crate::timer::TimerKind;
use ottla_protocol::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use ottla_types::ErrorCode;

/// A heartbeat with epoch -1.
///
/// # Errors
/// GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID.
pub(super) fn handle(
    step: &mut Step<'_>,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<StreamsGroupHeartbeatResponse, GroupError> {
    let shard = step.shard;
    let Some(group) = shard.groups.streams(&request.group_id) else {
        let message = match shard.groups.get(&request.group_id) {
            Some(_) => format!("Group {} is not a streams group.", request.group_id),
            None => format!("Group {} not found.", request.group_id),
        };
        return Err(GroupError::new(ErrorCode::GroupIdNotFound, message));
    };
    let member = group
        .member(&request.member_id)
        .ok_or_else(|| GroupError::unknown_member(&request.member_id, &request.group_id))?;
    // Before the member goes: an empty group forgets it.
    if request.shutdown_application {
        step.change_streams(StreamsChange::ShutdownRequestedBy(member.member_id.clone()));
    }
    fence(step, group, member);
    Ok(StreamsGroupHeartbeatResponse {
        member_id: request.member_id.clone(),
        member_epoch: request.member_epoch,
        ..StreamsGroupHeartbeatResponse::default()
    })
}

/// Removes a member. The group's epoch rises, so that its tasks go to others at their next heartbeat.
pub(super) fn fence(step: &mut Step<'_>, group: &StreamsGroup, member: &StreamsMember) {
    for tombstone in records::member_tombstones(&group.group_id, &member.member_id) {
        step.record(tombstone);
    }
    let configs = &group.last_assignment_configs;
    step.raise_streams_epoch(group, group.metadata_hash, group.validated_topology_epoch, configs);
    step.cancel(TimerKind::StreamsSession, &member.member_id);
    step.cancel(TimerKind::StreamsRebalance, &member.member_id);
}
