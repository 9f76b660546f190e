//! Records of `__share_group_state`, in Kafka's format.

use super::StateKey;
use ottla_coordinator::{Position, Record, ReplayError};
use ottla_protocol::{
    DecodeError, EncodeError, ShareRecordKey, ShareRecordValue, ShareSnapshotKey, ShareSnapshotValue, ShareUpdateKey,
    ShareUpdateValue,
};

fn snapshot_key(key: &StateKey) -> ShareRecordKey {
    ShareRecordKey::ShareSnapshot(ShareSnapshotKey {
        group_id: key.group_id.to_string(),
        topic_id: key.topic_id,
        partition: key.partition,
    })
}

/// The whole state.
///
/// # Errors
/// When the group id is too long for a record.
pub(super) fn snapshot(key: &StateKey, value: ShareSnapshotValue) -> Result<Record, EncodeError> {
    let value = ShareRecordValue::ShareSnapshot(value);
    let version = value.max_version();
    Ok(Record { key: snapshot_key(key).encode()?, value: Some(value.encode(version)?) })
}

/// What has changed since the last snapshot.
///
/// # Errors
/// When the group id is too long for a record.
pub(super) fn update(key: &StateKey, value: ShareUpdateValue) -> Result<Record, EncodeError> {
    let record_key = ShareRecordKey::ShareUpdate(ShareUpdateKey {
        group_id: key.group_id.to_string(),
        topic_id: key.topic_id,
        partition: key.partition,
    });
    let value = ShareRecordValue::ShareUpdate(value);
    let version = value.max_version();
    Ok(Record { key: record_key.encode()?, value: Some(value.encode(version)?) })
}

/// The state is gone.
///
/// # Errors
/// When the group id is too long for a record.
pub(super) fn tombstone(key: &StateKey) -> Result<Record, EncodeError> {
    Ok(Record { key: snapshot_key(key).encode()?, value: None })
}

/// Reads a record. None when its type or version is one that this version does not know.
///
/// # Errors
/// When the record is damaged.
pub(super) fn decode(
    record: &Record,
    position: Position,
) -> Result<Option<(ShareRecordKey, Option<ShareRecordValue>)>, ReplayError> {
    let damaged = |error: DecodeError| ReplayError { offset: position.offset, reason: error.to_string() };
    let key = match ShareRecordKey::decode(&record.key) {
        Ok(key) => key,
        Err(DecodeError::UnknownRecordType { .. }) => return Ok(None),
        Err(error) => return Err(damaged(error)),
    };
    let Some(bytes) = &record.value else { return Ok(Some((key, None))) };
    match ShareRecordValue::decode(key.record_type(), bytes) {
        Ok((value, _version)) => Ok(Some((key, Some(value)))),
        Err(DecodeError::UnsupportedVersion { .. }) => Ok(None),
        Err(error) => Err(damaged(error)),
    }
}
