//! What a share consumer goes by, with Kafka's names and defaults.

use crate::error::ClientError;
use std::time::Duration;

/// `share.acknowledgement.mode`: who says what became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcknowledgementMode {
    /// `implicit`: the next poll or commit accepts everything that the last poll returned.
    #[default]
    Implicit,
    /// `explicit`: the application does, for every record, before it polls again.
    Explicit,
}

/// `share.acquire.mode` (KIP-1206): how many records a poll takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcquireMode {
    /// `batch_optimized`: whole batches, so that a poll may return more than `max.poll.records`.
    #[default]
    BatchOptimized,
    /// `record_limit`: never more than `max.poll.records`; one broker is asked at a time.
    RecordLimit,
}

impl AcquireMode {
    /// `ShareAcquireMode` of the protocol.
    pub(super) fn code(self) -> i8 {
        match self {
            AcquireMode::BatchOptimized => 0,
            AcquireMode::RecordLimit => 1,
        }
    }
}

/// Settings of a [`ShareConsumer`](crate::ShareConsumer). Where a group begins, its isolation level, and how long a record
/// is locked are configs of the group, at the broker.
#[derive(Debug, Clone)]
pub struct ShareConsumerOptions {
    /// `group.id`.
    pub group_id: String,
    /// `share.acknowledgement.mode`.
    pub acknowledgement_mode: AcknowledgementMode,
    /// `share.acquire.mode`.
    pub acquire_mode: AcquireMode,
    /// `max.poll.records`.
    pub max_poll_records: usize,
    /// `max.poll.interval.ms`: who does not poll for this long leaves the group.
    pub max_poll_interval: Duration,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`: also bounds, for each broker, what waits to be polled.
    pub fetch_max_bytes: i32,
    /// `fetch.max.wait.ms`.
    pub fetch_wait_max: Duration,
    /// `client.rack`.
    pub rack: Option<String>,
    /// `check.crcs`.
    pub check_crcs: bool,
    /// `metadata.max.age.ms`.
    pub metadata_age_max: Duration,
}

impl ShareConsumerOptions {
    /// The defaults with a group id.
    pub fn group(group_id: impl Into<String>) -> ShareConsumerOptions {
        ShareConsumerOptions {
            group_id: group_id.into(),
            acknowledgement_mode: AcknowledgementMode::Implicit,
            acquire_mode: AcquireMode::BatchOptimized,
            max_poll_records: 500,
            max_poll_interval: Duration::from_secs(300),
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            fetch_wait_max: Duration::from_millis(500),
            rack: None,
            check_crcs: true,
            metadata_age_max: Duration::from_secs(300),
        }
    }

    /// # Errors
    /// `Invalid` for settings that mean nothing.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        let refuse = |why: &str| Err(ClientError::Invalid(why.to_string()));
        if self.group_id.is_empty() {
            return refuse("a share consumer needs group.id");
        }
        if self.max_poll_records == 0 {
            return refuse("max.poll.records is at least 1");
        }
        if self.max_poll_interval.is_zero() {
            return refuse("max.poll.interval.ms is at least 1");
        }
        if self.fetch_max_bytes <= 0 || self.fetch_min_bytes < 0 {
            return refuse("fetch.max.bytes is at least 1, and fetch.min.bytes at least 0");
        }
        Ok(())
    }
}
