//! Reading for one Fetch: once, and again each time a partition has news, until there is enough.

use super::names_by_id;
use crate::Broker;
use crate::fetch_session::{FetchPartition, Fetching, TopicKey};
use crate::partition::{Partition, PartitionError, ReadOutcome, ReadRequest};
use crate::watchers::Waiter;
use ottla_protocol::RequestHeader;
use ottla_types::ErrorCode;
use std::sync::Arc;
use std::time::Duration;

/// What the request allows.
pub(super) struct ReadLimits {
    pub(super) min_bytes: u64,
    pub(super) max_bytes: u64,
    pub(super) wait: Duration,
    pub(super) read_committed: bool,
}

/// One partition's answer.
pub(super) struct Answer {
    pub(super) wanted: FetchPartition,
    pub(super) result: Result<ReadOutcome, PartitionError>,
}

/// Reads every partition of `fetching`; parks while there is less than `min_bytes`, nothing went wrong and
/// the deadline is not reached.
pub(super) async fn read_until_enough(
    broker: &Arc<Broker>,
    header: &RequestHeader,
    fetching: &Fetching,
    limits: &ReadLimits,
) -> Vec<Answer> {
    let deadline = broker.runtime().now() + limits.wait;
    let waiter = Waiter::new();
    let targets: Vec<_> = fetching.partitions.iter().map(|wanted| find(broker, header, wanted)).collect();
    loop {
        let may_wait = broker.runtime().now() < deadline;
        let answers = read_once(fetching, &targets, limits, may_wait.then_some(&waiter)).await;
        if !may_wait || is_enough(&answers, limits) {
            return answers;
        }
        broker.metrics().parked_fetches.increment();
        let woken = broker.runtime().timeout(deadline - broker.runtime().now(), waiter.woken()).await;
        broker.metrics().parked_fetches.decrement();
        if woken.is_err() {
            return read_once(fetching, &targets, limits, None).await;
        }
    }
}

fn is_enough(answers: &[Answer], limits: &ReadLimits) -> bool {
    let mut bytes = 0;
    for answer in answers {
        match &answer.result {
            Ok(outcome) if outcome.answers_at_once => return true,
            Ok(outcome) => bytes += outcome.bytes,
            Err(_) => return true,
        }
    }
    bytes >= limits.min_bytes || answers.is_empty()
}

async fn read_once(
    fetching: &Fetching,
    targets: &[Result<Arc<Partition>, PartitionError>],
    limits: &ReadLimits,
    waiter: Option<&Arc<Waiter>>,
) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(targets.len());
    let mut room = limits.max_bytes;
    let mut at_least_one_batch = true;
    for (wanted, target) in fetching.partitions.iter().zip(targets) {
        let result = match target {
            Ok(partition) => {
                let request = ReadRequest {
                    offset: wanted.fetch_offset,
                    current_leader_epoch: wanted.current_leader_epoch,
                    last_fetched_epoch: wanted.last_fetched_epoch,
                    max_bytes: room.min(wanted.max_bytes.max(0) as u64),
                    at_least_one_batch,
                    read_committed: limits.read_committed,
                };
                partition.read(&request, waiter).await
            }
            Err(error) => Err(error.clone()),
        };
        if let Ok(outcome) = &result {
            room = room.saturating_sub(outcome.bytes);
            at_least_one_batch &= outcome.bytes == 0;
        }
        answers.push(Answer { wanted: wanted.clone(), result });
    }
    answers
}

fn find(broker: &Broker, header: &RequestHeader, wanted: &FetchPartition) -> Result<Arc<Partition>, PartitionError> {
    match &wanted.key.topic {
        TopicKey::Id(id) if id.is_zero() || !names_by_id(header) => {
            Err(PartitionError::of(ErrorCode::UnknownTopicId, "no topic has this id"))
        }
        TopicKey::Id(id) => broker.partitions.by_id(*id, wanted.key.partition),
        TopicKey::Name(name) => broker.partitions.by_name(name, wanted.key.partition),
    }
}
