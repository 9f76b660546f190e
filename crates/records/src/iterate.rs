//! The records of one batch, in order, borrowed from the batch or from a bounded decompression window.

use crate::error::RecordFault;
use crate::record::{BYTES_REMAIN, MALFORMED, RecordBody};
use crate::sequence::{NO_SEQUENCE, increment_sequence};
use crate::stream::OpenBatch;
use crate::walk::record_timestamp;
use crate::{BatchError, BatchHeader, Record, RecordRef};
use bytes::Bytes;

/// The most bytes that one record may have when it has to be held in one piece: what could arrive uncompressed
/// (Kafka's `socket.request.max.bytes`).
pub const RECORD_BYTES_MAX: usize = 100 * 1024 * 1024;

/// A lending iterator: call [`Records::next`] until it returns `None`.
pub struct Records<'a> {
    batch: OpenBatch<'a>,
    next: u32,
    /// Bytes of the record that was lent last.
    lent: usize,
}

impl<'a> Records<'a> {
    /// The records of `batch`, which is exactly one batch. `decompressed_bytes_max` bounds the work on a
    /// decompression bomb; a single record is bounded by [`RECORD_BYTES_MAX`] too. The CRC is the caller's to check.
    pub fn new(batch: &'a [u8], decompressed_bytes_max: u64) -> Result<Records<'a>, BatchError> {
        Ok(Records { batch: OpenBatch::open(batch, decompressed_bytes_max)?, next: 0, lent: 0 })
    }

    /// The batch's header.
    pub fn header(&self) -> &BatchHeader {
        &self.batch.header
    }

    /// The next record. After an error there are no more.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<RecordRef<'_>, BatchError>> {
        if self.next >= self.batch.count {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let body_len = match self.advance() {
            Ok(len) => len,
            Err(fault) => return Some(Err(self.fail(fault, index))),
        };
        let batch = &mut self.batch;
        match batch.stream.peek_exact(body_len).and_then(|body| RecordBody::parse(body).ok_or(MALFORMED)) {
            Ok(body) => Some(Ok(to_ref(&batch.header, body))),
            Err(fault) => {
                self.next = batch.count;
                Some(Err(fault.at(index, batch.codec)))
            }
        }
    }

    /// Leaves the record that was lent and makes the next one whole; returns its length.
    fn advance(&mut self) -> Result<usize, RecordFault> {
        self.batch.stream.consume(std::mem::take(&mut self.lent));
        let (len, _) = self.batch.stream.varint()?;
        let len = usize::try_from(len).map_err(|_| RecordFault::Invalid("negative record length"))?;
        if len > RECORD_BYTES_MAX {
            return Err(RecordFault::TooLarge(RECORD_BYTES_MAX as u64));
        }
        let ahead = self.batch.stream.peek(if self.next == self.batch.count { len + 1 } else { len })?;
        // The last record must end the batch: one byte more was asked for, and must not be there.
        if self.next == self.batch.count && ahead.len() > len {
            return Err(BYTES_REMAIN);
        }
        self.lent = len.min(ahead.len());
        Ok(len)
    }

    fn fail(&mut self, fault: RecordFault, index: u32) -> BatchError {
        self.next = self.batch.count;
        fault.at(index, self.batch.codec)
    }
}

fn to_ref<'r>(header: &BatchHeader, body: RecordBody<'r>) -> RecordRef<'r> {
    let sequence = match header.base_sequence {
        base if base < 0 => NO_SEQUENCE,
        base => increment_sequence(base, body.offset_delta),
    };
    RecordRef {
        offset: header.base_offset.wrapping_add(i64::from(body.offset_delta)),
        timestamp: record_timestamp(header, body.timestamp_delta),
        sequence,
        key: body.key,
        value: body.value,
        headers: body.headers,
    }
}

/// All records of one batch; those of an uncompressed batch are slices of it. `decompressed_bytes_max` also bounds
/// the memory.
pub fn read_all(batch: &Bytes, decompressed_bytes_max: u64) -> Result<Vec<Record>, BatchError> {
    let mut records = Records::new(batch, decompressed_bytes_max)?;
    let is_plain = records.batch.stream.is_plain();
    let mut all = Vec::new();
    while let Some(record) = records.next() {
        let record = record?;
        all.push(if is_plain { slice_of(batch, &record) } else { record.to_record() });
    }
    Ok(all)
}

fn slice_of(batch: &Bytes, record: &RecordRef<'_>) -> Record {
    let slice = |part: &[u8]| batch.slice_ref(part);
    Record {
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.map(slice),
        value: record.value.map(slice),
        headers: record.headers.map(|(key, value)| (slice(key), value.map(slice))).collect(),
    }
}
