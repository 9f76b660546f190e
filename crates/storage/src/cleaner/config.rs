//! The node's configs of the cleaner.

use ottla_config::{BrokerConfig, ConfigValue};
use std::time::Duration;

/// Kafka's `log.cleaner.*`, for one of `log.cleaner.threads`.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.enable`.
    pub enabled: bool,
    /// `log.cleaner.threads`: logs that are cleaned at the same time; none with 0.
    pub threads: usize,
    /// One cleaner's share of `log.cleaner.dedupe.buffer.size`, in bytes.
    pub dedupe_buffer_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`: how full the offset map may get.
    pub dedupe_buffer_load_factor: f64,
    /// One cleaner's share of `log.cleaner.io.buffer.size`, half for reads and half for writes, in bytes.
    pub io_buffer_bytes: usize,
    /// `log.cleaner.io.max.bytes.per.second`, reads and writes of all cleaners together.
    pub io_bytes_per_second_max: f64,
    /// `log.cleaner.backoff.ms`: the pause when there is nothing to clean.
    pub backoff: Duration,
}

/// The smallest buffer for reads or writes, whatever is configured.
const IO_BUFFER_BYTES_MIN: usize = 8 * 1024;
/// As in Kafka, more memory than this is not used.
const DEDUPE_BUFFER_BYTES_MAX: u64 = i32::MAX as u64;

impl Default for CleanerConfig {
    fn default() -> CleanerConfig {
        CleanerConfig {
            enabled: true,
            threads: 1,
            dedupe_buffer_bytes: 128 * 1024 * 1024,
            dedupe_buffer_load_factor: 0.9,
            io_buffer_bytes: 512 * 1024,
            io_bytes_per_second_max: f64::MAX,
            backoff: Duration::from_secs(15),
        }
    }
}

impl CleanerConfig {
    /// The configs of a node.
    pub fn of_broker(config: &BrokerConfig) -> CleanerConfig {
        let unsigned = |name: &str| u64::try_from(config.long(name)).unwrap_or(0);
        let fraction = |name: &str| match config.get(name) {
            Some(ConfigValue::Double(value)) => *value,
            _ => f64::MAX,
        };
        let threads = usize::try_from(unsigned("log.cleaner.threads")).unwrap_or(1);
        let share = |bytes: u64| bytes / threads.max(1) as u64;
        CleanerConfig {
            enabled: config.boolean("log.cleaner.enable"),
            threads,
            dedupe_buffer_bytes: share(unsigned("log.cleaner.dedupe.buffer.size")).min(DEDUPE_BUFFER_BYTES_MAX),
            dedupe_buffer_load_factor: fraction("log.cleaner.io.buffer.load.factor"),
            io_buffer_bytes: usize::try_from(share(unsigned("log.cleaner.io.buffer.size"))).unwrap_or(usize::MAX),
            io_bytes_per_second_max: fraction("log.cleaner.io.max.bytes.per.second"),
            backoff: Duration::from_millis(unsigned("log.cleaner.backoff.ms")),
        }
    }

    /// Bytes that are read, or gathered before they are written, at once.
    pub(super) fn chunk_bytes(&self) -> usize {
        (self.io_buffer_bytes / 2).max(IO_BUFFER_BYTES_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_defaults_are_the_defaults() {
        let config = BrokerConfig::parse([("process.roles".to_string(), "broker,controller".to_string())].into());
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(CleanerConfig::of_broker(&config), CleanerConfig::default());
    }
}
