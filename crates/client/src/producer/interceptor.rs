//! Hooks on a producer's way, for metrics and for stamping records.

use super::record::ProducerRecord;
use crate::error::ClientError;
use std::time::Duration;

/// Is told what a producer does. Called on the hot path and on the producer's tasks: it must not wait.
pub trait ProducerInterceptor: Send + Sync {
    /// A record is about to be given to the producer; it may be changed.
    fn on_send(&self, _record: &mut ProducerRecord) {}

    /// A batch has come to its end.
    fn on_batch(&self, _report: &BatchReport<'_>) {}
}

/// How a batch fared.
#[derive(Debug, Clone, Copy)]
pub struct BatchReport<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Partition index.
    pub partition: i32,
    /// Records in the batch.
    pub records: usize,
    /// Their bytes before compression, as `batch.size` counts.
    pub bytes: usize,
    /// Bytes on the wire; 0 if it never was sent.
    pub sent_bytes: usize,
    /// How often it was sent.
    pub attempts: u32,
    /// From its first record to its end.
    pub latency: Duration,
    /// Offset of the first record (-1 when the broker does not tell), or why there is none.
    pub result: Result<i64, &'a ClientError>,
}
