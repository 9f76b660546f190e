//! The records of a share group, as Kafka writes them.

use super::group::ShareMember;
use super::partitions::{OfTopic, StatePartitions};
use crate::assignor::Assignment;
use crate::records::{record, tombstone};
use ottla_coordinator::Record;
use ottla_protocol::{
    EncodeError, GroupRecordKey, GroupRecordValue, ShareGroupCurrentMemberAssignmentKey,
    ShareGroupCurrentMemberAssignmentValue, ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue,
    ShareGroupMetadataKey, ShareGroupMetadataValue, ShareGroupStatePartitionMetadataKey,
    ShareGroupStatePartitionMetadataValue, ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue,
    ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue,
    share_group_current_member_assignment_value as current, share_group_state_partition_metadata_value as states,
    share_group_target_assignment_member_value as target,
};
use ottla_types::Uuid;

type Encoded = Result<Record, EncodeError>;

/// The group's epoch and the hash of its topics.
pub(super) fn epoch(group_id: &str, epoch: i32, metadata_hash: i64) -> Encoded {
    let value = ShareGroupMetadataValue { epoch, metadata_hash };
    record(epoch_key(group_id), GroupRecordValue::ShareGroupMetadata(value))
}

/// The group is gone.
pub(super) fn epoch_tombstone(group_id: &str) -> Encoded {
    tombstone(epoch_key(group_id))
}

/// What a member says of itself.
pub(super) fn member(group_id: &str, member: &ShareMember) -> Encoded {
    let value = ShareGroupMemberMetadataValue {
        rack_id: member.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.subscribed_topic_names.iter().cloned().collect(),
    };
    record(member_key(group_id, &member.member_id), GroupRecordValue::ShareGroupMemberMetadata(value))
}

/// The member is gone.
pub(super) fn member_tombstone(group_id: &str, member_id: &str) -> Encoded {
    tombstone(member_key(group_id, member_id))
}

/// The member's target assignment.
pub(super) fn target_member(group_id: &str, member_id: &str, assignment: &Assignment) -> Encoded {
    let topic_partitions = assignment.iter().map(|(topic_id, partitions)| target::TopicPartition {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    let value = ShareGroupTargetAssignmentMemberValue { topic_partitions: topic_partitions.collect() };
    record(target_member_key(group_id, member_id), GroupRecordValue::ShareGroupTargetAssignmentMember(value))
}

/// The member has no target assignment.
pub(super) fn target_member_tombstone(group_id: &str, member_id: &str) -> Encoded {
    tombstone(target_member_key(group_id, member_id))
}

/// The epoch of the target assignment; follows the members' records.
pub(super) fn target_epoch(group_id: &str, assignment_epoch: i32, assignment_timestamp: i64) -> Encoded {
    let value = ShareGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp };
    record(target_epoch_key(group_id), GroupRecordValue::ShareGroupTargetAssignmentMetadata(value))
}

/// There is no target assignment.
pub(super) fn target_epoch_tombstone(group_id: &str) -> Encoded {
    tombstone(target_epoch_key(group_id))
}

/// What a member has, and its epoch.
pub(super) fn current(group_id: &str, member: &ShareMember) -> Encoded {
    let assigned_partitions = member.assigned.iter().map(|(topic_id, partitions)| current::TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    let value = ShareGroupCurrentMemberAssignmentValue {
        member_epoch: member.member_epoch,
        previous_member_epoch: member.previous_member_epoch,
        // Stable: the members of share groups have no other state.
        state: 0,
        assigned_partitions: assigned_partitions.collect(),
    };
    record(current_key(group_id, &member.member_id), GroupRecordValue::ShareGroupCurrentMemberAssignment(value))
}

/// The member has nothing.
pub(super) fn current_tombstone(group_id: &str, member_id: &str) -> Encoded {
    tombstone(current_key(group_id, member_id))
}

/// Which partitions have a state at the share coordinator.
pub(super) fn partitions(group_id: &str, partitions: &StatePartitions) -> Encoded {
    let info = |(topic_id, of): (&Uuid, &OfTopic)| states::TopicPartitionsInfo {
        topic_id: *topic_id,
        topic_name: of.name.clone(),
        partitions: of.partitions.iter().copied().collect(),
    };
    let deleting = partitions.deleting.iter();
    let value = ShareGroupStatePartitionMetadataValue {
        initializing_topics: partitions.initializing.iter().map(info).collect(),
        initialized_topics: partitions.initialized.iter().map(info).collect(),
        deleting_topics: deleting
            .map(|(topic_id, name)| states::TopicInfo { topic_id: *topic_id, topic_name: name.clone() })
            .collect(),
    };
    record(partitions_key(group_id), GroupRecordValue::ShareGroupStatePartitionMetadata(value))
}

/// No partition has a state.
pub(super) fn partitions_tombstone(group_id: &str) -> Encoded {
    tombstone(partitions_key(group_id))
}

fn epoch_key(group_id: &str) -> GroupRecordKey {
    GroupRecordKey::ShareGroupMetadata(ShareGroupMetadataKey { group_id: group_id.to_string() })
}

fn member_key(group_id: &str, member_id: &str) -> GroupRecordKey {
    let (group_id, member_id) = (group_id.to_string(), member_id.to_string());
    GroupRecordKey::ShareGroupMemberMetadata(ShareGroupMemberMetadataKey { group_id, member_id })
}

fn target_member_key(group_id: &str, member_id: &str) -> GroupRecordKey {
    let (group_id, member_id) = (group_id.to_string(), member_id.to_string());
    GroupRecordKey::ShareGroupTargetAssignmentMember(ShareGroupTargetAssignmentMemberKey { group_id, member_id })
}

fn target_epoch_key(group_id: &str) -> GroupRecordKey {
    let group_id = group_id.to_string();
    GroupRecordKey::ShareGroupTargetAssignmentMetadata(ShareGroupTargetAssignmentMetadataKey { group_id })
}

fn current_key(group_id: &str, member_id: &str) -> GroupRecordKey {
    let (group_id, member_id) = (group_id.to_string(), member_id.to_string());
    GroupRecordKey::ShareGroupCurrentMemberAssignment(ShareGroupCurrentMemberAssignmentKey { group_id, member_id })
}

fn partitions_key(group_id: &str) -> GroupRecordKey {
    let group_id = group_id.to_string();
    GroupRecordKey::ShareGroupStatePartitionMetadata(ShareGroupStatePartitionMetadataKey { group_id })
}
