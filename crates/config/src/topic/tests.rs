use super::*;
use crate::layers::{Cluster, ConfigMap};

fn map(entries: &[(&str, &str)]) -> ConfigMap {
    entries.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn resolve(
    topic: &[(&str, &str)],
    broker: &[(&str, &str)],
    default: &[(&str, &str)],
    fixed: &[(&str, &str)],
) -> TopicConfig {
    let (topic, broker, default_broker, fixed) = (map(topic), map(broker), map(default), map(fixed));
    TopicConfig::resolve(&Layers {
        topic: &topic,
        broker: &broker,
        default_broker: &default_broker,
        fixed: &fixed,
        cluster: Cluster { brokers: 1, replication_factor: 1 },
    })
}

#[test]
fn defaults_are_kafkas() {
    let config = resolve(&[], &[], &[], &[]);
    assert_eq!(config.segment_bytes, 1 << 30);
    assert_eq!(config.retention_ms, 604_800_000);
    assert_eq!(config.segment_ms, 604_800_000);
    assert_eq!(config.flush_ms, i64::MAX);
    assert!(config.cleanup_delete && !config.cleanup_compact);
    assert_eq!(config.compression, CompressionType::Producer);
    assert!(!config.write_caching);
    assert_eq!(config.write_flush_interval_ms, 10);
}

#[test]
fn the_topic_wins_over_the_broker_over_all_brokers_over_the_file() {
    let name = "compression.type";
    let all = [(name, "gzip")];
    assert_eq!(resolve(&[], &[], &[], &all).compression, CompressionType::Gzip(-1));
    assert_eq!(resolve(&[], &[], &[(name, "snappy")], &all).compression, CompressionType::Snappy);
    assert_eq!(resolve(&[], &[(name, "lz4")], &[(name, "snappy")], &all).compression, CompressionType::Lz4(9));
    assert_eq!(resolve(&[(name, "zstd")], &[(name, "lz4")], &[], &all).compression, CompressionType::Zstd(3));
}

#[test]
fn retention_in_milliseconds_wins_over_minutes_over_hours() {
    let hours = ("log.retention.hours", "2");
    let minutes = ("log.retention.minutes", "5");
    assert_eq!(resolve(&[], &[], &[], &[hours]).retention_ms, 7_200_000);
    assert_eq!(resolve(&[], &[], &[], &[hours, minutes]).retention_ms, 300_000);
    assert_eq!(resolve(&[], &[], &[], &[hours, minutes, ("log.retention.ms", "7")]).retention_ms, 7);
    assert_eq!(resolve(&[], &[], &[("log.retention.ms", "8")], &[hours, minutes]).retention_ms, 8);
    assert_eq!(resolve(&[], &[], &[], &[("log.retention.hours", "-1")]).retention_ms, -1);
}

#[test]
fn flush_ms_falls_back_to_the_scheduler_interval() {
    assert_eq!(resolve(&[], &[], &[], &[("log.flush.scheduler.interval.ms", "9")]).flush_ms, 9);
}

#[test]
fn min_insync_replicas_follows_the_replication_factor_unless_set() {
    let with = |replication_factor, topic: &ConfigMap| {
        let cluster = Cluster { brokers: 5, replication_factor };
        TopicConfig::resolve(&Layers { topic, ..Layers::defaults(cluster) }).min_insync_replicas
    };
    let none = ConfigMap::new();
    assert_eq!([1, 2, 3, 5].map(|factor| with(factor, &none)), [1, 1, 2, 2]);
    assert_eq!(with(3, &map(&[("min.insync.replicas", "1")])), 1);
}

#[test]
fn a_stored_value_that_is_not_valid_any_more_is_passed_over() {
    assert_eq!(resolve(&[("segment.bytes", "14")], &[], &[], &[]).segment_bytes, 1 << 30);
}

#[test]
fn compacted_topics_roll_before_the_compaction_lag_ends() {
    let config = resolve(&[("cleanup.policy", "compact"), ("max.compaction.lag.ms", "60000")], &[], &[], &[]);
    assert_eq!(config.segment_age_max_ms(), 60_000);
    assert_eq!(resolve(&[("max.compaction.lag.ms", "60000")], &[], &[], &[]).segment_age_max_ms(), 604_800_000);
}
