//! What a leader checks before a produced batch may enter its log, in Kafka's order.
//!
//! 1. One whole batch of magic 2 and nothing behind it; zstd only from Produce version 7.
//! 2. Base offset 0, size, CRC.
//! 3. Header: offsets and count agree, not a control batch, a sequence if there is a producer id.
//! 4. Every record, streamed: structure, key, timestamp. One bad record rejects the batch.
//! 5. Rebuild if the topic wants another codec or the inner offsets are not 0, 1, 2 ...; else keep the bytes and set
//!    timestamp type and max timestamp in the header.
//!
//! Where Kafka answers UNKNOWN_SERVER_ERROR (records that do not decompress, an unknown codec) the answer here names
//! the fault; README.md lists these differences.

mod frame;
mod records;

use crate::rebuild::{RebuildError, RebuildLimits, rebuild};
use crate::{BatchError, BatchHeader, BuildError, CompressionSpec, TimestampType, ValidatedBatch};
use bytes::Bytes;
use ottla_types::{ErrorCode, TopicPartition};

/// The most decompressed bytes that validation walks through in one batch, unless the caller says otherwise.
pub const DECOMPRESSED_BATCH_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The most record errors that one answer lists.
pub const RECORD_ERRORS_MAX: usize = 16 * 1024;

/// What validation needs to know about topic, request and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProduceLimits {
    /// The partition, for messages that name it.
    pub partition: Option<TopicPartition>,
    /// Version of the Produce request: zstd needs 7 (KIP-110).
    pub api_version: i16,
    /// `max.message.bytes` of the topic: bytes of a batch as stored, header included.
    pub max_message_bytes: usize,
    /// Whether `cleanup.policy` contains `compact`: keys are then required.
    pub compacted: bool,
    /// `message.timestamp.type` of the topic.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// Wall clock in milliseconds; the log append time of a topic that has it.
    pub now_ms: i64,
    /// `compression.type` of the topic; `None` is `producer`: batches stay as they came. A batch that already has
    /// this codec stays too, whatever its level.
    pub target_compression: Option<CompressionSpec>,
    /// Decompressed bytes that one batch may have; beyond, it is refused as too large.
    pub max_decompressed_bytes: u64,
}

/// Why a batch may not enter the log, in the terms of a Produce response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {message}")]
pub struct ProduceRejected {
    /// The partition's error code.
    pub error: ErrorCode,
    /// The partition's error message.
    pub message: String,
    /// Index in the batch and message of each bad record (KIP-467), at most [`RECORD_ERRORS_MAX`].
    pub record_errors: Vec<(i32, String)>,
}

impl ProduceLimits {
    /// Kafka's defaults for a topic, at `now_ms`, for a request of `api_version`.
    pub fn new(api_version: i16, now_ms: i64) -> ProduceLimits {
        ProduceLimits {
            partition: None,
            api_version,
            max_message_bytes: 1_048_588,
            compacted: false,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            now_ms,
            target_compression: None,
            max_decompressed_bytes: DECOMPRESSED_BATCH_BYTES_MAX,
        }
    }
}

impl ProduceRejected {
    pub(crate) fn new(error: ErrorCode, message: impl Into<String>) -> ProduceRejected {
        ProduceRejected { error, message: message.into(), record_errors: Vec::new() }
    }
}

/// Checks `records`, the record bytes of one partition in a Produce request, as Kafka's leader does, and returns the
/// one batch in it, ready for the log: untouched, with a new header, or rebuilt. The caller still checks the batch
/// against `segment.bytes` and against the producer's state.
pub fn validate_produce(records: &Bytes, limits: &ProduceLimits) -> Result<ValidatedBatch, ProduceRejected> {
    let header = frame::the_only_batch(records, limits)?;
    let batch = records.slice(..header.total_len());
    check_batch(&header, &batch, limits)?;
    check_header(&header)?;
    let codec = header.compression().map_err(rejected)?;
    let found = records::check_records(&batch, limits)?;
    let target = limits.target_compression.unwrap_or(CompressionSpec::from(codec));
    let mut validated = if target.codec == codec && found.offsets_are_dense {
        ValidatedBatch::new(header, batch, found.max_timestamp_index)
    } else {
        rebuilt(&batch, target, limits)?
    };
    match limits.timestamp_type {
        TimestampType::CreateTime => validated.set_max_timestamp(TimestampType::CreateTime, found.max_timestamp),
        TimestampType::LogAppendTime => validated.set_log_append_time(limits.now_ms),
    }
    Ok(validated)
}

fn check_batch(header: &BatchHeader, batch: &Bytes, limits: &ProduceLimits) -> Result<(), ProduceRejected> {
    if header.base_offset != 0 {
        let message = format!("a produced batch has base offset 0, not {}", header.base_offset);
        return Err(ProduceRejected::new(ErrorCode::InvalidRecord, message));
    }
    if batch.len() > limits.max_message_bytes {
        let message =
            format!("a batch of {} bytes exceeds max.message.bytes {}", batch.len(), limits.max_message_bytes);
        return Err(ProduceRejected::new(ErrorCode::MessageTooLarge, message));
    }
    header.check_crc(batch).map_err(rejected)
}

fn check_header(header: &BatchHeader) -> Result<(), ProduceRejected> {
    let invalid = |message: String| Err(ProduceRejected::new(ErrorCode::InvalidRecord, message));
    let offsets = i64::from(header.last_offset_delta) + 1;
    if offsets <= 0 {
        return invalid(format!("the batch's last offset delta {} is negative", header.last_offset_delta));
    }
    if header.record_count <= 0 {
        return invalid(format!("the batch's record count {} is not positive", header.record_count));
    }
    if offsets != i64::from(header.record_count) {
        return invalid(format!("the batch spans {offsets} offsets but counts {} records", header.record_count));
    }
    if header.is_control() {
        return invalid("clients may not write control records".to_string());
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        let (sequence, id) = (header.base_sequence, header.producer_id);
        return invalid(format!("the batch of producer id {id} has the invalid sequence {sequence}"));
    }
    Ok(())
}

fn rebuilt(batch: &[u8], target: CompressionSpec, limits: &ProduceLimits) -> Result<ValidatedBatch, ProduceRejected> {
    let rebuild_limits = RebuildLimits {
        batch_bytes_max: limits.max_message_bytes,
        decompressed_bytes_max: limits.max_decompressed_bytes,
    };
    rebuild(batch, target, rebuild_limits).map_err(|error| match error {
        RebuildError::Read(error) => rejected(error),
        RebuildError::Build(BuildError::TooLarge { limit }) => {
            let message = format!("the batch, stored as {}, exceeds max.message.bytes {limit}", target.codec);
            ProduceRejected::new(ErrorCode::MessageTooLarge, message)
        }
        RebuildError::Build(error @ BuildError::NegativeTimestamp(_)) => {
            ProduceRejected::new(ErrorCode::InvalidTimestamp, error.to_string())
        }
        RebuildError::Build(error @ (BuildError::Empty | BuildError::Compress(_))) => {
            ProduceRejected::new(ErrorCode::UnknownServerError, error.to_string())
        }
    })
}

/// The answer for a batch that cannot be read.
fn rejected(error: BatchError) -> ProduceRejected {
    let code = match error {
        BatchError::Incomplete { .. } | BatchError::CorruptHeader(_) | BatchError::CrcMismatch { .. } => {
            ErrorCode::CorruptMessage
        }
        BatchError::UnsupportedMagic(_) | BatchError::Decompress { .. } | BatchError::InvalidRecord { .. } => {
            ErrorCode::InvalidRecord
        }
        BatchError::UnknownCodec(_) => ErrorCode::UnsupportedCompressionType,
        BatchError::TooLarge { .. } => ErrorCode::MessageTooLarge,
    };
    ProduceRejected::new(code, error.to_string())
}

#[cfg(test)]
mod tests;
