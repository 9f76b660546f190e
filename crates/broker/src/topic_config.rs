//! From a topic's configs to what its log needs of them.

use ottla_config::TopicConfig;
use ottla_storage::LogConfig;

/// The log's view of a topic's configs.
pub(crate) fn log_config(config: &TopicConfig, producer_id_expiration_ms: i64) -> LogConfig {
    let limit = |value: i64| u64::try_from(value).ok();
    let unless_never = |value: i64| limit(value).filter(|&value| value != i64::MAX as u64);
    LogConfig {
        segment_bytes: config.segment_bytes.max(1) as u64,
        segment_ms: config.segment_age_max_ms(),
        segment_jitter_ms: config.segment_jitter_ms,
        segment_index_bytes: config.segment_index_bytes.max(4) as u32,
        index_interval_bytes: config.index_interval_bytes.max(0) as u32,
        retention_ms: (config.retention_ms >= 0).then_some(config.retention_ms),
        retention_bytes: limit(config.retention_bytes),
        delete: config.cleanup_delete,
        file_delete_delay_ms: limit(config.file_delete_delay_ms).unwrap_or(0),
        preallocate: config.preallocate,
        write_caching: config.write_caching,
        flush_messages: unless_never(config.flush_messages),
        flush_ms: unless_never(config.flush_ms),
        producer_id_expiration_ms,
    }
}
