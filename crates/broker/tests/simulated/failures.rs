//! Disks that fail or fill up.

use crate::kit::*;
use ottla_testkit::batches::{batch, batch_of_size};
use std::time::Duration;

#[test]
fn a_failed_fsync_takes_the_partition_offline_and_it_comes_back_by_itself() {
    for seed in 70..76 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 2, &[]).await;
            node.produce("t", 0, &["a", "b"]).await;
            node.world.disk_faults(NODE).fail_syncs("t-0", 1);
            let lost = node.produce_batch("t", 0, batch(&["lost"]), -1).await;
            assert_eq!(error(lost.error_code), "KAFKA_STORAGE_ERROR");
            assert_eq!(node.metrics.broker.partitions_offline.get(), 1);
            assert_eq!(error(node.fetch("t", 0, 0).await.error_code), "KAFKA_STORAGE_ERROR");
            assert_eq!(node.produce("t", 1, &["elsewhere"]).await, 0, "other partitions go on");
            node.until("the partition is back", || node.metrics.broker.partitions_offline.get() == 0).await;
            assert_eq!(node.produce("t", 0, &["c"]).await, 2);
            assert_eq!(node.read_all("t", 0, 0).await, ["a", "b", "c"]);
            assert_eq!(node.metrics.log.fsync_errors.get(), 1);
        });
    }
}

#[test]
fn what_a_failed_flush_lost_is_never_acknowledged_although_the_log_grows_beyond_it() {
    for seed in 80..90 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 1, &[]).await;
            node.produce("t", 0, &["first"]).await;
            node.world.disk_faults(NODE).fail_syncs("t-0", 1);
            // Pipelined replies are asked for late: the fate of the batch must not be forgotten by then.
            let request = produce_request("t", 0, batch(&["lost"]), -1);
            let ottla_net::Outcome::Later(late) = node.outcome(PRODUCE, &request).await else { panic!("answered") };
            node.until("the flush failed", || node.metrics.log.fsync_errors.get() == 1).await;
            node.until("the partition is back", || node.metrics.broker.partitions_offline.get() == 0).await;
            for _ in 0..5 {
                node.produce("t", 0, &["other"]).await;
            }
            let answer = the_partition(node.decode::<ottla_protocol::ProduceRequest>(PRODUCE, late.await).await);
            assert_eq!(error(answer.error_code), "KAFKA_STORAGE_ERROR");
            assert_eq!(node.read_all("t", 0, 0).await, ["first", "other", "other", "other", "other", "other"]);
        });
    }
}

#[test]
fn a_log_whose_reopening_fails_is_opened_again_until_the_disk_is_back() {
    with_node(91, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        node.world.disk_faults(NODE).fail_syncs("t-0", 1000);
        node.produce_batch("t", 0, batch(&["lost"]), -1).await;
        node.runtime.sleep(Duration::from_secs(60)).await;
        let refused = node.produce_batch("t", 0, batch(&["b"]), -1).await;
        assert_eq!(error(refused.error_code), "KAFKA_STORAGE_ERROR");
        let message = refused.error_message.unwrap();
        assert!(message.contains("Next step: "), "{message}");
        assert_eq!(node.metrics.broker.partitions_offline.get(), 1);
        node.world.disk_faults(NODE).clear_errors();
        node.runtime.sleep(Duration::from_secs(11)).await;
        assert_eq!(node.metrics.broker.partitions_offline.get(), 0);
        assert_eq!(node.produce("t", 0, &["b"]).await, 1);
        assert_eq!(node.read_all("t", 0, 0).await, ["a", "b"]);
    });
}

#[test]
fn a_log_that_fails_again_and_again_is_opened_less_and_less_often() {
    with_node(98, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        let begun = node.runtime.now();
        while node.runtime.now() - begun < Duration::from_secs(60) {
            node.world.disk_faults(NODE).fail_syncs("t-0", 1);
            let refused = node.produce_batch("t", 0, batch(&["lost"]), -1).await;
            assert_eq!(error(refused.error_code), "KAFKA_STORAGE_ERROR");
            node.until("the partition is back", || node.metrics.broker.partitions_offline.get() == 0).await;
        }
        let failures = node.metrics.log.fsync_errors.get();
        assert!((8..20).contains(&failures), "it failed {failures} times");
        assert_eq!(node.produce("t", 0, &["b"]).await, 1);
        assert_eq!(node.read_all("t", 0, 0).await, ["a", "b"]);
    });
}

#[test]
fn a_log_that_stays_offline_is_recovered_by_the_next_start() {
    with_node(90, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        node.world.disk_faults(NODE).fail_syncs("", 1000);
        node.produce_batch("t", 0, batch(&["lost"]), -1).await;
        node.runtime.sleep(Duration::from_secs(5)).await;
        assert_eq!(node.metrics.broker.partitions_offline.get(), 1);
        node.world.disk_faults(NODE).clear_errors();
        let node = node.restart().await;
        node.ready("t", 0).await;
        assert_eq!(node.read_all("t", 0, 0).await, ["a"]);
        assert_eq!(node.metrics.broker.partitions_offline.get(), 0);
    });
}

#[test]
fn a_failed_write_is_survived_too() {
    for seed in 91..97 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 1, &[]).await;
            node.produce("t", 0, &["a"]).await;
            node.world.disk_faults(NODE).fail_writes("t-0", 1);
            let refused = node.produce_batch("t", 0, batch_of_size(5000), -1).await;
            assert_eq!(error(refused.error_code), "KAFKA_STORAGE_ERROR");
            assert_eq!(node.metrics.log.write_errors.get(), 1);
            node.until("the partition is back", || node.metrics.broker.partitions_offline.get() == 0).await;
            assert_eq!(node.produce("t", 0, &["b"]).await, 1);
            assert_eq!(node.read_all("t", 0, 0).await, ["a", "b"]);
        });
    }
}

#[test]
fn a_roll_that_fails_takes_the_partition_offline_and_it_comes_back() {
    for seed in 100..108 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 1, &[("segment.bytes", "1048576")]).await;
            node.produce_batch("t", 0, batch_of_size(900_000), -1).await;
            node.world.disk_faults(NODE).fail_writes(".snapshot", 1);
            let requests: Vec<_> =
                (0..4).map(|_| node.spawn_call(PRODUCE, produce_request("t", 0, batch_of_size(300_000), -1))).collect();
            for request in requests {
                // Refused or, if it came late enough, taken by the log that came back.
                the_partition(request.await.unwrap());
            }
            node.until("the partition is back", || node.metrics.broker.partitions_offline.get() == 0).await;
            node.produce("t", 0, &["end"]).await;
            let all = node.read_all("t", 0, 0).await;
            assert_eq!(all.last().map(String::as_str), Some("end"));
        });
    }
}

#[test]
fn a_full_disk_refuses_writes_and_takes_them_again_by_itself() {
    with_node(110, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let mut values_kept = 0;
        node.world.disk_faults(NODE).set_capacity(Some(40 << 20));
        let refused = loop {
            let answer = node.produce_batch("t", 0, batch_of_size(1_000_000), -1).await;
            if answer.error_code != 0 {
                break answer;
            }
            values_kept += 1;
            assert!(values_kept < 60);
        };
        assert_eq!(error(refused.error_code), "KAFKA_STORAGE_ERROR");
        assert!(refused.error_message.unwrap().contains("full"));
        assert!(node.metrics.log.write_errors.get() >= 1);
        assert_eq!(node.metrics.broker.partitions_offline.get(), 0, "nothing is damaged");
        assert_eq!(node.read_all("t", 0, 0).await.len(), values_kept, "reads go on");
        // A topic that is created now works when there is space again.
        node.create_topic("later", 1, &[]).await;
        let early = node.produce_batch("later", 0, batch(&["a"]), -1).await;
        assert_eq!(error(early.error_code), "KAFKA_STORAGE_ERROR");
        assert!(early.error_message.unwrap().contains("Next step: "));
        node.world.disk_faults(NODE).set_capacity(None);
        node.runtime.sleep(Duration::from_secs(5)).await;
        assert_eq!(node.produce("t", 0, &["end"]).await, i64::try_from(values_kept).unwrap());
        node.runtime.sleep(Duration::from_secs(30)).await;
        assert_eq!(node.produce("later", 0, &["a"]).await, 0);
        assert_eq!(node.metrics.broker.partitions_offline.get(), 0);
    });
}

#[test]
fn a_damaged_log_stays_offline_and_names_the_next_step() {
    with_node(111, &[], |node| async move {
        node.create_topic("t", 2, &[]).await;
        for index in 0..2 {
            node.produce("t", index, &["a", "b"]).await;
            node.produce("t", index, &["c"]).await;
        }
        // Recovery points reach the disk.
        node.runtime.sleep(Duration::from_secs(5)).await;
        let (world, controller) = (node.world.clone(), node.controller.clone());
        drop(node);
        world.crash(NODE);
        let path = std::path::Path::new("/data/t-0/00000000000000000000.log");
        world.disk_faults(NODE).corrupt(path, 70).unwrap();
        let node = Node::start(&world, &controller).await;
        node.ready("t", 1).await;
        node.ready("t", 0).await;
        let refused = node.produce_batch("t", 0, batch(&["d"]), -1).await;
        if refused.error_code != 0 {
            assert_eq!(error(refused.error_code), "KAFKA_STORAGE_ERROR");
            assert!(refused.error_message.unwrap().contains("ottla log repair"));
            assert_eq!(node.metrics.broker.partitions_offline.get(), 1);
        }
        assert_eq!(node.produce("t", 1, &["d"]).await, 3);
        // Deleting the topic removes the damaged directory, too.
        node.delete_topic("t").await;
        assert_eq!(node.metrics.broker.partitions_offline.get(), 0);
        let names = node.names("/data").await;
        assert!(!names.contains(&"t-0".to_string()), "{names:?}");
        node.create_topic("t", 1, &[]).await;
        assert_eq!(node.produce("t", 0, &["new"]).await, 0);
    });
}

#[test]
fn a_log_directory_that_fails_at_the_start_keeps_its_partitions_offline_but_not_new_ones() {
    with_node(112, &[("log.dirs", "/data,/more")], |node| async move {
        for name in ["a", "b", "c", "d"] {
            node.create_topic(name, 1, &[]).await;
            node.produce(name, 0, &["x"]).await;
        }
        let (world, controller) = (node.world.clone(), node.controller.clone());
        node.broker.shutdown().await;
        drop(node);
        world.crash(NODE);
        // Another process holds the second directory: it cannot be locked. Reads of its properties fail.
        world.node(NODE);
        world.disk_faults(NODE).fail_reads("/more/meta.properties", 1);
        let node = Node::start(&world, &controller).await;
        let mut offline = 0;
        for name in ["a", "b", "c", "d"] {
            node.ready(name, 0).await;
            let answer = node.produce_batch(name, 0, batch(&["y"]), -1).await;
            match error(answer.error_code) {
                "NONE" => assert_eq!(answer.base_offset, 1),
                "KAFKA_STORAGE_ERROR" => offline += 1,
                other => panic!("{other}"),
            }
        }
        assert_eq!(node.metrics.broker.partitions_offline.get(), offline);
        node.create_topic("new", 1, &[]).await;
        assert_eq!(node.produce("new", 0, &["x"]).await, 0);
    });
}

#[test]
fn a_roll_that_finds_no_descriptor_left_refuses_appends_until_there_is_one() {
    with_node(119, &[], |node| async move {
        node.create_topic("t", 1, &[("segment.bytes", "1048576")]).await;
        let filling = batch(&["x".repeat(700_000).as_str()]);
        let first = node.produce_batch("t", 0, filling.clone(), -1).await;
        assert_eq!(error(first.error_code), "NONE");
        let faults = node.world.disk_faults(NODE);
        faults.set_open_files_max(Some(faults.open_files()));
        let refused = node.produce_batch("t", 0, filling.clone(), -1).await;
        assert_eq!(error(refused.error_code), "KAFKA_STORAGE_ERROR");
        let message = refused.error_message.unwrap_or_default();
        assert!(message.contains("ulimit"), "{message}");
        assert_eq!(node.metrics.broker.partitions_offline.get(), 0);
        faults.set_open_files_max(None);
        node.runtime.sleep(Duration::from_millis(200)).await;
        let second = node.produce_batch("t", 0, filling, -1).await;
        assert_eq!((error(second.error_code), second.base_offset), ("NONE", 1));
    });
}
