//! Record batches inside messages: slices of the received frame, or holes that the sender fills later.

use bytes::Bytes;

/// The value of a `records` field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Records {
    /// No records at all, not even an empty set.
    #[default]
    Null,
    /// Batches in memory: a slice of the frame they arrived in, or copied into the frame that leaves.
    Inline(Bytes),
    /// Batches that are not in memory: the writer leaves a hole, and the sender puts part `index` of `len` bytes there.
    External {
        /// Length in bytes.
        len: u32,
        /// Which part fills the hole; the sender's own numbering.
        index: u32,
    },
}

impl Records {
    /// Whether the field is null.
    pub fn is_null(&self) -> bool {
        *self == Records::Null
    }

    /// Length in bytes; 0 when null.
    pub fn len(&self) -> usize {
        match self {
            Records::Null => 0,
            Records::Inline(bytes) => bytes.len(),
            Records::External { len, .. } => *len as usize,
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batches, when they are in memory.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Records::Inline(bytes) => Some(bytes),
            Records::Null | Records::External { .. } => None,
        }
    }
}

/// A finished message: its bytes, and where record batches from elsewhere belong between them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// Everything that was written.
    pub buf: Bytes,
    /// The holes, by ascending position.
    pub splices: Vec<Splice>,
}

/// A hole in an [`Encoded`] message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splice {
    /// The part goes in front of this byte of `buf`.
    pub position: usize,
    /// Which part; from [`Records::External`].
    pub index: u32,
    /// Length of the part in bytes.
    pub len: u32,
}

impl Encoded {
    /// Length on the wire: the buffer and all parts.
    pub fn len(&self) -> usize {
        self.buf.len() + self.splices.iter().map(|splice| splice.len as usize).sum::<usize>()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
