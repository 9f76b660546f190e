//! The configs of one topic, resolved: what a partition's leader, its log and its cleaner go by.

use crate::catalog::{self, Scope};
use crate::layers::Layers;
use crate::value::ConfigValue;

/// In what compression a batch is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionType {
    /// As the producer sent it.
    Producer,
    /// Uncompressed.
    Uncompressed,
    /// gzip, with `compression.gzip.level`; -1 is the library's own choice.
    Gzip(i32),
    /// snappy.
    Snappy,
    /// lz4, with `compression.lz4.level`.
    Lz4(i32),
    /// zstd, with `compression.zstd.level`.
    Zstd(i32),
}

/// Which timestamp a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The time of its append.
    LogAppendTime,
}

/// All configs of a topic. Sizes are in bytes, times in milliseconds; -1 means "unlimited" where Kafka says so.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy` contains `delete`.
    pub cleanup_delete: bool,
    /// `cleanup.policy` contains `compact`.
    pub cleanup_compact: bool,
    /// `compression.type` with its level.
    pub compression: CompressionType,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`.
    pub flush_messages: i64,
    /// `flush.ms`.
    pub flush_ms: i64,
    /// `follower.replication.throttled.replicas`.
    pub follower_replication_throttled_replicas: Vec<String>,
    /// `index.interval.bytes`.
    pub index_interval_bytes: i32,
    /// `leader.replication.throttled.replicas`.
    pub leader_replication_throttled_replicas: Vec<String>,
    /// `local.retention.bytes`; -2 means as `retention_bytes`.
    pub local_retention_bytes: i64,
    /// `local.retention.ms`; -2 means as `retention_ms`.
    pub local_retention_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `max.message.bytes`.
    pub max_message_bytes: i32,
    /// `message.timestamp.after.max.ms`.
    pub message_timestamp_after_max_ms: i64,
    /// `message.timestamp.before.max.ms`.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `min.insync.replicas`.
    pub min_insync_replicas: i32,
    /// `preallocate`.
    pub preallocate: bool,
    /// `remote.storage.enable`.
    pub remote_storage_enable: bool,
    /// `retention.bytes`.
    pub retention_bytes: i64,
    /// `retention.ms`.
    pub retention_ms: i64,
    /// `segment.bytes`, or `internal.segment.bytes` where that is set.
    pub segment_bytes: i32,
    /// `segment.index.bytes`.
    pub segment_index_bytes: i32,
    /// `segment.jitter.ms`.
    pub segment_jitter_ms: i64,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election_enable: bool,
    /// `write.caching`: an acknowledgement may precede the flush.
    pub write_caching: bool,
    /// `write.flush.interval.ms`.
    pub write_flush_interval_ms: i64,
}

impl TopicConfig {
    /// Resolves every config through `layers`. A stored value that is not valid (any more) is passed over.
    pub fn resolve(layers: &Layers<'_>) -> TopicConfig {
        let get = Getter { layers };
        let cleanup_policy = get.list("cleanup.policy");
        TopicConfig {
            cleanup_delete: cleanup_policy.iter().any(|policy| policy == "delete"),
            cleanup_compact: cleanup_policy.iter().any(|policy| policy == "compact"),
            compression: get.compression(),
            delete_retention_ms: get.long("delete.retention.ms"),
            file_delete_delay_ms: get.long("file.delete.delay.ms"),
            flush_messages: get.long("flush.messages"),
            flush_ms: get.long("flush.ms"),
            follower_replication_throttled_replicas: get.list("follower.replication.throttled.replicas"),
            index_interval_bytes: get.int("index.interval.bytes"),
            leader_replication_throttled_replicas: get.list("leader.replication.throttled.replicas"),
            local_retention_bytes: get.long("local.retention.bytes"),
            local_retention_ms: get.long("local.retention.ms"),
            max_compaction_lag_ms: get.long("max.compaction.lag.ms"),
            max_message_bytes: get.int("max.message.bytes"),
            message_timestamp_after_max_ms: get.long("message.timestamp.after.max.ms"),
            message_timestamp_before_max_ms: get.long("message.timestamp.before.max.ms"),
            message_timestamp_type: match get.string("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            min_cleanable_dirty_ratio: get.double("min.cleanable.dirty.ratio"),
            min_compaction_lag_ms: get.long("min.compaction.lag.ms"),
            min_insync_replicas: get.int("min.insync.replicas"),
            preallocate: get.boolean("preallocate"),
            remote_storage_enable: get.boolean("remote.storage.enable"),
            retention_bytes: get.long("retention.bytes"),
            retention_ms: get.long("retention.ms"),
            segment_bytes: get.optional_int("internal.segment.bytes").unwrap_or_else(|| get.int("segment.bytes")),
            segment_index_bytes: get.int("segment.index.bytes"),
            segment_jitter_ms: get.long("segment.jitter.ms"),
            segment_ms: get.long("segment.ms"),
            unclean_leader_election_enable: get.boolean("unclean.leader.election.enable"),
            write_caching: get.boolean("write.caching"),
            write_flush_interval_ms: get.long("write.flush.interval.ms"),
        }
    }

    /// Longest time the active segment stays the active one, before jitter; compaction must reach it in time.
    pub fn segment_age_max_ms(&self) -> i64 {
        if self.cleanup_compact && self.max_compaction_lag_ms > 0 {
            return self.segment_ms.min(self.max_compaction_lag_ms);
        }
        self.segment_ms
    }
}

/// Typed access by name. Names and types are those of the catalog, so a mismatch is a bug here.
struct Getter<'a> {
    layers: &'a Layers<'a>,
}

impl Getter<'_> {
    fn value(&self, name: &str) -> Option<ConfigValue> {
        let key = catalog::find(Scope::Topic, name).unwrap_or_else(|| panic!("{name} is not declared"));
        self.layers.topic_value(key)
    }

    fn boolean(&self, name: &str) -> bool {
        let Some(ConfigValue::Boolean(value)) = self.value(name) else { panic!("{name} is no boolean") };
        value
    }

    fn int(&self, name: &str) -> i32 {
        self.optional_int(name).unwrap_or_else(|| panic!("{name} is no int"))
    }

    fn optional_int(&self, name: &str) -> Option<i32> {
        match self.value(name) {
            Some(ConfigValue::Int(value)) => Some(value),
            None => None,
            Some(other) => panic!("{name} is no int: {other:?}"),
        }
    }

    fn long(&self, name: &str) -> i64 {
        let Some(ConfigValue::Long(value)) = self.value(name) else { panic!("{name} is no long") };
        value
    }

    fn double(&self, name: &str) -> f64 {
        let Some(ConfigValue::Double(value)) = self.value(name) else { panic!("{name} is no double") };
        value
    }

    fn string(&self, name: &str) -> String {
        let Some(ConfigValue::String(value)) = self.value(name) else { panic!("{name} is no string") };
        value
    }

    fn list(&self, name: &str) -> Vec<String> {
        let Some(ConfigValue::List(value)) = self.value(name) else { panic!("{name} is no list") };
        value
    }

    fn compression(&self) -> CompressionType {
        match self.string("compression.type").as_str() {
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip(self.int("compression.gzip.level")),
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4(self.int("compression.lz4.level")),
            "zstd" => CompressionType::Zstd(self.int("compression.zstd.level")),
            _ => CompressionType::Producer,
        }
    }
}

#[cfg(test)]
#[path = "topic/tests.rs"]
mod tests;
