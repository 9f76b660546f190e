//! Walks the records of a batch without holding them: what validation and timestamp lookups need.

use crate::error::RecordFault;
use crate::header::TimestampType;
use crate::record::{BYTES_REMAIN, CUT_SHORT, MALFORMED, RecordBody};
use crate::stream::{OpenBatch, RecordStream};
use crate::varint::read_varint;
use crate::{BatchError, BatchHeader};

/// Records up to this size are gathered in the decompression window and parsed there; larger ones are streamed past.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// What a walk tells about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHead {
    /// Position in the batch, from 0.
    pub(crate) index: u32,
    pub(crate) offset_delta: i32,
    /// Milliseconds; the batch's max timestamp if the batch has log append time.
    pub(crate) timestamp: i64,
    pub(crate) has_key: bool,
}

/// An iterator over the records of one batch; ends after the first error.
pub(crate) struct Walk<'a> {
    batch: OpenBatch<'a>,
    next: u32,
}

impl<'a> Walk<'a> {
    /// `batch` is exactly one batch. At most `decompressed_bytes_max` decompressed bytes are walked through.
    pub(crate) fn open(batch: &'a [u8], decompressed_bytes_max: u64) -> Result<Walk<'a>, BatchError> {
        Ok(Walk { batch: OpenBatch::open(batch, decompressed_bytes_max)?, next: 0 })
    }

    /// The batch's header.
    pub(crate) fn header(&self) -> &BatchHeader {
        &self.batch.header
    }

    #[inline]
    fn step(&mut self) -> Result<RecordHead, RecordFault> {
        let facts = match &mut self.batch.stream {
            RecordStream::Plain(rest) => parse_plain(rest).ok_or(MALFORMED)?,
            compressed => parse_compressed(compressed)?,
        };
        let index = self.next;
        self.next += 1;
        if self.next == self.batch.count {
            self.check_end()?;
        }
        let timestamp = record_timestamp(&self.batch.header, facts.timestamp_delta);
        Ok(RecordHead { index, offset_delta: facts.offset_delta, timestamp, has_key: facts.has_key })
    }

    /// After the last record nothing may be left.
    fn check_end(&mut self) -> Result<(), RecordFault> {
        if self.batch.stream.is_at_end()? { Ok(()) } else { Err(BYTES_REMAIN) }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<RecordHead, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.batch.count {
            return None;
        }
        let index = self.next;
        let result = self.step().map_err(|fault| fault.at(index, self.batch.codec));
        if result.is_err() {
            self.next = self.batch.count;
        }
        Some(result)
    }
}

/// What a record's own fields tell.
struct Facts {
    timestamp_delta: i64,
    offset_delta: i32,
    has_key: bool,
}

impl Facts {
    fn of(body: &RecordBody<'_>) -> Facts {
        let has_key = body.key.is_some();
        Facts { timestamp_delta: body.timestamp_delta, offset_delta: body.offset_delta, has_key }
    }
}

/// Takes a record off the front of `rest`.
#[inline]
fn parse_plain(rest: &mut &[u8]) -> Option<Facts> {
    let (body_len, len_bytes) = read_varint(rest)?;
    let (body, behind) = rest.get(len_bytes..)?.split_at_checked(usize::try_from(body_len).ok()?)?;
    let facts = Facts::of(&RecordBody::parse(body)?);
    *rest = behind;
    Some(facts)
}

fn parse_compressed(stream: &mut RecordStream<'_>) -> Result<Facts, RecordFault> {
    let (body_len, _) = stream.varint()?;
    let body_len = usize::try_from(body_len).map_err(|_| RecordFault::Invalid("negative record length"))?;
    if body_len > GATHERED_BYTES_MAX {
        return stream_past(stream, body_len);
    }
    let body = RecordBody::parse(stream.peek_exact(body_len)?).ok_or(MALFORMED)?;
    let facts = Facts::of(&body);
    stream.consume(body_len);
    Ok(facts)
}

/// The timestamp of a record in a batch with this header.
pub(crate) fn record_timestamp(header: &BatchHeader, timestamp_delta: i64) -> i64 {
    match header.timestamp_type() {
        TimestampType::CreateTime => header.base_timestamp.wrapping_add(timestamp_delta),
        TimestampType::LogAppendTime => header.max_timestamp,
    }
}

/// Checks a record that is too large to gather, field by field.
fn stream_past(stream: &mut RecordStream<'_>, body_len: usize) -> Result<Facts, RecordFault> {
    let mut fields = StreamedFields { stream, left: body_len };
    fields.stream.byte()?;
    fields.count(1)?;
    let (timestamp_delta, len) = fields.stream.varlong()?;
    fields.count(len)?;
    let offset_delta = fields.varint()?;
    let has_key = fields.skip_bytes()?;
    fields.skip_bytes()?;
    let header_count = fields.varint()?;
    if header_count < 0 {
        return Err(MALFORMED);
    }
    for _ in 0..header_count {
        if !fields.skip_bytes()? {
            return Err(MALFORMED);
        }
        fields.skip_bytes()?;
    }
    match fields.left {
        0 => Ok(Facts { timestamp_delta, offset_delta, has_key }),
        _ => Err(MALFORMED),
    }
}

/// Fields of a record of which `left` bytes are left.
struct StreamedFields<'s, 'a> {
    stream: &'s mut RecordStream<'a>,
    left: usize,
}

impl StreamedFields<'_, '_> {
    fn count(&mut self, len: usize) -> Result<(), RecordFault> {
        self.left = self.left.checked_sub(len).ok_or(CUT_SHORT)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<i32, RecordFault> {
        let (value, len) = self.stream.varint()?;
        self.count(len)?;
        Ok(value)
    }

    /// Skips length-prefixed bytes; returns whether they are not null.
    fn skip_bytes(&mut self) -> Result<bool, RecordFault> {
        let Ok(len) = usize::try_from(self.varint()?) else { return Ok(false) };
        self.count(len)?;
        self.stream.skip(len)?;
        Ok(true)
    }
}
