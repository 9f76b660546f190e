//! Reading for one Fetch: once, and again each time a partition has news, until there is enough.

use super::names_by_id;
use crate::Broker;
use crate::fetch_session::{FetchPartition, TopicKey};
use crate::parked::Parked;
use crate::partition::{Partition, PartitionError, ReadOutcome, ReadRequest};
use crate::watchers::{Registration, Waiter};
use ottla_protocol::RequestHeader;
use ottla_runtime::Instant;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// What the request allows.
pub(super) struct ReadLimits {
    pub(super) min_bytes: u64,
    pub(super) max_bytes: u64,
    pub(super) deadline: Instant,
    pub(super) read_committed: bool,
}

/// One partition's answer.
pub(super) type Answer = Result<ReadOutcome, PartitionError>;

/// What a partition of the request is here, and whether its news are waited for.
struct Target {
    partition: Result<Arc<Partition>, PartitionError>,
    registration: Option<Registration>,
}

/// Reads every partition of `wanted`; parks while there is less than `min_bytes`, nothing went wrong and the deadline is
/// not reached. The answers are in the order of `wanted`.
pub(super) async fn read_until_enough(
    broker: &Broker,
    header: &RequestHeader,
    wanted: &[FetchPartition],
    limits: &ReadLimits,
) -> Vec<Answer> {
    let mut targets: Vec<_> = wanted.iter().map(|wanted| find(broker, header, wanted)).collect();
    let answers = wait_until_enough(broker, wanted, &mut targets, limits).await;
    for (target, answer) in targets.iter().zip(&answers) {
        if let (Ok(partition), Ok(outcome)) = (&target.partition, answer) {
            partition.count_fetched(outcome.bytes());
        }
    }
    broker.metrics().fetch_requests.add(answers.len() as u64);
    broker.metrics().fetch_requests_failed.add(answers.iter().filter(|answer| answer.is_err()).count() as u64);
    answers
}

async fn wait_until_enough(
    broker: &Broker,
    wanted: &[FetchPartition],
    targets: &mut [Target],
    limits: &ReadLimits,
) -> Vec<Answer> {
    let answers = read_once(wanted, targets, limits, None).await;
    let runtime = broker.runtime();
    if is_enough(targets, &answers, limits) || runtime.now() >= limits.deadline {
        return answers;
    }
    let _parked = Parked::new(broker.metrics().parked_fetches.clone());
    let waiter = Waiter::new();
    loop {
        // Read again once registered: what came before that wakes nobody.
        let answers = read_once(wanted, targets, limits, Some(&waiter)).await;
        let left = limits.deadline.saturating_duration_since(runtime.now());
        if is_enough(targets, &answers, limits) || left.is_zero() {
            return answers;
        }
        drop(answers);
        if runtime.timeout(left, waiter.woken()).await.is_err() {
            return read_once(wanted, targets, limits, None).await;
        }
    }
}

/// As in Kafka a partition that does not exist is no reason to answer at once, unless there is nothing else to wait for.
fn is_enough(targets: &[Target], answers: &[Answer], limits: &ReadLimits) -> bool {
    let mut bytes = 0;
    let mut waits_for_something = false;
    for (target, answer) in targets.iter().zip(answers) {
        match answer {
            Ok(outcome) if outcome.answers_at_once => return true,
            Ok(outcome) => bytes += outcome.bytes(),
            Err(_) if target.partition.is_ok() => return true,
            Err(error) if error.code == ErrorCode::NotLeaderOrFollower => return true,
            Err(_) => continue,
        }
        waits_for_something = true;
    }
    bytes >= limits.min_bytes || !waits_for_something
}

async fn read_once(
    wanted: &[FetchPartition],
    targets: &mut [Target],
    limits: &ReadLimits,
    waiter: Option<&Arc<Waiter>>,
) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(wanted.len());
    let mut room = limits.max_bytes;
    let mut at_least_one_batch = true;
    for (wanted, Target { partition, registration }) in wanted.iter().zip(targets.iter_mut()) {
        let answer = match partition {
            Ok(partition) => {
                let request = ReadRequest {
                    offset: wanted.fetch_offset,
                    current_leader_epoch: wanted.current_leader_epoch,
                    last_fetched_epoch: wanted.last_fetched_epoch,
                    max_bytes: room.min(u64::try_from(wanted.max_bytes).unwrap_or(0)),
                    at_least_one_batch,
                    read_committed: limits.read_committed,
                };
                partition.read(&request, waiter.map(|waiter| (waiter, registration))).await
            }
            Err(error) => Err(error.clone()),
        };
        if let Ok(outcome) = &answer {
            room = room.saturating_sub(outcome.bytes());
            at_least_one_batch &= outcome.range.is_none();
        }
        answers.push(answer);
    }
    answers
}

fn find(broker: &Broker, header: &RequestHeader, wanted: &FetchPartition) -> Target {
    let partition = match &wanted.key.topic {
        TopicKey::Id(id) if id.is_zero() || !names_by_id(header) => {
            Err(PartitionError::of(ErrorCode::UnknownTopicId, "no topic has this id"))
        }
        TopicKey::Id(id) => broker.partitions.by_id(*id, wanted.key.partition),
        TopicKey::Name(name) => broker.partitions.by_name(name, wanted.key.partition),
    };
    Target { partition, registration: None }
}
