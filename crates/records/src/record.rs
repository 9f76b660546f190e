//! One record: its layout, borrowed from a decompressed slice, and an owned form for clients.
//!
//! `length varint | attributes i8 | timestamp delta varlong | offset delta varint | key length varint, key |
//! value length varint, value | header count varint | headers`, where a header is `key length varint, key | value
//! length varint, value`. Length -1 is null; a header's key is never null.

use crate::error::RecordFault;
use crate::varint::{read_varint, read_varlong, varint_len, varlong_len, write_varint, write_varlong};
use bytes::Bytes;

/// A record inside a batch, without copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Offset in the log.
    pub offset: i64,
    /// Milliseconds since the epoch, or -1.
    pub timestamp: i64,
    /// Sequence of an idempotent producer's record, or -1.
    pub sequence: i32,
    /// The key; `None` is null, which is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null, a tombstone on compacted topics.
    pub value: Option<&'a [u8]>,
    /// The headers, in order, with duplicates.
    pub headers: Headers<'a>,
}

/// The headers of a record: an iterator over key and value. Keys are UTF-8 by convention only; Kafka's leader does not
/// check them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    rest: &'a [u8],
    left: u32,
}

/// A record of its own, for producers and consumers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Offset in the log; ignored when building.
    pub offset: i64,
    /// Milliseconds since the epoch, or -1.
    pub timestamp: i64,
    /// The key; `None` is null.
    pub key: Option<Bytes>,
    /// The value; `None` is null.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// The fields of a record as they stand in its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordBody<'a> {
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i32,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Headers<'a>,
}

impl<'a> Headers<'a> {
    /// No headers.
    pub const EMPTY: Headers<'static> = Headers { rest: &[], left: 0 };

    /// How many are left.
    pub fn len(&self) -> usize {
        self.left as usize
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut fields = Fields { rest: self.rest };
        // The record was parsed to its end before the headers were handed out.
        let key = fields.bytes().flatten().expect("headers were checked with their record");
        let value = fields.bytes().expect("headers were checked with their record");
        self.rest = fields.rest;
        Some((key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Headers<'_> {}

impl RecordRef<'_> {
    /// An owned copy.
    pub fn to_record(&self) -> Record {
        Record {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.map(Bytes::copy_from_slice),
            value: self.value.map(Bytes::copy_from_slice),
            headers: self
                .headers
                .map(|(key, value)| (Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice)))
                .collect(),
        }
    }
}

impl Record {
    /// A record with a value and nothing else.
    pub fn of_value(timestamp: i64, value: impl Into<Bytes>) -> Record {
        Record { timestamp, value: Some(value.into()), ..Record::default() }
    }
}

impl<'a> RecordBody<'a> {
    /// Parses a body, which fills `body` exactly; `None` if it does not, or is malformed. On the hot path of every
    /// produce, hence the plain `Option`.
    #[inline]
    pub(crate) fn parse(body: &'a [u8]) -> Option<RecordBody<'a>> {
        let mut fields = Fields { rest: body };
        // No attribute of a record is defined.
        fields.take(1)?;
        let timestamp_delta = fields.varlong()?;
        let offset_delta = fields.varint()?;
        let key = fields.bytes()?;
        let value = fields.bytes()?;
        let count = u32::try_from(fields.varint()?).ok()?;
        let headers = Headers { rest: fields.rest, left: count };
        for _ in 0..count {
            // A header takes at least two bytes, so the loop ends with the body. Its key is not null.
            fields.bytes()??;
            fields.bytes()?;
        }
        fields.rest.is_empty().then_some(RecordBody { timestamp_delta, offset_delta, key, value, headers })
    }
}

/// Reads fields off the front of a slice.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline]
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(head)
    }

    #[inline]
    fn varint(&mut self) -> Option<i32> {
        let (value, len) = read_varint(self.rest)?;
        self.rest = self.rest.get(len..)?;
        Some(value)
    }

    #[inline]
    fn varlong(&mut self) -> Option<i64> {
        let (value, len) = read_varlong(self.rest)?;
        self.rest = self.rest.get(len..)?;
        Some(value)
    }

    /// Length-prefixed bytes; any negative length is null, as in Kafka.
    #[inline]
    fn bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match usize::try_from(self.varint()?) {
            Ok(len) => Some(Some(self.take(len)?)),
            Err(_) => Some(None),
        }
    }
}

pub(crate) const CUT_SHORT: RecordFault = RecordFault::Invalid("the record is longer than its length says");
pub(crate) const BYTES_REMAIN: RecordFault = RecordFault::Invalid("bytes remain after the last record");
pub(crate) const BAD_VARINT: RecordFault = RecordFault::Invalid("malformed variable-length number");
pub(crate) const MALFORMED: RecordFault = RecordFault::Invalid("its fields do not fill its length");

/// Bytes of a record before its key: what depends on its place in the batch.
pub(crate) fn prefix_len(timestamp_delta: i64, offset_delta: i32) -> usize {
    1 + varlong_len(timestamp_delta) + varint_len(offset_delta)
}

/// Appends attributes, timestamp delta and offset delta.
pub(crate) fn write_prefix(timestamp_delta: i64, offset_delta: i32, out: &mut Vec<u8>) {
    out.push(0);
    write_varlong(timestamp_delta, out);
    write_varint(offset_delta, out);
}

/// Appends a whole record. `None` when it is too long for the format (2 GiB).
pub(crate) fn write_record<'h>(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl ExactSizeIterator<Item = (&'h [u8], Option<&'h [u8]>)> + Clone,
    out: &mut Vec<u8>,
) -> Option<()> {
    let header_count = i32::try_from(headers.len()).ok()?;
    let mut body_len = prefix_len(timestamp_delta, offset_delta) + bytes_len(key)? + bytes_len(value)?;
    body_len += varint_len(header_count);
    for (header_key, header_value) in headers.clone() {
        body_len += bytes_len(Some(header_key))? + bytes_len(header_value)?;
    }
    write_varint(i32::try_from(body_len).ok()?, out);
    let body_at = out.len();
    write_prefix(timestamp_delta, offset_delta, out);
    write_bytes(key, out);
    write_bytes(value, out);
    write_varint(header_count, out);
    for (header_key, header_value) in headers {
        write_bytes(Some(header_key), out);
        write_bytes(header_value, out);
    }
    assert_eq!(out.len() - body_at, body_len, "a record's length is computed before it is written");
    Some(())
}

fn bytes_len(bytes: Option<&[u8]>) -> Option<usize> {
    match bytes {
        Some(bytes) => Some(varint_len(i32::try_from(bytes.len()).ok()?) + bytes.len()),
        None => Some(1),
    }
}

fn write_bytes(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => {
            let len = i32::try_from(bytes.len()).expect("lengths are checked before anything is written");
            write_varint(len, out);
            out.extend_from_slice(bytes);
        }
        None => write_varint(-1, out),
    }
}
