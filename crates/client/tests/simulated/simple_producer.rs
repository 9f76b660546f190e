//! The idempotent producer: exactly once, in order, whatever happens to connections.

use crate::broker::{Fate, broker_and_client};
use ottla_client::SimpleProducer;
use ottla_records::{Compression, Record};
use ottla_runtime::sim::World;
use ottla_testkit::batches;
use ottla_types::ErrorCode;
use std::time::Duration;

fn numbered(count: usize) -> Vec<Vec<Record>> {
    let record = |text: String| Record::of_value(batches::TIMESTAMP, text);
    (0..count).map(|index| vec![record(format!("{index}a")), record(format!("{index}b"))]).collect()
}

fn values_of(indexes: impl Iterator<Item = usize>) -> Vec<String> {
    indexes.flat_map(|index| [format!("{index}a"), format!("{index}b")]).collect()
}

#[test]
fn batches_arrive_in_order_with_their_offsets() {
    let world = World::new(61);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let mut producer = SimpleProducer::new(&client).compression(Compression::Zstd);
        let results = producer.send_all("events", 0, &numbered(12)).await;
        let offsets: Vec<i64> = results.into_iter().map(|result| result.unwrap().base_offset).collect();
        assert_eq!(offsets, (0..24).step_by(2).collect::<Vec<_>>());
        let one = producer.send("events", 0, vec![Record::of_value(0, "last")]).await.unwrap();
        assert_eq!(one.base_offset, 24);
        assert_eq!(producer.send("events", 1, vec![Record::of_value(0, "first")]).await.unwrap().base_offset, 0);
        assert_eq!(broker.inside.lock().unwrap().next_producer_id, 1, "one producer id serves all partitions");
    });
}

#[test]
fn lost_requests_and_answers_neither_lose_nor_double_a_record() {
    for seed in 0..30 {
        let world = World::new(seed);
        world.run(async {
            let (_server, broker, client) = broker_and_client(&world).await;
            let fates: Vec<Fate> = (0..200)
                .map(|_| match world.random_range(0..8) {
                    0 => Fate::LoseRequest,
                    1 => Fate::LoseAnswer,
                    2 => Fate::Refuse(ErrorCode::NotEnoughReplicas),
                    3 => Fate::Refuse(ErrorCode::NotLeaderOrFollower),
                    _ => Fate::Fine,
                })
                .collect();
            broker.fates(&fates);
            let mut producer = SimpleProducer::new(&client);
            let results = producer.send_all("events", 0, &numbered(40)).await;
            let offsets: Vec<i64> = results.into_iter().map(|result| result.unwrap().base_offset).collect();
            assert_eq!(offsets, (0..80).step_by(2).collect::<Vec<_>>());
            assert_eq!(batches::values(&broker.log("events", 0)), values_of(0..40));
        });
    }
}

#[test]
fn a_refused_batch_gives_its_sequence_to_the_next() {
    let world = World::new(63);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.fates(&[Fate::Fine, Fate::Fine, Fate::Refuse(ErrorCode::MessageTooLarge)]);
        let mut producer = SimpleProducer::new(&client);
        let results = producer.send_all("events", 0, &numbered(6)).await;
        let refused = results[2].clone().unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::MessageTooLarge));
        assert!(!refused.is_outcome_unknown());
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 5);
        assert_eq!(batches::values(&broker.log("events", 0)), values_of([0, 1, 3, 4, 5].into_iter()));
    });
}

#[test]
fn when_patience_ends_the_outcome_is_unknown_and_the_producer_starts_anew() {
    let world = World::new(64);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.fates(&[Fate::Fine, Fate::LoseAnswer, Fate::Silence, Fate::Silence]);
        let mut producer = SimpleProducer::new(&client).delivery_timeout(Duration::from_secs(10));
        let results = producer.send_all("events", 0, &numbered(8)).await;
        assert!(results[0].is_ok());
        let unknown: Vec<bool> = results[1..].iter().map(|r| r.clone().unwrap_err().is_outcome_unknown()).collect();
        assert_eq!(unknown, [true, true, true, true, true, false, false], "five were sent, two never were");
        assert_eq!(producer.identity(), None);
        let later = producer.send("events", 0, vec![Record::of_value(0, "later")]).await.unwrap();
        let log = batches::values(&broker.log("events", 0));
        assert_eq!(log[later.base_offset as usize], "later");
        assert_eq!(broker.inside.lock().unwrap().next_producer_id, 2);
    });
}

#[test]
fn a_broker_that_goes_away_and_comes_back_is_found_again() {
    let world = World::new(65);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let mut producer = SimpleProducer::new(&client);
        producer.send("events", 0, vec![Record::of_value(0, "before")]).await.unwrap();
        world.cut("broker", "client");
        let runtime = world.node("client");
        let sending = runtime.spawn("sending", async move {
            producer.send("events", 0, vec![Record::of_value(0, "after")]).await.map(|produced| produced.base_offset)
        });
        runtime.sleep(Duration::from_secs(40)).await;
        world.heal("broker", "client");
        assert_eq!(sending.await.unwrap(), Ok(1));
        assert_eq!(batches::values(&broker.log("events", 0)), ["before", "after"]);
    });
}

#[test]
fn equal_seeds_give_equal_traces() {
    let trace = |seed| {
        let world = World::new(seed);
        world.run(async {
            let (_server, broker, client) = broker_and_client(&world).await;
            broker.fates(&[Fate::Fine, Fate::LoseAnswer, Fate::LoseRequest]);
            SimpleProducer::new(&client).send_all("events", 0, &numbered(10)).await;
        });
        world.trace_hash()
    };
    assert_eq!(trace(66), trace(66));
}
