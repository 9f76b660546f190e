//! Writes the primitives of the protocol into one buffer.
//!
//! Errors are sticky, as in the reader: the first one is kept and [`crate::Message::encode`] asks for it once.

use bytes::Bytes;
use ottla_types::Uuid;

use crate::{EncodeError, Encoded, Records, Splice};

/// The longest string: the classic encoding has a signed 16-bit length.
const STRING_LEN_MAX: usize = i16::MAX as usize;
/// The longest byte string or array: the classic encoding has a signed 32-bit length.
const LEN_MAX: usize = i32::MAX as usize - 1;

/// Collects one or more messages.
#[derive(Debug, Default)]
pub struct Writer {
    buf: Vec<u8>,
    splices: Vec<Splice>,
    error: Option<EncodeError>,
}

/// A tagged field whose size is not known yet; the value is where its content starts.
#[derive(Debug)]
pub(crate) struct TagStart(usize);

macro_rules! fixed {
    ($($name:ident $type:ty,)*) => {
        $(
            pub(crate) fn $name(&mut self, value: $type) {
                self.buf.extend_from_slice(&value.to_be_bytes());
            }
        )*
    };
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// An empty writer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Writer {
        Writer { buf: Vec::with_capacity(capacity), ..Writer::default() }
    }

    /// What was written. Messages that failed to encode must not be finished.
    pub fn finish(self) -> Encoded {
        assert!(self.error.is_none(), "a message that failed to encode was finished");
        Encoded { buf: Bytes::from(self.buf), splices: self.splices }
    }

    /// Bytes so far, without spliced parts.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Bytes so far, spliced parts included.
    pub(crate) fn wire_len(&self) -> usize {
        self.buf.len() + self.splices.iter().map(|splice| splice.len as usize).sum::<usize>()
    }

    /// Overwrites four bytes that were written before.
    pub(crate) fn patch_int32(&mut self, position: usize, value: i32) {
        self.buf[position..position + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// The first error so far.
    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        self.error.clone().map_or(Ok(()), Err)
    }

    #[cold]
    fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }

    /// A field is set that the version does not have.
    #[cold]
    pub(crate) fn unsupported(&mut self, field: &'static str, version: i16) {
        self.fail(EncodeError::UnsupportedField { field, version });
    }

    fixed! {
        int8 i8,
        int16 i16,
        uint16 u16,
        int32 i32,
        uint32 u32,
        int64 i64,
        float64 f64,
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.buf.push(u8::from(value));
    }

    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.buf.extend_from_slice(&value.0);
    }

    pub(crate) fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buf.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.buf.push(value as u8);
    }

    /// A length or, as `None`, null. `wide` is 4 bytes instead of 2.
    fn length(&mut self, length: Option<usize>, flexible: bool, wide: bool, nullable: bool, field: &'static str) {
        let limit = if wide { LEN_MAX } else { STRING_LEN_MAX };
        match length {
            Some(length) if length > limit => self.fail(EncodeError::TooLong { field, length }),
            None if !nullable => self.fail(EncodeError::Null { field }),
            _ if flexible => self.uvarint(length.map_or(0, |length| length as u32 + 1)),
            _ if wide => self.int32(length.map_or(-1, |length| length as i32)),
            _ => self.int16(length.map_or(-1, |length| length as i16)),
        }
    }

    pub(crate) fn nullable_string(&mut self, text: Option<&str>, flexible: bool, nullable: bool, field: &'static str) {
        self.length(text.map(str::len), flexible, false, nullable, field);
        self.buf.extend_from_slice(text.unwrap_or_default().as_bytes());
    }

    pub(crate) fn string(&mut self, text: &str, flexible: bool, field: &'static str) {
        self.nullable_string(Some(text), flexible, false, field);
    }

    pub(crate) fn nullable_bytes(&mut self, bytes: Option<&[u8]>, flexible: bool, nullable: bool, field: &'static str) {
        self.length(bytes.map(<[u8]>::len), flexible, true, nullable, field);
        self.buf.extend_from_slice(bytes.unwrap_or_default());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8], flexible: bool, field: &'static str) {
        self.nullable_bytes(Some(bytes), flexible, false, field);
    }

    /// The length of a set of batches, and the batches themselves or a hole for them.
    pub(crate) fn records(&mut self, records: &Records, flexible: bool, nullable: bool, field: &'static str) {
        let length = (!records.is_null()).then(|| records.len());
        self.length(length, flexible, true, nullable, field);
        match records {
            Records::Null => {}
            Records::Inline(bytes) => self.buf.extend_from_slice(bytes),
            Records::External { len, index } => {
                self.splices.push(Splice { position: self.buf.len(), index: *index, len: *len });
            }
        }
    }

    pub(crate) fn nullable_count(&mut self, count: Option<usize>, flexible: bool, nullable: bool, field: &'static str) {
        self.length(count, flexible, true, nullable, field);
    }

    pub(crate) fn count(&mut self, count: usize, flexible: bool, field: &'static str) {
        self.length(Some(count), flexible, true, false, field);
    }

    /// The sign byte in front of a structure, in versions where it may be null.
    pub(crate) fn presence(&mut self, is_present: bool, nullable: bool, field: &'static str) {
        match (nullable, is_present) {
            (true, _) => self.int8(if is_present { 1 } else { -1 }),
            (false, true) => {}
            (false, false) => self.fail(EncodeError::Null { field }),
        }
    }

    /// The count in front of a nullable structure that is a tagged field.
    pub(crate) fn tagged_presence(&mut self, is_present: bool) {
        self.uvarint(u32::from(is_present));
    }

    /// An empty tagged section.
    pub(crate) fn no_tags(&mut self) {
        self.buf.push(0);
    }

    /// Starts a tagged section; the value is where its count stands.
    pub(crate) fn begin_tags(&mut self) -> usize {
        self.no_tags();
        self.buf.len() - 1
    }

    /// Starts a tagged field of the section `tags`. The generator bounds the number of tags below 128.
    pub(crate) fn begin_tag(&mut self, tags: usize, tag: u32) -> TagStart {
        self.buf[tags] += 1;
        self.uvarint(tag);
        TagStart(self.buf.len())
    }

    /// Puts the size in front of the content that was written since.
    pub(crate) fn end_tag(&mut self, start: TagStart) {
        let content = self.buf.len();
        let size = content - start.0;
        if size > LEN_MAX {
            self.fail(EncodeError::TooLong { field: "tagged field", length: size });
            return;
        }
        self.uvarint(size as u32);
        let size_len = self.buf.len() - content;
        self.buf[start.0..].rotate_right(size_len);
    }
}
