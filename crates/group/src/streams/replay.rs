//! What the records of a streams group do to it. The only place where its durable state changes.

use super::group::StreamsGroup;
use super::member::{MemberState, StreamsMember};
use super::tasks::{AssignedTasks, TaskEpochs, TaskSets, Tasks, of_lists};
use super::topology::StreamsTopology;
use crate::consumer::member::LEAVE_GROUP_MEMBER_EPOCH;
use crate::group::{Group, Groups};
use ottla_protocol::{
    GroupRecordKey, GroupRecordValue, StreamsGroupCurrentMemberAssignmentValue, StreamsGroupMemberMetadataValue,
    StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberValue,
    streams_group_current_member_assignment_value as current, streams_group_target_assignment_member_value as target,
};
use std::sync::Arc;

/// Replays a record of a streams group; other types are skipped. A tombstone of a group that is not there does nothing.
pub(crate) fn replay(groups: &mut Groups, key: GroupRecordKey, value: Option<GroupRecordValue>) {
    use GroupRecordKey as Key;
    use GroupRecordValue as Value;
    match (key, value) {
        (Key::StreamsGroupMetadata(key), Some(Value::StreamsGroupMetadata(value))) => {
            epoch(group_mut(groups, &key.group_id), value);
        }
        (Key::StreamsGroupMetadata(key), None) => remove_group(groups, &key.group_id),
        (Key::StreamsGroupTopology(key), Some(Value::StreamsGroupTopology(value))) => {
            let group = group_mut(groups, &key.group_id);
            group.topology = Some(Arc::new(StreamsTopology::new(value)));
        }
        (Key::StreamsGroupTopology(key), None) => existing(groups, &key.group_id, |group| group.topology = None),
        (Key::StreamsGroupMemberMetadata(key), Some(Value::StreamsGroupMemberMetadata(value))) => {
            let group = group_mut(groups, &key.group_id);
            let member = said_of_itself(member_or_new(group, &key.member_id), value);
            group.update_member(member);
        }
        (Key::StreamsGroupMemberMetadata(key), None) => {
            existing(groups, &key.group_id, |group| remove_member(group, &key.member_id));
        }
        (Key::StreamsGroupTargetAssignmentMetadata(key), Some(Value::StreamsGroupTargetAssignmentMetadata(value))) => {
            let target = &mut group_mut(groups, &key.group_id).target;
            (target.epoch, target.timestamp_ms) = (value.assignment_epoch, value.assignment_timestamp);
        }
        (Key::StreamsGroupTargetAssignmentMetadata(key), None) => {
            existing(groups, &key.group_id, |group| (group.target.epoch, group.target.timestamp_ms) = (-1, 0));
        }
        (Key::StreamsGroupTargetAssignmentMember(key), Some(Value::StreamsGroupTargetAssignmentMember(value))) => {
            let target = &mut group_mut(groups, &key.group_id).target;
            target.members.insert(Arc::from(key.member_id), Arc::new(task_sets(&value)));
        }
        (Key::StreamsGroupTargetAssignmentMember(key), None) => {
            existing(groups, &key.group_id, |group| drop(group.target.members.remove(key.member_id.as_str())));
        }
        (Key::StreamsGroupCurrentMemberAssignment(key), Some(Value::StreamsGroupCurrentMemberAssignment(value))) => {
            let group = group_mut(groups, &key.group_id);
            let member = assigned(member_or_new(group, &key.member_id), &value);
            group.update_member(member);
        }
        (Key::StreamsGroupCurrentMemberAssignment(key), None) => {
            existing(groups, &key.group_id, |group| unassign(group, &key.member_id));
        }
        _ => {}
    }
}

fn existing(groups: &mut Groups, group_id: &str, change: impl FnOnce(&mut StreamsGroup)) {
    if let Some(Group::Streams(group)) = groups.get_mut(group_id) {
        change(group);
    }
}

/// The group, made when there is none. A classic group of this id only held offsets: one with members has a tombstone.
fn group_mut<'a>(groups: &'a mut Groups, group_id: &str) -> &'a mut StreamsGroup {
    if !matches!(groups.get(group_id), Some(Group::Streams(_))) {
        let id = Arc::from(group_id);
        groups.put(Arc::clone(&id), Group::Streams(StreamsGroup::new(id)));
    }
    match groups.get_mut(group_id) {
        Some(Group::Streams(group)) => group,
        _ => panic!("group {group_id} was just put in"),
    }
}

fn epoch(group: &mut StreamsGroup, value: StreamsGroupMetadataValue) {
    group.group_epoch = value.epoch;
    group.metadata_hash = value.metadata_hash;
    group.validated_topology_epoch = value.validated_topology_epoch;
    let configs = value.last_assignment_configs.unwrap_or_default();
    group.last_assignment_configs = configs.into_iter().map(|config| (config.key, config.value)).collect();
}

/// Kafka writes the tombstones of a group's parts before the group's own. One that is missing must not keep a whole shard from
/// loading: the group goes all the same.
fn remove_group(groups: &mut Groups, group_id: &str) {
    let Some(group) = groups.streams(group_id) else { return };
    if !group.is_empty() || !group.target.members.is_empty() || group.target.epoch != -1 {
        tracing::warn!(group_id, members = group.member_count(), "a streams group is deleted before its parts");
    }
    groups.remove(group_id);
}

fn remove_member(group: &mut StreamsGroup, member_id: &str) {
    let Some(member) = group.member(member_id) else { return };
    if member.member_epoch != LEAVE_GROUP_MEMBER_EPOCH || group.target.members.contains_key(member_id) {
        tracing::warn!(group_id = &*group.group_id, member_id, "a streams member is deleted before its assignment");
        group.target.members.remove(member_id);
    }
    group.remove_member(member_id);
}

fn member_or_new(group: &StreamsGroup, member_id: &str) -> StreamsMember {
    group.member(member_id).map_or_else(|| StreamsMember::new(member_id), |member| (**member).clone())
}

fn said_of_itself(member: StreamsMember, value: StreamsGroupMemberMetadataValue) -> StreamsMember {
    let same_process = *member.process_id == *value.process_id;
    let process_id = if same_process { member.process_id.clone() } else { Arc::from(value.process_id) };
    StreamsMember {
        instance_id: value.instance_id,
        rack_id: value.rack_id,
        client_id: value.client_id,
        client_host: value.client_host,
        rebalance_timeout_ms: value.rebalance_timeout_ms,
        topology_epoch: value.topology_epoch,
        process_id,
        user_endpoint: value.user_endpoint.map(|endpoint| (endpoint.host, endpoint.port)),
        client_tags: Arc::new(value.client_tags.into_iter().map(|tag| (tag.key, tag.value)).collect()),
        ..member
    }
}

fn assigned(member: StreamsMember, value: &StreamsGroupCurrentMemberAssignmentValue) -> StreamsMember {
    let epoch = value.member_epoch;
    StreamsMember {
        member_epoch: epoch,
        previous_member_epoch: value.previous_member_epoch,
        state: MemberState::from_record(value.state),
        assigned_tasks: Arc::new(AssignedTasks {
            active: task_epochs(&value.active_tasks, epoch),
            standby: tasks(&value.standby_tasks),
            warmup: tasks(&value.warmup_tasks),
        }),
        tasks_pending_revocation: Arc::new(AssignedTasks {
            active: task_epochs(&value.active_tasks_pending_revocation, epoch),
            standby: tasks(&value.standby_tasks_pending_revocation),
            warmup: tasks(&value.warmup_tasks_pending_revocation),
        }),
        ..member
    }
}

fn unassign(group: &mut StreamsGroup, member_id: &str) {
    let Some(member) = group.member(member_id) else { return };
    let member = StreamsMember {
        member_epoch: LEAVE_GROUP_MEMBER_EPOCH,
        previous_member_epoch: LEAVE_GROUP_MEMBER_EPOCH,
        assigned_tasks: Arc::default(),
        tasks_pending_revocation: Arc::default(),
        ..(**member).clone()
    };
    group.update_member(member);
}

/// Records of Kafka before 4.3 have no epochs: the member's own stands in, never a negative one.
fn task_epochs(tasks: &[current::TaskIds], member_epoch: i32) -> TaskEpochs {
    let mut all = TaskEpochs::new();
    for task in tasks.iter().filter(|task| !task.partitions.is_empty()) {
        let epochs = task.assignment_epochs.as_ref().filter(|epochs| epochs.len() == task.partitions.len());
        let of_subtopology = all.entry(task.subtopology_id.clone()).or_default();
        for (index, partition) in task.partitions.iter().enumerate() {
            of_subtopology.insert(*partition, epochs.map_or(member_epoch.max(0), |epochs| epochs[index]));
        }
    }
    all
}

fn tasks(tasks: &[current::TaskIds]) -> Tasks {
    of_lists(tasks.iter().map(|task| (&task.subtopology_id, &task.partitions)))
}

fn task_sets(value: &StreamsGroupTargetAssignmentMemberValue) -> TaskSets {
    let tasks = |tasks: &[target::TaskIds]| of_lists(tasks.iter().map(|task| (&task.subtopology_id, &task.partitions)));
    TaskSets {
        active: tasks(&value.active_tasks),
        standby: tasks(&value.standby_tasks),
        warmup: tasks(&value.warmup_tasks),
    }
}
