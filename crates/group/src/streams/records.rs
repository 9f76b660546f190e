//! The records of a streams group, as Kafka writes them: lists sorted, one record per concern.

use super::group::{AssignmentConfigs, StreamsGroup};
use super::member::StreamsMember;
use super::tasks::{TaskEpochs, TaskSets, Tasks, lists};
use crate::records::{record, tombstone};
use ottla_coordinator::Record;
use ottla_protocol::{
    EncodeError, GroupRecordKey, GroupRecordValue, StreamsGroupCurrentMemberAssignmentKey,
    StreamsGroupCurrentMemberAssignmentValue, StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue,
    StreamsGroupMetadataKey, StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyKey, StreamsGroupTopologyValue,
    streams_group_current_member_assignment_value as current, streams_group_member_metadata_value as member_value,
    streams_group_metadata_value::LastAssignmentConfig, streams_group_target_assignment_member_value as target,
};

type Encoded = Result<Record, EncodeError>;

/// The group's epoch, and what it was raised for.
pub(crate) fn epoch(
    group_id: &str,
    epoch: i32,
    metadata_hash: i64,
    validated_topology_epoch: i32,
    assignment_configs: &AssignmentConfigs,
) -> Encoded {
    let configs = assignment_configs.iter();
    let configs = configs.map(|(key, value)| LastAssignmentConfig { key: key.clone(), value: value.clone() });
    let value = StreamsGroupMetadataValue {
        epoch,
        metadata_hash,
        validated_topology_epoch,
        last_assignment_configs: Some(configs.collect()),
    };
    record(epoch_key(group_id), GroupRecordValue::StreamsGroupMetadata(value))
}

/// The topology that all members run.
pub(crate) fn topology(group_id: &str, topology: StreamsGroupTopologyValue) -> Encoded {
    record(topology_key(group_id), GroupRecordValue::StreamsGroupTopology(topology))
}

/// What a member says of itself.
pub(crate) fn member(group_id: &str, member: &StreamsMember) -> Encoded {
    let tags = member.client_tags.iter();
    let endpoint = member.user_endpoint.as_ref();
    let value = StreamsGroupMemberMetadataValue {
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        topology_epoch: member.topology_epoch,
        process_id: member.process_id.to_string(),
        user_endpoint: endpoint.map(|(host, port)| member_value::Endpoint { host: host.clone(), port: *port }),
        client_tags: tags
            .map(|(key, value)| member_value::KeyValue { key: key.clone(), value: value.clone() })
            .collect(),
    };
    record(member_key(group_id, &member.member_id), GroupRecordValue::StreamsGroupMemberMetadata(value))
}

/// The member's target assignment.
pub(crate) fn target_member(group_id: &str, member_id: &str, tasks: &TaskSets) -> Encoded {
    let task_ids = |tasks: &Tasks| {
        let lists = lists(tasks);
        lists.map(|(subtopology_id, partitions)| target::TaskIds { subtopology_id, partitions }).collect()
    };
    let value = StreamsGroupTargetAssignmentMemberValue {
        active_tasks: task_ids(&tasks.active),
        standby_tasks: task_ids(&tasks.standby),
        warmup_tasks: task_ids(&tasks.warmup),
    };
    record(target_member_key(group_id, member_id), GroupRecordValue::StreamsGroupTargetAssignmentMember(value))
}

/// The epoch of the target assignment; follows the members' records.
pub(crate) fn target_epoch(group_id: &str, assignment_epoch: i32, assignment_timestamp: i64) -> Encoded {
    let value = StreamsGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp };
    record(target_epoch_key(group_id), GroupRecordValue::StreamsGroupTargetAssignmentMetadata(value))
}

/// What a member has, and its epoch.
pub(crate) fn current(group_id: &str, member: &StreamsMember) -> Encoded {
    let (assigned, pending) = (&member.assigned_tasks, &member.tasks_pending_revocation);
    let value = StreamsGroupCurrentMemberAssignmentValue {
        member_epoch: member.member_epoch,
        previous_member_epoch: member.previous_member_epoch,
        state: member.state.to_record(),
        active_tasks: active_task_ids(&assigned.active),
        standby_tasks: task_ids(&assigned.standby),
        warmup_tasks: task_ids(&assigned.warmup),
        active_tasks_pending_revocation: active_task_ids(&pending.active),
        standby_tasks_pending_revocation: task_ids(&pending.standby),
        warmup_tasks_pending_revocation: task_ids(&pending.warmup),
    };
    record(current_key(group_id, &member.member_id), GroupRecordValue::StreamsGroupCurrentMemberAssignment(value))
}

/// Tombstones of a member. Their order matters to Kafka's replay.
pub(crate) fn member_tombstones(group_id: &str, member_id: &str) -> [Encoded; 3] {
    [
        tombstone(current_key(group_id, member_id)),
        tombstone(target_member_key(group_id, member_id)),
        tombstone(member_key(group_id, member_id)),
    ]
}

/// Tombstones of a group and its members. Their order matters to Kafka's replay.
pub(crate) fn group_tombstones(group: &StreamsGroup) -> Vec<Encoded> {
    let id = &group.group_id;
    let members = || group.members().map(|member| &*member.member_id);
    let mut tombstones = Vec::new();
    tombstones.extend(members().map(|member_id| tombstone(current_key(id, member_id))));
    tombstones.extend(members().map(|member_id| tombstone(target_member_key(id, member_id))));
    tombstones.push(tombstone(target_epoch_key(id)));
    tombstones.extend(members().map(|member_id| tombstone(member_key(id, member_id))));
    tombstones.push(tombstone(epoch_key(id)));
    tombstones.push(tombstone(topology_key(id)));
    tombstones
}

fn active_task_ids(tasks: &TaskEpochs) -> Vec<current::TaskIds> {
    let tasks = tasks.iter().map(|(id, partitions)| current::TaskIds {
        subtopology_id: id.clone(),
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    });
    tasks.collect()
}

fn task_ids(tasks: &Tasks) -> Vec<current::TaskIds> {
    let tasks = lists(tasks);
    tasks
        .map(|(subtopology_id, partitions)| current::TaskIds { subtopology_id, partitions, assignment_epochs: None })
        .collect()
}

fn epoch_key(group_id: &str) -> GroupRecordKey {
    GroupRecordKey::StreamsGroupMetadata(StreamsGroupMetadataKey { group_id: group_id.to_string() })
}

fn topology_key(group_id: &str) -> GroupRecordKey {
    GroupRecordKey::StreamsGroupTopology(StreamsGroupTopologyKey { group_id: group_id.to_string() })
}

fn member_key(group_id: &str, member_id: &str) -> GroupRecordKey {
    GroupRecordKey::StreamsGroupMemberMetadata(StreamsGroupMemberMetadataKey {
        group_id: group_id.to_string(),
        member_id: member_id.to_string(),
    })
}

fn target_member_key(group_id: &str, member_id: &str) -> GroupRecordKey {
    GroupRecordKey::StreamsGroupTargetAssignmentMember(StreamsGroupTargetAssignmentMemberKey {
        group_id: group_id.to_string(),
        member_id: member_id.to_string(),
    })
}

fn target_epoch_key(group_id: &str) -> GroupRecordKey {
    let key = StreamsGroupTargetAssignmentMetadataKey { group_id: group_id.to_string() };
    GroupRecordKey::StreamsGroupTargetAssignmentMetadata(key)
}

fn current_key(group_id: &str, member_id: &str) -> GroupRecordKey {
    GroupRecordKey::StreamsGroupCurrentMemberAssignment(StreamsGroupCurrentMemberAssignmentKey {
        group_id: group_id.to_string(),
        member_id: member_id.to_string(),
    })
}
