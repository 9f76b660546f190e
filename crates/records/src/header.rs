//! The 61 bytes at the head of every batch of message format 2 (KIP-98).
//!
//! | at | field | | at | field |
//! |---|---|---|---|---|
//! | 0 | base offset i64 | | 27 | base timestamp i64 |
//! | 8 | batch length i32 (what follows it) | | 35 | max timestamp i64 |
//! | 12 | partition leader epoch i32 | | 43 | producer id i64 |
//! | 16 | magic i8 | | 51 | producer epoch i16 |
//! | 17 | CRC-32C u32 of all that follows | | 53 | base sequence i32 |
//! | 21 | attributes i16 | | 57 | record count i32 |
//! | 23 | last offset delta i32 | | 61 | records |

use crate::crc;
use crate::sequence::{NO_SEQUENCE, increment_sequence};
use crate::{BatchError, Compression};
use ottla_types::{LeaderEpoch, ProducerEpoch, ProducerId};

/// Bytes of a batch header; an empty batch is exactly this long.
pub const BATCH_HEADER_LEN: usize = 61;
/// Bytes before what `batch length` counts.
pub const LOG_OVERHEAD: usize = 12;
/// The only message format that is stored and served.
pub const MAGIC_V2: i8 = 2;
/// Kafka's "no timestamp".
pub const NO_TIMESTAMP: i64 = -1;

const LENGTH_AT: usize = 8;
const LEADER_EPOCH_AT: usize = 12;
pub(crate) const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
pub(crate) const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const RECORD_COUNT_AT: usize = 57;

const CODEC_MASK: i16 = 0x07;
const TIMESTAMP_TYPE_BIT: i16 = 0x08;
const TRANSACTIONAL_BIT: i16 = 0x10;
const CONTROL_BIT: i16 = 0x20;
const DELETE_HORIZON_BIT: i16 = 0x40;
const KNOWN_BITS: i16 = 0x7f;

/// Whose clock a batch's timestamps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimestampType {
    /// The producer's; each record has its own.
    CreateTime,
    /// The leader's at the append; the batch's max timestamp counts for every record.
    LogAppendTime,
}

/// A parsed batch header. `length` is at least what a header needs, `magic` is 2; nothing else is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record that the batch ever held; compaction keeps it.
    pub base_offset: i64,
    /// Bytes of the batch after the length field.
    pub length: i32,
    /// Epoch of the leader that appended the batch.
    pub partition_leader_epoch: LeaderEpoch,
    /// CRC-32C of the bytes from the attributes on, as stored.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: i16,
    /// Last offset minus base offset.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from (the delete horizon when that flag is set).
    pub base_timestamp: i64,
    /// Highest timestamp of the records; the append time for [`TimestampType::LogAppendTime`].
    pub max_timestamp: i64,
    /// Idempotent producer, or [`ProducerId::NONE`].
    pub producer_id: ProducerId,
    /// Epoch of the producer, or [`ProducerEpoch::NONE`].
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, or [`NO_SEQUENCE`].
    pub base_sequence: i32,
    /// Number of records now in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; the records need not be there.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let incomplete = BatchError::Incomplete { needed: BATCH_HEADER_LEN, available: bytes.len() };
        // Older formats are shorter than a v2 header, so the magic decides before the length does.
        let magic = *bytes.get(MAGIC_AT).ok_or_else(|| incomplete.clone())? as i8;
        if magic != MAGIC_V2 {
            return Err(BatchError::UnsupportedMagic(magic));
        }
        let head: &[u8; BATCH_HEADER_LEN] = bytes.first_chunk().ok_or(incomplete)?;
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(head, 0)),
            length: i32::from_be_bytes(field(head, LENGTH_AT)),
            partition_leader_epoch: LeaderEpoch(i32::from_be_bytes(field(head, LEADER_EPOCH_AT))),
            crc: u32::from_be_bytes(field(head, CRC_AT)),
            attributes: i16::from_be_bytes(field(head, ATTRIBUTES_AT)),
            last_offset_delta: i32::from_be_bytes(field(head, LAST_OFFSET_DELTA_AT)),
            base_timestamp: i64::from_be_bytes(field(head, BASE_TIMESTAMP_AT)),
            max_timestamp: i64::from_be_bytes(field(head, MAX_TIMESTAMP_AT)),
            producer_id: ProducerId(i64::from_be_bytes(field(head, PRODUCER_ID_AT))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(head, PRODUCER_EPOCH_AT))),
            base_sequence: i32::from_be_bytes(field(head, BASE_SEQUENCE_AT)),
            record_count: i32::from_be_bytes(field(head, RECORD_COUNT_AT)),
        };
        if header.length < (BATCH_HEADER_LEN - LOG_OVERHEAD) as i32 {
            return Err(BatchError::CorruptHeader("the batch length is below that of a header"));
        }
        Ok(header)
    }

    /// The header's bytes, with `crc` as it stands in the field.
    pub fn encode(&self) -> [u8; BATCH_HEADER_LEN] {
        let mut head = [0; BATCH_HEADER_LEN];
        put(&mut head, 0, self.base_offset.to_be_bytes());
        put(&mut head, LENGTH_AT, self.length.to_be_bytes());
        put(&mut head, LEADER_EPOCH_AT, self.partition_leader_epoch.0.to_be_bytes());
        put(&mut head, MAGIC_AT, MAGIC_V2.to_be_bytes());
        put(&mut head, CRC_AT, self.crc.to_be_bytes());
        put(&mut head, ATTRIBUTES_AT, self.attributes.to_be_bytes());
        put(&mut head, LAST_OFFSET_DELTA_AT, self.last_offset_delta.to_be_bytes());
        put(&mut head, BASE_TIMESTAMP_AT, self.base_timestamp.to_be_bytes());
        put(&mut head, MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        put(&mut head, PRODUCER_ID_AT, self.producer_id.0.to_be_bytes());
        put(&mut head, PRODUCER_EPOCH_AT, self.producer_epoch.0.to_be_bytes());
        put(&mut head, BASE_SEQUENCE_AT, self.base_sequence.to_be_bytes());
        put(&mut head, RECORD_COUNT_AT, self.record_count.to_be_bytes());
        head
    }

    /// Bytes of the whole batch, header included.
    pub fn total_len(&self) -> usize {
        let length = usize::try_from(self.length).expect("parse refuses a length below a header's");
        LOG_OVERHEAD + length
    }

    /// Offset of the last record that the batch ever held.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Offset of the next batch in a log.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Sequence of the last record, or [`NO_SEQUENCE`].
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence {
            NO_SEQUENCE => NO_SEQUENCE,
            base => increment_sequence(base, self.last_offset_delta),
        }
    }

    /// The codec, or the unknown id.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        let id = (self.attributes & CODEC_MASK) as u8;
        Compression::from_id(id).ok_or(BatchError::UnknownCodec(id))
    }

    /// Whose clock the timestamps are.
    pub fn timestamp_type(&self) -> TimestampType {
        match self.attributes & TIMESTAMP_TYPE_BIT {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether the batch holds a control record.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// Whether an idempotent producer wrote the batch.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }

    /// When compaction may drop the batch's tombstones, if that was decided (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp)
    }

    /// Checks the CRC of a whole batch. `batch` starts with this header and is exactly `total_len` long.
    pub fn check_crc(&self, batch: &[u8]) -> Result<(), BatchError> {
        if batch.len() != self.total_len() {
            return Err(BatchError::Incomplete { needed: self.total_len(), available: batch.len() });
        }
        let computed = crc::of_batch(batch);
        if computed == self.crc { Ok(()) } else { Err(BatchError::CrcMismatch { stored: self.crc, computed }) }
    }

    /// From now on the base timestamp is the delete horizon.
    pub(crate) fn set_delete_horizon(&mut self) {
        self.attributes |= DELETE_HORIZON_BIT;
    }

    /// The attributes of a batch without records.
    pub(crate) fn clear_codec_and_horizon(&mut self) {
        self.attributes &= !(CODEC_MASK | DELETE_HORIZON_BIT);
    }

    /// The attributes with another timestamp type and without bits that Kafka does not define.
    pub(crate) fn set_timestamp_type(&mut self, timestamp_type: TimestampType) {
        self.attributes = (self.attributes & KNOWN_BITS & !TIMESTAMP_TYPE_BIT) | timestamp_type_bits(timestamp_type);
    }
}

/// Attributes of a batch that this process builds.
pub(crate) fn attributes(
    codec: Compression,
    timestamp_type: TimestampType,
    is_transactional: bool,
    is_control: bool,
) -> i16 {
    let mut bits = i16::from(codec.id()) | timestamp_type_bits(timestamp_type);
    if is_transactional {
        bits |= TRANSACTIONAL_BIT;
    }
    if is_control {
        bits |= CONTROL_BIT;
    }
    bits
}

fn timestamp_type_bits(timestamp_type: TimestampType) -> i16 {
    match timestamp_type {
        TimestampType::CreateTime => 0,
        TimestampType::LogAppendTime => TIMESTAMP_TYPE_BIT,
    }
}

/// Writes what the leader assigns at the append: base offset and leader epoch. Both lie outside the CRC.
pub fn stamp(head: &mut [u8; BATCH_HEADER_LEN], base_offset: i64, leader_epoch: LeaderEpoch) {
    put(head, 0, base_offset.to_be_bytes());
    put(head, LEADER_EPOCH_AT, leader_epoch.0.to_be_bytes());
}

fn field<const N: usize>(head: &[u8; BATCH_HEADER_LEN], at: usize) -> [u8; N] {
    *head[at..].first_chunk().expect("fields lie inside the header")
}

fn put<const N: usize>(head: &mut [u8; BATCH_HEADER_LEN], at: usize, value: [u8; N]) {
    head[at..at + N].copy_from_slice(&value);
}

#[cfg(test)]
mod tests;
