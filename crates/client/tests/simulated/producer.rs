//! The producer: batching, order, retries, limits.

use crate::broker::{Fate, broker_and_client};
use ottla_client::{
    BatchReport, ClientError, Compression, Delivery, Partitioner, Producer, ProducerInterceptor, ProducerOptions,
    ProducerRecord,
};
use ottla_runtime::sim::World;
use ottla_testkit::batches;
use ottla_types::ErrorCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

async fn send_numbers(producer: &Producer, numbers: std::ops::Range<u32>) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for number in numbers {
        let record = ProducerRecord::new("events", format!("{number:05}")).partition(0);
        deliveries.push(producer.send(record).await.unwrap());
    }
    deliveries
}

fn expected(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("{number:05}")).collect()
}

#[test]
fn records_are_batched_and_come_out_in_order_with_their_offsets() {
    let world = World::new(81);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let options = ProducerOptions { compression: Compression::Zstd.into(), ..Default::default() };
        let producer = Producer::new(&client, options).unwrap();
        let deliveries = send_numbers(&producer, 0..2000).await;
        producer.flush().await;
        for (offset, delivery) in (0..).zip(deliveries) {
            let metadata = delivery.wait().await.unwrap();
            assert_eq!((metadata.partition, metadata.offset), (0, offset));
        }
        assert_eq!(batches::values(&broker.log("events", 0)), expected(0..2000));
        let count = broker.inside.lock().unwrap().topics["events"].partitions[0].batches.len();
        assert!((2..100).contains(&count), "{count} batches");
        producer.close(Duration::from_secs(1)).await.unwrap();
        let late = producer.send(ProducerRecord::new("events", "x")).await.unwrap_err();
        assert_eq!(late, ClientError::Closed("the producer"));
    });
}

#[test]
fn lost_requests_and_answers_neither_duplicate_nor_reorder() {
    for seed in 0..20 {
        let world = World::new(seed);
        world.run(async {
            let (_server, broker, client) = broker_and_client(&world).await;
            let runtime = world.node("client");
            let fates = [Fate::Fine, Fate::LoseAnswer, Fate::LoseRequest, Fate::Refuse(ErrorCode::NotLeaderOrFollower)];
            let drawn: Vec<Fate> = (0..30).map(|_| fates[runtime.random_range(0..4) as usize]).collect();
            broker.fates(&drawn);
            let options = ProducerOptions { batch_size: 200, linger: Duration::ZERO, ..Default::default() };
            let producer = Producer::new(&client, options).unwrap();
            for delivery in send_numbers(&producer, 0..300).await {
                delivery.wait().await.unwrap();
            }
            assert_eq!(batches::values(&broker.log("events", 0)), expected(0..300), "seed {seed}");
        });
    }
}

#[test]
fn a_batch_that_is_too_large_for_the_broker_is_split() {
    let world = World::new(83);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.fates(&[Fate::Refuse(ErrorCode::MessageTooLarge), Fate::Refuse(ErrorCode::MessageTooLarge)]);
        let producer = Producer::new(&client, ProducerOptions::default()).unwrap();
        let deliveries = send_numbers(&producer, 0..8).await;
        for (offset, delivery) in (0..).zip(deliveries) {
            assert_eq!(delivery.wait().await.unwrap().offset, offset);
        }
        assert_eq!(batches::values(&broker.log("events", 0)), expected(0..8));
    });
}

#[test]
fn what_the_broker_refuses_is_told_and_what_follows_goes_on() {
    let world = World::new(84);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.fates(&[Fate::Refuse(ErrorCode::InvalidRecord)]);
        let producer = Producer::new(&client, ProducerOptions::default()).unwrap();
        let refused = producer.send_and_wait(ProducerRecord::new("events", "bad").partition(0)).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::InvalidRecord));
        let fine = producer.send_and_wait(ProducerRecord::new("events", "good").partition(0)).await.unwrap();
        assert_eq!(fine.offset, 0);
        let nowhere = producer.send(ProducerRecord::new("events", "x").partition(9)).await.unwrap_err();
        assert!(nowhere.to_string().contains("no partition 9, it has 2"), "{nowhere}");
        let huge = producer.send(ProducerRecord::new("events", vec![0; 2_000_000])).await.unwrap_err();
        assert!(huge.to_string().contains("max.request.size"), "{huge}");
    });
}

#[test]
fn a_silent_broker_ends_in_a_timeout_with_an_unknown_outcome_and_a_new_epoch_goes_on() {
    let world = World::new(85);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.fates(&[Fate::Fine, Fate::Silence]);
        let options = ProducerOptions { delivery_timeout: Duration::from_secs(10), ..Default::default() };
        let producer = Producer::new(&client, options).unwrap();
        producer.send_and_wait(ProducerRecord::new("events", "a").partition(0)).await.unwrap();
        let before = producer.identity().unwrap();
        let unknown = producer.send_and_wait(ProducerRecord::new("events", "b").partition(0)).await.unwrap_err();
        assert!(unknown.is_outcome_unknown(), "{unknown}");
        producer.send_and_wait(ProducerRecord::new("events", "c").partition(0)).await.unwrap();
        let after = producer.identity().unwrap();
        assert_eq!(after.producer_id, before.producer_id);
        assert_eq!(after.producer_epoch.0, before.producer_epoch.0 + 1);
    });
}

#[test]
fn a_full_buffer_makes_senders_wait_and_then_fail() {
    let world = World::new(86);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let options = ProducerOptions {
            buffer_memory: 1000,
            max_block: Duration::from_secs(5),
            linger: Duration::from_secs(1000),
            ..Default::default()
        };
        let producer = Producer::new(&client, options).unwrap();
        let deliveries = send_numbers(&producer, 0..200).await;
        producer.flush().await;
        for delivery in deliveries {
            delivery.wait().await.unwrap();
        }
        world.cut("broker", "client");
        let mut result = Ok(());
        for _ in 0..100 {
            result = producer.send(ProducerRecord::new("events", "x").partition(0)).await.map(drop);
            if result.is_err() {
                break;
            }
        }
        assert!(matches!(result, Err(ClientError::Timeout { .. })), "{result:?}");
        drop(broker);
    });
}

#[test]
fn a_producer_survives_an_outage() {
    let world = World::new(87);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let producer = Producer::new(&client, ProducerOptions::default()).unwrap();
        producer.send_and_wait(ProducerRecord::new("events", "00000").partition(0)).await.unwrap();
        world.cut("broker", "client");
        let deliveries = send_numbers(&producer, 1..50).await;
        world.node("client").sleep(Duration::from_secs(40)).await;
        world.heal("broker", "client");
        for delivery in deliveries {
            delivery.wait().await.unwrap();
        }
        assert_eq!(batches::values(&broker.log("events", 0)), expected(0..50));
    });
}

#[derive(Default)]
struct Seen(Mutex<Vec<(i32, usize, bool)>>);

impl ProducerInterceptor for Seen {
    fn on_send(&self, record: &mut ProducerRecord) {
        record.headers.push(("trace".into(), None));
    }

    fn on_batch(&self, report: &BatchReport<'_>) {
        self.0.lock().unwrap().push((report.partition, report.records, report.result.is_ok()));
    }
}

#[test]
fn records_without_keys_fill_one_batch_after_another_and_interceptors_see_them() {
    let world = World::new(88);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        let seen = Arc::new(Seen::default());
        let interceptors: Vec<Arc<dyn ProducerInterceptor>> = vec![seen.clone()];
        let options = ProducerOptions { batch_size: 500, interceptors, ..Default::default() };
        let producer = Producer::new(&client, options).unwrap();
        for number in 0..200 {
            producer.send(ProducerRecord::new("events", format!("{number}"))).await.unwrap();
        }
        producer.flush().await;
        let seen = seen.0.lock().unwrap().clone();
        assert_eq!(seen.iter().map(|(_, records, _)| records).sum::<usize>(), 200);
        assert!(seen.iter().all(|(_, _, is_ok)| *is_ok));
        let partitions: std::collections::BTreeSet<i32> = seen.iter().map(|(partition, _, _)| *partition).collect();
        assert_eq!(partitions.len(), 2, "both partitions get batches");
        assert!(seen.iter().filter(|(_, records, _)| *records >= 5).count() > seen.len() / 2, "{seen:?}");
    });
}

#[test]
fn without_idempotence_and_without_acks_records_still_arrive() {
    let world = World::new(89);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let (acks, partitioner) = (ottla_client::Acks::None, Partitioner::Murmur2Random);
        let options = ProducerOptions { acks, partitioner, idempotence: false, ..Default::default() };
        let producer = Producer::new(&client, options).unwrap();
        let written = producer.send_and_wait(ProducerRecord::new("events", "a").partition(1)).await.unwrap();
        assert_eq!(written.offset, -1);
        world.node("client").sleep(Duration::from_secs(1)).await;
        assert_eq!(batches::values(&broker.log("events", 1)), ["a"]);
        let options = ProducerOptions { acks, ..Default::default() };
        assert!(Producer::new(&client, options).is_err(), "idempotence needs acks=all");
    });
}
