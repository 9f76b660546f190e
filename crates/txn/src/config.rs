//! The configs that transactions obey. Times are in milliseconds.

use ottla_config::BrokerConfig;

/// Configs of the broker, and the finalized feature `transaction.version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnConfig {
    /// `transaction.max.timeout.ms`.
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`.
    pub id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub abort_timed_out_interval_ms: u64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub remove_expired_interval_ms: u64,
    /// `transaction.two.phase.commit.enable` (KIP-939).
    pub two_phase_commit: bool,
    /// The finalized level of `transaction.version`.
    pub transaction_version: i16,
}

impl TxnConfig {
    /// The configs as they stand now.
    pub fn new(config: &BrokerConfig, transaction_version: i16) -> TxnConfig {
        let interval = |name: &str| u64::try_from(config.long(name)).unwrap_or(1).max(1);
        TxnConfig {
            max_timeout_ms: i32::try_from(config.long("transaction.max.timeout.ms")).unwrap_or(i32::MAX),
            id_expiration_ms: config.long("transactional.id.expiration.ms"),
            abort_timed_out_interval_ms: interval("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            remove_expired_interval_ms: interval("transaction.remove.expired.transaction.cleanup.interval.ms"),
            two_phase_commit: config.boolean("transaction.two.phase.commit.enable"),
            transaction_version,
        }
    }
}
