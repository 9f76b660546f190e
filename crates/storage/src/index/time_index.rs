//! Timestamp to offset: entries of an 8-byte timestamp and a 4-byte offset relative to the segment's base, big-endian.
//! An entry says: no batch up to the one that ends with this offset has a higher timestamp.

use super::CorruptIndex;
use ottla_records::NO_TIMESTAMP;

/// Bytes of an entry.
const ENTRY_BYTES: usize = 12;

/// The highest timestamp so far, and the last offset of the batch that brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampEntry {
    /// Milliseconds, or [`NO_TIMESTAMP`].
    pub(crate) timestamp: i64,
    /// Last offset of the batch.
    pub(crate) offset: i64,
}

/// The time index of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeIndex {
    base_offset: i64,
    entries: Vec<TimestampEntry>,
}

impl TimeIndex {
    /// An empty index of the segment at `base_offset`.
    pub(crate) fn new(base_offset: i64) -> TimeIndex {
        TimeIndex { base_offset, entries: Vec::new() }
    }

    /// Reads an index file.
    pub(crate) fn parse(base_offset: i64, bytes: &[u8]) -> Result<TimeIndex, CorruptIndex> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return Err(CorruptIndex("the size is not a multiple of the entry size"));
        }
        let mut index = TimeIndex { base_offset, entries: Vec::with_capacity(chunks.len()) };
        for &[t0, t1, t2, t3, t4, t5, t6, t7, o0, o1, o2, o3] in chunks {
            let timestamp = i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
            let relative_offset = i32::from_be_bytes([o0, o1, o2, o3]);
            if relative_offset < 0 || timestamp < 0 {
                return Err(CorruptIndex("an entry has a negative timestamp or offset"));
            }
            let entry = TimestampEntry { timestamp, offset: base_offset + i64::from(relative_offset) };
            let last = index.entries.last();
            if last.is_some_and(|last| last.timestamp >= timestamp || last.offset >= entry.offset) {
                return Err(CorruptIndex("entries do not ascend"));
            }
            index.entries.push(entry);
        }
        Ok(index)
    }

    /// The file's bytes from entry `from` on.
    pub(crate) fn encode_from(&self, from: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity((self.entries.len() - from) * ENTRY_BYTES);
        for entry in &self.entries[from..] {
            let relative_offset = i32::try_from(entry.offset - self.base_offset).expect("checked at the append");
            bytes.extend_from_slice(&entry.timestamp.to_be_bytes());
            bytes.extend_from_slice(&relative_offset.to_be_bytes());
        }
        bytes
    }

    /// Adds an entry, unless its timestamp is not above the last one.
    pub(crate) fn maybe_append(&mut self, entry: TimestampEntry) {
        if entry.timestamp <= self.last().timestamp {
            return;
        }
        let fits = i32::try_from(entry.offset - self.base_offset).is_ok_and(|relative| relative >= 0);
        assert!(fits, "the segment was rolled before offsets overflow");
        let is_ascending = self.entries.last().is_none_or(|last| last.offset < entry.offset);
        assert!(is_ascending, "index entries ascend: {entry:?} behind {:?}", self.entries.last());
        self.entries.push(entry);
    }

    /// The last offset up to which every timestamp is below `timestamp`, or the base offset: where to start looking.
    pub(crate) fn lookup(&self, timestamp: i64) -> i64 {
        let at_or_above = self.entries.partition_point(|entry| entry.timestamp <= timestamp);
        at_or_above.checked_sub(1).map_or(self.base_offset, |slot| self.entries[slot].offset)
    }

    /// The last entry: the highest timestamp of the segment once that is complete.
    pub(crate) fn last(&self) -> TimestampEntry {
        let none = TimestampEntry { timestamp: NO_TIMESTAMP, offset: self.base_offset };
        self.entries.last().copied().unwrap_or(none)
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        (self.entries.len() * ENTRY_BYTES) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(timestamp: i64, offset: i64) -> TimestampEntry {
        TimestampEntry { timestamp, offset }
    }

    fn index() -> TimeIndex {
        let mut index = TimeIndex::new(100);
        for (timestamp, offset) in [(1000, 104), (1000, 110), (900, 115), (2000, 120)] {
            index.maybe_append(entry(timestamp, offset));
        }
        index
    }

    #[test]
    fn timestamps_only_ascend() {
        assert_eq!(index().len(), 2);
        assert_eq!(index().last(), entry(2000, 120));
        assert_eq!(TimeIndex::new(7).last(), entry(NO_TIMESTAMP, 7));
    }

    #[test]
    fn lookup_starts_at_or_before_the_first_match() {
        for (timestamp, offset) in [(0, 100), (999, 100), (1000, 104), (1999, 104), (2000, 120), (9999, 120)] {
            assert_eq!(index().lookup(timestamp), offset, "{timestamp}");
        }
    }

    #[test]
    fn bytes_round_trip_and_senseless_ones_are_refused() {
        let bytes = index().encode_from(0);
        assert_eq!(bytes.len(), 24);
        assert_eq!(TimeIndex::parse(100, &bytes), Ok(index()));
        assert!(TimeIndex::parse(100, &bytes[..20]).is_err());
        assert!(TimeIndex::parse(100, &[&bytes[..], &[0; 12]].concat()).is_err());
        assert!(TimeIndex::parse(100, &[0xff; 12]).is_err());
    }
}
