//! Which member of the group a request speaks for: one that is there, a new one, or a static member that comes back.

use super::error::GroupError;
use super::group::ConsumerGroup;
use super::member::{LEAVE_GROUP_STATIC_MEMBER_EPOCH, Member};
use super::records;
use super::step::Step;
use crate::config::GroupConfig;
use ottla_protocol::consumer_group_heartbeat_request::TopicPartitions;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Who asks for a seat.
pub(crate) struct Claim<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    /// A member that is not there is added.
    pub(crate) may_join: bool,
    /// What a member of the consumer protocol says of its epoch; None for classic members, which have generations.
    pub(crate) epoch: Option<ClaimedEpoch<'a>>,
}

/// The epoch that a member thinks it is in, and what it owns.
pub(crate) struct ClaimedEpoch<'a> {
    pub(crate) member_epoch: i32,
    pub(crate) owned: Option<&'a [TopicPartitions]>,
}

/// The group has room for the member.
///
/// # Errors
/// GROUP_MAX_SIZE_REACHED.
pub(crate) fn check_size(
    group: &ConsumerGroup,
    member_id: &str,
    instance_id: Option<&str>,
    config: &GroupConfig,
) -> Result<(), GroupError> {
    let max = config.consumer_max_size;
    let replaces = instance_id.is_some_and(|instance_id| group.static_member(instance_id).is_some());
    if group.member_count() < max || replaces || group.member(member_id).is_some() {
        return Ok(());
    }
    let message = format!("The consumer group has reached its maximum capacity of {max} members.");
    Err(GroupError::new(ErrorCode::GroupMaxSizeReached, message))
}

impl Claim<'_> {
    /// The member as it is before the request changes it. A static member that comes back under a new id has taken the place of
    /// the old one in the step's records.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID.
    pub(crate) fn take(&self, step: &mut Step<'_>, group: &ConsumerGroup) -> Result<Arc<Member>, GroupError> {
        match self.instance_id {
            None => self.dynamic_member(group),
            Some(instance_id) if self.may_join => self.joining_static_member(step, group, instance_id),
            Some(instance_id) => self.present_static_member(group, instance_id),
        }
    }

    fn dynamic_member(&self, group: &ConsumerGroup) -> Result<Arc<Member>, GroupError> {
        match group.member(self.member_id) {
            Some(member) => {
                self.check_epoch(member)?;
                Ok(member.clone())
            }
            None if self.may_join => Ok(Arc::new(Member::new(self.member_id))),
            None => Err(GroupError::unknown_member(self.member_id, &group.group_id)),
        }
    }

    fn joining_static_member(
        &self,
        step: &mut Step<'_>,
        group: &ConsumerGroup,
        instance_id: &str,
    ) -> Result<Arc<Member>, GroupError> {
        let Some(before) = group.static_member(instance_id) else {
            let member = group.member(self.member_id).cloned();
            return Ok(member.unwrap_or_else(|| Arc::new(Member::new(self.member_id))));
        };
        let both_use_consumer_protocol = self.epoch.is_some() && !before.uses_classic_protocol();
        if both_use_consumer_protocol && before.member_epoch != LEAVE_GROUP_STATIC_MEMBER_EPOCH {
            let message = format!(
                "Static member {} with instance id {instance_id} cannot join the group because the instance id is owned by {} member.",
                self.member_id, before.member_id
            );
            return Err(GroupError::new(ErrorCode::UnreleasedInstanceId, message));
        }
        let member_id = Arc::from(self.member_id);
        let after = Member { member_id, member_epoch: 0, previous_member_epoch: 0, ..(**before).clone() };
        replace(step, group, before, &after);
        Ok(Arc::new(after))
    }

    fn present_static_member(&self, group: &ConsumerGroup, instance_id: &str) -> Result<Arc<Member>, GroupError> {
        let member = static_member(group, instance_id, Some(self.member_id))?;
        self.check_epoch(member)?;
        Ok(member.clone())
    }

    fn check_epoch(&self, member: &Member) -> Result<(), GroupError> {
        match &self.epoch {
            Some(claimed) => claimed.check(member),
            None => Ok(()),
        }
    }
}

/// The member of this instance id, which must be `member_id` where one is given.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
pub(crate) fn static_member<'a>(
    group: &'a ConsumerGroup,
    instance_id: &str,
    member_id: Option<&str>,
) -> Result<&'a Arc<Member>, GroupError> {
    let Some(member) = group.static_member(instance_id) else {
        return Err(GroupError::new(ErrorCode::UnknownMemberId, format!("Instance id {instance_id} is unknown.")));
    };
    match member_id {
        Some(member_id) if *member.member_id != *member_id => {
            let owner = &member.member_id;
            let message =
                format!("Static member {member_id} with instance id {instance_id} was fenced by member {owner}.");
            Err(GroupError::new(ErrorCode::FencedInstanceId, message))
        }
        _ => Ok(member),
    }
}

impl ClaimedEpoch<'_> {
    /// Epoch 0 joins anew. The epoch before the present one is accepted when the member owns nothing that it should not: the
    /// answer that told it the new one was lost.
    fn check(&self, member: &Member) -> Result<(), GroupError> {
        let (claimed, known) = (self.member_epoch, member.member_epoch);
        if claimed == 0 || claimed == known {
            return Ok(());
        }
        if claimed < known && claimed == member.previous_member_epoch && self.owns_only_assigned(member) {
            return Ok(());
        }
        let relation = if claimed > known { "greater" } else { "smaller" };
        let message = format!(
            "The consumer group member has a {relation} member epoch ({claimed}) than the one known by the group coordinator \
             ({known}). The member must abandon all its partitions and rejoin."
        );
        Err(GroupError::new(ErrorCode::FencedMemberEpoch, message))
    }

    fn owns_only_assigned(&self, member: &Member) -> bool {
        let Some(owned) = self.owned else { return false };
        owned.iter().all(|topic| {
            let assigned = member.assigned_partitions.get(&topic.topic_id);
            assigned.is_some_and(|assigned| topic.partitions.iter().all(|partition| assigned.contains_key(partition)))
        })
    }
}

fn replace(step: &mut Step<'_>, group: &ConsumerGroup, before: &Member, after: &Member) {
    let group_id = group.group_id.clone();
    remove(step, &before.member_id);
    step.cancel_all(&before.member_id);
    step.record(records::member(&group_id, after));
    step.record(records::target_member(&group_id, &after.member_id, &group.target_of(&before.member_id)));
    step.record(records::current(&group_id, after));
}

/// Tombstones of a member. Their order matters to Kafka's replay.
pub(crate) fn remove(step: &mut Step<'_>, member_id: &str) {
    let group_id = step.group_id.clone();
    step.record(records::current_tombstone(&group_id, member_id));
    step.record(records::target_member_tombstone(&group_id, member_id));
    step.record(records::member_tombstone(&group_id, member_id));
}
