//! The checks on every record of a produced batch.

use super::{ProduceLimits, ProduceRejected, RECORD_ERRORS_MAX, rejected};
use crate::header::{NO_TIMESTAMP, TimestampType};
use crate::walk::{RecordHead, Walk};
use ottla_types::{ErrorCode, TopicPartition};
use std::ops::RangeInclusive;

/// What the walk over good records found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Highest timestamp, or -1.
    pub(super) max_timestamp: i64,
    /// Index of the first record that has it.
    pub(super) max_timestamp_index: i32,
    /// Whether the records' offset deltas are 0, 1, 2 ...
    pub(super) offsets_are_dense: bool,
}

/// Errors that the message of a rejected batch shows; the answer lists them all (up to [`RECORD_ERRORS_MAX`]).
const SHOWN_ERRORS_MAX: usize = 3;

/// What is wrong with a well-formed record.
enum Problem {
    NullKey,
    TimestampOutOfRange,
    LogAppendTimeFromClient,
}

/// Walks the records of `batch`, which is exactly one batch with a checked header.
pub(super) fn check_records(batch: &[u8], limits: &ProduceLimits) -> Result<Found, ProduceRejected> {
    let walk = Walk::open(batch, limits.max_decompressed_bytes).map_err(rejected)?;
    let rules = Rules {
        partition: limits.partition.as_ref(),
        compacted: limits.compacted,
        topic_type: limits.timestamp_type,
        batch_type: walk.header().timestamp_type(),
        accepted: accepted_timestamps(limits),
    };
    let mut found = Found { max_timestamp: NO_TIMESTAMP, max_timestamp_index: 0, offsets_are_dense: true };
    let mut problems = Problems::default();
    for record in walk {
        let record = record.map_err(rejected)?;
        let index = i32::try_from(record.index).expect("a batch counts its records in an i32");
        if let Some(problem) = rules.check(&record) {
            problems.add(index, &problem, || rules.describe(&problem, &record));
        }
        if record.timestamp > found.max_timestamp {
            found.max_timestamp = record.timestamp;
            found.max_timestamp_index = index;
        }
        found.offsets_are_dense &= record.offset_delta == index;
    }
    match problems.into_rejection() {
        None => Ok(found),
        Some(rejection) => Err(rejection),
    }
}

/// What is asked of each record of a batch.
struct Rules<'a> {
    partition: Option<&'a TopicPartition>,
    compacted: bool,
    topic_type: TimestampType,
    batch_type: TimestampType,
    accepted: RangeInclusive<i64>,
}

impl Rules<'_> {
    #[inline]
    fn check(&self, record: &RecordHead) -> Option<Problem> {
        if self.compacted && !record.has_key {
            return Some(Problem::NullKey);
        }
        if self.topic_type == TimestampType::CreateTime && record.timestamp != NO_TIMESTAMP {
            let is_accepted = self.accepted.contains(&record.timestamp);
            return (!is_accepted).then_some(Problem::TimestampOutOfRange);
        }
        (self.batch_type == TimestampType::LogAppendTime).then_some(Problem::LogAppendTimeFromClient)
    }

    /// Kafka's text (LogValidator). A produced batch begins at offset 0, so that a record's offset is its delta.
    fn describe(&self, problem: &Problem, record: &RecordHead) -> String {
        let offset = record.offset_delta;
        match problem {
            Problem::NullKey => {
                let place = self.partition.map(|name| format!(" in topic partition {name}")).unwrap_or_default();
                format!("Compacted topic cannot accept message without key{place}")
            }
            Problem::TimestampOutOfRange => format!(
                "Timestamp {} of message with offset {offset} is out of range. The timestamp should be within [{}, {}]",
                record.timestamp,
                self.accepted.start(),
                self.accepted.end()
            ),
            Problem::LogAppendTimeFromClient => format!(
                "Invalid timestamp type in message with offset {offset}. Producer should not set timestamp type to \
                 LogAppendTime."
            ),
        }
    }
}

/// The timestamps that the topic takes.
fn accepted_timestamps(limits: &ProduceLimits) -> RangeInclusive<i64> {
    let earliest = limits.now_ms.saturating_sub(limits.timestamp_before_max_ms);
    earliest..=limits.now_ms.saturating_add(limits.timestamp_after_max_ms)
}

/// The bad records of a batch; all are counted, a bounded number is listed.
#[derive(Default)]
struct Problems {
    listed: Vec<(i32, String)>,
    count: u64,
    any_timestamp: bool,
}

impl Problems {
    /// `text` is asked for while there is room only.
    fn add(&mut self, index: i32, problem: &Problem, text: impl FnOnce() -> String) {
        self.count += 1;
        self.any_timestamp |= !matches!(problem, Problem::NullKey);
        if self.listed.len() < RECORD_ERRORS_MAX {
            self.listed.push((index, text()));
        }
    }

    /// In Kafka's words, which clients compare.
    fn into_rejection(self) -> Option<ProduceRejected> {
        if self.count == 0 {
            return None;
        }
        let (error, message) = if self.any_timestamp {
            let message = "One or more records have been rejected due to invalid timestamp";
            (ErrorCode::InvalidTimestamp, message.to_string())
        } else {
            (ErrorCode::InvalidRecord, self.summary())
        };
        Some(ProduceRejected { error, message, record_errors: self.listed })
    }

    fn summary(&self) -> String {
        let shown = self.listed.iter().take(SHOWN_ERRORS_MAX);
        let shown: Vec<String> =
            shown.map(|(index, text)| format!("RecordError(batchIndex={index}, message='{text}')")).collect();
        format!(
            "One or more records have been rejected due to {} record errors in total, and only showing the first three \
             errors at most: [{}]",
            self.count,
            shown.join(", ")
        )
    }
}
