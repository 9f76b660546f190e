//! ListOffsets, OffsetForLeaderEpoch, DeleteRecords.

use crate::kit::*;
use ottla_protocol::generated::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use ottla_protocol::generated::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ottla_testkit::batches::{TIMESTAMP, batch, batch_of_size};
use std::time::Duration;

#[test]
fn whoever_got_an_acknowledgement_and_asks_for_the_end_sees_the_record() {
    with_node(50, &[], |node| async move {
        node.create_topic("t", 1, &[("write.flush.interval.ms", "60000")]).await;
        for n in 0..5 {
            node.produce_batch("t", 0, batch(&["a"]), 1).await;
            let begun = node.runtime.now();
            assert_eq!(node.list_offset("t", 0, LATEST).await.offset, n + 1);
            assert!(node.runtime.now() - begun < Duration::from_secs(1));
        }
        assert_eq!(node.metrics.broker.parked_others.get(), 0);
    });
}

#[test]
fn an_end_that_is_not_flushed_in_time_is_asked_for_again() {
    with_node(51, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        node.world.disk_faults(NODE).slow_syncs("t-0", 1, Duration::from_secs(60));
        node.produce_batch("t", 0, batch(&["b"]), 1).await;
        assert_eq!(error(node.list_offset("t", 0, LATEST).await.error_code), "OFFSET_NOT_AVAILABLE");
        assert_eq!(error(node.list_offset_in(4, "t", 0, LATEST).await.error_code), "LEADER_NOT_AVAILABLE");
        let found = node.list_offset("t", 0, TIMESTAMP).await;
        assert_eq!((found.error_code, found.offset), (0, 0), "what is committed is found all the same");
        assert_eq!(error(node.list_offset("t", 0, TIMESTAMP + 7).await.error_code), "OFFSET_NOT_AVAILABLE");
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 0, "the start is known without a flush");
    });
}

#[test]
fn offsets_are_found_by_time() {
    with_node(52, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let empty = node.list_offset("t", 0, TIMESTAMP).await;
        assert_eq!((empty.error_code, empty.offset, empty.timestamp), (0, -1, -1));
        node.produce("t", 0, &["a", "b", "c"]).await;
        let epoch = node.controller.image().partition("t", 0).unwrap().leader_epoch.0;
        let found = node.list_offset("t", 0, TIMESTAMP + 1).await;
        assert_eq!((found.offset, found.timestamp, found.leader_epoch), (1, TIMESTAMP + 1, epoch));
        let latest = node.list_offset("t", 0, LATEST).await;
        assert_eq!((latest.offset, latest.timestamp, latest.leader_epoch), (3, -1, epoch));
        let max = node.list_offset("t", 0, MAX_TIMESTAMP).await;
        assert_eq!((max.offset, max.timestamp), (2, TIMESTAMP + 2));
        assert_eq!(node.list_offset("t", 0, TIMESTAMP + 3).await.offset, -1);
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 0);
        assert_eq!(node.list_offset("t", 0, -4).await.offset, 0);
        assert_eq!(node.list_offset("t", 0, -5).await.offset, -1);
        assert_eq!(node.list_offset("t", 0, -6).await.offset, -1);
        assert_eq!(error(node.list_offset_in(6, "t", 0, -3).await.error_code), "UNSUPPORTED_VERSION");
        assert_eq!(node.list_offset_in(1, "t", 0, LATEST).await.offset, 3, "versions without leader epochs");
    });
}

#[test]
fn a_partition_named_twice_is_refused() {
    with_node(53, &[], |node| async move {
        node.create_topic("t", 2, &[]).await;
        let asked = |partition_index: i32| ListOffsetsPartition {
            partition_index,
            timestamp: LATEST,
            ..ListOffsetsPartition::default()
        };
        let topics = vec![ListOffsetsTopic { name: "t".into(), partitions: vec![asked(0), asked(1), asked(0)] }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
        let response = node.call(LIST_OFFSETS, &request).await;
        let codes: Vec<_> = response.topics[0].partitions.iter().map(|p| error(p.error_code)).collect();
        assert_eq!(codes, ["INVALID_REQUEST", "NONE", "INVALID_REQUEST"]);
    });
}

#[test]
fn ends_of_leader_epochs_are_known_after_restarts() {
    with_node(54, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a", "b"]).await;
        let node = node.restart().await;
        node.ready("t", 0).await;
        node.produce("t", 0, &["c"]).await;
        let current = node.controller.image().partition("t", 0).unwrap().leader_epoch.0;
        for (leader_epoch, expected) in [(0, (0, 2)), (current, (current, 3)), (current + 1, (-1, -1))] {
            assert_eq!(end_of_epoch(&node, leader_epoch).await, expected);
        }
    });
}

#[test]
fn an_epoch_that_was_told_has_an_end_although_nothing_was_written_in_it() {
    with_node(59, &[], |mut node| async move {
        node.create_topic("t", 1, &[]).await;
        for records in 0..3 {
            let told = node.list_offset("t", 0, LATEST).await;
            assert_eq!(told.offset, records);
            let earliest = node.list_offset("t", 0, EARLIEST).await.leader_epoch;
            assert_eq!(earliest == told.leader_epoch, records == 0, "an empty partition has the epoch of its leader");
            for _ in 0..2 {
                node = node.restart().await;
                node.ready("t", 0).await;
            }
            let (epoch, end_offset) = end_of_epoch(&node, told.leader_epoch).await;
            assert!((0..=told.leader_epoch).contains(&epoch), "{epoch}");
            assert_eq!(end_offset, records);
            // In an epoch of its own: the next one that is told has no records.
            node.produce("t", 0, &["a"]).await;
            node = node.restart().await;
            node.ready("t", 0).await;
        }
    });
}

/// The epoch and the offset that OffsetForLeaderEpoch answers.
async fn end_of_epoch(node: &Node, leader_epoch: i32) -> (i32, i64) {
    let asked = OffsetForLeaderPartition { partition: 0, leader_epoch, ..Default::default() };
    let topics = vec![OffsetForLeaderTopic { topic: "t".into(), partitions: vec![asked] }];
    let response = node.call(4, &OffsetForLeaderEpochRequest { replica_id: -1, topics }).await;
    let end = &response.topics[0].partitions[0];
    (end.leader_epoch, end.end_offset)
}

#[test]
fn records_are_deleted_up_to_the_high_watermark() {
    with_node(55, &[], |node| async move {
        node.create_topic("t", 1, &[("write.flush.interval.ms", "60000")]).await;
        node.produce("t", 0, &["a", "b", "c"]).await;
        let deleted = node.delete_records("t", 0, 2).await;
        assert_eq!((error(deleted.error_code), deleted.low_watermark), ("NONE", 2));
        assert_eq!(error(node.fetch("t", 0, 1).await.error_code), "OFFSET_OUT_OF_RANGE");
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 2);
        assert_eq!(node.delete_records("t", 0, 1).await.low_watermark, 2, "below the start nothing happens");
        assert_eq!(error(node.delete_records("t", 0, 4).await.error_code), "OFFSET_OUT_OF_RANGE");
        assert_eq!(error(node.delete_records("t", 0, -2).await.error_code), "OFFSET_OUT_OF_RANGE");
        // An acknowledged record counts, flushed or not.
        node.produce_batch("t", 0, batch(&["d"]), 1).await;
        assert_eq!(node.delete_records("t", 0, -1).await.low_watermark, 4);
        let node = node.power_loss().await;
        node.ready("t", 0).await;
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 4, "the new start is durable");
        assert_eq!(node.produce("t", 0, &["e"]).await, 4);
    });
}

#[test]
fn deletion_of_records_on_many_partitions_waits_together() {
    with_node(56, &[], |node| async move {
        node.create_topic("t", 50, &[]).await;
        for index in 0..50 {
            node.produce("t", index, &["a"]).await;
        }
        node.world.disk_faults(NODE).set_sync_time(Duration::from_millis(100)..Duration::from_millis(101));
        let begun = node.runtime.now();
        let requests: Vec<_> = (0..50)
            .map(|index| {
                let node = node.clone();
                node.runtime.clone().spawn("client", async move { node.delete_records("t", index, -1).await })
            })
            .collect();
        for request in requests {
            assert_eq!(request.await.unwrap().low_watermark, 1);
        }
        assert!(node.runtime.now() - begun < Duration::from_secs(3));
    });
}

#[test]
fn compacted_topics_keep_their_records() {
    with_node(57, &[], |node| async move {
        node.create_topic("t", 1, &[("cleanup.policy", "compact")]).await;
        assert_eq!(error(node.delete_records("t", 0, -1).await.error_code), "POLICY_VIOLATION");
        node.create_topic("both", 1, &[("cleanup.policy", "compact,delete")]).await;
        assert_eq!(error(node.delete_records("both", 0, -1).await.error_code), "NONE");
    });
}

#[test]
fn reads_go_on_while_segments_are_deleted_under_them() {
    with_node(58, &[("log.retention.check.interval.ms", "1000"), ("log.initial.task.delay.ms", "0")], |node| {
        async move {
            let configs = [("segment.bytes", "1048576"), ("file.delete.delay.ms", "0")];
            node.create_topic("t", 1, &configs).await;
            for _ in 0..6 {
                node.produce_batch("t", 0, batch_of_size(900_000), -1).await;
            }
            node.delete_records("t", 0, 4).await;
            // Segments below the start go with the next round of retention.
            for _ in 0..40 {
                let data = node.fetch("t", 0, 0).await;
                assert_eq!(error(data.error_code), "OFFSET_OUT_OF_RANGE");
                assert_eq!(error(node.fetch("t", 0, 4).await.error_code), "NONE");
                node.runtime.sleep(Duration::from_millis(100)).await;
            }
            let names = node.names("/data/t-0").await;
            let logs: Vec<_> = names.iter().filter(|name| name.ends_with(".log")).collect();
            assert_eq!(logs.first().map(|name| name.as_str()), Some("00000000000000000004.log"), "{names:?}");
        }
    });
}
