//! `ottla txn`, `kafka-transactions`, `ottla quota`, `kafka-features` and transactions of the perf tool, of the built binary
//! against a node in memory.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, good, ottla, run, stderr};
use ottla_client::{Client, ClientOptions, Producer, ProducerOptions, ProducerRecord};
use ottla_runtime::Runtime;

/// A producer that has written one record in a transaction and says no more.
async fn stuck(node: &Node, id: &str, topic: &str) -> Producer {
    let client = Client::new(&Runtime::in_memory(), &node.address, ClientOptions::default()).unwrap();
    let options = ProducerOptions { transactional_id: Some(id.to_string()), ..ProducerOptions::default() };
    let producer = Producer::new(&client, options).unwrap();
    producer.init_transactions().await.unwrap();
    producer.begin_transaction().unwrap();
    producer.send(ProducerRecord::new(topic, "x")).await.unwrap().wait().await.unwrap();
    producer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_transaction_is_shown_and_ended() {
    let node = Node::start();
    good(&node.ottla("topic create t --partitions 1"));
    assert_eq!(good(&node.ottla("txn list")), "No transactional ids.\n");
    let producer = stuck(&node, "till-1", "t").await;
    let listed = good(&node.ottla("txn list --state Ongoing"));
    assert!(listed.starts_with("TRANSACTIONAL ID") && listed.contains("till-1"), "{listed}");
    let shown = good(&node.ottla("txn describe till-1"));
    let holder = format!("till-1: Ongoing, held by producer {}", producer.identity().unwrap().producer_id.0);
    assert!(shown.starts_with(&holder) && shown.contains("START OFFSET"), "{shown}");
    let dry: serde_json::Value =
        serde_json::from_str(&good(&node.ottla("txn end till-1 --dry-run --output json"))).unwrap();
    assert_eq!((&dry["ended"], &dry["partitions"][0]["start_offset"]), (&false.into(), &0.into()));
    let misspelt = node.ottla("txn end till-2");
    assert_eq!(misspelt.status.code(), Some(4));
    assert!(stderr(&misspelt).contains("did you mean 'till-1'?"), "{}", stderr(&misspelt));
    let ended = good(&node.ottla("txn end till-1"));
    assert!(ended.contains("aborted and the producer is fenced"), "{ended}");
    assert!(producer.commit_transaction().await.unwrap_err().is_fenced());
    assert_eq!(good(&node.ottla("consume t --read-committed")), "");
    assert_eq!(good(&node.ottla("txn hanging --older-than 0s")), "No transaction hangs.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn kafkas_tool_shows_and_ends_transactions() {
    let node = Node::start();
    good(&node.ottla("topic create t --partitions 1"));
    let producer = stuck(&node, "till-1", "t").await;
    let tool = |line: &str| {
        let words = format!("kafka-transactions --bootstrap-server {} {line}", node.address);
        run(&node.address, &words.split_whitespace().collect::<Vec<_>>(), b"")
    };
    let listed = good(&tool("list"));
    assert!(listed.starts_with("TransactionalId\tCoordinator\tProducerId\tTransactionState\t\n"), "{listed}");
    assert!(listed.contains("till-1         \t1          \t"), "{listed}");
    let described = good(&tool("describe --transactional-id till-1"));
    assert!(described.contains("Ongoing") && described.contains("t-0"), "{described}");
    let producers = good(&tool("describe-producers --topic t --partition 0"));
    assert!(producers.lines().nth(1).is_some_and(|row| row.trim_end().ends_with('0')), "{producers}");
    assert_eq!(tool("find-hanging").status.code(), Some(1));
    assert_eq!(
        good(&tool("find-hanging --topic t --max-transaction-timeout 0")).lines().count(),
        1,
        "the coordinator knows it"
    );
    assert_eq!(tool("abort --topic t --partition 0 --start-offset 77").status.code(), Some(1));
    good(&tool("forceTerminateTransaction --transactionalId till-1"));
    assert!(producer.commit_transaction().await.unwrap_err().is_fenced());
    assert_eq!(tool("describe --transactional-id nosuch").status.code(), Some(1));
}

#[test]
fn quotas_are_set_listed_and_removed() {
    let node = Node::start();
    assert_eq!(good(&node.ottla("quota list")), "No quotas.\n");
    good(&node.ottla("quota set --user alice producer_byte_rate=1048576 request_percentage=12.5"));
    good(&node.ottla("quota set --client-id <default> consumer_byte_rate=1000"));
    let listed = good(&node.ottla("quota list"));
    assert!(listed.starts_with("USER") && listed.contains("<default>") && listed.contains("12.5"), "{listed}");
    let one: serde_json::Value =
        serde_json::from_str(&good(&node.ottla("quota list --user alice --output json"))).unwrap();
    assert_eq!(one[0]["quotas"]["producer_byte_rate"], 1_048_576.0);
    good(&node.ottla("quota remove --user alice producer_byte_rate"));
    good(&node.ottla("quota remove --user alice"));
    assert_eq!(node.ottla("quota remove --user alice").status.code(), Some(4));
    assert_eq!(node.ottla("quota set producer_byte_rate=1").status.code(), Some(2));
    let wrong = node.ottla("quota set --user alice nosuch_rate=1");
    assert_eq!(wrong.status.code(), Some(1), "{}", stderr(&wrong));
}

#[test]
fn features_are_described_and_changed() {
    let node = Node::start();
    let tool = |line: &str| ottla(&node.address, &format!("kafka-features --bootstrap-server {} {line}", node.address));
    let described = good(&tool("describe"));
    let row = described.lines().find(|line| line.starts_with("Feature: transaction.version")).unwrap();
    assert!(row.contains("FinalizedVersionLevel: 2 "), "{described}");
    assert!(described.contains("metadata.version") && described.contains("FinalizedVersionLevel: 4."), "{described}");
    let dry = good(&tool("downgrade --feature transaction.version=1 --dry-run"));
    assert_eq!(dry, "transaction.version can be downgraded to 1.\n");
    assert_eq!(good(&tool("downgrade --feature transaction.version=1")), "transaction.version was downgraded to 1.\n");
    let refused = tool("upgrade --feature transaction.version=99");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("1 out of 1 operation(s) failed."), "{}", stderr(&refused));
    assert_eq!(good(&tool("upgrade --feature transaction.version=2")), "transaction.version was upgraded to 2.\n");
    assert!(good(&ottla("", "kafka-storage version-mapping --release-version 4.0")).starts_with("metadata.version=25"));
}

#[test]
fn the_perf_tool_sends_in_transactions() {
    let node = Node::start();
    good(&node.ottla("topic create t --partitions 1"));
    let words = format!(
        "kafka-producer-perf-test --bootstrap-server {} --topic t --num-records 500 --record-size 10 --throughput -1 \
         --transactional-id perf --transaction-duration-ms 1 --print-metrics",
        node.address
    );
    let said = good(&run(&node.address, &words.split_whitespace().collect::<Vec<_>>(), b""));
    assert!(said.contains("500 records sent") && said.contains("producer-metrics:record-send-total"), "{said}");
    let seen = good(&node.ottla("consume t --read-committed"));
    assert_eq!(seen.lines().count(), 500);
    assert!(good(&node.ottla("txn list")).contains("perf"));
}
