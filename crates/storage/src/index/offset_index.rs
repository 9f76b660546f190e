//! Offset to position: entries of a 4-byte offset relative to the segment's base and a 4-byte position, both big-endian.
//! The offset is the *last* one of the batch that starts at the position.

use super::CorruptIndex;

/// Bytes of an entry.
const ENTRY_BYTES: usize = 8;

/// The offset index of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffsetIndex {
    base_offset: i64,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    relative_offset: u32,
    position: u32,
}

impl OffsetIndex {
    /// An empty index of the segment at `base_offset`.
    pub(crate) fn new(base_offset: i64) -> OffsetIndex {
        OffsetIndex { base_offset, entries: Vec::new() }
    }

    /// Reads an index file. `log_bytes` is the size of the segment: no entry may point beyond it.
    pub(crate) fn parse(base_offset: i64, bytes: &[u8], log_bytes: u64) -> Result<OffsetIndex, CorruptIndex> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return Err(CorruptIndex("the size is not a multiple of the entry size"));
        }
        let mut index = OffsetIndex { base_offset, entries: Vec::with_capacity(chunks.len()) };
        for &[o0, o1, o2, o3, p0, p1, p2, p3] in chunks {
            let entry = Entry {
                relative_offset: u32::from_be_bytes([o0, o1, o2, o3]),
                position: u32::from_be_bytes([p0, p1, p2, p3]),
            };
            if entry.relative_offset > i32::MAX as u32 || u64::from(entry.position) >= log_bytes {
                return Err(CorruptIndex("an entry points beyond the segment"));
            }
            if index.entries.last().is_some_and(|last| !last.is_before(entry)) {
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
            bytes.extend_from_slice(&entry.relative_offset.to_be_bytes());
            bytes.extend_from_slice(&entry.position.to_be_bytes());
        }
        bytes
    }

    /// Adds an entry: the batch at `position` ends with `last_offset`. Both above those of the last entry.
    pub(crate) fn append(&mut self, last_offset: i64, position: u64) {
        let entry = Entry {
            relative_offset: self.relative(last_offset).expect("the segment was rolled before offsets overflow"),
            position: u32::try_from(position).expect("the segment was rolled before positions overflow"),
        };
        assert!(self.entries.last().is_none_or(|last| last.is_before(entry)), "index entries ascend");
        self.entries.push(entry);
    }

    /// Whether `offset` can stand in this index.
    pub(crate) fn can_hold(&self, offset: i64) -> bool {
        self.relative(offset).is_some()
    }

    /// Where to start looking for the batch that holds `offset`: the position of a batch at or before it.
    pub(crate) fn lookup(&self, offset: i64) -> u64 {
        let above = self.entries.partition_point(|entry| self.base_offset + i64::from(entry.relative_offset) <= offset);
        above.checked_sub(1).map_or(0, |slot| u64::from(self.entries[slot].position))
    }

    /// The last position with an entry that is not above `position`; 0 if there is none.
    pub(crate) fn position_at_or_before(&self, position: u64) -> u64 {
        let above = self.entries.partition_point(|entry| u64::from(entry.position) <= position);
        above.checked_sub(1).map_or(0, |slot| u64::from(self.entries[slot].position))
    }

    /// The last entry's offset and position.
    pub(crate) fn last(&self) -> Option<(i64, u64)> {
        let last = self.entries.last()?;
        Some((self.base_offset + i64::from(last.relative_offset), u64::from(last.position)))
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        (self.entries.len() * ENTRY_BYTES) as u64
    }

    fn relative(&self, offset: i64) -> Option<u32> {
        let relative = offset.checked_sub(self.base_offset)?;
        i32::try_from(relative).ok().and_then(|relative| u32::try_from(relative).ok())
    }
}

impl Entry {
    fn is_before(self, other: Entry) -> bool {
        self.relative_offset < other.relative_offset && self.position < other.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> OffsetIndex {
        let mut index = OffsetIndex::new(100);
        for (offset, position) in [(109, 4200), (119, 8400), (139, 20_000)] {
            index.append(offset, position);
        }
        index
    }

    #[test]
    fn lookup_finds_a_batch_at_or_before_the_offset() {
        let cases =
            [(100, 0), (108, 0), (109, 4200), (118, 4200), (119, 8400), (138, 8400), (139, 20_000), (999, 20_000)];
        for (offset, position) in cases {
            assert_eq!(index().lookup(offset), position, "{offset}");
        }
        for (position, entry) in [(0, 0), (4199, 0), (4200, 4200), (8399, 4200), (99_999, 20_000)] {
            assert_eq!(index().position_at_or_before(position), entry, "{position}");
        }
    }

    #[test]
    fn bytes_round_trip() {
        let bytes = index().encode_from(0);
        assert_eq!(&bytes[..8], &[0, 0, 0, 9, 0, 0, 0x10, 0x68]);
        assert_eq!(OffsetIndex::parse(100, &bytes, 20_001), Ok(index()));
        assert_eq!(index().encode_from(2), bytes[16..]);
    }

    #[test]
    fn senseless_bytes_are_refused() {
        let bytes = index().encode_from(0);
        assert!(OffsetIndex::parse(100, &bytes[..23], 30_000).is_err());
        assert!(OffsetIndex::parse(100, &bytes, 20_000).is_err());
        let zeros_behind = [&bytes[..], &[0; 8]].concat();
        assert!(OffsetIndex::parse(100, &zeros_behind, 30_000).is_err());
        assert!(OffsetIndex::parse(100, &[0xff; 8], u64::MAX).is_err());
        assert_eq!(OffsetIndex::parse(100, &[], 0), Ok(OffsetIndex::new(100)));
    }

    #[test]
    fn offsets_beyond_31_bits_do_not_fit() {
        assert!(index().can_hold(100 + i64::from(i32::MAX)));
        assert!(!index().can_hold(101 + i64::from(i32::MAX)));
        assert!(!index().can_hold(99));
    }
}
