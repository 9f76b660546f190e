//! OffsetCommit records, also those of Kafka's oldest format.

use super::state::OffsetAndMetadata;
use crate::classic::ClassicGroup;
use crate::group::{Group, GroupId};
use crate::shard::GroupShard;
use ottla_coordinator::Position;
use ottla_protocol::{GroupRecordKey, GroupRecordValue, OffsetCommitValue};
use std::sync::Arc;

/// Replays a committed offset or its tombstone. A group that only commits offsets begins to exist by it.
pub fn replay(shard: &mut GroupShard, key: GroupRecordKey, value: Option<GroupRecordValue>, position: Position) {
    let (group, topic, partition) = match key {
        GroupRecordKey::OffsetCommit(key) => (key.group, key.topic, key.partition),
        GroupRecordKey::LegacyOffsetCommit(key) => (key.group, key.topic, key.partition),
        _ => return,
    };
    let value = match value {
        Some(GroupRecordValue::OffsetCommit(value)) => value,
        Some(GroupRecordValue::LegacyOffsetCommit(value)) => OffsetCommitValue {
            offset: value.offset,
            metadata: value.metadata,
            commit_timestamp: value.commit_timestamp,
            ..OffsetCommitValue::default()
        },
        _ => return shard.offsets.remove(&group, &topic, partition),
    };
    let (group_id, topic) = (GroupId::from(group), Arc::from(topic));
    if shard.groups.get(&group_id).is_none() {
        let group = ClassicGroup::new(group_id.clone(), None);
        shard.groups.put(group_id.clone(), Group::Classic(group));
    }
    let offset = OffsetAndMetadata::of_value(position.offset, value);
    match position.producer_id {
        None => shard.offsets.put(&group_id, &topic, partition, offset),
        Some(producer_id) => shard.offsets.put_pending(producer_id, &group_id, &topic, partition, offset),
    }
}
