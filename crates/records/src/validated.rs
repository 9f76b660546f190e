//! A batch that is ready for the log.

use crate::header::{BATCH_HEADER_LEN, BatchHeader, TimestampType, stamp};
use crate::{BatchError, crc};
use bytes::Bytes;
use ottla_types::LeaderEpoch;

/// One whole, checked batch. The header is kept apart from the records, so that the leader can stamp it without
/// touching or copying the records; the log writes [`ValidatedBatch::stamped_header`] and [`ValidatedBatch::records`]
/// one after the other.
#[derive(Debug, Clone)]
pub struct ValidatedBatch {
    header: BatchHeader,
    header_bytes: [u8; BATCH_HEADER_LEN],
    records: Bytes,
    max_timestamp_delta: i32,
}

impl ValidatedBatch {
    /// Wraps a batch of this process's own making (a coordinator's records, control records): its structure and CRC
    /// are checked, its records are not. `max_timestamp_delta` is [`ValidatedBatch::offset_of_max_timestamp`].
    pub fn from_built(batch: Bytes, max_timestamp_delta: i32) -> Result<ValidatedBatch, BatchError> {
        let header = BatchHeader::parse(&batch)?;
        header.check_crc(&batch)?;
        Ok(ValidatedBatch::new(header, batch, max_timestamp_delta))
    }

    /// `batch` starts with `header` and is exactly one batch.
    pub(crate) fn new(header: BatchHeader, batch: Bytes, max_timestamp_delta: i32) -> ValidatedBatch {
        assert_eq!(batch.len(), header.total_len(), "exactly one batch");
        let records = batch.slice(BATCH_HEADER_LEN..);
        let header_bytes = *batch.first_chunk().expect("a batch starts with a header");
        ValidatedBatch { header, header_bytes, records, max_timestamp_delta }
    }

    /// Sets timestamp type and max timestamp in the header and its CRC, without a second pass over many records.
    pub(crate) fn set_max_timestamp(&mut self, timestamp_type: TimestampType, max_timestamp: i64) {
        if self.header.timestamp_type() == timestamp_type && self.header.max_timestamp == max_timestamp {
            return;
        }
        let old = self.header_bytes;
        self.header.set_timestamp_type(timestamp_type);
        self.header.max_timestamp = max_timestamp;
        self.header.crc = crc::after_header_change(&old, self.header.crc, &self.header.encode(), &self.records);
        self.header_bytes = self.header.encode();
    }

    /// Gives every record the time of the append.
    pub(crate) fn set_log_append_time(&mut self, now_ms: i64) {
        self.set_max_timestamp(TimestampType::LogAppendTime, now_ms);
        self.max_timestamp_delta = 0;
    }

    /// The header as it will be stored, but for base offset and leader epoch, which the leader assigns.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The header's bytes with the leader's base offset and epoch in place.
    pub fn stamped_header(&self, base_offset: i64, leader_epoch: LeaderEpoch) -> [u8; BATCH_HEADER_LEN] {
        let mut head = self.header_bytes;
        stamp(&mut head, base_offset, leader_epoch);
        head
    }

    /// What follows the header: the records, compressed or not.
    pub fn records(&self) -> &Bytes {
        &self.records
    }

    /// Bytes of the whole batch in the log.
    pub fn total_len(&self) -> usize {
        BATCH_HEADER_LEN + self.records.len()
    }

    /// Highest timestamp in milliseconds; [`crate::NO_TIMESTAMP`] if no record has one.
    pub fn max_timestamp(&self) -> i64 {
        self.header.max_timestamp
    }

    /// Distance from the base offset to the first record that has the highest timestamp.
    pub fn offset_of_max_timestamp(&self) -> i32 {
        self.max_timestamp_delta
    }

    /// Number of records.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// The batch in one piece, with its header as it is now (a copy).
    pub fn to_bytes(&self) -> Bytes {
        let mut batch = Vec::with_capacity(self.total_len());
        batch.extend_from_slice(&self.header_bytes);
        batch.extend_from_slice(&self.records);
        Bytes::from(batch)
    }
}
