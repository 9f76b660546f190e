//! Subscribing to topics that are not there yet, that grow, or that are never made.

use crate::broker::broker_and_client;
use ottla_client::{
    Acks, Client, ClientError, Consumer, ConsumerOptions, GroupProtocol, OffsetReset, Producer, ProducerOptions,
    ProducerRecord,
};
use ottla_runtime::sim::World;
use ottla_testkit::batches;
use ottla_types::TopicPartition;
use std::time::Duration;

fn subscriber(client: &Client, options: ConsumerOptions) -> Consumer {
    let options = ConsumerOptions { offset_reset: OffsetReset::Earliest, auto_commit: false, ..options };
    let mut consumer = Consumer::new(client, options).unwrap();
    consumer.subscribe(&["later"]).unwrap();
    consumer
}

fn modern() -> ConsumerOptions {
    let protocol = GroupProtocol::Consumer { assignor: None };
    ConsumerOptions { protocol, ..ConsumerOptions::group("readers") }
}

fn later(partition: i32) -> TopicPartition {
    TopicPartition::new("later", partition)
}

#[test]
fn a_missing_topic_is_made_by_subscribing_when_the_broker_makes_topics() {
    for options in [ConsumerOptions::group("readers"), modern()] {
        let world = World::new(120);
        world.run(async {
            let (_server, broker, client) = broker_and_client(&world).await;
            broker.inside.lock().unwrap().makes_topics = true;
            let mut consumer = subscriber(&client, options);
            assert!(consumer.poll(Duration::from_secs(6)).await.unwrap().is_empty());
            assert_eq!(consumer.assignment().into_iter().collect::<Vec<_>>(), [later(0)]);
        });
    }
}

#[test]
fn a_topic_that_appears_is_read_within_a_second_or_two() {
    let world = World::new(121);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.inside.lock().unwrap().makes_topics = true;
        let options = ConsumerOptions { allow_auto_create_topics: false, ..ConsumerOptions::group("readers") };
        let mut consumer = subscriber(&client, options);
        assert!(consumer.poll(Duration::from_secs(30)).await.unwrap().is_empty());
        assert!(!broker.inside.lock().unwrap().topics.contains_key("later"), "allow.auto.create.topics=false");
        broker.add_topic("later", 2);
        client.produce("later", 1, batches::batch(&["a"]), Acks::All).await.unwrap();
        let begin = client.runtime().now();
        let records = consumer.poll(Duration::from_secs(10)).await.unwrap();
        assert_eq!(records.len(), 1);
        assert!(client.runtime().now() - begin < Duration::from_secs(3), "{:?}", client.runtime().now() - begin);
        assert_eq!(consumer.assignment().len(), 2);
        // What is there is looked at seldom.
        let before = broker.inside.lock().unwrap().metadata_requests;
        assert!(consumer.poll(Duration::from_secs(60)).await.unwrap().is_empty());
        assert!(broker.inside.lock().unwrap().metadata_requests <= before + 2);
    });
}

#[test]
fn a_pattern_makes_nothing() {
    let world = World::new(122);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.inside.lock().unwrap().makes_topics = true;
        let options = ConsumerOptions { metadata_age_max: Duration::from_secs(5), ..ConsumerOptions::group("readers") };
        let mut consumer = Consumer::new(&client, options).unwrap();
        consumer.subscribe_pattern("late.*|events").unwrap();
        assert!(consumer.poll(Duration::from_secs(6)).await.unwrap().is_empty());
        assert_eq!(consumer.assignment().len(), 2);
        broker.inside.lock().unwrap().topics.remove("events");
        broker.add_topic("later", 1);
        assert!(consumer.poll(Duration::from_secs(20)).await.unwrap().is_empty());
        assert_eq!(consumer.assignment().into_iter().collect::<Vec<_>>(), [later(0)]);
        assert!(!broker.inside.lock().unwrap().topics.contains_key("events"));
    });
}

#[test]
fn a_producer_learns_of_partitions_that_are_added() {
    let world = World::new(123);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let options = ProducerOptions { metadata_age_max: Duration::from_secs(10), ..Default::default() };
        let producer = Producer::new(&client, options).unwrap();
        assert_eq!(producer.partition_count("events").await, Ok(2));
        broker.grow_topic("events", 4);
        client.runtime().sleep(Duration::from_secs(12)).await;
        assert_eq!(producer.partition_count("events").await, Ok(4));
        for number in 0..400 {
            let key = format!("key-{number}");
            producer.send(ProducerRecord::new("events", "x").key(key)).await.unwrap();
        }
        producer.flush().await;
        assert!(!broker.log("events", 3).is_empty(), "new partitions get records");
        broker.inside.lock().unwrap().makes_topics = true;
        broker.inside.lock().unwrap().topics.remove("events");
        client.runtime().sleep(Duration::from_secs(30)).await;
        assert!(!broker.inside.lock().unwrap().topics.contains_key("events"), "looking makes nothing");
    });
}

#[test]
fn a_record_for_a_partition_to_come_waits_for_it() {
    let world = World::new(124);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let producer = Producer::new(&client, ProducerOptions::default()).unwrap();
        producer.send_and_wait(ProducerRecord::new("events", "a").partition(0)).await.unwrap();
        let (growing, runtime) = (broker.clone(), client.runtime().clone());
        let task = client.runtime().spawn("growing", async move {
            runtime.sleep(Duration::from_secs(5)).await;
            growing.grow_topic("events", 3);
        });
        let written = producer.send_and_wait(ProducerRecord::new("events", "b").partition(2)).await.unwrap();
        assert_eq!((written.partition, written.offset), (2, 0));
        task.await.unwrap();
        let begin = client.runtime().now();
        let nowhere = producer.send(ProducerRecord::new("events", "x").partition(9)).await.unwrap_err();
        assert!(nowhere.to_string().contains("has no partition 9, it has 3"), "{nowhere}");
        let waited = client.runtime().now() - begin;
        assert!(waited >= Duration::from_secs(60) && waited < Duration::from_secs(65), "max.block.ms: {waited:?}");
        let negative = producer.send(ProducerRecord::new("events", "x").partition(-2)).await.unwrap_err();
        assert!(negative.to_string().contains("partition -2"), "{negative}");
    });
}

#[test]
fn closing_with_the_broker_away_ends_in_time() {
    let world = World::new(125);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.add_topic("later", 1);
        let open = async || {
            let options = ConsumerOptions { offset_reset: OffsetReset::Earliest, ..ConsumerOptions::group("readers") };
            let mut consumer = Consumer::new(&client, options).unwrap();
            consumer.subscribe(&["later"]).unwrap();
            client.produce("later", 0, batches::batch(&["a"]), Acks::All).await.unwrap();
            while consumer.poll(Duration::from_secs(2)).await.unwrap().is_empty() {}
            consumer
        };
        let calm = open().await;
        calm.close().await.unwrap();
        assert_eq!(broker.inside.lock().unwrap().groups.left, 1);
        for (limit, is_default) in [(30, true), (3, false)] {
            let consumer = open().await;
            world.cut("broker", "client");
            let begin = client.runtime().now();
            let limit = Duration::from_secs(limit);
            let closed = if is_default { consumer.close().await } else { consumer.close_within(limit).await };
            assert_eq!(closed, Err(ClientError::Timeout { api: "close of the consumer", after: limit }));
            assert_eq!(client.runtime().now() - begin, limit);
            world.heal("broker", "client");
            while client.list_offset("later", 0, ottla_client::OffsetSpec::Latest, Default::default()).await.is_err() {
                client.runtime().sleep(Duration::from_millis(100)).await;
            }
        }
    });
}
