//! Records of `__transaction_state`: Kafka's keys and values.

use crate::state::TransactionState;
use crate::transaction::{NO_EPOCH, NONE, Transaction};
use ottla_coordinator::{Position, Record, ReplayError};
use ottla_protocol::transaction_log_value::PartitionsSchema;
use ottla_protocol::{DecodeError, EncodeError, TransactionLogKey, TransactionLogValue};
use ottla_protocol::{TransactionRecordKey, TransactionRecordValue};
use ottla_types::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The newest value that Kafka before `transaction.version` 1 can read.
const VERSION_BEFORE_1: i16 = 0;
const VERSION: i16 = 1;

fn key(transactional_id: &str) -> TransactionRecordKey {
    TransactionRecordKey::TransactionLog(TransactionLogKey { transactional_id: transactional_id.to_string() })
}

/// The record of a state, in the version that belongs to the finalized `transaction.version`.
///
/// # Errors
/// When the transactional id or a topic is longer than a string of the record may be.
pub fn encode(
    transactional_id: &str,
    transaction: &Transaction,
    transaction_version: i16,
) -> Result<Record, EncodeError> {
    let version = if transaction_version >= 1 { VERSION } else { VERSION_BEFORE_1 };
    let tagged = |value: i64| if version == VERSION { value } else { NONE };
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in &transaction.partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topics =
        topics.into_iter().map(|(topic, ids)| PartitionsSchema { topic: topic.to_string(), partition_ids: ids });
    let value = TransactionLogValue {
        producer_id: transaction.producer_id,
        previous_producer_id: tagged(transaction.previous_producer_id),
        next_producer_id: tagged(transaction.next_producer_id),
        producer_epoch: transaction.producer_epoch,
        next_producer_epoch: NO_EPOCH,
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_status: transaction.state.id(),
        transaction_partitions: (transaction.state != TransactionState::Empty).then(|| topics.collect()),
        transaction_last_update_timestamp_ms: transaction.last_update_ms,
        transaction_start_timestamp_ms: transaction.start_ms,
        client_transaction_version: if version == VERSION { transaction.client_version } else { 0 },
    };
    let value = TransactionRecordValue::TransactionLog(value).encode(version)?;
    Ok(Record { key: key(transactional_id).encode()?, value: Some(value) })
}

/// The record that forgets a transactional id.
///
/// # Errors
/// When the id is longer than a string of the record may be.
pub fn tombstone(transactional_id: &str) -> Result<Record, EncodeError> {
    Ok(Record { key: key(transactional_id).encode()?, value: None })
}

/// Reads a record; no transaction is a tombstone. None when key or value are of a version that this one does not know.
///
/// # Errors
/// When the record is damaged.
pub fn decode(record: &Record, position: Position) -> Result<Option<(String, Option<Transaction>)>, ReplayError> {
    let damaged = |reason: String| ReplayError { offset: position.offset, reason };
    let key = match TransactionRecordKey::decode(&record.key) {
        Ok(TransactionRecordKey::TransactionLog(key)) => key,
        Err(DecodeError::UnknownRecordType { .. }) => return Ok(None),
        Err(error) => return Err(damaged(error.to_string())),
    };
    let Some(bytes) = &record.value else { return Ok(Some((key.transactional_id, None))) };
    let value = match TransactionRecordValue::decode(0, bytes) {
        Ok((TransactionRecordValue::TransactionLog(value), _version)) => value,
        Err(DecodeError::UnsupportedVersion { .. }) => return Ok(None),
        Err(error) => return Err(damaged(error.to_string())),
    };
    let unknown = || damaged(format!("unknown transaction state {}", value.transaction_status));
    let state = TransactionState::from_id(value.transaction_status).ok_or_else(unknown)?;
    let topics = value.transaction_partitions.filter(|_| state != TransactionState::Empty).unwrap_or_default();
    let partitions = topics.into_iter().flat_map(|topic| {
        let name: Arc<str> = Arc::from(topic.topic);
        topic.partition_ids.into_iter().map(move |id| TopicPartition::new(Arc::clone(&name), id))
    });
    let transaction = Transaction {
        producer_id: value.producer_id,
        previous_producer_id: value.previous_producer_id,
        next_producer_id: value.next_producer_id,
        producer_epoch: value.producer_epoch,
        last_producer_epoch: NO_EPOCH,
        timeout_ms: value.transaction_timeout_ms,
        state,
        partitions: partitions.collect(),
        start_ms: value.transaction_start_timestamp_ms,
        last_update_ms: value.transaction_last_update_timestamp_ms,
        client_version: value.client_transaction_version,
    };
    Ok(Some((key.transactional_id, Some(transaction))))
}
