//! Members that go: by their own word (epoch -1), for a while (static members, epoch -2), or because they fell silent.

use super::error::GroupError;
use super::group::ConsumerGroup;
use super::member::{LEAVE_GROUP_STATIC_MEMBER_EPOCH, Member};
use super::seat;
use super::step::Step;
use super::{metadata_hash, records};
use crate::migration::downgrade;
use ottla_protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A heartbeat with epoch -1 or -2.
///
/// # Errors
/// GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
pub(super) fn handle(
    step: &mut Step<'_>,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<ConsumerGroupHeartbeatResponse, GroupError> {
    let shard = step.shard;
    let Some(group) = shard.groups.consumer(&request.group_id) else {
        let message = match shard.groups.get(&request.group_id) {
            Some(_) => format!("Group {} is not a consumer group.", request.group_id),
            None => format!("Group {} not found.", request.group_id),
        };
        return Err(GroupError::new(ErrorCode::GroupIdNotFound, message));
    };
    let member = match request.instance_id.as_deref() {
        None => group
            .member(&request.member_id)
            .ok_or_else(|| GroupError::unknown_member(&request.member_id, &request.group_id))?,
        Some(instance_id) => seat::static_member(group, instance_id, Some(&request.member_id))?,
    };
    if request.instance_id.is_some() && request.member_epoch == LEAVE_GROUP_STATIC_MEMBER_EPOCH {
        leave_for_a_while(step, member);
    } else {
        fence(step, group, std::slice::from_ref(member))?;
    }
    Ok(ConsumerGroupHeartbeatResponse {
        member_id: Some(member.member_id.to_string()),
        member_epoch: request.member_epoch,
        ..ConsumerGroupHeartbeatResponse::default()
    })
}

/// The member keeps its partitions until its session ends. Their epochs start anew, so that commits of the old member id are
/// refused once a new one has taken its place.
fn leave_for_a_while(step: &mut Step<'_>, member: &Member) {
    let assigned = member.assigned_partitions.iter().map(|(topic_id, partitions)| {
        let partitions: BTreeMap<i32, i32> = partitions.keys().map(|partition| (*partition, 0)).collect();
        (*topic_id, partitions)
    });
    let away = Member {
        member_epoch: LEAVE_GROUP_STATIC_MEMBER_EPOCH,
        assigned_partitions: Arc::new(assigned.collect()),
        partitions_pending_revocation: Arc::default(),
        ..member.clone()
    };
    step.record(records::current(&step.group_id.clone(), &away));
}

/// Removes members. The group's epoch rises; when only classic members remain, the group becomes a classic one instead.
///
/// # Errors
/// GROUP_ID_NOT_FOUND when the group cannot be converted.
pub(crate) fn fence(step: &mut Step<'_>, group: &ConsumerGroup, members: &[Arc<Member>]) -> Result<(), GroupError> {
    if members.is_empty() {
        return Ok(());
    }
    if downgrade::is_due_without(step, group, members) {
        return downgrade::without(step, group, members);
    }
    for member in members {
        seat::remove(step, &member.member_id);
    }
    let mut subscriptions = group.subscriptions.clone();
    for member in members {
        subscriptions.replace(Some(member), None);
    }
    for member in members {
        let abandoned = member.regex().filter(|regex| subscriptions.regex_members(regex) == 0);
        if let Some(regex) = abandoned.filter(|regex| subscriptions.resolved(regex).is_some()) {
            subscriptions.resolve(regex, None);
            step.record(records::regex_tombstone(&group.group_id, regex));
        }
    }
    let hash = metadata_hash::of_group(&subscriptions, &step.shard.topics);
    step.raise_epoch(group, group.group_epoch + 1, hash);
    for member in members {
        step.cancel_all(&member.member_id);
    }
    Ok(())
}
