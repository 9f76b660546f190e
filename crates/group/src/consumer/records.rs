//! The records of a consumer group, as Kafka writes them: lists sorted, one record per concern.

use super::member::{Member, PartitionEpochs};
use super::subscriptions::ResolvedRegularExpression;
use crate::assignor::Assignment;
use crate::records::{record, tombstone};
use ottla_coordinator::Record;
use ottla_protocol::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey, ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey, ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue, EncodeError, GroupRecordKey,
    GroupRecordValue, consumer_group_current_member_assignment_value as current,
    consumer_group_target_assignment_member_value as target,
};

type Encoded = Result<Record, EncodeError>;

/// The group's epoch and the hash of its topics.
pub(crate) fn epoch(group_id: &str, epoch: i32, metadata_hash: i64) -> Encoded {
    let value = ConsumerGroupMetadataValue { epoch, metadata_hash };
    record(epoch_key(group_id), GroupRecordValue::ConsumerGroupMetadata(value))
}

/// The group is gone.
pub(crate) fn epoch_tombstone(group_id: &str) -> Encoded {
    tombstone(epoch_key(group_id))
}

/// What Kafka before 4.1 kept of the topics is of no use any more.
pub(crate) fn partition_metadata_tombstone(group_id: &str) -> Encoded {
    let key = ConsumerGroupPartitionMetadataKey { group_id: group_id.to_string() };
    tombstone(GroupRecordKey::ConsumerGroupPartitionMetadata(key))
}

/// What a member says of itself.
pub(crate) fn member(group_id: &str, member: &Member) -> Encoded {
    let value = ConsumerGroupMemberMetadataValue {
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.subscribed_topic_names.iter().cloned().collect(),
        subscribed_topic_regex: Some(member.subscribed_topic_regex.clone()),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: member.server_assignor.clone(),
        classic_member_metadata: member.classic.as_deref().cloned(),
    };
    record(member_key(group_id, &member.member_id), GroupRecordValue::ConsumerGroupMemberMetadata(value))
}

/// The member is gone.
pub(crate) fn member_tombstone(group_id: &str, member_id: &str) -> Encoded {
    tombstone(member_key(group_id, member_id))
}

/// The member's target assignment.
pub(crate) fn target_member(group_id: &str, member_id: &str, assignment: &Assignment) -> Encoded {
    let topic_partitions = assignment.iter().map(|(topic_id, partitions)| target::TopicPartition {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    let value = ConsumerGroupTargetAssignmentMemberValue { topic_partitions: topic_partitions.collect() };
    record(target_member_key(group_id, member_id), GroupRecordValue::ConsumerGroupTargetAssignmentMember(value))
}

/// The member has no target assignment.
pub(crate) fn target_member_tombstone(group_id: &str, member_id: &str) -> Encoded {
    tombstone(target_member_key(group_id, member_id))
}

/// The epoch of the target assignment; follows the members' records.
pub(crate) fn target_epoch(group_id: &str, assignment_epoch: i32, assignment_timestamp: i64) -> Encoded {
    let value = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp };
    record(target_epoch_key(group_id), GroupRecordValue::ConsumerGroupTargetAssignmentMetadata(value))
}

/// There is no target assignment.
pub(crate) fn target_epoch_tombstone(group_id: &str) -> Encoded {
    tombstone(target_epoch_key(group_id))
}

/// What a member owns, and its epoch.
pub(crate) fn current(group_id: &str, member: &Member) -> Encoded {
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: member.member_epoch,
        previous_member_epoch: member.previous_member_epoch,
        state: member.state.to_record(),
        assigned_partitions: topic_partitions(&member.assigned_partitions),
        partitions_pending_revocation: topic_partitions(&member.partitions_pending_revocation),
    };
    record(current_key(group_id, &member.member_id), GroupRecordValue::ConsumerGroupCurrentMemberAssignment(value))
}

/// The member owns nothing.
pub(crate) fn current_tombstone(group_id: &str, member_id: &str) -> Encoded {
    tombstone(current_key(group_id, member_id))
}

/// What a regular expression matched.
pub(crate) fn regex(group_id: &str, regex: &str, resolved: &ResolvedRegularExpression) -> Encoded {
    let value = ConsumerGroupRegularExpressionValue {
        topics: resolved.topics.iter().cloned().collect(),
        version: resolved.version,
        timestamp: resolved.timestamp_ms,
    };
    record(regex_key(group_id, regex), GroupRecordValue::ConsumerGroupRegularExpression(value))
}

/// Nobody is subscribed to the regular expression.
pub(crate) fn regex_tombstone(group_id: &str, regex: &str) -> Encoded {
    tombstone(regex_key(group_id, regex))
}

fn topic_partitions(partitions: &PartitionEpochs) -> Vec<current::TopicPartitions> {
    let topics = partitions.iter().map(|(topic_id, partitions)| current::TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    });
    topics.collect()
}

fn epoch_key(group_id: &str) -> GroupRecordKey {
    GroupRecordKey::ConsumerGroupMetadata(ConsumerGroupMetadataKey { group_id: group_id.to_string() })
}

fn member_key(group_id: &str, member_id: &str) -> GroupRecordKey {
    GroupRecordKey::ConsumerGroupMemberMetadata(ConsumerGroupMemberMetadataKey {
        group_id: group_id.to_string(),
        member_id: member_id.to_string(),
    })
}

fn target_member_key(group_id: &str, member_id: &str) -> GroupRecordKey {
    GroupRecordKey::ConsumerGroupTargetAssignmentMember(ConsumerGroupTargetAssignmentMemberKey {
        group_id: group_id.to_string(),
        member_id: member_id.to_string(),
    })
}

fn target_epoch_key(group_id: &str) -> GroupRecordKey {
    let key = ConsumerGroupTargetAssignmentMetadataKey { group_id: group_id.to_string() };
    GroupRecordKey::ConsumerGroupTargetAssignmentMetadata(key)
}

fn current_key(group_id: &str, member_id: &str) -> GroupRecordKey {
    GroupRecordKey::ConsumerGroupCurrentMemberAssignment(ConsumerGroupCurrentMemberAssignmentKey {
        group_id: group_id.to_string(),
        member_id: member_id.to_string(),
    })
}

fn regex_key(group_id: &str, regex: &str) -> GroupRecordKey {
    GroupRecordKey::ConsumerGroupRegularExpression(ConsumerGroupRegularExpressionKey {
        group_id: group_id.to_string(),
        regular_expression: regex.to_string(),
    })
}
