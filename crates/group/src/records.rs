//! Records of `__consumer_offsets`: Kafka's keys and values, each behind its type or version.

use ottla_coordinator::{Position, Record, ReplayError};
use ottla_protocol::{DecodeError, EncodeError, GroupRecordKey, GroupRecordValue};

/// A record with this value in its schema's newest version.
///
/// # Errors
/// When a field does not fit (a string of more than 32,767 bytes).
pub fn record(key: GroupRecordKey, value: GroupRecordValue) -> Result<Record, EncodeError> {
    let version = value.max_version();
    record_of_version(key, value, version)
}

/// A record with this value in the version that Kafka would choose.
///
/// # Errors
/// When a field does not fit, or the version cannot carry one that is set.
pub fn record_of_version(key: GroupRecordKey, value: GroupRecordValue, version: i16) -> Result<Record, EncodeError> {
    assert_eq!(key.record_type(), value.record_type(), "key and value are of different types");
    Ok(Record { key: key.encode()?, value: Some(value.encode(version)?) })
}

/// A tombstone.
///
/// # Errors
/// When a string of the key is too long.
pub fn tombstone(key: GroupRecordKey) -> Result<Record, EncodeError> {
    Ok(Record { key: key.encode()?, value: None })
}

/// Reads a record. None when its key type or value version is one that this version does not know.
///
/// # Errors
/// When the record is damaged.
pub fn decode(
    record: &Record,
    position: Position,
) -> Result<Option<(GroupRecordKey, Option<GroupRecordValue>)>, ReplayError> {
    let damaged = |error: DecodeError| ReplayError { offset: position.offset, reason: error.to_string() };
    let key = match GroupRecordKey::decode(&record.key) {
        Ok(key) => key,
        Err(DecodeError::UnknownRecordType { .. }) => return Ok(None),
        Err(error) => return Err(damaged(error)),
    };
    let Some(bytes) = &record.value else { return Ok(Some((key, None))) };
    match GroupRecordValue::decode(key.record_type(), bytes) {
        Ok((value, _version)) => Ok(Some((key, Some(value)))),
        Err(DecodeError::UnsupportedVersion { .. }) => Ok(None),
        Err(error) => Err(damaged(error)),
    }
}
