//! The consumer with partitions assigned by hand: positions, pauses, commits, resets, outages.

use crate::broker::{FakeBroker, broker_and_client};
use ottla_client::{
    Acks, Client, ClientError, Consumer, ConsumerOptions, ConsumerRecord, OffsetAndMetadata, OffsetReset, Offsets,
};
use ottla_runtime::sim::World;
use ottla_testkit::batches;
use ottla_types::TopicPartition;
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(2);

fn events(partition: i32) -> TopicPartition {
    TopicPartition::new("events", partition)
}

async fn produce(client: &Client, partition: i32, values: &[&str]) {
    client.produce("events", partition, batches::batch(values), Acks::All).await.unwrap();
}

fn consumer(client: &Client, offset_reset: OffsetReset) -> Consumer {
    let options = ConsumerOptions { offset_reset, auto_commit: false, ..ConsumerOptions::group("readers") };
    Consumer::new(client, options).unwrap()
}

fn values(records: &[ConsumerRecord]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap()).collect()
}

/// Polls until `count` records are there.
async fn read(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        let records = consumer.poll(SHORT).await.unwrap();
        assert!(!records.is_empty(), "{found:?} and nothing more");
        found.extend(values(&records));
    }
    found
}

#[test]
fn records_come_in_order_from_every_partition_and_new_ones_follow() {
    let world = World::new(91);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        produce(&client, 0, &["a", "b"]).await;
        produce(&client, 1, &["x"]).await;
        let mut consumer = consumer(&client, OffsetReset::Earliest);
        consumer.assign([events(0), events(1)]).unwrap();
        let mut first = read(&mut consumer, 3).await;
        first.sort();
        assert_eq!(first, ["a", "b", "x"]);
        assert!(consumer.poll(SHORT).await.unwrap().is_empty());
        produce(&client, 0, &["c"]).await;
        assert_eq!(read(&mut consumer, 1).await, ["c"]);
        assert_eq!(consumer.position(&events(0)).await, Ok(3));
        assert_eq!(consumer.lag(&events(0)), Ok(Some(0)));
    });
}

#[test]
fn max_poll_records_bounds_a_poll_and_the_position_is_that_of_what_was_handed_out() {
    let world = World::new(92);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        produce(&client, 0, &["a", "b", "c", "d", "e"]).await;
        let options =
            ConsumerOptions { max_poll_records: 2, offset_reset: OffsetReset::Earliest, ..ConsumerOptions::default() };
        let mut consumer = Consumer::new(&client, options).unwrap();
        consumer.assign([events(0)]).unwrap();
        assert_eq!(values(&consumer.poll(SHORT).await.unwrap()), ["a", "b"]);
        assert_eq!(consumer.position(&events(0)).await, Ok(2));
        assert_eq!(values(&consumer.poll(SHORT).await.unwrap()), ["c", "d"]);
        consumer.seek(&events(0), 1).unwrap();
        assert_eq!(values(&consumer.poll(SHORT).await.unwrap()), ["b", "c"]);
        assert!(consumer.seek(&events(9), 0).is_err());
    });
}

#[test]
fn a_paused_partition_keeps_what_is_buffered() {
    let world = World::new(93);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        produce(&client, 0, &["a"]).await;
        produce(&client, 1, &["x"]).await;
        let mut consumer = consumer(&client, OffsetReset::Earliest);
        consumer.assign([events(0), events(1)]).unwrap();
        consumer.pause(&[events(0)]).unwrap();
        assert_eq!(read(&mut consumer, 1).await, ["x"]);
        assert!(consumer.poll(SHORT).await.unwrap().is_empty());
        assert_eq!(consumer.paused(), [events(0)]);
        consumer.resume(&[events(0)]).unwrap();
        assert_eq!(read(&mut consumer, 1).await, ["a"]);
    });
}

#[test]
fn a_committed_offset_is_where_the_next_consumer_begins() {
    let world = World::new(94);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        produce(&client, 0, &["a", "b"]).await;
        let mut first = consumer(&client, OffsetReset::Earliest);
        first.assign([events(0)]).unwrap();
        read(&mut first, 2).await;
        first.commit().await.unwrap();
        produce(&client, 0, &["c"]).await;
        let committed = first.committed(&[events(0), events(1)]).await.unwrap();
        assert_eq!(committed.keys().collect::<Vec<_>>(), [&events(0)]);
        assert_eq!(committed[&events(0)].offset, 2);
        first.close().await.unwrap();
        let mut second = consumer(&client, OffsetReset::None);
        second.assign([events(0)]).unwrap();
        assert_eq!(read(&mut second, 1).await, ["c"]);
        let offsets: Offsets = [(events(0), OffsetAndMetadata::new(1))].into();
        second.commit_offsets(&offsets).await.unwrap();
        assert_eq!(second.committed(&[events(0)]).await.unwrap(), offsets);
    });
}

#[test]
fn without_an_offset_the_reset_policy_decides() {
    let world = World::new(95);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        produce(&client, 0, &["a"]).await;
        let mut none = consumer(&client, OffsetReset::None);
        none.assign([events(0)]).unwrap();
        let error = none.poll(SHORT).await.unwrap_err();
        assert!(matches!(error, ClientError::NoOffset { .. }), "{error}");
        none.seek_to_beginning(&[events(0)]).unwrap();
        assert_eq!(read(&mut none, 1).await, ["a"]);
        none.seek(&events(0), 77).unwrap();
        assert!(matches!(none.poll(SHORT).await, Err(ClientError::NoOffset { .. })), "out of range");
        let mut latest = consumer(&client, OffsetReset::Latest);
        latest.assign([events(0)]).unwrap();
        assert!(latest.poll(SHORT).await.unwrap().is_empty());
        produce(&client, 0, &["b"]).await;
        assert_eq!(read(&mut latest, 1).await, ["b"]);
        latest.seek(&events(0), 77).unwrap();
        assert!(latest.poll(SHORT).await.unwrap().is_empty(), "back to the end");
        assert_eq!(latest.position(&events(0)).await, Ok(2));
    });
}

#[test]
fn a_log_that_was_truncated_behind_the_position_is_noticed() {
    let world = World::new(96);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        produce(&client, 0, &["a", "b"]).await;
        let truncated = OffsetAndMetadata { offset: 9, leader_epoch: 0, metadata: String::new() };
        let mut strict = consumer(&client, OffsetReset::None);
        strict.assign([events(0)]).unwrap();
        strict.seek_to(&events(0), &truncated).unwrap();
        let error = strict.poll(SHORT).await.unwrap_err();
        assert!(matches!(error, ClientError::LogTruncated { diverged_at: 2, position: 9, .. }), "{error}");
        let mut lenient = consumer(&client, OffsetReset::Latest);
        lenient.assign([events(0)]).unwrap();
        lenient.seek_to(&events(0), &truncated).unwrap();
        assert!(lenient.poll(SHORT).await.unwrap().is_empty());
        assert_eq!(lenient.position(&events(0)).await, Ok(2));
        damage(&broker);
        lenient.seek(&events(0), 0).unwrap();
        let error = lenient.poll(SHORT).await.unwrap_err();
        assert!(matches!(error, ClientError::CorruptRecords { offset: 0, .. }), "{error}");
    });
}

fn damage(broker: &FakeBroker) {
    let mut inside = broker.inside.lock().unwrap();
    let batch = &mut inside.topics.get_mut("events").unwrap().partitions[0].batches[0];
    let mut bytes = batch.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    *batch = bytes.into();
}

#[test]
fn a_consumer_survives_an_outage_and_wakeup_ends_a_poll() {
    let world = World::new(97);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        produce(&client, 0, &["a"]).await;
        let mut consumer = consumer(&client, OffsetReset::Earliest);
        consumer.assign([events(0)]).unwrap();
        read(&mut consumer, 1).await;
        world.cut("broker", "client");
        assert!(consumer.poll(Duration::from_secs(90)).await.unwrap().is_empty());
        world.heal("broker", "client");
        produce_after_outage(&client).await;
        assert_eq!(values(&consumer.poll(Duration::from_secs(60)).await.unwrap()), ["b"]);
        let waker = consumer.waker();
        let runtime = world.node("client");
        let sleeper = runtime.clone();
        let waking = runtime.spawn("waking", async move {
            sleeper.sleep(SHORT).await;
            waker.wakeup();
        });
        assert_eq!(consumer.poll(Duration::from_secs(1000)).await, Err(ClientError::Wakeup));
        waking.await.unwrap();
    });
}

async fn produce_after_outage(client: &Client) {
    while client.produce("events", 0, batches::batch(&["b"]), Acks::All).await.is_err() {
        client.runtime().sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn equal_seeds_give_equal_traces() {
    let trace = |seed| {
        let world = World::new(seed);
        world.run(async {
            let (_server, _broker, client) = broker_and_client(&world).await;
            produce(&client, 0, &["a", "b"]).await;
            let mut consumer = consumer(&client, OffsetReset::Earliest);
            consumer.assign([events(0), events(1)]).unwrap();
            read(&mut consumer, 2).await;
            consumer.close().await.unwrap();
        });
        world.trace_hash()
    };
    assert_eq!(trace(98), trace(98));
}
