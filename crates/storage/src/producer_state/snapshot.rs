//! The `.snapshot` file, byte for byte as Kafka's `ProducerSnapshot` version 1:
//! `version i16 | CRC-32C u32 of what follows | count i32 | entries`, an entry being `producer id i64 | epoch i16 |
//! last sequence i32 | last offset i64 | offset delta i32 | timestamp i64 | coordinator epoch i32 | first offset of the
//! open transaction i64`, with -1 for what is missing.

use super::entry::{BatchMetadata, ProducerEntry};
use ottla_types::{ProducerEpoch, ProducerId};

/// Bytes before the entries.
pub const SNAPSHOT_HEADER_BYTES: usize = 10;
/// Bytes of an entry.
pub const SNAPSHOT_ENTRY_BYTES: usize = 46;

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const ENTRIES_AT: usize = 6;

/// Why the bytes are not a snapshot. It is dropped then, and an older one or the log itself takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version.
    #[error("producer snapshot version {0} is not supported: only 1 is")]
    UnknownVersion(i16),
    /// Torn or damaged.
    #[error("the producer snapshot is corrupt: {0}")]
    Corrupt(&'static str),
}

pub(super) fn encode<'e>(entries: impl ExactSizeIterator<Item = &'e ProducerEntry>) -> Vec<u8> {
    let count = i32::try_from(entries.len()).expect("the number of producers is limited");
    let mut bytes = Vec::with_capacity(SNAPSHOT_HEADER_BYTES + entries.len() * SNAPSHOT_ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; ENTRIES_AT - CRC_AT]);
    bytes.extend_from_slice(&count.to_be_bytes());
    for entry in entries {
        let last = entry.batches().last();
        bytes.extend_from_slice(&entry.producer_id().0.to_be_bytes());
        bytes.extend_from_slice(&entry.epoch().0.to_be_bytes());
        bytes.extend_from_slice(&entry.last_sequence().to_be_bytes());
        bytes.extend_from_slice(&entry.last_offset().to_be_bytes());
        bytes.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        bytes.extend_from_slice(&entry.last_timestamp().to_be_bytes());
        bytes.extend_from_slice(&entry.coordinator_epoch().to_be_bytes());
        bytes.extend_from_slice(&entry.current_txn_first_offset().unwrap_or(-1).to_be_bytes());
    }
    let crc = crc32c::crc32c(&bytes[ENTRIES_AT..]);
    bytes[CRC_AT..ENTRIES_AT].copy_from_slice(&crc.to_be_bytes());
    bytes
}

pub(super) fn parse(bytes: &[u8], snapshot_offset: i64) -> Result<Vec<ProducerEntry>, SnapshotError> {
    let mut fields = Fields { rest: bytes };
    let version = i16::from_be_bytes(fields.take()?);
    if version != VERSION {
        return Err(SnapshotError::UnknownVersion(version));
    }
    let stored = u32::from_be_bytes(fields.take()?);
    if stored != crc32c::crc32c(fields.rest) {
        return Err(SnapshotError::Corrupt("wrong CRC"));
    }
    let count = i32::from_be_bytes(fields.take()?);
    let count = usize::try_from(count).map_err(|_| SnapshotError::Corrupt("negative number of entries"))?;
    if count.checked_mul(SNAPSHOT_ENTRY_BYTES) != Some(fields.rest.len()) {
        return Err(SnapshotError::Corrupt("the number of entries does not fit the file"));
    }
    let entries = (0..count).map(|_| parse_entry(&mut fields)).collect::<Result<Vec<_>, _>>()?;
    let is_below = |entry: &ProducerEntry| {
        entry.last_offset() < snapshot_offset && entry.current_txn_first_offset().unwrap_or(-1) < snapshot_offset
    };
    match entries.iter().all(is_below) {
        true => Ok(entries),
        false => Err(SnapshotError::Corrupt("an entry lies beyond the snapshot's offset")),
    }
}

fn parse_entry(fields: &mut Fields<'_>) -> Result<ProducerEntry, SnapshotError> {
    let mut entry = ProducerEntry::unknown(ProducerId(i64::from_be_bytes(fields.take()?)));
    entry.set_epoch(ProducerEpoch(i16::from_be_bytes(fields.take()?)));
    let last_sequence = i32::from_be_bytes(fields.take()?);
    let last_offset = i64::from_be_bytes(fields.take()?);
    let offset_delta = i32::from_be_bytes(fields.take()?);
    let timestamp = i64::from_be_bytes(fields.take()?);
    if last_offset >= 0 {
        entry.push(BatchMetadata { last_sequence, last_offset, offset_delta, timestamp });
    }
    entry.last_timestamp = timestamp;
    entry.coordinator_epoch = i32::from_be_bytes(fields.take()?);
    let first_offset = i64::from_be_bytes(fields.take()?);
    entry.current_txn_first_offset = (first_offset >= 0).then_some(first_offset);
    Ok(entry)
}

/// Reads fields off the front of a slice.
struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(SnapshotError::Corrupt("cut short"))?;
        self.rest = rest;
        Ok(*head)
    }
}
