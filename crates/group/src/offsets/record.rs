//! OffsetCommit records: version 4, or version 1 for offsets that say when they expire, as Kafka 4.3 writes them.

use super::state::OffsetAndMetadata;
use crate::records;
use ottla_coordinator::Record;
use ottla_protocol::{EncodeError, GroupRecordKey, GroupRecordValue, OffsetCommitKey, OffsetCommitValue};

const VERSION: i16 = 4;
/// The newest version that has an expire timestamp.
const VERSION_WITH_EXPIRY: i16 = 1;

fn key(group_id: &str, topic: &str, partition: i32) -> GroupRecordKey {
    GroupRecordKey::OffsetCommit(OffsetCommitKey { group: group_id.to_string(), topic: topic.to_string(), partition })
}

/// The record of a committed offset.
///
/// # Errors
/// When the group id or topic is longer than a string of the key may be.
pub fn offset_commit(
    group_id: &str,
    topic: &str,
    partition: i32,
    offset: &OffsetAndMetadata,
) -> Result<Record, EncodeError> {
    let expires = offset.expire_timestamp_ms.is_some();
    let value = OffsetCommitValue {
        offset: offset.committed_offset,
        leader_epoch: if expires { -1 } else { offset.leader_epoch },
        metadata: offset.metadata.to_string(),
        commit_timestamp: offset.commit_timestamp_ms,
        expire_timestamp: offset.expire_timestamp_ms.unwrap_or(-1),
        topic_id: if expires { ottla_types::Uuid::ZERO } else { offset.topic_id },
    };
    let version = if expires { VERSION_WITH_EXPIRY } else { VERSION };
    records::record_of_version(key(group_id, topic, partition), GroupRecordValue::OffsetCommit(value), version)
}

/// The tombstone of a committed offset. None when its key cannot be written, in which case it was never committed.
pub fn tombstone(group_id: &str, topic: &str, partition: i32) -> Option<Record> {
    records::tombstone(key(group_id, topic, partition)).ok()
}
