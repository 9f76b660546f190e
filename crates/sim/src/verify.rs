//! Reads everything back, and compares it with what was promised.

pub(crate) mod lookups;

use crate::Load;
use crate::life::Stage;
use crate::oracle::{Backing, Check, FoundTopic, PartitionKey, broken};
use crate::workload::reading::{self, Order};
use crate::workload::transacting::reading as committed;
use crate::workload::{Actor, compacting, grouping, sharing};
use ottla_client::{Acks, Admin, ClientError, FetchSpec, Isolation, OffsetSpec};
use ottla_records::{BatchBuilder, Compression, TimestampType};
use ottla_types::ErrorCode;
use std::time::Duration;

/// A node without faults does everything within this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Metadata, configs, committed offsets, the last values of keys, what transactions committed, and every record of every partition, which then also takes a new one.
pub(crate) async fn everything(stage: &Stage) -> Check {
    let actor = Actor::observer(stage);
    metadata(&actor).await?;
    configs(&actor).await?;
    for key in stage.oracle.partitions(false) {
        // It may have been created anew since the metadata was read.
        actor.client.forget_topic(&key.topic);
        patiently(&actor, &key, "be read", async || read_once(&actor, &key).await).await?;
    }
    writable(stage).await?;
    if stage.load == Load::Groups {
        patiently_all(&actor, "the compacted topic is to be read", async || compacting::read_all(&actor).await).await?;
        patiently_all(&actor, "the groups are to tell their offsets", async || grouping::ask_all(&actor).await).await?;
    }
    if stage.load == Load::Transactions {
        patiently_all(&actor, "all that is committed is to be read", async || committed::everything(&actor).await)
            .await?;
    }
    if stage.load == Load::Shares {
        patiently_all(&actor, "the share group is to tell its offsets", async || sharing::ask(&actor).await).await?;
    }
    stage.oracle.count(|counts| counts.verifications += 1);
    Ok(())
}

/// Every partition takes a record with acks=all.
pub(crate) async fn writable(stage: &Stage) -> Check {
    let actor = Actor::observer(stage);
    for key in stage.oracle.partitions(false) {
        patiently(&actor, &key, "be written to", async || write_once(&actor, &key).await).await?;
    }
    Ok(())
}

/// Reads a partition while the node comes and goes; gives up after a while.
pub(crate) async fn read_back(actor: &Actor, key: &PartitionKey) -> Check {
    for _ in 0..20 {
        match read_once(actor, key).await? {
            Ok(()) => return Ok(()),
            Err(error) => actor.expect(&format!("reading {key} back"), &error, STALE)?,
        }
        actor.client.forget_topic(&key.topic);
        actor.runtime.sleep(PAUSE * 4).await;
    }
    Ok(())
}

/// What a client with old metadata is told.
const STALE: &[ErrorCode] = &[ErrorCode::FencedLeaderEpoch, ErrorCode::UnknownLeaderEpoch, ErrorCode::OffsetOutOfRange];

/// Tries until it works, the partition is gone, or patience ends.
async fn patiently(
    actor: &Actor,
    key: &PartitionKey,
    aim: &str,
    once: impl AsyncFn() -> Check<Result<(), ClientError>>,
) -> Check {
    let deadline = actor.now() + PATIENCE;
    loop {
        let error = match once().await? {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if actor.oracle.incarnation(&key.topic) != Some(key.incarnation) {
            return Ok(());
        }
        actor.expect(&format!("{key} is to {aim}"), &error, STALE)?;
        if actor.now() > deadline {
            return broken(format!("{key} cannot {aim}: {error}"));
        }
        actor.client.forget_topic(&key.topic);
        actor.runtime.sleep(PAUSE).await;
    }
}

/// Tries until it works, or patience ends.
async fn patiently_all(actor: &Actor, aim: &str, once: impl AsyncFn() -> Check<Result<(), ClientError>>) -> Check {
    let deadline = actor.now() + PATIENCE;
    loop {
        let error = match once().await? {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        actor.expect(aim, &error, &[STALE, grouping::UNREADY].concat())?;
        if actor.now() > deadline {
            return broken(format!("{aim}: {error}"));
        }
        actor.runtime.sleep(PAUSE).await;
    }
}

async fn metadata(actor: &Actor) -> Check {
    let deadline = actor.now() + PATIENCE;
    let (names, metadata) = loop {
        let names: Vec<_> =
            actor.oracle.topic_names().into_iter().map(|name| (actor.oracle.topic_changes(&name), name)).collect();
        match Admin::cautious(&actor.client).list_topics().await {
            Ok(metadata) => break (names, metadata),
            Err(error) if actor.now() > deadline => return broken(format!("Metadata: {error}")),
            Err(error) => actor.expect("Metadata", &error, &[])?,
        }
        actor.runtime.sleep(PAUSE).await;
    };
    let life = actor.oracle.life();
    for (changes, name) in names {
        let topic = metadata.topics.get(&*name);
        let partitions = match topic.map(|topic| &topic.partitions) {
            Some(Ok(partitions)) => Some(partitions),
            Some(Err(error)) => return broken(format!("Metadata of {name}: {error}")),
            None => None,
        };
        let found = topic
            .zip(partitions)
            .map(|(topic, partitions)| FoundTopic { topic_id: topic.topic_id, partitions: partitions.len() as i32 });
        actor.oracle.topic(&name, changes, found.as_ref())?;
        let Some(incarnation) = actor.oracle.incarnation(&name) else { continue };
        for partition in partitions.into_iter().flatten() {
            let key = PartitionKey::new(&name, incarnation, partition.partition);
            actor.oracle.leader_epoch(&key, life, partition.leader_epoch)?;
        }
    }
    Ok(())
}

async fn configs(actor: &Actor) -> Check {
    for name in actor.oracle.topic_names() {
        let changes = actor.oracle.topic_changes(&name);
        if actor.oracle.incarnation(&name).is_none() {
            continue;
        }
        let found = match Admin::cautious(&actor.client).describe_topic_configs(&name).await {
            Ok(found) => found,
            Err(_) if actor.oracle.topic_changes(&name) != changes => continue,
            Err(error) => return broken(format!("DescribeConfigs of {name}: {error}")),
        };
        // As in Kafka, internal configs are not described.
        for config in actor.oracle.config_names(&name).iter().filter(|name| !name.starts_with("internal.")) {
            let value = found.iter().find(|entry| entry.name == *config).and_then(|entry| entry.value.as_deref());
            actor.oracle.config(&name, changes, config, value)?;
        }
    }
    Ok(())
}

/// Reads a partition from its start to its high watermark.
async fn read_once(actor: &Actor, key: &PartitionKey) -> Check<Result<(), ClientError>> {
    let (client, oracle) = (&actor.client, &actor.oracle);
    let Some(sent) = oracle.sending(key) else { return Ok(Ok(())) };
    let earliest = match client.list_offset(&key.topic, key.partition, OffsetSpec::Earliest, Isolation::default()).await
    {
        Ok(earliest) => earliest.offset,
        Err(error) => return Ok(Err(error)),
    };
    let mut target = oracle.firm_end(key);
    let (mut position, mut order, mut start) = (earliest, Order::default(), earliest);
    oracle.log_start(&sent, earliest, actor.runtime.wall_clock_ms())?;
    loop {
        let Some(sent) = oracle.sending(key) else { return Ok(Ok(())) };
        let spec = FetchSpec { max_wait: PAUSE, ..FetchSpec::new(&key.topic, key.partition, position) };
        let fetched = match client.fetch(&spec).await {
            Ok(fetched) => fetched,
            Err(error) => return Ok(Err(error)),
        };
        oracle.high_watermark(&sent, fetched.high_watermark, actor.now())?;
        oracle.log_start(&sent, fetched.log_start_offset, actor.runtime.wall_clock_ms())?;
        start = start.max(fetched.log_start_offset);
        target = target.max(if position == earliest { fetched.high_watermark } else { 0 });
        let next = reading::batches(oracle, &sent, position, &fetched.batches, &mut order, actor.now())?;
        if next >= target {
            // Retention may go on while this reads, so only a start that stood still says something.
            return if start == earliest {
                oracle.whole_partition(key, start, order.bytes).map(Ok)
            } else {
                Ok(Ok(()))
            };
        }
        if next == position {
            let high_watermark = fetched.high_watermark;
            let what = format!("{key} gives nothing at offset {position}, high watermark {high_watermark}");
            return broken(format!("{what}, {target} is promised"));
        }
        position = next;
    }
}

async fn write_once(actor: &Actor, key: &PartitionKey) -> Check<Result<(), ClientError>> {
    let Some(sent) = actor.oracle.sending(key) else { return Ok(Ok(())) };
    let timestamp = actor.runtime.wall_clock_ms();
    let (numbers, records): (Vec<_>, Vec<_>) = actor.oracle.new_records(key, 1, timestamp).into_iter().unzip();
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    builder.append_record(&records[0]).expect("a small record fits");
    let batch = builder.build().expect("a small batch is built").to_bytes();
    match actor.client.produce(&key.topic, key.partition, batch, Acks::All).await {
        Ok(Some(produced)) => {
            let base_offset = produced.base_offset;
            actor.oracle.acknowledged(&sent, &numbers, base_offset, Backing::Acknowledged, actor.now()).map(Ok)
        }
        Ok(None) => broken(format!("Produce to {key} with acks=all was not answered")),
        Err(error) => Ok(Err(error)),
    }
}
