//! Reads the primitives of the protocol from one frame.
//!
//! Errors are sticky: the first one is kept, the reader jumps to its end, and every later read returns a default at once.
//! So generated code reads field after field without a branch per field, and [`Reader::whole`] asks once.
//!
//! Limits: a length or count must fit in what remains of the frame, with the fewest bytes that an element can take; and
//! the arrays of one frame may take at most [`MEMORY_FLOOR`] plus [`MEMORY_FACTOR`] times the frame's size, and never
//! more than [`MEMORY_MAX`], so that a frame of empty elements cannot grow to many times itself. Real requests of a few
//! thousand topics take two to six times their size. Nothing recurses: the schemas contain no cycles.

use std::borrow::Cow;

use bytes::Bytes;
use ottla_types::Uuid;

use crate::{DecodeError, Message, Records};

/// Memory in bytes that the arrays of any frame may take.
const MEMORY_FLOOR: usize = 1024 * 1024;
/// Memory that arrays may take beyond that, per byte of the frame.
const MEMORY_FACTOR: usize = 16;
/// Memory in bytes that the arrays of one frame never exceed.
const MEMORY_MAX: usize = 256 * 1024 * 1024;
/// The longest string: the classic encoding has a signed 16-bit length.
const STRING_LEN_MAX: usize = i16::MAX as usize;

/// Reads one frame from front to back; byte fields share the frame's memory.
#[derive(Debug)]
pub struct Reader<'a> {
    frame: &'a Bytes,
    position: usize,
    /// Bytes of memory that arrays may still take.
    memory: usize,
    error: Option<DecodeError>,
}

/// The tagged section of one structure while it is read.
#[derive(Debug)]
pub(crate) struct Tags {
    left: u32,
    tag: u32,
    /// Where the current tag's content must end.
    end: usize,
}

macro_rules! fixed {
    ($($name:ident $plural:ident $type:ty,)*) => {
        $(
            pub(crate) fn $name(&mut self, field: &'static str) -> $type {
                <$type>::from_be_bytes(self.array(field))
            }

            #[allow(dead_code, reason = "not every type has arrays in this release's schemas")]
            pub(crate) fn $plural(&mut self, count: usize, field: &'static str) -> Vec<$type> {
                let mut elements = self.room(count);
                for _ in 0..elements.capacity().min(count) {
                    elements.push(self.$name(field));
                }
                elements
            }
        )*
    };
}

impl<'a> Reader<'a> {
    /// A reader at the start of a frame.
    pub fn new(frame: &'a Bytes) -> Reader<'a> {
        let memory = MEMORY_FLOOR.saturating_add(frame.len().saturating_mul(MEMORY_FACTOR)).min(MEMORY_MAX);
        Reader { frame, position: 0, memory, error: None }
    }

    /// A reader at the start of a record of our own log, whose size the log bounds: what a request was allowed to say must
    /// be readable again, whatever else was in that request's frame.
    pub(crate) fn of_log(record: &'a Bytes) -> Reader<'a> {
        Reader { memory: MEMORY_MAX, ..Reader::new(record) }
    }

    /// Bytes from the start of the frame.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes that are left; 0 after an error.
    pub fn remaining(&self) -> usize {
        self.frame.len() - self.position
    }

    /// The bytes that are left, without copying them.
    pub fn rest(&self) -> Bytes {
        self.frame.slice(self.position..)
    }

    /// Asserts the end of the frame.
    ///
    /// # Errors
    /// When bytes are left, or an earlier read failed.
    pub fn finish(&self) -> Result<(), DecodeError> {
        self.check()?;
        match self.remaining() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }

    /// Reads all of `T`, which is message `M` or borrows its content.
    pub(crate) fn whole<M: Message, T>(
        &mut self,
        version: i16,
        read: fn(&mut Reader<'a>, i16) -> T,
    ) -> Result<T, DecodeError> {
        if !M::has_version(version) {
            return Err(DecodeError::UnsupportedVersion { message: M::NAME, version });
        }
        let value = read(self, version);
        self.check()?;
        Ok(value)
    }

    /// The first error so far.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        self.error.clone().map_or(Ok(()), Err)
    }

    #[cold]
    pub(crate) fn fail(&mut self, error: DecodeError) {
        self.error.get_or_insert(error);
        self.position = self.frame.len();
    }

    /// The next `len` bytes; empty after an error.
    fn take(&mut self, len: usize, field: &'static str) -> &'a [u8] {
        let (offset, remaining) = (self.position, self.remaining());
        if len > remaining {
            self.fail(DecodeError::Short { field, offset, needed: len, remaining });
            return &[];
        }
        self.position += len;
        &self.frame[offset..offset + len]
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> [u8; N] {
        self.take(N, field).try_into().unwrap_or([0; N])
    }

    fixed! {
        int8 int8s i8,
        int16 int16s i16,
        uint16 uint16s u16,
        int32 int32s i32,
        uint32 uint32s u32,
        int64 int64s i64,
        float64 float64s f64,
    }

    pub(crate) fn bool(&mut self, field: &'static str) -> bool {
        self.int8(field) != 0
    }

    pub(crate) fn uuid(&mut self, field: &'static str) -> Uuid {
        Uuid(self.array(field))
    }

    pub(crate) fn uuids(&mut self, count: usize, field: &'static str) -> Vec<Uuid> {
        let mut elements = self.room(count);
        for _ in 0..elements.capacity().min(count) {
            elements.push(self.uuid(field));
        }
        elements
    }

    pub(crate) fn uvarint(&mut self, field: &'static str) -> u32 {
        let offset = self.position;
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array(field);
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
        }
        self.fail(DecodeError::Varint { field, offset });
        0
    }

    /// A length in front of bytes or elements; `None` is null, after an error too. `wide` is 4 bytes instead of 2.
    fn length(&mut self, flexible: bool, wide: bool, field: &'static str) -> Option<usize> {
        if flexible {
            return self.uvarint(field).checked_sub(1).map(|length| length as usize);
        }
        let length = if wide { self.int32(field) } else { i32::from(self.int16(field)) };
        usize::try_from(length).ok()
    }

    /// As [`Reader::length`], but null is an error unless it is allowed.
    fn checked_length(&mut self, flexible: bool, wide: bool, nullable: bool, field: &'static str) -> Option<usize> {
        let offset = self.position;
        let length = self.length(flexible, wide, field);
        if length.is_none() && !nullable {
            self.fail(DecodeError::Null { field, offset });
        }
        length
    }

    /// A string in place. Bytes that are not UTF-8 become U+FFFD, as in Kafka.
    pub(crate) fn nullable_str(&mut self, flexible: bool, nullable: bool, field: &'static str) -> Option<Cow<'a, str>> {
        let length = self.checked_length(flexible, false, nullable, field)?;
        if length > STRING_LEN_MAX {
            self.fail(DecodeError::StringTooLong { field, offset: self.position, length });
        }
        Some(String::from_utf8_lossy(self.take(length, field)))
    }

    pub(crate) fn str(&mut self, flexible: bool, field: &'static str) -> Cow<'a, str> {
        self.nullable_str(flexible, false, field).unwrap_or_default()
    }

    pub(crate) fn nullable_string(&mut self, flexible: bool, nullable: bool, field: &'static str) -> Option<String> {
        self.nullable_str(flexible, nullable, field).map(Cow::into_owned)
    }

    pub(crate) fn string(&mut self, flexible: bool, field: &'static str) -> String {
        self.str(flexible, field).into_owned()
    }

    pub(crate) fn strings(&mut self, count: usize, flexible: bool, field: &'static str) -> Vec<String> {
        let mut elements = self.room(count);
        for _ in 0..elements.capacity().min(count) {
            elements.push(self.string(flexible, field));
        }
        elements
    }

    pub(crate) fn nullable_bytes(&mut self, flexible: bool, nullable: bool, field: &'static str) -> Option<Bytes> {
        let length = self.checked_length(flexible, true, nullable, field)?;
        let start = self.position;
        let length = self.take(length, field).len();
        Some(if length == 0 { Bytes::new() } else { self.frame.slice(start..start + length) })
    }

    pub(crate) fn bytes(&mut self, flexible: bool, field: &'static str) -> Bytes {
        self.nullable_bytes(flexible, false, field).unwrap_or_default()
    }

    pub(crate) fn records(&mut self, flexible: bool, nullable: bool, field: &'static str) -> Records {
        self.nullable_bytes(flexible, nullable, field).map_or(Records::Null, Records::Inline)
    }

    /// The number of elements of an array whose elements take at least `minimal_size` bytes each.
    pub(crate) fn nullable_count(
        &mut self,
        flexible: bool,
        nullable: bool,
        minimal_size: usize,
        field: &'static str,
    ) -> Option<usize> {
        let count = self.checked_length(flexible, true, nullable, field)?;
        let (offset, remaining) = (self.position, self.remaining());
        if count > remaining / minimal_size {
            self.fail(DecodeError::TooManyElements { field, offset, count, remaining });
            return Some(0);
        }
        Some(count)
    }

    pub(crate) fn count(&mut self, flexible: bool, minimal_size: usize, field: &'static str) -> usize {
        self.nullable_count(flexible, false, minimal_size, field).unwrap_or(0)
    }

    /// Room for `count` elements, taken from the frame's memory bound; without capacity when the bound is reached.
    fn room<T>(&mut self, count: usize) -> Vec<T> {
        let size = count.saturating_mul(size_of::<T>());
        if size > self.memory {
            self.fail(DecodeError::TooMuchMemory { offset: self.position });
            return Vec::new();
        }
        self.memory -= size;
        Vec::with_capacity(count)
    }

    pub(crate) fn structs<T>(&mut self, count: usize, version: i16, read: fn(&mut Reader<'a>, i16) -> T) -> Vec<T> {
        let mut elements = self.room(count);
        while elements.len() < count && self.error.is_none() {
            elements.push(read(self, version));
        }
        elements
    }

    /// The sign byte in front of a nullable structure.
    pub(crate) fn struct_is_present(&mut self, field: &'static str) -> bool {
        self.int8(field) >= 0 && self.error.is_none()
    }

    /// The count in front of a nullable structure that is a tagged field.
    pub(crate) fn tagged_struct_is_present(&mut self) -> bool {
        self.uvarint("tagged structure") > 0
    }

    pub(crate) fn begin_tags(&mut self) -> Tags {
        Tags { left: self.uvarint("tagged fields"), tag: 0, end: self.position }
    }

    /// The next tag; its content must be read or skipped before the next call.
    pub(crate) fn next_tag(&mut self, tags: &mut Tags) -> Option<u32> {
        if self.error.is_none() && self.position != tags.end {
            self.fail(DecodeError::TagSize { tag: tags.tag, end: self.position, expected: tags.end });
        }
        if self.error.is_some() || tags.left == 0 {
            return None;
        }
        tags.left -= 1;
        tags.tag = self.uvarint("tag");
        let size = self.uvarint("tag size") as usize;
        let (offset, remaining) = (self.position, self.remaining());
        if size > remaining {
            self.fail(DecodeError::Short { field: "tagged field", offset, needed: size, remaining });
            return None;
        }
        tags.end = offset + size;
        Some(tags.tag)
    }

    /// Skips the content of a tag that this version does not know.
    pub(crate) fn skip_tag(&mut self, tags: &Tags) {
        self.position = tags.end.max(self.position);
    }

    pub(crate) fn skip_tags(&mut self) {
        let mut tags = self.begin_tags();
        while self.next_tag(&mut tags).is_some() {
            self.skip_tag(&tags);
        }
    }
}
