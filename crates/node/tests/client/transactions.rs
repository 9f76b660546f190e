//! Transactions of our producer, in both versions: commit, abort, zombies, offsets.

use super::kit::{Stage, member, poll_until};
use ottla_client::{
    ClientError, ConsumerGroupMetadata, GroupProtocol, Isolation, OffsetAndMetadata, Offsets, ProducerRecord,
};
use ottla_types::{ErrorCode, TopicPartition};

const VERSIONS: [i16; 2] = [1, 2];

fn record(value: &str) -> ProducerRecord {
    ProducerRecord::new("t", value.to_string()).partition(0)
}

#[tokio::test]
async fn readers_of_committed_records_see_commits_and_no_aborts() {
    for version in VERSIONS {
        let stage = Stage::with_transaction_version(version).await;
        let producer = stage.transactional("a");
        producer.init_transactions().await.unwrap();
        let mut epochs = vec![producer.identity().unwrap().producer_epoch.0];
        for (value, commits) in [("one", true), ("two", false), ("three", true), ("four", false), ("five", true)] {
            producer.begin_transaction().unwrap();
            producer.send(record(value)).await.unwrap();
            producer.send(ProducerRecord::new("u", value.to_string()).partition(1)).await.unwrap();
            producer.flush().await;
            match commits {
                true => producer.commit_transaction().await.unwrap(),
                false => producer.abort_transaction().await.unwrap(),
            }
            epochs.push(producer.identity().unwrap().producer_epoch.0);
        }
        assert_eq!(stage.read("t", Isolation::ReadCommitted).await, ["one", "three", "five"]);
        assert_eq!(stage.read("t", Isolation::ReadUncommitted).await, ["one", "two", "three", "four", "five"]);
        let expected = if version == 2 { [0, 1, 2, 3, 4, 5] } else { [0; 6] };
        assert_eq!(epochs, expected, "only version 2 raises the epoch with every end");
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_open_is_not_seen_and_what_was_not_sent_is_dropped_by_the_abort() {
    for version in VERSIONS {
        let stage = Stage::with_transaction_version(version).await;
        let producer = stage.transactional("a");
        let early = producer.begin_transaction().unwrap_err();
        assert!(early.to_string().contains("init_transactions must come first"), "{early}");
        producer.init_transactions().await.unwrap();
        assert!(producer.send(record("x")).await.is_err(), "a transaction must be open");
        producer.begin_transaction().unwrap();
        producer.send(record("one")).await.unwrap().wait().await.unwrap();
        assert!(stage.read("t", Isolation::ReadCommitted).await.is_empty());
        let late = producer.send(record("two")).await.unwrap();
        producer.abort_transaction().await.unwrap();
        match late.wait().await {
            Ok(_) => {}
            Err(ClientError::Undelivered { why, was_sent: false }) => assert_eq!(*why, ClientError::Aborted),
            Err(other) => panic!("{other}"),
        }
        producer.begin_transaction().unwrap();
        producer.commit_transaction().await.unwrap();
        assert!(stage.read("t", Isolation::ReadCommitted).await.is_empty());
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_zombie_is_fenced_and_its_transaction_is_aborted() {
    for version in VERSIONS {
        let stage = Stage::with_transaction_version(version).await;
        let zombie = stage.transactional("a");
        zombie.init_transactions().await.unwrap();
        zombie.begin_transaction().unwrap();
        zombie.send(record("zombie")).await.unwrap().wait().await.unwrap();
        let heir = stage.transactional("a");
        heir.init_transactions().await.unwrap();
        heir.begin_transaction().unwrap();
        heir.send(record("heir")).await.unwrap();
        heir.commit_transaction().await.unwrap();
        let fenced = zombie.commit_transaction().await.unwrap_err();
        assert!(fenced.is_fenced() && !fenced.needs_abort(), "{fenced}");
        assert!(zombie.send(record("again")).await.unwrap_err().is_fenced());
        assert!(zombie.abort_transaction().await.unwrap_err().is_fenced());
        assert_eq!(stage.read("t", Isolation::ReadCommitted).await, ["heir"]);
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_zombie_that_goes_on_sending_learns_that_it_must_end() {
    for version in VERSIONS {
        let stage = Stage::with_transaction_version(version).await;
        let zombie = stage.transactional("a");
        zombie.init_transactions().await.unwrap();
        zombie.begin_transaction().unwrap();
        zombie.send(record("zombie")).await.unwrap().wait().await.unwrap();
        stage.transactional("a").init_transactions().await.unwrap();
        let refused = zombie.send(record("late")).await.unwrap().wait().await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::InvalidProducerEpoch), "{refused}");
        assert!(zombie.commit_transaction().await.unwrap_err().needs_abort(), "the epoch alone does not prove a fence");
        assert!(zombie.abort_transaction().await.unwrap_err().is_fenced());
        assert!(stage.read("t", Isolation::ReadCommitted).await.is_empty());
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn offsets_are_in_step_with_records() {
    for version in VERSIONS {
        let stage = Stage::with_transaction_version(version).await;
        let producer = stage.transactional("a");
        producer.init_transactions().await.unwrap();
        let source = TopicPartition::new("source", 0);
        stage.send("source", &["x"]).await;
        let group = ConsumerGroupMetadata::of_group("g");
        let admin = ottla_client::Admin::new(&stage.client);
        for (offset, commits, expected) in [(1, true, Some(1)), (2, false, Some(1)), (3, true, Some(3))] {
            let offsets: Offsets = [(source.clone(), OffsetAndMetadata::new(offset))].into();
            producer.begin_transaction().unwrap();
            producer.send_offsets_to_transaction(&offsets, &group).await.unwrap();
            producer.send(record(&offset.to_string())).await.unwrap();
            match commits {
                true => producer.commit_transaction().await.unwrap(),
                false => producer.abort_transaction().await.unwrap(),
            }
            let committed = admin.list_group_offsets("g").await.unwrap();
            assert_eq!(committed.get(&source).map(|found| found.offset), expected);
        }
        assert_eq!(stage.read("t", Isolation::ReadCommitted).await, ["1", "3"]);
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_consumer_that_lost_its_place_cannot_commit_in_a_transaction() {
    for protocol in [
        GroupProtocol::Classic { assignors: vec![ottla_client::Assignor::Range] },
        GroupProtocol::Consumer { assignor: None },
    ] {
        let stage = Stage::with_transaction_version(2).await;
        stage.send("source", &["x"]).await;
        let mut consumers = vec![stage.consumer(member("g", protocol.clone()))];
        consumers[0].subscribe(&["source"]).unwrap();
        poll_until(&mut consumers, |found| !found[0].positions().is_empty()).await;
        let stale = ConsumerGroupMetadata { generation_id: 77, ..consumers[0].group_metadata().unwrap() };
        let producer = stage.transactional("a");
        producer.init_transactions().await.unwrap();
        producer.begin_transaction().unwrap();
        let refused = producer.send_offsets_to_transaction(&consumers[0].positions(), &stale).await.unwrap_err();
        assert!(refused.needs_abort(), "{refused}");
        producer.abort_transaction().await.unwrap();
        producer.begin_transaction().unwrap();
        let group = consumers[0].group_metadata().unwrap();
        producer.send_offsets_to_transaction(&consumers[0].positions(), &group).await.unwrap();
        producer.commit_transaction().await.unwrap();
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn closing_in_the_middle_aborts() {
    for version in VERSIONS {
        let stage = Stage::with_transaction_version(version).await;
        let producer = stage.transactional("a");
        producer.init_transactions().await.unwrap();
        producer.begin_transaction().unwrap();
        producer.send(record("one")).await.unwrap().wait().await.unwrap();
        producer.close(std::time::Duration::from_secs(30)).await.unwrap();
        stage.send("t", &["after"]).await;
        assert_eq!(stage.read("t", Isolation::ReadCommitted).await, ["after"], "nothing holds readers back");
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_record_makes_the_transaction_abortable() {
    for version in VERSIONS {
        let stage = Stage::with_transaction_version(version).await;
        let admin = ottla_client::Admin::new(&stage.client);
        let topic = ottla_client::NewTopic::new("small", 1).config("max.message.bytes", 200);
        admin.create_topic(&topic, false).await.unwrap();
        let producer = stage.transactional("a");
        producer.init_transactions().await.unwrap();
        producer.begin_transaction().unwrap();
        producer.send(record("one")).await.unwrap();
        let refused =
            producer.send(ProducerRecord::new("small", vec![b'x'; 1000])).await.unwrap().wait().await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::MessageTooLarge));
        assert!(producer.commit_transaction().await.unwrap_err().needs_abort());
        producer.abort_transaction().await.unwrap();
        producer.begin_transaction().unwrap();
        producer.send(record("two")).await.unwrap();
        producer.commit_transaction().await.unwrap();
        assert_eq!(stage.read("t", Isolation::ReadCommitted).await, ["two"]);
        stage.node.shutdown().await.unwrap();
    }
}
