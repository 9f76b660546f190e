//! Configs that change while the node runs.

use crate::kit::*;
use ottla_testkit::batches::{batch, batch_of_size};
use std::time::Duration;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

#[test]
fn topic_configs_take_effect_at_once() {
    with_node(190, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce_batch("t", 0, batch_of_size(5000), -1).await;
        node.set_configs(TOPIC, "t", &[("max.message.bytes", "1000")]).await;
        let refused = node.produce_batch("t", 0, batch_of_size(5000), -1).await;
        assert_eq!(error(refused.error_code), "MESSAGE_TOO_LARGE");
        node.set_configs(TOPIC, "t", &[("max.message.bytes", "2000000"), ("segment.bytes", "1048576")]).await;
        for _ in 0..3 {
            node.produce_batch("t", 0, batch_of_size(900_000), -1).await;
        }
        let logs = node.names("/data/t-0").await.into_iter().filter(|name| name.ends_with(".log")).count();
        assert!(logs >= 2);
        node.set_configs(TOPIC, "t", &[("message.timestamp.type", "LogAppendTime")]).await;
        let stamped = node.produce_batch("t", 0, batch(&["a"]), -1).await;
        assert!(stamped.log_append_time_ms > 0);
    });
}

#[test]
fn retention_follows_its_configs() {
    let configs = [("log.retention.check.interval.ms", "1000"), ("log.initial.task.delay.ms", "0")];
    with_node(191, &configs, |node| async move {
        node.create_topic("t", 1, &[("segment.bytes", "1048576")]).await;
        for _ in 0..5 {
            node.produce_batch("t", 0, batch_of_size(900_000), -1).await;
        }
        node.runtime.sleep(Duration::from_secs(5)).await;
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 0);
        node.set_configs(TOPIC, "t", &[("retention.bytes", "1000000")]).await;
        node.runtime.sleep(Duration::from_secs(5)).await;
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 3);
        // By time the active segment goes, too: it is rolled for that.
        node.set_configs(TOPIC, "t", &[("retention.ms", "1")]).await;
        node.runtime.sleep(Duration::from_secs(5)).await;
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 5);
        assert_eq!(node.produce("t", 0, &["a"]).await, 5);
        node.until("sizes are counted", || node.metrics.log.segments.get() >= 1).await;
    });
}

#[test]
fn a_disk_that_hangs_in_one_directory_does_not_stop_retention_in_the_other() {
    let configs =
        [("log.dirs", "/data,/more"), ("log.retention.check.interval.ms", "1000"), ("log.initial.task.delay.ms", "0")];
    with_node(192, &configs, |node| async move {
        let topic_configs = [("segment.bytes", "1048576"), ("retention.bytes", "1000000")];
        for name in ["a", "b"] {
            node.create_topic(name, 1, &topic_configs).await;
        }
        node.world.disk_faults(NODE).slow_syncs("/more", 1000, Duration::from_secs(3600));
        for name in ["a", "b"] {
            for _ in 0..5 {
                node.produce_batch(name, 0, batch_of_size(900_000), 1).await;
                node.runtime.sleep(Duration::from_millis(100)).await;
            }
        }
        node.runtime.sleep(Duration::from_secs(10)).await;
        let starts = [node.list_offset("a", 0, EARLIEST).await.offset, node.list_offset("b", 0, EARLIEST).await.offset];
        assert!(starts.contains(&3), "{starts:?}");
    });
}

#[test]
fn turning_write_caching_on_releases_who_waits_for_the_disk() {
    with_node(193, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        node.world.disk_faults(NODE).slow_syncs("t-0", 1, Duration::from_secs(60));
        let waiting = node.spawn_call(PRODUCE, produce_request("t", 0, batch(&["b"]), -1));
        node.until("it is parked", || node.metrics.broker.parked_produces.get() == 1).await;
        let begun = node.runtime.now();
        node.set_configs(TOPIC, "t", &[("write.caching", "true")]).await;
        assert_eq!(the_partition(waiting.await.unwrap()).error_code, 0);
        assert!(node.runtime.now() - begun < Duration::from_secs(1));
        assert_eq!(node.produce("t", 0, &["c"]).await, 2);
        assert!(node.runtime.now() - begun < Duration::from_secs(1));
    });
}

#[test]
fn turning_write_caching_off_flushes_what_was_acknowledged() {
    for seed in 194..200 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 1, &[("write.caching", "true")]).await;
            for _ in 0..10 {
                node.produce("t", 0, &["a"]).await;
            }
            assert_eq!(node.fetch("t", 0, 0).await.high_watermark, 10);
            node.set_configs(TOPIC, "t", &[("write.caching", "false")]).await;
            assert_eq!(node.fetch("t", 0, 0).await.high_watermark, 10, "the watermark stays");
            assert_eq!(node.produce("t", 0, &["b"]).await, 10);
            let node = node.power_loss().await;
            node.ready("t", 0).await;
            assert_eq!(node.read_all("t", 0, 0).await.len(), 11);
        });
    }
}

#[test]
fn write_caching_topics_are_flushed_in_the_background() {
    with_node(201, &[], |node| async move {
        node.create_topic("t", 1, &[("write.caching", "true")]).await;
        node.create_topic("soon", 1, &[("write.caching", "true"), ("flush.ms", "100")]).await;
        node.produce("t", 0, &["a"]).await;
        node.produce("soon", 0, &["a"]).await;
        let before = node.metrics.log.fsync.get();
        node.runtime.sleep(Duration::from_millis(500)).await;
        assert_eq!(node.metrics.log.fsync.get() - before, 1, "flush.ms is heard");
        node.runtime.sleep(Duration::from_secs(6)).await;
        assert_eq!(node.metrics.log.fsync.get() - before, 2);
        let node = node.power_loss().await;
        node.ready("t", 0).await;
        assert_eq!(node.read_all("t", 0, 0).await, ["a"]);
    });
}

#[test]
fn broker_configs_reach_topics_that_inherit_them() {
    with_node(202, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.create_topic("own", 1, &[("max.message.bytes", "1000000")]).await;
        for name in ["", "1"] {
            node.set_configs(BROKER, name, &[("message.max.bytes", "1000")]).await;
            let refused = node.produce_batch("t", 0, batch_of_size(5000), -1).await;
            assert_eq!(error(refused.error_code), "MESSAGE_TOO_LARGE", "by broker '{name}'");
            assert_eq!(node.produce_batch("own", 0, batch_of_size(5000), -1).await.error_code, 0);
            node.set_configs(BROKER, name, &[("message.max.bytes", "2000000")]).await;
            assert_eq!(node.produce_batch("t", 0, batch_of_size(5000), -1).await.error_code, 0);
        }
    });
}
