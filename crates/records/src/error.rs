//! What can be wrong with the bytes of a record batch.

use crate::Compression;

/// Why bytes are not a valid batch. Never a panic: all of it may come from network or disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the header, or than the header announces: the tail of a read, or a torn write.
    #[error("incomplete batch: {available} bytes of {needed}")]
    Incomplete {
        /// Bytes that the batch needs, as far as known.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// The header cannot be right whatever follows it.
    #[error("corrupt batch header: {0}")]
    CorruptHeader(&'static str),
    /// Message format 0 or 1, or one that does not exist.
    #[error("record batch magic {0} is not supported: only 2 is")]
    UnsupportedMagic(i8),
    /// The stored CRC-32C is not the one of the bytes.
    #[error("CRC mismatch: stored {stored:#010x}, computed {computed:#010x}")]
    CrcMismatch {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// Codec bits 5 to 7 of the attributes.
    #[error("unknown compression codec {0}")]
    UnknownCodec(u8),
    /// The records do not decompress.
    #[error("records do not decompress as {codec}: {detail}")]
    Decompress {
        /// The codec that the attributes name.
        codec: Compression,
        /// What the decoder said.
        detail: String,
    },
    /// A record's structure is wrong, or the records do not fill the batch exactly.
    #[error("record {index} is invalid: {what}")]
    InvalidRecord {
        /// Position of the record in the batch, from 0.
        index: u32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// More decompressed bytes than the caller allows: a decompression bomb, or an honest batch beyond the limit.
    #[error("decompressed records exceed {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

/// How a record inside a batch can be wrong, before its position is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RecordFault {
    /// The structure is wrong.
    Invalid(&'static str),
    /// The decompressor failed.
    Decompress(String),
    /// The limit on decompressed bytes was reached.
    TooLarge(u64),
}

impl RecordFault {
    /// The batch's error for a fault in record `index`.
    pub(crate) fn at(self, index: u32, codec: Compression) -> BatchError {
        match self {
            RecordFault::Invalid(what) => BatchError::InvalidRecord { index, what },
            RecordFault::Decompress(detail) => BatchError::Decompress { codec, detail },
            RecordFault::TooLarge(limit) => BatchError::TooLarge { limit },
        }
    }
}
