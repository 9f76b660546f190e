//! Produce: acknowledgements, flushes, rolls, refusals.

use crate::kit::*;
use bytes::Bytes;
use ottla_net::Outcome;
use ottla_protocol::Records;
use ottla_protocol::generated::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_testkit::batches::{batch, batch_of_size};
use std::time::Duration;

#[test]
fn a_topic_takes_records_as_soon_as_its_creation_is_answered() {
    with_node(1, &[], |node| async move {
        for number in 0..20 {
            let topic = format!("topic-{number}");
            node.create_topic(&topic, 3, &[]).await;
            for index in 0..3 {
                assert_eq!(node.produce(&topic, index, &["a", "b"]).await, 0);
            }
        }
        assert_eq!(node.metrics.broker.partitions.get(), 60);
        assert_eq!(node.metrics.broker.partitions_leader.get(), 60);
        assert_eq!(node.metrics.topics.messages_in.get(), 120);
        assert_eq!(node.metrics.broker.requests.of("Produce", "NONE").get(), 60);
    });
}

#[test]
fn acks_all_waits_for_the_flush_and_acks_one_does_not() {
    with_node(2, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["first"]).await;
        node.world.disk_faults(NODE).slow_syncs("t-0", 100, Duration::from_secs(1));
        let begun = node.runtime.now();
        let answer = node.produce_batch("t", 0, batch(&["a"]), 1).await;
        assert_eq!((answer.error_code, answer.base_offset), (0, 1));
        assert!(node.runtime.now() - begun < Duration::from_millis(100));
        assert_eq!(node.produce("t", 0, &["b"]).await, 2);
        assert!(node.runtime.now() - begun >= Duration::from_secs(1));
        assert_eq!(node.read_all("t", 0, 0).await, ["first", "a", "b"]);
    });
}

#[test]
fn records_that_nobody_waits_for_are_flushed_within_the_flush_interval() {
    with_node(3, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce_batch("t", 0, batch(&["a"]), 1).await;
        assert_eq!(node.fetch("t", 0, 0).await.high_watermark, 0);
        node.runtime.sleep(Duration::from_millis(100)).await;
        assert_eq!(values(&node.fetch("t", 0, 0).await), ["a"]);
    });
}

#[test]
fn one_flush_covers_all_appends_that_arrived_meanwhile() {
    with_node(4, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["first"]).await;
        node.world.disk_faults(NODE).set_sync_time(Duration::from_millis(50)..Duration::from_millis(51));
        let before = node.metrics.log.fsync.get();
        let requests: Vec<_> =
            (0..100).map(|n| node.spawn_call(PRODUCE, produce_request("t", 0, batch(&[&n.to_string()]), -1))).collect();
        let mut offsets = Vec::new();
        for request in requests {
            offsets.push(the_partition(request.await.unwrap()).base_offset);
        }
        offsets.sort_unstable();
        assert_eq!(offsets, (1..=100).collect::<Vec<i64>>());
        assert!(node.metrics.log.fsync.get() - before <= 3, "{}", node.metrics.log.fsync.get() - before);
        assert_eq!(node.metrics.broker.parked_produces.get(), 0);
    });
}

#[test]
fn a_flush_that_takes_longer_than_the_request_allows_times_out() {
    with_node(5, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["first"]).await;
        node.world.disk_faults(NODE).slow_syncs("t-0", 1, Duration::from_secs(10));
        let request = ProduceRequest { timeout_ms: 500, ..produce_request("t", 0, batch(&["a"]), -1) };
        let begun = node.runtime.now();
        let answer = the_partition(node.call(PRODUCE, &request).await);
        assert_eq!(error(answer.error_code), "REQUEST_TIMED_OUT");
        assert!(node.runtime.now() - begun < Duration::from_secs(1));
        node.runtime.sleep(Duration::from_secs(20)).await;
        assert_eq!(node.read_all("t", 0, 0).await, ["first", "a"], "the record may be written all the same");
    });
}

#[test]
fn a_request_that_is_given_up_leaves_nothing_behind() {
    with_node(6, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["first"]).await;
        node.world.disk_faults(NODE).slow_syncs("t-0", 1, Duration::from_secs(1));
        let waiting = node.spawn_call(PRODUCE, produce_request("t", 0, batch(&["a"]), -1));
        node.until("the produce is parked", || node.metrics.broker.parked_produces.get() == 1).await;
        waiting.abort();
        node.until("nothing is parked", || node.metrics.broker.parked_produces.get() == 0).await;
        assert_eq!(node.produce("t", 0, &["b"]).await, 2);
    });
}

#[test]
fn concurrent_appends_across_rolls_stay_dense_and_whole() {
    for seed in 10..16 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 1, &[("segment.bytes", "1048576")]).await;
            let mut requests = Vec::new();
            for n in 0..60 {
                let value = format!("{n:05}{}", "x".repeat(60_000));
                let request = produce_request("t", 0, batch(&[&value]), if n % 3 == 0 { 1 } else { -1 });
                requests.push(node.spawn_call(PRODUCE, request));
                if n % 10 == 9 {
                    // Clients that go away in the middle of whatever is happening to their request.
                    requests.remove(requests.len() - 3).abort();
                    node.runtime.sleep(Duration::from_millis(3)).await;
                }
            }
            for request in requests {
                let answer = the_partition(request.await.unwrap());
                assert_eq!(error(answer.error_code), "NONE", "{:?}", answer.error_message);
            }
            let last = node.produce("t", 0, &["end"]).await;
            let all = node.read_all("t", 0, 0).await;
            assert_eq!(i64::try_from(all.len()).unwrap(), last + 1);
            let logs = node.names("/data/t-0").await.into_iter().filter(|name| name.ends_with(".log")).count();
            assert!(logs >= 3, "{logs}");
        });
    }
}

#[test]
fn producers_are_held_back_above_the_bound_on_unflushed_bytes() {
    with_node(7, &[("log.unflushed.max.bytes", "200000")], |node| async move {
        node.create_topic("t", 1, &[("write.flush.interval.ms", "60000")]).await;
        node.world.disk_faults(NODE).slow_syncs("t-0", 1000, Duration::from_secs(1));
        let begun = node.runtime.now();
        for _ in 0..10 {
            let answer = node.produce_batch("t", 0, batch_of_size(100_000), 1).await;
            assert_eq!(answer.error_code, 0);
        }
        let waited = node.runtime.now() - begun;
        assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(30), "{waited:?}");
    });
}

#[test]
fn acks_zero_gets_no_reply_and_an_error_closes_the_connection() {
    with_node(8, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let sent = node.outcome(PRODUCE, &produce_request("t", 0, batch(&["a"]), 0)).await;
        assert!(matches!(sent, Outcome::NoReply));
        let wrong = node.outcome(PRODUCE, &produce_request("nowhere", 0, batch(&["a"]), 0)).await;
        let Outcome::Close { reason } = wrong else { panic!("not closed") };
        assert!(reason.contains("nowhere"), "{reason}");
        assert_eq!(node.list_offset("t", 0, LATEST).await.offset, 1);
        assert_eq!(node.metrics.broker.requests.of("Produce", "UNKNOWN_TOPIC_OR_PARTITION").get(), 1);
    });
}

#[test]
fn what_cannot_be_appended_is_named() {
    with_node(9, &[], |node| async move {
        node.create_topic("t", 1, &[("max.message.bytes", "1000")]).await;
        let code = |answer: ottla_protocol::generated::produce_response::PartitionProduceResponse| {
            assert_eq!(answer.base_offset, -1);
            error(answer.error_code)
        };
        assert_eq!(code(node.produce_batch("t", 1, batch(&["a"]), -1).await), "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(code(node.produce_batch("u", 0, batch(&["a"]), -1).await), "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(code(node.produce_batch("t", -1, batch(&["a"]), -1).await), "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(code(node.produce_batch("t", 0, batch(&["a"]), 2).await), "INVALID_REQUIRED_ACKS");
        assert_eq!(code(node.produce_batch("t", 0, Bytes::new(), -1).await), "INVALID_RECORD");
        assert_eq!(code(node.produce_batch("t", 0, batch_of_size(2000), -1).await), "MESSAGE_TOO_LARGE");
        let mut damaged = batch(&["a"]).to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(code(node.produce_batch("t", 0, damaged.into(), -1).await), "CORRUPT_MESSAGE");
        assert_eq!(node.metrics.broker.produce_rejected.get(), 3);
        let no_records = PartitionProduceData { index: 0, records: Records::Null };
        let topic = TopicProduceData { name: "t".into(), partition_data: vec![no_records], ..Default::default() };
        let request = ProduceRequest { acks: -1, topic_data: vec![topic], ..ProduceRequest::default() };
        assert_eq!(code(the_partition(node.call(PRODUCE, &request).await)), "INVALID_RECORD");
        assert_eq!(node.list_offset("t", 0, LATEST).await.offset, 0);
    });
}

#[test]
fn topics_are_named_by_id_from_version_13_on() {
    with_node(21, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let mut request = produce_request("", 0, batch(&["a"]), -1);
        request.topic_data[0].topic_id = topic_id(&node, "t");
        let answer = node.call(PRODUCE_BY_ID, &request).await;
        assert_eq!(answer.responses[0].topic_id, topic_id(&node, "t"));
        assert_eq!(the_partition(answer).base_offset, 0);
        request.topic_data[0].topic_id = ottla_types::Uuid([9; 16]);
        assert_eq!(error(the_partition(node.call(PRODUCE_BY_ID, &request).await).error_code), "UNKNOWN_TOPIC_ID");
        request.topic_data[0].topic_id = ottla_types::Uuid::ZERO;
        assert_eq!(error(the_partition(node.call(PRODUCE_BY_ID, &request).await).error_code), "UNKNOWN_TOPIC_ID");
    });
}
