//! The append half of Produce: find, check and append each partition's batch; then wait for the watermark.

use crate::Broker;
use crate::partition::{Appended, Partition, PartitionError};
use crate::watchers::Waiter;
use ottla_protocol::generated::produce_request::ProduceRequest;
use ottla_protocol::{Records, RequestHeader};
use ottla_records::validate_produce;
use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;
use std::time::Duration;

/// The client id from which Kafka accepts writes to internal topics.
const ADMIN_CLIENT_ID: &str = "__admin_client";
/// First version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

/// Whom the producer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acks {
    None,
    Leader,
    All,
}

impl Acks {
    pub(super) fn parse(acks: i16) -> Option<Acks> {
        match acks {
            0 => Some(Acks::None),
            1 => Some(Acks::Leader),
            -1 => Some(Acks::All),
            _ => None,
        }
    }
}

/// What became of one partition's batch.
pub(super) struct PartitionResult {
    pub(super) topic: String,
    pub(super) topic_id: Uuid,
    pub(super) index: i32,
    pub(super) outcome: Result<Accepted, Failure>,
}

/// A batch that is in the log (or was already).
pub(super) struct Accepted {
    pub(super) appended: Appended,
    partition: Arc<Partition>,
}

/// Why a batch is not in the log, or not known to be replicated.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub(super) struct Failure {
    pub(super) error: PartitionError,
    pub(super) record_errors: Vec<(i32, String)>,
}

impl From<PartitionError> for Failure {
    fn from(error: PartitionError) -> Failure {
        Failure { error, record_errors: Vec::new() }
    }
}

/// Appends every partition's batch, one after another, in the request's order.
pub(super) async fn append_all(
    broker: &Arc<Broker>,
    header: &RequestHeader,
    body: ProduceRequest,
    acks: Acks,
) -> Vec<PartitionResult> {
    let mut results = Vec::new();
    for topic in body.topic_data {
        for partition in topic.partition_data {
            let found = find(broker, header, &topic.name, topic.topic_id, partition.index);
            let outcome = match found {
                Ok(found) => append_one(broker, header, found, partition.records, acks).await,
                Err(error) => Err(error.into()),
            };
            let (topic, topic_id) = (topic.name.clone(), topic.topic_id);
            results.push(PartitionResult { topic, topic_id, index: partition.index, outcome });
        }
    }
    results
}

fn find(
    broker: &Broker,
    header: &RequestHeader,
    name: &str,
    topic_id: Uuid,
    index: i32,
) -> Result<Arc<Partition>, PartitionError> {
    let partition = match header.api_version >= TOPIC_IDS_FROM {
        true => broker.partitions.by_id(topic_id, index)?,
        false => broker.partitions.by_name(name, index)?,
    };
    let is_admin = header.client_id.as_deref() == Some(ADMIN_CLIENT_ID);
    if partition.is_internal() && !is_admin {
        let message = format!("{} is an internal topic; only the broker writes to it", partition.topic);
        return Err(PartitionError::of(ErrorCode::InvalidTopicException, message));
    }
    Ok(partition)
}

async fn append_one(
    broker: &Broker,
    header: &RequestHeader,
    partition: Arc<Partition>,
    records: Records,
    acks: Acks,
) -> Result<Accepted, Failure> {
    let Records::Inline(records) = records else {
        let message = "the partition carries no record batch";
        return Err(PartitionError::of(ErrorCode::InvalidRecord, message).into());
    };
    let limits = partition.produce_limits(header.api_version, broker.runtime().wall_clock_ms());
    let batch = validate_produce(&records, &limits).map_err(|rejected| Failure {
        error: PartitionError::of(rejected.error, rejected.message),
        record_errors: rejected.record_errors,
    })?;
    if batch.header().is_transactional() {
        let message = "transactions are not supported by this version of ottla";
        return Err(PartitionError::of(ErrorCode::InvalidTxnState, message).into());
    }
    let appended = partition.append(&batch, acks == Acks::All).await?;
    broker.metrics().produce_bytes.add(batch.total_len() as u64);
    Ok(Accepted { appended, partition })
}

/// Waits until every accepted batch is below its partition's high watermark; those that are not in time are
/// answered REQUEST_TIMED_OUT, though they may still be replicated.
pub(super) async fn await_replication(
    broker: &Broker,
    mut results: Vec<PartitionResult>,
    timeout: Duration,
) -> Vec<PartitionResult> {
    let runtime = broker.runtime();
    let deadline = runtime.now() + timeout;
    let waiter = Waiter::new();
    for result in &mut results {
        let Ok(accepted) = &result.outcome else { continue };
        let needed = accepted.appended.last_offset + 1;
        let failure = loop {
            match accepted.partition.replicated(needed, accepted.appended.leader_epoch, &waiter) {
                Ok(true) => break None,
                Err(error) => break Some(error),
                Ok(false) => {}
            }
            let left = deadline.saturating_duration_since(runtime.now());
            if runtime.timeout(left, waiter.woken()).await.is_err() {
                break Some(timed_out(timeout));
            }
        };
        if let Some(error) = failure {
            result.outcome = Err(error.into());
        }
    }
    results
}

fn timed_out(timeout: Duration) -> PartitionError {
    let message = format!("not on stable storage of all in-sync replicas within {} ms", timeout.as_millis());
    PartitionError::of(ErrorCode::RequestTimedOut, message)
}
