//! The compacted topic, and the offsets topic: small segments, and a cleaner that never rests.

use super::{Actor, changing, setup};
use crate::oracle::{Check, KeyedReading, broken};
use ottla_client::{Acks, Admin, ClientError, FetchSpec};
use ottla_records::{BatchBuilder, TimestampType, scan};
use ottla_types::ErrorCode;
use std::time::Duration;

const KEYED: &str = "keyed";
const KEYED_PARTITIONS: i32 = 2;
const OFFSETS: &str = "__consumer_offsets";
/// Keys of each partition.
const KEYS: u64 = 12;
/// How long tombstones stay. Milliseconds.
const DELETE_RETENTION_MS: i64 = 700;
pub(super) const CONFIGS: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("internal.segment.bytes", "2000"),
    ("index.interval.bytes", "200"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("delete.retention.ms", "700"),
    ("file.delete.delay.ms", "100"),
];
/// Segments as small, without compaction.
pub(super) const PLAIN_CONFIGS: &[(&str, &str)] =
    &[("retention.ms", "-1"), ("internal.segment.bytes", "2000"), ("index.interval.bytes", "200")];
/// Bounds what a batch decompresses to.
const BATCH_BYTES_MAX: u64 = 1 << 20;
/// Fetches that may bring nothing although there is something.
const EMPTY_FETCHES_MAX: u32 = 40;

/// Creates the compacted topic, and waits for the offsets topic to make its segments small.
pub(super) async fn set_up(actor: &Actor) -> Check {
    let configs: Vec<_> = CONFIGS.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
    if !setup::try_create(actor, KEYED, KEYED_PARTITIONS, &configs).await? {
        return Ok(());
    }
    make_segments_small(actor, OFFSETS).await
}

/// Waits for a coordinator's topic, and makes its segments small, so that they are compacted.
pub(super) async fn make_segments_small(actor: &Actor, topic: &str) -> Check {
    while actor.pause(300).await {
        let names = match Admin::cautious(&actor.client).list_topics().await {
            Ok(metadata) => metadata.topics,
            Err(error) => {
                actor.expect("Metadata", &error, &[])?;
                continue;
            }
        };
        if names.contains_key(topic) {
            changing::set(actor, topic, "internal.segment.bytes", "4000").await?;
            return Ok(());
        }
    }
    Ok(())
}

/// Writes values and tombstones until the run is over, one batch after another.
pub(super) async fn write(actor: Actor) -> Check {
    while actor.pause(80).await {
        let partition = actor.below(KEYED_PARTITIONS as u64) as i32;
        if let Err(error) = write_batch(&actor, partition).await {
            let stale = [ErrorCode::UnknownTopicOrPartition];
            actor.expect("Produce to the compacted topic", &error, &stale)?;
            actor.client.forget_topic(KEYED);
        }
    }
    Ok(())
}

async fn write_batch(actor: &Actor, partition: i32) -> Result<(), ClientError> {
    let timestamp = actor.runtime.wall_clock_ms();
    let mut builder = BatchBuilder::new(actor.compression(), TimestampType::CreateTime);
    let mut numbers = Vec::new();
    for _ in 0..1 + actor.below(6) {
        let (number, record) = actor.oracle.new_keyed(partition, actor.below(KEYS), actor.chance(15), timestamp);
        builder.append_record(&record).expect("a small record fits");
        numbers.push(number);
    }
    let batch = builder.build().expect("a small batch is built").to_bytes();
    if let Some(produced) = actor.client.produce(KEYED, partition, batch, Acks::All).await? {
        actor.oracle.keyed_acknowledged(&numbers, produced.base_offset);
    }
    Ok(())
}

/// Reads from start to end until the run is over.
pub(super) async fn read(actor: Actor) -> Check {
    while actor.pause(500).await {
        let partition = actor.below(KEYED_PARTITIONS as u64) as i32;
        if let Err(error) = read_whole(&actor, partition).await? {
            let stale =
                [ErrorCode::UnknownTopicOrPartition, ErrorCode::FencedLeaderEpoch, ErrorCode::UnknownLeaderEpoch];
            actor.expect("reading the compacted topic", &error, &stale)?;
            actor.client.forget_topic(KEYED);
        }
    }
    Ok(())
}

/// Reads all partitions of the compacted topic.
pub(crate) async fn read_all(actor: &Actor) -> Check<Result<(), ClientError>> {
    actor.client.forget_topic(KEYED);
    // Nothing may have been written yet, or the topic may not exist.
    for partition in (0..KEYED_PARTITIONS).filter(|partition| !actor.oracle.keyed_expected(*partition).is_empty()) {
        if let Err(error) = read_whole(actor, partition).await? {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

async fn read_whole(actor: &Actor, partition: i32) -> Check<Result<(), ClientError>> {
    let expected = actor.oracle.keyed_expected(partition);
    let (began, began_ms) = (actor.now(), actor.runtime.wall_clock_ms());
    let (mut position, mut empty, mut reading) = (0, 0, KeyedReading::default());
    loop {
        let spec = FetchSpec {
            max_wait: Duration::from_millis(50),
            max_bytes: 500 + actor.below(20_000) as i32,
            ..FetchSpec::new(KEYED, partition, position)
        };
        let fetched = match actor.client.fetch(&spec).await {
            Ok(fetched) => fetched,
            Err(error) => return Ok(Err(error)),
        };
        let before = position;
        for found in scan(&fetched.batches, true) {
            let damaged = |error: &dyn std::fmt::Display| broken(format!("{KEYED}-{partition} at {position}: {error}"));
            let (header, range) = match found {
                Ok(found) => found,
                Err(error) => return damaged(&error),
            };
            let records = match ottla_records::read_all(&fetched.batches.slice(range), BATCH_BYTES_MAX) {
                Ok(records) => records,
                Err(error) => return damaged(&error),
            };
            for record in records.iter().filter(|record| record.offset >= position) {
                actor.oracle.keyed_read(partition, &mut reading, record)?;
            }
            position = header.next_offset().max(position);
        }
        if position >= fetched.high_watermark {
            break;
        }
        empty = if position == before { empty + 1 } else { 0 };
        if empty > EMPTY_FETCHES_MAX {
            let end = fetched.high_watermark;
            return broken(format!("{KEYED}-{partition} gives nothing at offset {position}, high watermark {end}"));
        }
    }
    // By both clocks: the wall clock may have jumped meanwhile.
    let retention = Duration::from_millis(DELETE_RETENTION_MS as u64);
    let wall_ms = actor.runtime.wall_clock_ms() - began_ms;
    let is_quick = actor.now() - began < retention && (0..DELETE_RETENTION_MS).contains(&wall_ms);
    actor.oracle.keyed_whole(partition, &expected, &reading, is_quick).map(Ok)
}
