//! Decides which batches get index entries: the same for an append, a recovery and a rebuild, so that a rebuilt index
//! equals the one that was lost.

use super::{OffsetIndex, TimeIndex, TimestampEntry};
use ottla_records::{BatchHeader, NO_TIMESTAMP};

/// The indexes of a growing segment, and what they are made from.
#[derive(Debug, Clone)]
pub(crate) struct IndexBuilder {
    interval_bytes: u32,
    offsets: OffsetIndex,
    times: TimeIndex,
    max_timestamp: TimestampEntry,
    bytes_since_entry: u64,
}

impl IndexBuilder {
    /// The builder for an empty segment. An entry is made once more than `interval_bytes` were added since the last.
    pub(crate) fn new(base_offset: i64, interval_bytes: u32) -> IndexBuilder {
        IndexBuilder {
            interval_bytes,
            offsets: OffsetIndex::new(base_offset),
            times: TimeIndex::new(base_offset),
            max_timestamp: TimestampEntry { timestamp: NO_TIMESTAMP, offset: base_offset },
            bytes_since_entry: 0,
        }
    }

    /// Goes on from indexes that cover everything before `position`, where the last offset entry's batch starts.
    pub(crate) fn resume(interval_bytes: u32, offsets: OffsetIndex, times: TimeIndex) -> IndexBuilder {
        let max_timestamp = times.last();
        IndexBuilder { interval_bytes, offsets, times, max_timestamp, bytes_since_entry: 0 }
    }

    /// Takes a batch that starts at `position` into account.
    pub(crate) fn add(&mut self, header: &BatchHeader, position: u64) {
        self.note_timestamp(header);
        if self.bytes_since_entry > u64::from(self.interval_bytes) {
            self.offsets.append(header.last_offset(), position);
            self.times.maybe_append(self.max_timestamp);
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += header.total_len() as u64;
    }

    /// Takes into account a batch that has its entry, or lies before one.
    pub(crate) fn add_indexed(&mut self, header: &BatchHeader) {
        self.note_timestamp(header);
        self.bytes_since_entry += header.total_len() as u64;
    }

    /// The segment is complete: its highest timestamp gets an entry.
    pub(crate) fn seal(&mut self) {
        self.times.maybe_append(self.max_timestamp);
    }

    /// The offset index so far.
    pub(crate) fn offsets(&self) -> &OffsetIndex {
        &self.offsets
    }

    /// The time index so far.
    pub(crate) fn times(&self) -> &TimeIndex {
        &self.times
    }

    /// The highest timestamp of the segment, with the last offset of its batch.
    pub(crate) fn max_timestamp(&self) -> TimestampEntry {
        self.max_timestamp
    }

    /// Whether an index has reached `bytes_max`, Kafka's reason to roll.
    pub(crate) fn is_full(&self, bytes_max: u32) -> bool {
        let bytes_max = u64::from(bytes_max);
        // One time entry stays free for the seal.
        self.offsets.file_bytes() + 8 > bytes_max || self.times.file_bytes() + 2 * 12 > bytes_max
    }

    /// The finished indexes.
    pub(crate) fn into_parts(self) -> (OffsetIndex, TimeIndex) {
        (self.offsets, self.times)
    }

    fn note_timestamp(&mut self, header: &BatchHeader) {
        // A batch that compaction emptied has no record with that timestamp.
        if header.record_count > 0 && header.max_timestamp > self.max_timestamp.timestamp {
            self.max_timestamp = TimestampEntry { timestamp: header.max_timestamp, offset: header.last_offset() };
        }
    }
}
