//! Administration, producing, positions, and a restart of the broker in the middle of it.

use crate::broker::Broker;
use crate::stage::{Outcome, PATIENCE, Stage, equal, poll_until, text};
use ottla_client::{
    Compression, ConfigChange, ConfigResource, Consumer, ConsumerOptions, Isolation, NewPartitions, OffsetReset,
    OffsetSpec, Producer, ProducerOptions, ProducerRecord,
};
use ottla_types::{ErrorCode, TopicPartition};
use std::time::Duration;

pub(crate) async fn topics(stage: &Stage) -> Outcome {
    let name = stage.topic(2).await?;
    let again = stage.admin.create_topic(&ottla_client::NewTopic::new(name.as_str(), 2), false).await;
    equal("made twice", again.err().and_then(|error| error.code()), Some(ErrorCode::TopicAlreadyExists))?;
    let resource = ConfigResource::Topic(name.clone());
    let change = ConfigChange::Set { name: "retention.ms".to_string(), value: "123456".to_string() };
    stage.admin.alter_configs(&resource, &[change], false).await?;
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let configs = stage.admin.describe_configs(&resource).await?;
        let found = configs.into_iter().find(|entry| entry.name == "retention.ms").and_then(|entry| entry.value);
        if found.as_deref() == Some("123456") {
            break;
        }
        if std::time::Instant::now() > deadline {
            return Err(format!("retention.ms is {found:?}").into());
        }
    }
    stage.admin.create_partitions(&name, &NewPartitions::increase_to(5), false).await?;
    stage.admin.delete_topic(&name).await?;
    let gone = stage.admin.delete_topic(&name).await;
    equal("deleted twice", gone.err().and_then(|error| error.code()), Some(ErrorCode::UnknownTopicOrPartition))
}

pub(crate) async fn cluster(stage: &Stage) -> Outcome {
    let cluster = stage.admin.describe_cluster().await?;
    equal("brokers", cluster.brokers.len(), 1)?;
    let node = *cluster.brokers.keys().next().ok_or("no broker")?;
    let features = stage.admin.describe_features(Some(node)).await?;
    equal("transaction.version", features.finalized_features.get("transaction.version"), Some(&2))?;
    let name = stage.topic(1).await?;
    stage.send(&name, &["x"]).await?;
    let dirs = stage.admin.describe_log_dirs(node).await?;
    let has_it = dirs.iter().any(|dir| dir.replicas.contains_key(&TopicPartition::new(name.as_str(), 0)));
    equal("the log directory has the partition", has_it, true)
}

pub(crate) async fn codecs(stage: &Stage) -> Outcome {
    let name = stage.topic(1).await?;
    let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    let mut expected = Vec::new();
    for codec in codecs {
        let options = ProducerOptions { compression: codec.into(), ..ProducerOptions::default() };
        let producer = Producer::new(&stage.client, options)?;
        for number in 0..200 {
            let value = format!("{codec:?} {number} {}", "text ".repeat(number % 13));
            let record = ProducerRecord::new(name.as_str(), value.clone()).partition(0).key(format!("{number}"));
            producer.send(record.header("h", "1").header("h", "2")).await?;
            expected.push(value);
        }
        producer.close(PATIENCE).await?;
    }
    equal("values", stage.read(&name, Isolation::ReadUncommitted).await?, expected)
}

pub(crate) async fn order(stage: &Stage) -> Outcome {
    let name = stage.topic(1).await?;
    let producer = stage.producer()?;
    let mut deliveries = Vec::new();
    for number in 0..20_000 {
        deliveries.push(producer.send(ProducerRecord::new(name.as_str(), number.to_string()).partition(0)).await?);
    }
    producer.flush().await;
    for (offset, delivery) in (0..).zip(deliveries) {
        equal("offset", delivery.wait().await?.offset, offset)?;
    }
    let expected: Vec<String> = (0..20_000).map(|number: i32| number.to_string()).collect();
    equal("values", stage.read(&name, Isolation::ReadUncommitted).await?, expected)
}

pub(crate) async fn positions(stage: &Stage) -> Outcome {
    let name = stage.topic(2).await?;
    let (one, two) = (TopicPartition::new(name.as_str(), 0), TopicPartition::new(name.as_str(), 1));
    let now = stage.client.runtime().wall_clock_ms();
    let producer = stage.producer()?;
    for number in 0..10 {
        for partition in [0, 1] {
            let record = ProducerRecord::new(name.as_str(), number.to_string()).partition(partition);
            producer.send_and_wait(record.timestamp(now + i64::from(number) * 1000)).await?;
        }
    }
    let options = ConsumerOptions { offset_reset: OffsetReset::Earliest, ..ConsumerOptions::default() };
    let mut consumer = Consumer::new(&stage.client, options)?;
    consumer.assign([one.clone(), two.clone()])?;
    let all = [one.clone(), two.clone()];
    let ends = consumer.end_offsets(&all).await?;
    equal("ends", (ends[&one], ends[&two]), (10, 10))?;
    let times = [(one.clone(), now + 3500), (two.clone(), now + 99_000)].into();
    let found = consumer.offsets_for_times(&times).await?;
    equal("by time", (found.get(&one).map(|found| found.offset), !found.contains_key(&two)), (Some(4), true))?;
    let latest = stage.client.list_offset(&name, 0, OffsetSpec::MaxTimestamp, Isolation::ReadUncommitted).await?;
    equal("newest record", latest.offset, 9)?;
    consumer.pause(std::slice::from_ref(&two))?;
    consumer.seek(&one, 7)?;
    let mut consumers = vec![consumer];
    let read = poll_until(&mut consumers, |_, records| records.len() >= 3).await?;
    equal(
        "of the partition that is not paused",
        read.iter().map(text).collect(),
        vec!["7", "8", "9"].into_iter().map(String::from).collect::<Vec<_>>(),
    )?;
    equal("where it stands", consumers[0].position(&one).await?, 10)?;
    consumers[0].resume(std::slice::from_ref(&two))?;
    consumers[0].seek_to_timestamp(std::slice::from_ref(&two), now + 8500)?;
    let read = poll_until(&mut consumers, |_, records| !records.is_empty()).await?;
    equal("after a seek by time", (read[0].partition, read[0].offset), (1, 9))?;
    consumers[0].seek_to_beginning(std::slice::from_ref(&one))?;
    let read = poll_until(&mut consumers, |_, records| !records.is_empty()).await?;
    equal("after a seek to the beginning", read[0].offset, 0)
}

/// A producer and a member of a group go on over a restart.
pub(crate) async fn restart(stage: &Stage, broker: &mut Broker) -> Outcome {
    let name = stage.topic(1).await?;
    let producer = stage.producer()?;
    let mut consumers =
        vec![Consumer::new(&stage.client, stage.member(&stage.fresh("group"), &crate::groups::MODERN.protocol()))?];
    consumers[0].subscribe(&[name.as_str()])?;
    let mut deliveries = Vec::new();
    for number in 0..600 {
        if number == 300 {
            producer.flush().await;
            poll_until(&mut consumers, |_, records| !records.is_empty()).await?;
            consumers[0].commit().await?;
            broker.restart()?;
        }
        deliveries.push(producer.send(ProducerRecord::new(name.as_str(), number.to_string()).partition(0)).await?);
    }
    for (offset, delivery) in (0..).zip(deliveries) {
        equal("offset", delivery.wait().await?.offset, offset)?;
    }
    let expected: Vec<String> = (0..600).map(|number: i32| number.to_string()).collect();
    equal("values", stage.read(&name, Isolation::ReadUncommitted).await?, expected)?;
    read_and_commit(&mut consumers, 599).await?;
    producer.close(Duration::from_secs(10)).await?;
    Ok(consumers.remove(0).close().await?)
}

/// Reads up to this offset and commits. A broker that is long in starting ends the member's session before it answers it; the
/// member then joins again and has the records behind its last commit once more.
async fn read_and_commit(consumers: &mut [Consumer], last_offset: i64) -> Outcome {
    let fenced = [Some(ErrorCode::UnknownMemberId), Some(ErrorCode::StaleMemberEpoch)];
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        poll_until(consumers, |_, records| records.iter().any(|record| record.offset == last_offset)).await?;
        match consumers[0].commit().await {
            Err(error) if fenced.contains(&error.code()) && std::time::Instant::now() < deadline => {}
            done => return Ok(done?),
        }
    }
}
