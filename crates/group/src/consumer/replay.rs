//! What the records of a consumer group do to it. The only place where its durable state changes.

use super::group::ConsumerGroup;
use super::member::{LEAVE_GROUP_MEMBER_EPOCH, Member, MemberState, PartitionEpochs};
use super::subscriptions::ResolvedRegularExpression;
use crate::assignor::Assignment;
use crate::group::{Group, Groups};
use ottla_protocol::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue,
    ConsumerGroupTargetAssignmentMemberValue, GroupRecordKey, GroupRecordValue,
    consumer_group_current_member_assignment_value as current,
};
use std::sync::Arc;

/// Replays a record of a KIP-848 group; other types are skipped. A tombstone of a group that is not there does nothing.
pub(crate) fn replay(groups: &mut Groups, key: GroupRecordKey, value: Option<GroupRecordValue>) {
    use GroupRecordKey as Key;
    use GroupRecordValue as Value;
    match (key, value) {
        (Key::ConsumerGroupMetadata(key), Some(Value::ConsumerGroupMetadata(value))) => {
            let group = group_mut(groups, &key.group_id);
            group.group_epoch = value.epoch;
            group.metadata_hash = value.metadata_hash;
        }
        (Key::ConsumerGroupMetadata(key), None) => remove_group(groups, &key.group_id),
        (Key::ConsumerGroupPartitionMetadata(key), Some(_)) => {
            group_mut(groups, &key.group_id).has_subscription_metadata_record = true;
        }
        (Key::ConsumerGroupPartitionMetadata(key), None) => {
            existing(groups, &key.group_id, |group| group.has_subscription_metadata_record = false);
        }
        (Key::ConsumerGroupMemberMetadata(key), Some(Value::ConsumerGroupMemberMetadata(value))) => {
            let group = group_mut(groups, &key.group_id);
            let member = said_of_itself(member_or_new(group, &key.member_id), value);
            group.update_member(member);
        }
        (Key::ConsumerGroupMemberMetadata(key), None) => {
            existing(groups, &key.group_id, |group| remove_member(group, &key.member_id));
        }
        (
            Key::ConsumerGroupTargetAssignmentMetadata(key),
            Some(Value::ConsumerGroupTargetAssignmentMetadata(value)),
        ) => {
            let group = group_mut(groups, &key.group_id);
            group.target.epoch = value.assignment_epoch;
            group.target.timestamp_ms = value.assignment_timestamp;
        }
        (Key::ConsumerGroupTargetAssignmentMetadata(key), None) => {
            existing(groups, &key.group_id, |group| (group.target.epoch, group.target.timestamp_ms) = (-1, 0));
        }
        (Key::ConsumerGroupTargetAssignmentMember(key), Some(Value::ConsumerGroupTargetAssignmentMember(value))) => {
            let target = &mut group_mut(groups, &key.group_id).target;
            target.members.insert(Arc::from(key.member_id), Arc::new(assignment(value)));
        }
        (Key::ConsumerGroupTargetAssignmentMember(key), None) => {
            existing(groups, &key.group_id, |group| drop(group.target.members.remove(key.member_id.as_str())));
        }
        (Key::ConsumerGroupCurrentMemberAssignment(key), Some(Value::ConsumerGroupCurrentMemberAssignment(value))) => {
            let group = group_mut(groups, &key.group_id);
            let member = assigned(member_or_new(group, &key.member_id), &value);
            group.update_member(member);
        }
        (Key::ConsumerGroupCurrentMemberAssignment(key), None) => {
            existing(groups, &key.group_id, |group| unassign(group, &key.member_id));
        }
        (Key::ConsumerGroupRegularExpression(key), Some(Value::ConsumerGroupRegularExpression(value))) => {
            let resolved = ResolvedRegularExpression {
                topics: Arc::new(value.topics.into_iter().collect()),
                version: value.version,
                timestamp_ms: value.timestamp,
            };
            group_mut(groups, &key.group_id).subscriptions.resolve(&key.regular_expression, Some(resolved));
        }
        (Key::ConsumerGroupRegularExpression(key), None) => {
            existing(groups, &key.group_id, |group| group.subscriptions.resolve(&key.regular_expression, None));
        }
        _ => {}
    }
}

fn existing(groups: &mut Groups, group_id: &str, change: impl FnOnce(&mut ConsumerGroup)) {
    if let Some(Group::Consumer(group)) = groups.get_mut(group_id) {
        change(group);
    }
}

/// The group, made when there is none. A classic group of this id only held offsets: one with members has a tombstone.
fn group_mut<'a>(groups: &'a mut Groups, group_id: &str) -> &'a mut ConsumerGroup {
    if !matches!(groups.get(group_id), Some(Group::Consumer(_))) {
        let id = Arc::from(group_id);
        groups.put(Arc::clone(&id), Group::Consumer(ConsumerGroup::new(id)));
    }
    match groups.get_mut(group_id) {
        Some(Group::Consumer(group)) => group,
        _ => panic!("group {group_id} was just put in"),
    }
}

/// Kafka writes the tombstones of a group's parts before the group's own. One that is missing must not keep a whole shard from
/// loading: the group goes all the same.
fn remove_group(groups: &mut Groups, group_id: &str) {
    let Some(group) = groups.consumer(group_id) else { return };
    if !group.is_empty() || !group.target.members.is_empty() || group.target.epoch != -1 {
        tracing::warn!(group_id, members = group.member_count(), "a consumer group is deleted before its parts");
    }
    groups.remove(group_id);
}

fn remove_member(group: &mut ConsumerGroup, member_id: &str) {
    let Some(member) = group.member(member_id) else { return };
    if member.member_epoch != LEAVE_GROUP_MEMBER_EPOCH || group.target.members.contains_key(member_id) {
        tracing::warn!(group_id = &*group.group_id, member_id, "a member is deleted before its assignment");
        group.target.members.remove(member_id);
    }
    group.remove_member(member_id);
}

fn member_or_new(group: &ConsumerGroup, member_id: &str) -> Member {
    group.member(member_id).map_or_else(|| Member::new(member_id), |member| (**member).clone())
}

fn said_of_itself(member: Member, value: ConsumerGroupMemberMetadataValue) -> Member {
    let mut names = Arc::new(value.subscribed_topic_names.into_iter().collect());
    if names == member.subscribed_topic_names {
        names = member.subscribed_topic_names.clone();
    }
    Member {
        instance_id: value.instance_id,
        rack_id: value.rack_id,
        rebalance_timeout_ms: value.rebalance_timeout_ms,
        client_id: value.client_id,
        client_host: value.client_host,
        subscribed_topic_names: names,
        subscribed_topic_regex: value.subscribed_topic_regex.unwrap_or_default(),
        server_assignor: value.server_assignor,
        classic: value.classic_member_metadata.map(Arc::new),
        ..member
    }
}

fn assigned(member: Member, value: &ConsumerGroupCurrentMemberAssignmentValue) -> Member {
    Member {
        member_epoch: value.member_epoch,
        previous_member_epoch: value.previous_member_epoch,
        state: MemberState::from_record(value.state),
        assigned_partitions: Arc::new(partition_epochs(&value.assigned_partitions, value.member_epoch)),
        partitions_pending_revocation: Arc::new(partition_epochs(
            &value.partitions_pending_revocation,
            value.member_epoch,
        )),
        ..member
    }
}

fn unassign(group: &mut ConsumerGroup, member_id: &str) {
    let Some(member) = group.member(member_id) else { return };
    let member = Member {
        member_epoch: LEAVE_GROUP_MEMBER_EPOCH,
        previous_member_epoch: LEAVE_GROUP_MEMBER_EPOCH,
        assigned_partitions: Arc::default(),
        partitions_pending_revocation: Arc::default(),
        ..(**member).clone()
    };
    group.update_member(member);
}

/// Records of Kafka before 4.3 have no epochs: the member's own stands in, never a negative one.
fn partition_epochs(topics: &[current::TopicPartitions], member_epoch: i32) -> PartitionEpochs {
    let mut all = PartitionEpochs::new();
    for topic in topics {
        let epochs = topic.assignment_epochs.as_ref().filter(|epochs| epochs.len() == topic.partitions.len());
        let of_topic = all.entry(topic.topic_id).or_default();
        for (index, partition) in topic.partitions.iter().enumerate() {
            let epoch = epochs.map_or(member_epoch.max(0), |epochs| epochs[index]);
            of_topic.insert(*partition, epoch);
        }
    }
    all
}

fn assignment(value: ConsumerGroupTargetAssignmentMemberValue) -> Assignment {
    let topics = value.topic_partitions.into_iter();
    topics.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect()
}
