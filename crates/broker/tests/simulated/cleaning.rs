//! Compacted topics: the cleaner works by itself, beside produce and fetch.

use crate::kit::*;
use bytes::Bytes;
use ottla_records::{BatchBuilder, Compression, TimestampType};
use std::time::Duration;

/// The resource type of broker configs; the empty name is that of the whole cluster.
const BROKER: i8 = 4;

/// A batch of one record of about 300 kB; its value begins with `value`.
fn keyed(key: Option<&str>, value: &str) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    let value = format!("{value}{}", ".".repeat(300_000));
    builder.append(1000, key.map(str::as_bytes), Some(value.as_bytes()), &[]).expect("fits");
    builder.build().expect("is built").to_bytes()
}

#[test]
fn a_compacted_topic_keeps_the_last_value_of_each_key() {
    with_node(230, &[("log.cleaner.backoff.ms", "500")], |node| async move {
        let configs =
            [("cleanup.policy", "compact"), ("segment.bytes", "1048576"), ("min.cleanable.dirty.ratio", "0.01")];
        node.create_topic("t", 1, &configs).await;
        let refused = node.produce_batch("t", 0, keyed(None, "x"), -1).await;
        assert_eq!(error(refused.error_code), "INVALID_RECORD");
        for round in 0..4 {
            for key in ["a", "b", "c"] {
                let batch = keyed(Some(key), &format!("{key}{round}"));
                assert_eq!(error(node.produce_batch("t", 0, batch, -1).await.error_code), "NONE");
            }
        }
        let short = |values: Vec<String>| values.iter().map(|value| value[..2].to_string()).collect::<Vec<_>>();
        node.runtime.sleep(Duration::from_secs(10)).await;
        // Three batches are in the active segment, which is left alone. What is left before them may be batches without
        // records, so that a segment ends where the next one begins.
        let expected = ["a2", "b2", "c2", "a3", "b3", "c3"];
        let older = short(values(&node.fetch("t", 0, 0).await));
        assert!(older.iter().all(|value| expected.contains(&value.as_str())), "{older:?}");
        assert_eq!(short(node.read_all("t", 0, 6).await), expected);
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 0);
        let cleaner = &node.metrics.cleaner;
        assert!(cleaner.cleanings.get() >= 1 && cleaner.records_removed.get() == 6);
        assert!(cleaner.bytes_read.get() > cleaner.bytes_written.get() + 1_500_000);
        assert_eq!((cleaner.threads.get(), cleaner.uncleanable_partitions.get()), (1, 0));
        assert!((1..100).contains(&cleaner.recopy_percent.get()) && cleaner.max_dirty_percent.get() <= 100);
        assert_eq!(cleaner.since_last_run_ms.get(), 500);
        let node = node.power_loss().await;
        node.ready("t", 0).await;
        assert_eq!(short(node.read_all("t", 0, 6).await), expected);
        let batch = keyed(Some("a"), "a4");
        assert_eq!(node.produce_batch("t", 0, batch, -1).await.base_offset, 12);
    });
}

#[test]
fn the_number_of_cleaners_follows_its_config_and_none_clean_nothing() {
    let configs = [("log.cleaner.backoff.ms", "500"), ("log.cleaner.threads", "0")];
    with_node(231, &configs, |node| async move {
        let configs =
            [("cleanup.policy", "compact"), ("segment.bytes", "1048576"), ("min.cleanable.dirty.ratio", "0.01")];
        node.create_topic("t", 1, &configs).await;
        for round in 0..8 {
            assert_eq!(
                error(node.produce_batch("t", 0, keyed(Some("a"), &format!("a{round}")), -1).await.error_code),
                "NONE"
            );
        }
        node.runtime.sleep(Duration::from_secs(10)).await;
        assert_eq!((node.metrics.cleaner.threads.get(), node.metrics.cleaner.cleanings.get()), (0, 0));
        node.set_configs(BROKER, "", &[("log.cleaner.threads", "3")]).await;
        node.until("three are at work", || node.metrics.cleaner.threads.get() == 3).await;
        node.until("the log is cleaned", || node.metrics.cleaner.cleanings.get() >= 1).await;
        node.set_configs(BROKER, "", &[("log.cleaner.threads", "1")]).await;
        node.until("two have ended", || node.metrics.cleaner.threads.get() == 1).await;
    });
}

#[test]
fn a_full_log_directory_is_cleaned_as_far_as_there_is_room() {
    // Cleaners begin when the directory is full.
    let configs = [("log.cleaner.backoff.ms", "500"), ("log.cleaner.threads", "0")];
    with_node(232, &configs, |node| async move {
        let configs =
            [("cleanup.policy", "compact"), ("segment.bytes", "4194304"), ("min.cleanable.dirty.ratio", "0.01")];
        node.create_topic("t", 1, &configs).await;
        let disk = node.world.disk_faults(NODE);
        disk.set_capacity(Some(64 << 20));
        let mut written = 0;
        let refused = loop {
            let batch = keyed(Some(["a", "b"][written % 2]), &format!("v{}", written % 10));
            match error(node.produce_batch("t", 0, batch, -1).await.error_code) {
                "NONE" => written += 1,
                refused => break refused,
            }
            // The free space is looked at now and then.
            node.runtime.sleep(Duration::from_millis(200)).await;
        };
        assert_eq!(refused, "KAFKA_STORAGE_ERROR");
        node.set_configs(BROKER, "", &[("log.cleaner.threads", "1")]).await;
        node.until("the log is cleaned", || node.metrics.cleaner.cleanings.get() >= 1).await;
        node.runtime.sleep(Duration::from_secs(10)).await;
        assert_eq!(node.metrics.cleaner.disk_full.get(), 0);
        let batch = keyed(Some("a"), "v0");
        assert_eq!(error(node.produce_batch("t", 0, batch, -1).await.error_code), "NONE", "there is space again");
    });
}

#[test]
fn a_log_whose_remains_have_no_room_is_left_alone_for_a_while() {
    let configs = [("log.cleaner.backoff.ms", "500"), ("log.cleaner.threads", "0")];
    with_node(233, &configs, |node| async move {
        let configs =
            [("cleanup.policy", "compact"), ("segment.bytes", "4194304"), ("min.cleanable.dirty.ratio", "0.01")];
        node.create_topic("t", 1, &configs).await;
        // Every key once: nothing can be removed.
        for key in 0..30 {
            assert_eq!(
                error(node.produce_batch("t", 0, keyed(Some(&format!("k{key}")), "v0"), -1).await.error_code),
                "NONE"
            );
        }
        let used = 30 * 300_100_u64;
        node.world.disk_faults(NODE).set_capacity(Some(used + (2 << 20)));
        node.set_configs(BROKER, "", &[("log.cleaner.threads", "1")]).await;
        node.until("it was tried", || node.metrics.cleaner.disk_full.get() == 1).await;
        node.runtime.sleep(Duration::from_secs(30)).await;
        assert_eq!(node.metrics.cleaner.disk_full.get(), 1, "not again at once");
        assert!(node.names("/data/t-0").await.iter().all(|name| !name.ends_with(".cleaned")));
        node.world.disk_faults(NODE).set_capacity(None);
        node.until("it is cleaned", || node.metrics.cleaner.cleanings.get() >= 1).await;
        assert_eq!(node.metrics.cleaner.uncleanable_partitions.get(), 0);
    });
}

#[test]
fn a_log_that_fails_while_it_is_cleaned_does_not_wait_for_the_end_of_that() {
    let throttle = ("log.cleaner.io.max.bytes.per.second", "100000");
    with_node(234, &[("log.cleaner.backoff.ms", "500"), throttle], |node| async move {
        let configs =
            [("cleanup.policy", "compact"), ("segment.bytes", "4194304"), ("min.cleanable.dirty.ratio", "0.01")];
        node.create_topic("t", 1, &configs).await;
        for _ in 0..30 {
            assert_eq!(error(node.produce_batch("t", 0, keyed(Some("a"), "v"), -1).await.error_code), "NONE");
        }
        // It would take minutes.
        node.runtime.sleep(Duration::from_secs(10)).await;
        assert_eq!(node.metrics.cleaner.cleanings.get(), 0);
        node.world.disk_faults(NODE).fail_syncs("t-0", 1);
        let lost = node.produce_batch("t", 0, keyed(Some("a"), "lost"), -1).await;
        assert_eq!(error(lost.error_code), "KAFKA_STORAGE_ERROR");
        let failed = node.runtime.now();
        node.until("the partition is back", || node.metrics.broker.partitions_offline.get() == 0).await;
        let took = node.runtime.now() - failed;
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert_eq!(node.produce_batch("t", 0, keyed(Some("a"), "v"), -1).await.base_offset, 30);
        node.set_configs(BROKER, "", &[("log.cleaner.io.max.bytes.per.second", "1e9")]).await;
        node.until("it is cleaned after all", || node.metrics.cleaner.cleanings.get() >= 1).await;
    });
}

#[test]
fn retention_follows_a_cleaning() {
    let never = ("log.retention.check.interval.ms", "1000000000");
    let configs = [("log.cleaner.backoff.ms", "500"), ("log.cleaner.threads", "0"), never];
    with_node(235, &configs, |node| async move {
        // The only look of the retention itself.
        node.runtime.sleep(Duration::from_secs(60)).await;
        let configs = [
            ("cleanup.policy", "compact,delete"),
            ("segment.bytes", "1048576"),
            ("retention.bytes", "1000000"),
            ("min.cleanable.dirty.ratio", "0.01"),
        ];
        node.create_topic("t", 1, &configs).await;
        for key in 0..12 {
            let batch = keyed(Some(&format!("k{key}")), "v");
            assert_eq!(error(node.produce_batch("t", 0, batch, -1).await.error_code), "NONE");
        }
        node.runtime.sleep(Duration::from_secs(60)).await;
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 0);
        node.set_configs(BROKER, "", &[("log.cleaner.threads", "1")]).await;
        node.until("the log is cleaned", || node.metrics.cleaner.cleanings.get() >= 1).await;
        node.runtime.sleep(Duration::from_secs(1)).await;
        assert!(node.list_offset("t", 0, EARLIEST).await.offset > 0);
    });
}

#[test]
fn a_lack_of_descriptors_is_no_reason_never_to_clean_a_log_again() {
    let configs = [("log.cleaner.backoff.ms", "500"), ("log.cleaner.threads", "0")];
    with_node(236, &configs, |node| async move {
        let configs =
            [("cleanup.policy", "compact"), ("segment.bytes", "1048576"), ("min.cleanable.dirty.ratio", "0.01")];
        node.create_topic("t", 1, &configs).await;
        for _ in 0..12 {
            assert_eq!(error(node.produce_batch("t", 0, keyed(Some("a"), "v"), -1).await.error_code), "NONE");
        }
        let disk = node.world.disk_faults(NODE);
        disk.set_open_files_max(Some(disk.open_files()));
        node.set_configs(BROKER, "", &[("log.cleaner.threads", "1")]).await;
        node.runtime.sleep(Duration::from_secs(30)).await;
        let cleaner = &node.metrics.cleaner;
        assert_eq!((cleaner.cleanings.get(), cleaner.uncleanable_partitions.get()), (0, 0));
        disk.set_open_files_max(None);
        node.until("it is cleaned", || cleaner.cleanings.get() >= 1).await;
    });
}
