//! Offsets by timestamp within one batch (ListOffsets); the records are walked without being held.

use crate::BatchError;
use crate::walk::Walk;

/// A record's offset and timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Offset in the log.
    pub offset: i64,
}

/// The first record of `batch` at or above `start_offset` whose timestamp is at least `timestamp`. `batch` is exactly
/// one batch.
pub fn find_offset_by_timestamp(
    batch: &[u8],
    timestamp: i64,
    start_offset: i64,
    decompressed_bytes_max: u64,
) -> Result<Option<TimestampOffset>, BatchError> {
    find(batch, decompressed_bytes_max, |record| record.timestamp >= timestamp && record.offset >= start_offset)
}

/// The first record of `batch` that has the batch's highest timestamp (ListOffsets with timestamp -3). `batch` is
/// exactly one batch.
pub fn find_max_timestamp(batch: &[u8], decompressed_bytes_max: u64) -> Result<Option<TimestampOffset>, BatchError> {
    let max_timestamp = crate::BatchHeader::parse(batch)?.max_timestamp;
    find(batch, decompressed_bytes_max, |record| record.timestamp == max_timestamp)
}

fn find(
    batch: &[u8],
    decompressed_bytes_max: u64,
    wanted: impl Fn(&TimestampOffset) -> bool,
) -> Result<Option<TimestampOffset>, BatchError> {
    let walk = Walk::open(batch, decompressed_bytes_max)?;
    let base_offset = walk.header().base_offset;
    for record in walk {
        let record = record?;
        let offset = base_offset.wrapping_add(i64::from(record.offset_delta));
        let found = TimestampOffset { timestamp: record.timestamp, offset };
        if wanted(&found) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
