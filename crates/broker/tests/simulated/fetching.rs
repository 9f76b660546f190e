//! Fetch: long polls, limits, sessions.

use crate::kit::*;
use ottla_protocol::Records;
use ottla_protocol::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic};
use ottla_protocol::generated::fetch_response::FetchResponse;
use ottla_testkit::batches::{batch, batch_of_size};
use std::time::Duration;

fn partition(index: i32, fetch_offset: i64) -> FetchPartition {
    FetchPartition { partition: index, fetch_offset, partition_max_bytes: 1 << 20, ..FetchPartition::default() }
}

fn request(topic: &str, partitions: Vec<FetchPartition>, max_wait_ms: i32) -> FetchRequest {
    let topics = vec![FetchTopic { topic: topic.to_string(), partitions, ..FetchTopic::default() }];
    FetchRequest { max_wait_ms, min_bytes: 1, topics, ..FetchRequest::default() }
}

/// Index and number of record bytes of each partition in the response.
fn sizes(response: &FetchResponse) -> Vec<(i32, usize)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|p| (p.partition_index, p.records.bytes().map_or(0, |bytes| bytes.len()))).collect()
}

#[test]
fn a_waiting_fetch_is_answered_as_soon_as_records_are_readable() {
    with_node(30, &[], |node| async move {
        node.create_topic("t", 1, &[("write.flush.interval.ms", "60000")]).await;
        for acks in [-1, 1] {
            let offset = node.list_offset("t", 0, LATEST).await.offset;
            let begun = node.runtime.now();
            let waiting = node.spawn_call(FETCH, fetch_request("t", 0, offset, 30_000));
            node.until("the fetch is parked", || node.metrics.broker.parked_fetches.get() == 1).await;
            // With acks=1, too: what a consumer waits for is flushed at once.
            node.produce_batch("t", 0, batch(&["news"]), acks).await;
            let data = the_fetched(waiting.await.unwrap());
            assert_eq!(values(&data), ["news"]);
            assert!(node.runtime.now() - begun < Duration::from_secs(1));
        }
        assert_eq!(node.metrics.broker.parked_fetches.get(), 0);
    });
}

#[test]
fn a_consumer_that_follows_a_write_caching_topic_costs_no_flush() {
    with_node(30, &[], |node| async move {
        for (topic, caching, flushes) in [("cached", "true", 0), ("durable", "false", 10)] {
            node.create_topic(topic, 1, &[("write.caching", caching)]).await;
            node.produce(topic, 0, &["first"]).await;
            node.until("nothing is left to flush", || node.metrics.log.dirty_bytes.get() == 0).await;
            let before = node.metrics.log.fsync.get();
            for offset in 1..=10 {
                let waiting = node.spawn_call(FETCH, fetch_request(topic, 0, offset, 30_000));
                node.until("the fetch is parked", || node.metrics.broker.parked_fetches.get() == 1).await;
                node.produce_batch(topic, 0, batch(&["next"]), 1).await;
                assert_eq!(values(&the_fetched(waiting.await.unwrap())), ["next"]);
            }
            assert_eq!(node.metrics.log.fsync.get() - before, flushes, "{topic}");
        }
    });
}

#[test]
fn a_fetch_that_comes_after_unflushed_records_has_them_flushed() {
    with_node(31, &[], |node| async move {
        node.create_topic("t", 1, &[("write.flush.interval.ms", "60000")]).await;
        node.produce_batch("t", 0, batch(&["a"]), 1).await;
        let begun = node.runtime.now();
        let data = the_fetched(node.call(FETCH, &fetch_request("t", 0, 0, 30_000)).await);
        assert_eq!(values(&data), ["a"]);
        assert!(node.runtime.now() - begun < Duration::from_secs(1));
    });
}

#[test]
fn a_fetch_waits_for_min_bytes_but_not_beyond_max_wait() {
    with_node(32, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let begun = node.runtime.now();
        let eager = FetchRequest { min_bytes: 100_000, ..fetch_request("t", 0, 0, 2000) };
        let waiting = node.spawn_call(FETCH, eager.clone());
        node.produce("t", 0, &["little"]).await;
        let data = the_fetched(waiting.await.unwrap());
        assert_eq!(values(&data), ["little"], "at the deadline what is there is sent");
        assert!(node.runtime.now() - begun >= Duration::from_secs(2));
        let begun = node.runtime.now();
        let waiting = node.spawn_call(FETCH, FetchRequest { max_wait_ms: 60_000, ..eager });
        for _ in 0..3 {
            node.produce_batch("t", 0, batch_of_size(50_000), -1).await;
        }
        the_fetched(waiting.await.unwrap());
        assert!(node.runtime.now() - begun < Duration::from_secs(5));
    });
}

#[test]
fn only_the_first_batch_of_the_first_partition_may_exceed_the_limits() {
    with_node(33, &[], |node| async move {
        node.create_topic("t", 3, &[]).await;
        for index in 1..3 {
            node.produce_batch("t", index, batch_of_size(10_000), -1).await;
        }
        let small = |index: i32| FetchPartition { partition_max_bytes: 100, ..partition(index, 0) };
        let response = node.call(FETCH, &request("t", vec![small(0), small(1), small(2)], 0)).await;
        let sizes_found = sizes(&response);
        assert_eq!(sizes_found[0], (0, 0));
        assert!(sizes_found[1].1 > 10_000, "the first batch comes whole");
        assert_eq!(sizes_found[2], (2, 0), "one such batch is enough");
        // The limit of the whole response works the same way.
        let limited = FetchRequest { max_bytes: 10, ..request("t", vec![partition(1, 0), partition(2, 0)], 0) };
        let response = node.call(FETCH, &limited).await;
        assert!(sizes(&response)[0].1 > 10_000 && sizes(&response)[1].1 == 0);
        // A partition whose batch does not fit is no reason to wait for more.
        let begun = node.runtime.now();
        let waiting = FetchRequest { min_bytes: 50_000, max_bytes: 10_500, max_wait_ms: 60_000, ..limited };
        assert!(sizes(&node.call(FETCH, &waiting).await)[0].1 > 10_000);
        assert!(node.runtime.now() - begun < Duration::from_secs(1));
    });
}

#[test]
fn a_fetch_behind_the_active_segment_does_not_wait() {
    with_node(34, &[], |node| async move {
        node.create_topic("t", 1, &[("segment.bytes", "1048576")]).await;
        for _ in 0..3 {
            node.produce_batch("t", 0, batch_of_size(900_000), -1).await;
        }
        let begun = node.runtime.now();
        let waiting = FetchRequest { min_bytes: 5_000_000, ..request("t", vec![partition(0, 0)], 60_000) };
        let response = node.call(FETCH, &waiting).await;
        assert!(sizes(&response)[0].1 > 900_000);
        assert!(node.runtime.now() - begun < Duration::from_secs(1));
    });
}

#[test]
fn an_error_is_answered_at_once_but_a_missing_topic_only_if_nothing_else_is_asked_for() {
    with_node(35, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let begun = node.runtime.now();
        let beyond = node.call(FETCH, &fetch_request("t", 0, 5, 60_000)).await;
        let data = the_fetched(beyond);
        assert_eq!(error(data.error_code), "OFFSET_OUT_OF_RANGE");
        assert_eq!((data.high_watermark, data.last_stable_offset, data.log_start_offset), (-1, -1, -1));
        assert_eq!(data.records, Records::Inline(Default::default()));
        let missing = the_fetched(node.call(FETCH, &fetch_request("nowhere", 0, 0, 60_000)).await);
        assert_eq!(error(missing.error_code), "UNKNOWN_TOPIC_OR_PARTITION");
        assert!(node.runtime.now() - begun < Duration::from_secs(1));
        let mut both = fetch_request("t", 0, 0, 1000);
        both.topics.extend(fetch_request("nowhere", 0, 0, 0).topics);
        let response = node.call(FETCH, &both).await;
        assert!(node.runtime.now() - begun >= Duration::from_secs(1));
        let codes: Vec<_> = response.responses.iter().map(|topic| error(topic.partitions[0].error_code)).collect();
        assert_eq!(codes, ["NONE", "UNKNOWN_TOPIC_OR_PARTITION"]);
    });
}

#[test]
fn leader_epochs_of_clients_are_checked() {
    with_node(36, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        let node = node.restart().await;
        node.ready("t", 0).await;
        let epoch = node.controller.image().partition("t", 0).unwrap().leader_epoch.0;
        assert!(epoch > 0, "a restart raises the epoch");
        let in_epoch = |current_leader_epoch: i32| {
            let asked = FetchPartition { current_leader_epoch, ..partition(0, 0) };
            request("t", vec![asked], 0)
        };
        for (known, expected) in
            [(epoch, "NONE"), (-1, "NONE"), (epoch - 1, "FENCED_LEADER_EPOCH"), (epoch + 1, "UNKNOWN_LEADER_EPOCH")]
        {
            let data = the_fetched(node.call(FETCH, &in_epoch(known)).await);
            assert_eq!(error(data.error_code), expected, "{known}");
        }
    });
}

#[test]
fn a_reader_of_another_history_is_told_where_they_part() {
    with_node(37, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a", "b"]).await;
        let node = node.restart().await;
        node.ready("t", 0).await;
        node.produce("t", 0, &["c"]).await;
        let after = |fetch_offset: i64, last_fetched_epoch: i32| {
            let asked = FetchPartition { last_fetched_epoch, ..partition(0, fetch_offset) };
            request("t", vec![asked], 60_000)
        };
        let epoch = node.controller.image().partition("t", 0).unwrap().leader_epoch.0;
        // Epoch 0 ends at offset 2 here; the reader has three records of it.
        let begun = node.runtime.now();
        let data = the_fetched(node.call(FETCH, &after(3, 0)).await);
        assert_eq!((data.diverging_epoch.epoch, data.diverging_epoch.end_offset), (0, 2));
        assert_eq!(data.aborted_transactions, None);
        assert!(node.runtime.now() - begun < Duration::from_secs(1), "it is told at once");
        let beyond = the_fetched(node.call(FETCH, &after(9, 0)).await);
        assert_eq!(beyond.diverging_epoch.end_offset, 2, "also beyond the end of the log");
        let same = the_fetched(node.call(FETCH, &after(2, 0)).await);
        assert_eq!((values(&same), same.diverging_epoch.end_offset), (vec!["c".to_string()], -1));
        let unknown = the_fetched(node.call(FETCH, &after(2, epoch + 1)).await);
        assert_eq!(error(unknown.error_code), "OFFSET_OUT_OF_RANGE");
    });
}

#[test]
fn aborted_transactions_are_listed_for_read_committed_only() {
    with_node(38, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        let committed = FetchRequest { isolation_level: 1, ..fetch_request("t", 0, 0, 0) };
        let data = the_fetched(node.call(FETCH, &committed).await);
        assert_eq!((data.aborted_transactions, data.last_stable_offset), (Some(vec![]), 1));
        assert_eq!(node.fetch("t", 0, 0).await.aborted_transactions, None);
    });
}

#[test]
fn incremental_fetches_carry_only_news() {
    with_node(39, &[], |node| async move {
        node.create_topic("t", 3, &[]).await;
        let all = (0..3).map(|index| partition(index, 0)).collect();
        let first = FetchRequest { session_epoch: 0, ..request("t", all, 0) };
        let opened = node.call(FETCH, &first).await;
        assert!(opened.session_id != 0);
        assert_eq!(sizes(&opened).len(), 3);
        let session = |epoch: i32| FetchRequest {
            session_id: opened.session_id,
            session_epoch: epoch,
            topics: vec![],
            ..request("t", vec![], 500)
        };
        assert_eq!(sizes(&node.call(FETCH, &session(1)).await), []);
        node.produce("t", 1, &["a"]).await;
        let news = node.call(FETCH, &session(2)).await;
        assert!(sizes(&news).len() == 1 && sizes(&news)[0].0 == 1);
        // The consumer moves on; nothing else is new.
        let moved = FetchRequest { topics: request("t", vec![partition(1, 1)], 0).topics, ..session(3) };
        assert_eq!(sizes(&node.call(FETCH, &moved).await), []);
        let gone = ForgottenTopic { topic: "t".into(), partitions: vec![0, 1], ..ForgottenTopic::default() };
        let fewer = FetchRequest { forgotten_topics_data: vec![gone], ..session(4) };
        assert_eq!(sizes(&node.call(FETCH, &fewer).await), []);
        node.produce("t", 0, &["b"]).await;
        assert_eq!(sizes(&node.call(FETCH, &session(5)).await), [], "forgotten");
        assert_eq!(error(node.call(FETCH, &session(9)).await.error_code), "INVALID_FETCH_SESSION_EPOCH");
        let unknown = FetchRequest { session_id: opened.session_id ^ 1, ..session(6) };
        assert_eq!(error(node.call(FETCH, &unknown).await.error_code), "FETCH_SESSION_ID_NOT_FOUND");
        node.until("the gauge follows", || node.metrics.broker.fetch_sessions.get() == 1).await;
    });
}

#[test]
fn thousands_of_partitions_in_one_fetch_wait_with_one_entry_each() {
    with_node(40, &[], |node| async move {
        node.create_topic("t", 2000, &[]).await;
        let all: Vec<_> = (0..2000).map(|index| partition(index, 0)).collect();
        let hungry = FetchRequest { min_bytes: 1_000_000, ..request("t", all, 3000) };
        let waiting = node.spawn_call(FETCH, hungry);
        for n in 0..100 {
            node.produce("t", n % 7, &["a"]).await;
        }
        let response = waiting.await.unwrap();
        assert_eq!(sizes(&response).iter().filter(|(_, bytes)| *bytes > 0).count(), 7);
    });
}

#[test]
fn a_storage_error_reads_as_not_leader_before_version_6() {
    with_node(41, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        // Its reopening fails, too.
        node.world.disk_faults(NODE).fail_syncs("", 1000);
        node.produce_batch("t", 0, batch(&["b"]), -1).await;
        node.until("the partition is offline", || node.metrics.broker.partitions_offline.get() == 1).await;
        for (version, expected) in [(5, "NOT_LEADER_OR_FOLLOWER"), (6, "KAFKA_STORAGE_ERROR")] {
            let data = the_fetched(node.call(version, &fetch_request("t", 0, 0, 0)).await);
            assert_eq!(error(data.error_code), expected);
        }
    });
}
