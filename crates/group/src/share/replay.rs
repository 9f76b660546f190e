//! What the records of a share group do to it. A tombstone of a group that is not there does nothing.

use super::group::{ShareGroup, ShareMember};
use super::partitions::{OfTopic, StatePartitions};
use crate::group::{Group, Groups};
use ottla_coordinator::Position;
use ottla_protocol::{
    GroupRecordKey, GroupRecordValue, ShareGroupStatePartitionMetadataValue,
    share_group_state_partition_metadata_value as states,
};
use ottla_types::Uuid;
use std::sync::Arc;

/// Whether a record is of a share group.
fn is_share(key: &GroupRecordKey) -> bool {
    matches!(
        key,
        GroupRecordKey::ShareGroupMetadata(_)
            | GroupRecordKey::ShareGroupMemberMetadata(_)
            | GroupRecordKey::ShareGroupTargetAssignmentMetadata(_)
            | GroupRecordKey::ShareGroupTargetAssignmentMember(_)
            | GroupRecordKey::ShareGroupCurrentMemberAssignment(_)
            | GroupRecordKey::ShareGroupStatePartitionMetadata(_)
    )
}

/// Replays a record of a share group; gives back one that is not.
pub(crate) fn replay(
    groups: &mut Groups,
    key: GroupRecordKey,
    value: Option<GroupRecordValue>,
    position: Position,
) -> Option<(GroupRecordKey, Option<GroupRecordValue>)> {
    if !is_share(&key) {
        return Some((key, value));
    }
    match value {
        Some(value) => put(groups, key, value, position),
        None => remove(groups, key),
    }
    None
}

fn put(groups: &mut Groups, key: GroupRecordKey, value: GroupRecordValue, position: Position) {
    use GroupRecordKey as Key;
    use GroupRecordValue as Value;
    match (key, value) {
        (Key::ShareGroupMetadata(key), Value::ShareGroupMetadata(value)) => {
            let group = group_mut(groups, &key.group_id);
            group.group_epoch = value.epoch;
            group.metadata_hash = value.metadata_hash;
        }
        (Key::ShareGroupMemberMetadata(key), Value::ShareGroupMemberMetadata(value)) => {
            let names = value.subscribed_topic_names.into_iter().collect();
            update(group_mut(groups, &key.group_id), &key.member_id, |member| ShareMember {
                rack_id: value.rack_id,
                client_id: value.client_id,
                client_host: value.client_host,
                subscribed_topic_names: Arc::new(names),
                ..member
            });
        }
        (Key::ShareGroupTargetAssignmentMetadata(key), Value::ShareGroupTargetAssignmentMetadata(value)) => {
            let group = group_mut(groups, &key.group_id);
            group.target_epoch = value.assignment_epoch;
            group.target_timestamp_ms = value.assignment_timestamp;
        }
        (Key::ShareGroupTargetAssignmentMember(key), Value::ShareGroupTargetAssignmentMember(value)) => {
            let topics = value.topic_partitions.into_iter();
            let target = topics.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect();
            group_mut(groups, &key.group_id).target.insert(Arc::from(key.member_id), Arc::new(target));
        }
        (Key::ShareGroupCurrentMemberAssignment(key), Value::ShareGroupCurrentMemberAssignment(value)) => {
            let topics = value.assigned_partitions.into_iter();
            let assigned = topics.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect();
            update(group_mut(groups, &key.group_id), &key.member_id, |member| ShareMember {
                member_epoch: value.member_epoch,
                previous_member_epoch: value.previous_member_epoch,
                assigned: Arc::new(assigned),
                ..member
            });
        }
        (Key::ShareGroupStatePartitionMetadata(key), Value::ShareGroupStatePartitionMetadata(value)) => {
            group_mut(groups, &key.group_id).partitions = state_partitions(value, position.timestamp_ms);
        }
        _ => {}
    }
}

fn remove(groups: &mut Groups, key: GroupRecordKey) {
    use GroupRecordKey as Key;
    match key {
        Key::ShareGroupMetadata(key) => {
            if groups.share(&key.group_id).is_some() {
                groups.remove(&key.group_id);
            }
        }
        Key::ShareGroupMemberMetadata(key) => existing(groups, &key.group_id, |group| {
            group.target.remove(key.member_id.as_str());
            group.members.remove(key.member_id.as_str());
        }),
        Key::ShareGroupTargetAssignmentMetadata(key) => existing(groups, &key.group_id, |group| {
            (group.target_epoch, group.target_timestamp_ms) = (-1, 0);
        }),
        Key::ShareGroupTargetAssignmentMember(key) => existing(groups, &key.group_id, |group| {
            group.target.remove(key.member_id.as_str());
        }),
        Key::ShareGroupCurrentMemberAssignment(key) => existing(groups, &key.group_id, |group| {
            if group.members.contains_key(key.member_id.as_str()) {
                update(group, &key.member_id, |member| ShareMember {
                    member_epoch: -1,
                    previous_member_epoch: -1,
                    assigned: Arc::default(),
                    ..member
                });
            }
        }),
        Key::ShareGroupStatePartitionMetadata(key) => {
            existing(groups, &key.group_id, |group| group.partitions = StatePartitions::default());
        }
        _ => {}
    }
}

fn existing(groups: &mut Groups, group_id: &str, change: impl FnOnce(&mut ShareGroup)) {
    if let Some(Group::Share(group)) = groups.get_mut(group_id) {
        change(group);
    }
}

/// The group, made when there is none. A group of another kind with this id only held offsets.
fn group_mut<'a>(groups: &'a mut Groups, group_id: &str) -> &'a mut ShareGroup {
    if groups.share(group_id).is_none() {
        let id = Arc::from(group_id);
        groups.put(Arc::clone(&id), Group::Share(ShareGroup::new(id)));
    }
    match groups.get_mut(group_id) {
        Some(Group::Share(group)) => group,
        _ => panic!("group {group_id} was just put in"),
    }
}

fn update(group: &mut ShareGroup, member_id: &str, change: impl FnOnce(ShareMember) -> ShareMember) {
    let before = group.members.get(member_id);
    let member = change(before.map_or_else(|| ShareMember::new(member_id), |member| (**member).clone()));
    group.members.insert(member.member_id.clone(), Arc::new(member));
}

fn state_partitions(value: ShareGroupStatePartitionMetadataValue, since_ms: i64) -> StatePartitions {
    let of = |info: states::TopicPartitionsInfo| -> (Uuid, OfTopic) {
        let partitions = info.partitions.into_iter().collect();
        (info.topic_id, OfTopic { name: info.topic_name, partitions, since_ms })
    };
    StatePartitions {
        initializing: value.initializing_topics.into_iter().map(of).collect(),
        initialized: value.initialized_topics.into_iter().map(of).collect(),
        deleting: value.deleting_topics.into_iter().map(|info| (info.topic_id, info.topic_name)).collect(),
    }
}
