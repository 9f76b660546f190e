//! Consumers with read_committed, by the rules of Kafka's clients.

use super::{GROUP, OUTPUT, SOURCE, positions};
use crate::oracle::{Check, broken};
use crate::workload::Actor;
use ottla_client::{ClientError, FetchSpec, Fetched, Isolation};
use ottla_records::{read_all, scan};
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a client with old metadata is told, and one that asks before the output is there.
pub(in crate::workload) const STALE: &[ErrorCode] = &[
    ErrorCode::FencedLeaderEpoch,
    ErrorCode::UnknownLeaderEpoch,
    ErrorCode::UnknownTopicOrPartition,
    ErrorCode::UnknownTopicId,
];
/// Bounds what a batch decompresses to.
const BATCH_BYTES_MAX: u64 = 1 << 20;
/// Fetches that may bring nothing although there is something.
const EMPTY_FETCHES_MAX: u32 = 40;

/// A fetch, and where the next one goes on.
struct Step {
    next: i64,
    fetched: Fetched,
}

/// Reads on and on until the run is over, now and then from the start.
pub(in crate::workload) async fn run(actor: Actor) -> Check {
    let mut at: BTreeMap<(&str, i32), i64> = BTreeMap::new();
    while actor.pause(80).await {
        let Some((topic, partitions)) = actor.one_of(OUTPUT) else { return Ok(()) };
        let partition = actor.below(*partitions as u64) as i32;
        let position = if actor.chance(5) { 0 } else { at.get(&(*topic, partition)).copied().unwrap_or(0) };
        match read(&actor, topic, partition, position, false).await? {
            Ok(step) => {
                at.insert((topic, partition), step.next);
            }
            Err(error) => {
                actor.expect("Fetch with read_committed", &error, STALE)?;
                actor.client.forget_topic(topic);
            }
        }
    }
    Ok(())
}

/// Reads everything that is committed. Once the load is over no transaction may be open any more, and all are judged.
pub(crate) async fn everything(actor: &Actor) -> Check<Result<(), ClientError>> {
    let is_over = actor.oracle.is_load_over();
    actor.oracle.reading_last();
    for (topic, partitions) in OUTPUT {
        for partition in 0..*partitions {
            match read_whole(actor, topic, partition, is_over).await? {
                Ok(()) => {}
                // The run may end before the topics are there.
                Err(ClientError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. }) if !is_over => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }
    if !is_over {
        return Ok(Ok(()));
    }
    let Some(positions) = positions(actor).await? else { return Ok(Err(not_yet("the positions"))) };
    for (partition, position) in (0..).zip(positions) {
        let partition: i32 = partition;
        actor.oracle.last_position(GROUP, &format!("{SOURCE}-{partition}"), position);
    }
    actor.oracle.judge_transactions().map(Ok)
}

async fn read_whole(actor: &Actor, topic: &str, partition: i32, is_over: bool) -> Check<Result<(), ClientError>> {
    actor.client.forget_topic(topic);
    let (mut position, mut empty) = (0, 0);
    loop {
        let step = match read(actor, topic, partition, position, is_over).await? {
            Ok(step) => step,
            Err(error) => return Ok(Err(error)),
        };
        let end = step.fetched.last_stable_offset;
        if is_over && end < step.fetched.high_watermark {
            return Ok(Err(not_yet(&format!("{topic}-{partition}, which is stable up to {end} only"))));
        }
        if step.next >= end {
            return Ok(Ok(()));
        }
        empty = if step.next == position { empty + 1 } else { 0 };
        position = step.next;
        if empty > EMPTY_FETCHES_MAX {
            return broken(format!("{topic}-{partition} gives nothing at offset {position}, stable up to {end}"));
        }
    }
}

/// Something that has to be asked again.
fn not_yet(subject: &str) -> ClientError {
    ClientError::Broker { subject: subject.to_string(), code: ErrorCode::CoordinatorNotAvailable, message: None }
}

/// One fetch; what it shows an application is told.
async fn read(
    actor: &Actor,
    topic: &str,
    partition: i32,
    position: i64,
    is_last: bool,
) -> Check<Result<Step, ClientError>> {
    let name = format!("{topic}-{partition}");
    let known = actor.oracle.stable_end(&name);
    let spec = FetchSpec {
        max_wait: Duration::from_millis(50),
        max_bytes: 500 + actor.below(20_000) as i32,
        isolation: Isolation::ReadCommitted,
        ..FetchSpec::new(topic, partition, position)
    };
    let fetched = match actor.client.fetch(&spec).await {
        Ok(fetched) => fetched,
        Err(error) => return Ok(Err(error)),
    };
    let end = fetched.last_stable_offset;
    actor.oracle.stable(&name, known, end)?;
    if end > fetched.high_watermark {
        return broken(format!("{name} is stable up to {end}, beyond its high watermark {}", fetched.high_watermark));
    }
    let mut upcoming: Vec<(i64, i64)> = fetched.aborted_transactions.iter().map(|(id, first)| (*first, *id)).collect();
    upcoming.sort_unstable();
    let (mut upcoming, mut aborted, mut next) = (upcoming.into_iter().peekable(), BTreeSet::new(), position);
    for found in scan(&fetched.batches, true) {
        let (header, range) = match found {
            Ok(found) => found,
            Err(error) => return broken(format!("{name} at offset {next}: {error}")),
        };
        while let Some((_, producer_id)) = upcoming.next_if(|(first, _)| *first <= header.last_offset()) {
            aborted.insert(producer_id);
        }
        next = header.next_offset().max(next);
        if header.is_control() {
            aborted.remove(&header.producer_id.0);
            continue;
        }
        if header.is_transactional() && aborted.contains(&header.producer_id.0) {
            continue;
        }
        let records = match read_all(&fetched.batches.slice(range), BATCH_BYTES_MAX) {
            Ok(records) => records,
            Err(error) => return broken(format!("{name} at offset {next}: {error}")),
        };
        for record in records.iter().filter(|record| record.offset >= position) {
            let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default());
            actor.oracle.read_committed(&name, record.offset, &value, is_last)?;
        }
    }
    if next > end {
        return broken(format!("{name} showed offset {} beyond its last stable offset {end}", next - 1));
    }
    Ok(Ok(Step { next, fetched }))
}
