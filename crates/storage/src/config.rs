//! What a log needs to know of its topic's configs, in Kafka's words.
//!
//! Made from the typed configs of the topic; the log never reads configs by name.

use ottla_config::TopicConfig;
use ottla_runtime::Runtime;

/// Effective configs of one log. `Default` is Kafka's defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is rolled before it grows beyond this. At most [`crate::limits::SEGMENT_BYTES_MAX`].
    pub segment_bytes: u64,
    /// `segment.ms`: a segment is rolled when a record is this much younger than the segment's first one.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to this much is taken off `segment.ms`, at random for each segment.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: a segment is rolled when one of its indexes reaches this size.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: log bytes between two index entries.
    pub index_interval_bytes: u32,
    /// `retention.ms`; `None` is Kafka's -1, no limit.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`; `None` is Kafka's -1, no limit.
    pub retention_bytes: Option<u64>,
    /// Whether `cleanup.policy` contains `delete`: retention applies only then.
    pub delete: bool,
    /// Whether `cleanup.policy` contains `compact`: the cleaner then keeps only the last record of each key.
    pub compact: bool,
    /// `min.cleanable.dirty.ratio`: the dirty part from which a log is cleaned, 0 to 1.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: a segment with a younger record is not cleaned.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: a log with an older dirty record is cleaned whatever its ratio.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: how long tombstones and transaction markers stay after the first cleaning that meets them.
    pub delete_retention_ms: i64,
    /// `file.delete.delay.ms`: how long deleted segments stay on disk under another name.
    pub file_delete_delay_ms: u64,
    /// `preallocate`: reserve a new segment's space at once.
    pub preallocate: bool,
    /// `write.caching`: acknowledgements do not wait for stable storage; the log is flushed in the background.
    pub write_caching: bool,
    /// `flush.messages`: flush after this many records; `None` where it is Kafka's "never".
    pub flush_messages: Option<u64>,
    /// `flush.ms`: flush this long after the first unflushed record; `None` where it is Kafka's "never".
    pub flush_ms: Option<u64>,
    /// `producer.id.expiration.ms`: how long the state of an idle producer is kept.
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 * 1024 * 1024,
            index_interval_bytes: 4096,
            retention_ms: Some(7 * 24 * 60 * 60 * 1000),
            retention_bytes: None,
            delete: true,
            compact: false,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 24 * 60 * 60 * 1000,
            file_delete_delay_ms: 60_000,
            preallocate: false,
            write_caching: false,
            flush_messages: None,
            flush_ms: None,
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
        }
    }
}

impl LogConfig {
    /// The configs of a topic, with the node's `producer.id.expiration.ms`.
    pub fn of_topic(topic: &TopicConfig, producer_id_expiration_ms: i64) -> LogConfig {
        LogConfig {
            segment_bytes: non_negative(i64::from(topic.segment_bytes)),
            segment_ms: topic.segment_age_max_ms(),
            segment_jitter_ms: topic.segment_jitter_ms,
            segment_index_bytes: topic.segment_index_bytes.unsigned_abs(),
            index_interval_bytes: topic.index_interval_bytes.unsigned_abs(),
            retention_ms: (topic.retention_ms >= 0).then_some(topic.retention_ms),
            retention_bytes: u64::try_from(topic.retention_bytes).ok(),
            delete: topic.cleanup_delete,
            compact: topic.cleanup_compact,
            min_cleanable_dirty_ratio: topic.min_cleanable_dirty_ratio,
            min_compaction_lag_ms: topic.min_compaction_lag_ms,
            max_compaction_lag_ms: topic.max_compaction_lag_ms,
            delete_retention_ms: topic.delete_retention_ms,
            file_delete_delay_ms: non_negative(topic.file_delete_delay_ms),
            preallocate: topic.preallocate,
            write_caching: topic.write_caching,
            flush_messages: limit(topic.flush_messages),
            flush_ms: limit(topic.flush_ms),
            producer_id_expiration_ms,
        }
    }

    /// What a new segment takes off `segment.ms`, so that many logs do not roll at once.
    pub(crate) fn draw_jitter_ms(&self, rt: &Runtime) -> i64 {
        match non_negative(self.segment_jitter_ms.min(self.segment_ms)) {
            0 => 0,
            jitter_ms => rt.random_range(0..jitter_ms) as i64,
        }
    }
}

fn non_negative(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Kafka writes "never" as the largest number.
fn limit(value: i64) -> Option<u64> {
    u64::try_from(value).ok().filter(|&value| value < i64::MAX as u64)
}
