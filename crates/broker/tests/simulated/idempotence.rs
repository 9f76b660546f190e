//! Idempotent producers.

use crate::kit::*;
use bytes::Bytes;
use ottla_protocol::generated::init_producer_id_request::InitProducerIdRequest;
use ottla_testkit::batches::idempotent_batch;
use std::collections::BTreeSet;
use std::time::Duration;

fn batch(sequence: i32, values: &[&str]) -> Bytes {
    idempotent_batch(1000, 0, sequence, values)
}

#[test]
fn a_duplicate_gets_the_original_offset_and_is_not_stored_again() {
    with_node(60, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let first = node.produce_batch("t", 0, batch(0, &["a", "b"]), -1).await;
        let second = node.produce_batch("t", 0, batch(2, &["c"]), -1).await;
        assert_eq!((first.base_offset, second.base_offset), (0, 2));
        for _ in 0..3 {
            let again = node.produce_batch("t", 0, batch(0, &["a", "b"]), -1).await;
            assert_eq!((again.error_code, again.base_offset), (0, 0));
        }
        assert_eq!(node.read_all("t", 0, 0).await, ["a", "b", "c"]);
        let gap = node.produce_batch("t", 0, batch(9, &["x"]), -1).await;
        assert_eq!(error(gap.error_code), "OUT_OF_ORDER_SEQUENCE_NUMBER");
        let fenced = node.produce_batch("t", 0, idempotent_batch(1000, 1, 0, &["d"]), -1).await;
        assert_eq!(fenced.error_code, 0);
        let old = node.produce_batch("t", 0, batch(3, &["e"]), -1).await;
        assert_eq!(error(old.error_code), "INVALID_PRODUCER_EPOCH");
    });
}

#[test]
fn a_duplicate_is_answered_only_when_its_original_is_below_the_high_watermark() {
    with_node(61, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce_batch("t", 0, batch(0, &["a"]), -1).await;
        node.world.disk_faults(NODE).slow_syncs("t-0", 1, Duration::from_secs(2));
        let original = node.spawn_call(PRODUCE, produce_request("t", 0, batch(1, &["b"]), -1));
        node.until("it is parked", || node.metrics.broker.parked_produces.get() == 1).await;
        let begun = node.runtime.now();
        let duplicate = node.produce_batch("t", 0, batch(1, &["b"]), -1).await;
        assert_eq!((duplicate.error_code, duplicate.base_offset), (0, 1));
        assert!(node.runtime.now() - begun > Duration::from_secs(1));
        assert_eq!(the_partition(original.await.unwrap()).base_offset, 1);
    });
}

#[test]
fn duplicates_are_known_after_a_crash_and_after_a_clean_restart() {
    with_node(62, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let mut node = node;
        for round in 0..4 {
            for sequence in 0..5 {
                let answer = node.produce_batch("t", 0, batch(round * 5 + sequence, &["a"]), -1).await;
                assert_eq!(error(answer.error_code), "NONE", "{:?}", answer.error_message);
            }
            node = if round % 2 == 0 { node.crash().await } else { node.restart().await };
            node.ready("t", 0).await;
            let last = node.produce_batch("t", 0, batch(round * 5 + 4, &["a"]), -1).await;
            assert_eq!((last.error_code, last.base_offset), (0, i64::from(round * 5 + 4)));
        }
        assert_eq!(node.read_all("t", 0, 0).await.len(), 20);
    });
}

#[test]
fn a_batch_that_a_failed_flush_lost_is_stored_when_it_comes_again() {
    with_node(63, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce_batch("t", 0, batch(0, &["a"]), -1).await;
        node.world.disk_faults(NODE).fail_syncs("t-0", 1);
        let lost = node.produce_batch("t", 0, batch(1, &["b"]), -1).await;
        assert_eq!(error(lost.error_code), "KAFKA_STORAGE_ERROR");
        node.until("the partition is back", || node.metrics.broker.partitions_offline.get() == 0).await;
        let again = node.produce_batch("t", 0, batch(1, &["b"]), -1).await;
        assert_eq!((error(again.error_code), again.base_offset), ("NONE", 1));
        assert_eq!(node.read_all("t", 0, 0).await, ["a", "b"]);
    });
}

#[test]
fn a_batch_that_is_refused_for_good_is_not_waited_for() {
    with_node(69, &[], |node| async move {
        node.create_topic("t", 1, &[("max.message.bytes", "1000")]).await;
        let long = ".".repeat(1000);
        // Two records come again in two batches, one does not.
        let refused = node.produce_batch("t", 0, batch(0, &[&long, "a"]), -1).await;
        assert_eq!(error(refused.error_code), "MESSAGE_TOO_LARGE");
        let behind = node.produce_batch("t", 0, batch(2, &["b"]), -1).await;
        assert_eq!(error(behind.error_code), "OUT_OF_ORDER_SEQUENCE_NUMBER");
        let refused = node.produce_batch("t", 0, batch(0, &[&long]), -1).await;
        assert_eq!(error(refused.error_code), "MESSAGE_TOO_LARGE");
        let next = node.produce_batch("t", 0, batch(1, &["a"]), -1).await;
        assert_eq!((error(next.error_code), next.base_offset), ("NONE", 0));
    });
}

/// Batches in flight behind one that did not get in: the next one must not be taken for the producer's beginning.
async fn only_the_lowest_refused_batch_begins(node: &Node) {
    let behind = node.produce_batch("t", 0, batch(1, &["b"]), -1).await;
    assert_eq!(error(behind.error_code), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    for (sequence, value) in [(0, "a"), (1, "b"), (2, "c")] {
        let answer = node.produce_batch("t", 0, batch(sequence, &[value]), -1).await;
        assert_eq!((error(answer.error_code), answer.base_offset), ("NONE", i64::from(sequence)));
    }
    assert_eq!(node.read_all("t", 0, 0).await, ["a", "b", "c"]);
}

#[test]
fn a_batch_does_not_get_in_before_one_that_met_a_log_not_yet_open() {
    with_node(66, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let node = node.crash().await;
        let early = node.produce_batch("t", 0, batch(0, &["a"]), -1).await;
        assert_eq!(error(early.error_code), "NOT_LEADER_OR_FOLLOWER");
        node.ready("t", 0).await;
        only_the_lowest_refused_batch_begins(&node).await;
    });
}

#[test]
fn a_batch_does_not_get_in_before_one_that_a_failed_flush_lost() {
    with_node(67, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.world.disk_faults(NODE).fail_syncs("t-0", 1);
        let lost = node.produce_batch("t", 0, batch(0, &["a"]), -1).await;
        assert_eq!(error(lost.error_code), "KAFKA_STORAGE_ERROR");
        node.until("the partition is back", || node.metrics.broker.partitions_offline.get() == 0).await;
        only_the_lowest_refused_batch_begins(&node).await;
    });
}

#[test]
fn an_unknown_producer_may_begin_with_any_sequence() {
    with_node(68, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let answer = node.produce_batch("t", 0, batch(41, &["a"]), -1).await;
        assert_eq!((error(answer.error_code), answer.base_offset), ("NONE", 0));
    });
}

#[test]
fn producer_ids_are_never_handed_out_twice() {
    with_node(64, &[], |node| async move {
        let mut node = node;
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            let requests: Vec<_> = (0..1500)
                .map(|_| node.spawn_call(5, InitProducerIdRequest { transactional_id: None, ..Default::default() }))
                .collect();
            for request in requests {
                let response = request.await.unwrap();
                assert_eq!((error(response.error_code), response.producer_epoch), ("NONE", 0));
                assert!(seen.insert(response.producer_id), "{} twice", response.producer_id);
            }
            node = node.power_loss().await;
        }
        assert_eq!(node.controller.requests("AllocateProducerIds"), 6, "one request for a block at a time");
    });
}

#[test]
fn without_a_controller_producers_are_told_to_ask_again() {
    with_node(65, &[], |node| async move {
        let plain = InitProducerIdRequest { transactional_id: None, ..Default::default() };
        node.controller.be_silent(true);
        let response = node.call(5, &plain).await;
        assert_eq!(error(response.error_code), "COORDINATOR_LOAD_IN_PROGRESS");
        node.controller.be_silent(false);
        // A client that went away while it waited is in nobody's way.
        node.spawn_call(5, plain.clone()).abort();
        node.runtime.sleep(Duration::from_secs(6)).await;
        assert_eq!(error(node.call(5, &plain).await.error_code), "NONE");
        let transactional = InitProducerIdRequest { transactional_id: Some("tx".into()), ..plain.clone() };
        assert_eq!(error(node.call(5, &transactional).await.error_code), "NOT_COORDINATOR");
        let half = InitProducerIdRequest { producer_id: 5, ..plain };
        assert_eq!(error(node.call(5, &half).await.error_code), "INVALID_REQUEST");
    });
}
