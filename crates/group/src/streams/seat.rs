//! Which group and which member a heartbeat speaks for, and what it says of the member.

use super::group::StreamsGroup;
use super::member::StreamsMember;
use super::tasks::{TaskSets, of_lists};
use crate::admin;
use crate::classic::ClassicState;
use crate::config::GroupConfig;
use crate::consumer::error::GroupError;
use crate::consumer::step::Step;
use crate::event::RequestContext;
use crate::group::Group;
use crate::migration::upgrade;
use crate::shard::GroupShard;
use ottla_protocol::StreamsGroupHeartbeatRequest;
use ottla_protocol::streams_group_heartbeat_request::TaskIds;
use ottla_types::ErrorCode;
use std::borrow::Cow;
use std::sync::Arc;

/// The group of a member that is in it.
///
/// # Errors
/// GROUP_ID_NOT_FOUND.
pub(super) fn existing_group<'a>(shard: &'a GroupShard, group_id: &str) -> Result<&'a StreamsGroup, GroupError> {
    match shard.groups.get(group_id) {
        Some(Group::Streams(group)) => Ok(group),
        Some(_) => Err(not_a_streams_group(group_id)),
        None => {
            let message = format!("Streams group {group_id} not found.");
            Err(GroupError::new(ErrorCode::GroupIdNotFound, message))
        }
    }
}

/// The group of a member that joins: made when there is none, or in the place of an empty classic one.
///
/// # Errors
/// GROUP_ID_NOT_FOUND when there is a group of another kind.
pub(super) fn joined_group<'a>(step: &mut Step<'a>) -> Result<Cow<'a, StreamsGroup>, GroupError> {
    match step.shard.groups.get(&step.group_id) {
        Some(Group::Streams(group)) => Ok(Cow::Borrowed(group)),
        None => Ok(Cow::Owned(StreamsGroup::new(step.group_id.clone()))),
        Some(group @ Group::Classic(classic)) if classic.state == ClassicState::Empty => {
            for tombstone in admin::delete::tombstones(&step.group_id, group) {
                step.record(Ok(tombstone));
            }
            upgrade::stop_timers(step, classic);
            Ok(Cow::Owned(StreamsGroup::new(step.group_id.clone())))
        }
        Some(_) => Err(not_a_streams_group(&step.group_id)),
    }
}

/// Whether the group has room for a member that joins.
///
/// # Errors
/// GROUP_MAX_SIZE_REACHED.
pub(super) fn check_size(
    group: &StreamsGroup,
    request: &StreamsGroupHeartbeatRequest,
    config: &GroupConfig,
) -> Result<(), GroupError> {
    let max = config.streams.max_size;
    if request.member_epoch != 0 || group.member_count() < max || group.member(&request.member_id).is_some() {
        return Ok(());
    }
    let message = format!("The streams group has reached its maximum capacity of {max} members.");
    Err(GroupError::new(ErrorCode::GroupMaxSizeReached, message))
}

/// The member as it is before the request changes it; a new one for a member that joins.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH.
pub(super) fn take(
    group: &StreamsGroup,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<Arc<StreamsMember>, GroupError> {
    match group.member(&request.member_id) {
        Some(member) => {
            check_epoch(member, request)?;
            Ok(member.clone())
        }
        None if request.member_epoch == 0 => Ok(Arc::new(StreamsMember::new(&request.member_id))),
        None => Err(GroupError::unknown_member(&request.member_id, &request.group_id)),
    }
}

/// Epoch 0 joins anew. The epoch before the present one is accepted when the member has nothing that it should not: the answer
/// that told it the new one was lost.
fn check_epoch(member: &StreamsMember, request: &StreamsGroupHeartbeatRequest) -> Result<(), GroupError> {
    let (claimed, known) = (request.member_epoch, member.member_epoch);
    if claimed == 0 || claimed == known {
        return Ok(());
    }
    if claimed < known && claimed == member.previous_member_epoch && has_only_assigned(member, request) {
        return Ok(());
    }
    let relation = if claimed > known { "greater" } else { "smaller" };
    let message = format!(
        "The streams group member has a {relation} member epoch ({claimed}) than the one known by the group coordinator \
         ({known}). The member must abandon all its partitions and rejoin."
    );
    Err(GroupError::new(ErrorCode::FencedMemberEpoch, message))
}

fn has_only_assigned(member: &StreamsMember, request: &StreamsGroupHeartbeatRequest) -> bool {
    let (Some(active), Some(standby), Some(warmup)) =
        (&request.active_tasks, &request.standby_tasks, &request.warmup_tasks)
    else {
        return false;
    };
    let tasks = |tasks: &[TaskIds]| of_lists(tasks.iter().map(|task| (&task.subtopology_id, &task.partitions)));
    let said = TaskSets { active: tasks(active), standby: tasks(standby), warmup: tasks(warmup) };
    member.assigned_tasks.contains_all_of(&said)
}

/// The member with what the request says of it; the same one when it says nothing new.
pub(super) fn said(
    before: &Arc<StreamsMember>,
    request: &StreamsGroupHeartbeatRequest,
    caller: &RequestContext,
) -> Arc<StreamsMember> {
    let mut after = (**before).clone();
    after.rack_id = request.rack_id.clone().or(after.rack_id);
    if request.rebalance_timeout_ms != -1 {
        after.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(topology) = &request.topology {
        after.topology_epoch = topology.epoch;
    }
    after.client_id = caller.client_id.to_string();
    after.client_host = caller.client_host.to_string();
    if let Some(process_id) = request.process_id.as_deref().filter(|process_id| **process_id != *after.process_id) {
        after.process_id = Arc::from(process_id);
    }
    if let Some(tags) = &request.client_tags {
        after.client_tags = Arc::new(tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect());
    }
    if let Some(endpoint) = &request.user_endpoint {
        after.user_endpoint = Some((endpoint.host.clone(), endpoint.port));
    }
    if after == **before { before.clone() } else { Arc::new(after) }
}

fn not_a_streams_group(group_id: &str) -> GroupError {
    GroupError::new(ErrorCode::GroupIdNotFound, format!("Group {group_id} is not a streams group."))
}
