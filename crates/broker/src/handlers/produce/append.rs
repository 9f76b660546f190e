//! The append half of Produce: find, check and append each partition's batch; then wait for the watermark.

use super::transactional::guards;
use crate::Broker;
use crate::partition::{AppendAs, Appended, Partition, PartitionError};
use crate::watchers::Waiter;
use ottla_coordinator::VerificationGuard;
use ottla_protocol::generated::produce_request::ProduceRequestRef;
use ottla_protocol::{Records, RequestHeader};
use ottla_records::{BatchHeader, validate_produce};
use ottla_runtime::Instant;
use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;

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

/// What became of one topic's batches.
pub(super) struct TopicResult {
    /// Empty where the request names topics by id.
    pub(super) name: String,
    pub(super) topic_id: Uuid,
    pub(super) partitions: Vec<PartitionResult>,
}

/// What became of one partition's batch.
pub(super) struct PartitionResult {
    pub(super) index: i32,
    pub(super) outcome: Result<Accepted, Failure>,
}

/// A batch that is in the log (or was already).
pub(super) struct Accepted {
    pub(super) appended: Appended,
    partition: Arc<Partition>,
    /// Woken when it is worth asking again whether the batch is replicated; `None` once it is, or nobody waits.
    waiter: Option<Arc<Waiter>>,
}

/// Why a batch is not in the log, or not known to be replicated.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub(super) struct Failure {
    pub(super) error: PartitionError,
    pub(super) record_errors: Vec<(i32, String)>,
    /// Where the partition's log begins; -1 where the error is not about the batch.
    pub(super) log_start_offset: i64,
}

impl From<PartitionError> for Failure {
    fn from(error: PartitionError) -> Failure {
        Failure { error, record_errors: Vec::new(), log_start_offset: -1 }
    }
}

impl Failure {
    /// The partition refused the batch.
    fn of_batch(error: PartitionError, record_errors: Vec<(i32, String)>, partition: &Partition) -> Failure {
        let extent = if tells_log_start(error.code) { partition.extent() } else { None };
        Failure { error, record_errors, log_start_offset: extent.map_or(-1, |extent| extent.log_start_offset) }
    }
}

/// Whether Kafka's leader says where the log begins beside this error (ReplicaManager.appendToLocalLog): not beside those that
/// it expects.
fn tells_log_start(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::CorruptMessage
            | ErrorCode::KafkaStorageError
    )
}

/// Appends every partition's batch, one after another, in the request's order.
pub(super) async fn append_all(
    broker: &Broker,
    header: &RequestHeader,
    body: ProduceRequestRef<'_>,
    acks: Acks,
) -> Vec<TopicResult> {
    let mut guards = guards(broker, header, &body).await;
    let by_id = header.api_version >= TOPIC_IDS_FROM;
    let mut results = Vec::with_capacity(body.topic_data.len());
    for (topic_place, topic) in body.topic_data.into_iter().enumerate() {
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for (place, partition) in topic.partition_data.into_iter().enumerate() {
            let found = find(broker, header, &topic.name, topic.topic_id, partition.index);
            let found = found.and_then(|found| Ok((found, guards.take((topic_place, place))?)));
            let sent = header_of(&partition.records);
            let outcome = match found {
                Ok((found, guard)) => append_one(broker, header, found, partition.records, (acks, guard)).await,
                Err(error) => Err(error.into()),
            };
            if let (Err(failure), Some(sent)) = (&outcome, &sent) {
                let topic_id = if by_id { Some(topic.topic_id) } else { broker.image().topic_id(&topic.name) };
                let refused = &broker.shared.refused;
                topic_id.inspect(|&topic_id| refused.note(topic_id, partition.index, sent, failure.error.code));
            }
            partitions.push(PartitionResult { index: partition.index, outcome });
        }
        results.push(TopicResult { name: topic.name.into_owned(), topic_id: topic.topic_id, partitions });
    }
    let outcomes = || results.iter().flat_map(|topic| &topic.partitions).map(|partition| &partition.outcome);
    broker.metrics().produce_requests.add(outcomes().count() as u64);
    broker.metrics().produce_requests_failed.add(outcomes().filter(|outcome| outcome.is_err()).count() as u64);
    if acks == Acks::All {
        ask_for_replication(&mut results);
    }
    results
}

/// The header of what a partition carries, unchecked.
pub(super) fn header_of(records: &Records) -> Option<BatchHeader> {
    records.bytes().and_then(|bytes| BatchHeader::parse(bytes).ok())
}

pub(super) fn find(
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
    (acks, guard): (Acks, VerificationGuard),
) -> Result<Accepted, Failure> {
    let Records::Inline(records) = records else {
        broker.metrics().produce_rejected.increment();
        let message = "the partition carries no record batch";
        return Err(PartitionError::of(ErrorCode::InvalidRecord, message).into());
    };
    let limits = partition.produce_limits(header.api_version, broker.runtime().wall_clock_ms())?;
    let batch = validate_produce(&records, &limits).map_err(|rejected| {
        broker.metrics().produce_rejected.increment();
        Failure::of_batch(PartitionError::of(rejected.error, rejected.message), rejected.record_errors, &partition)
    })?;
    match partition.append(&batch, AppendAs::Client { acks_all: acks == Acks::All, guard }).await {
        Ok(appended) => Ok(Accepted { appended, partition, waiter: None }),
        Err(error) => Err(Failure::of_batch(error, Vec::new(), &partition)),
    }
}

/// Asks each partition once, now, so that those who wait are registered before the request is parked.
fn ask_for_replication(results: &mut [TopicResult]) {
    for result in results.iter_mut().flat_map(|topic| &mut topic.partitions) {
        let Ok(accepted) = &mut result.outcome else { continue };
        let waiter = Waiter::new();
        match accepted.partition.replicated(&accepted.appended, &waiter) {
            Ok(true) => {}
            Ok(false) => accepted.waiter = Some(waiter),
            Err(error) => result.outcome = Err(error.into()),
        }
    }
}

/// Whether nothing is left to wait for.
pub(super) fn is_replicated(results: &[TopicResult]) -> bool {
    let mut partitions = results.iter().flat_map(|topic| &topic.partitions);
    partitions.all(|result| {
        result.outcome.as_ref().is_ok_and(|accepted| accepted.waiter.is_none()) || result.outcome.is_err()
    })
}

/// Waits until every accepted batch is below its partition's high watermark; those that are not in time are
/// answered REQUEST_TIMED_OUT, though they may still be replicated.
pub(super) async fn await_replication(
    broker: &Broker,
    mut results: Vec<TopicResult>,
    deadline: Instant,
) -> Vec<TopicResult> {
    for result in results.iter_mut().flat_map(|topic| &mut topic.partitions) {
        let Ok(accepted) = &mut result.outcome else { continue };
        let Some(waiter) = accepted.waiter.take() else { continue };
        if let Err(error) = replicated(broker, accepted, &waiter, deadline).await {
            result.outcome = Err(error.into());
        }
    }
    results
}

async fn replicated(
    broker: &Broker,
    accepted: &Accepted,
    waiter: &Arc<Waiter>,
    deadline: Instant,
) -> Result<(), PartitionError> {
    let runtime = broker.runtime();
    loop {
        let left = deadline.saturating_duration_since(runtime.now());
        let is_late = runtime.timeout(left, waiter.woken()).await.is_err();
        if accepted.partition.replicated(&accepted.appended, waiter)? {
            return Ok(());
        }
        if is_late {
            let message = "not on stable storage of all in-sync replicas within the request's timeout";
            return Err(PartitionError::of(ErrorCode::RequestTimedOut, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_the_log_is_told_beside_errors_of_validation_and_of_producer_state() {
        for code in [
            ErrorCode::InvalidTimestamp,
            ErrorCode::InvalidRecord,
            ErrorCode::OutOfOrderSequenceNumber,
            ErrorCode::InvalidProducerEpoch,
            ErrorCode::InvalidTxnState,
            ErrorCode::NotEnoughReplicas,
        ] {
            assert!(tells_log_start(code), "{code}");
        }
        for code in [
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::MessageTooLarge,
            ErrorCode::CorruptMessage,
            ErrorCode::KafkaStorageError,
        ] {
            assert!(!tells_log_start(code), "{code}");
        }
    }
}
