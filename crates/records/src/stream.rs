//! The decompressed bytes of a batch's records, read front to back through a bounded window.

use crate::decompress::Decoder;
use crate::error::RecordFault;
use crate::header::BATCH_HEADER_LEN;
use crate::record::{BAD_VARINT, CUT_SHORT};
use crate::varint::{VARINT_BYTES_MAX, VARLONG_BYTES_MAX, read_varint, read_varlong};
use crate::{BatchError, BatchHeader, Compression};

/// A batch whose records are about to be read.
pub(crate) struct OpenBatch<'a> {
    pub(crate) header: BatchHeader,
    pub(crate) codec: Compression,
    pub(crate) count: u32,
    pub(crate) stream: RecordStream<'a>,
}

/// Records that are not compressed are their own window; others are decompressed into one that holds what the caller
/// peeks at plus one block of the codec.
pub(crate) enum RecordStream<'a> {
    Plain(&'a [u8]),
    Compressed(Window<'a>),
}

/// A sliding window over what a decoder produces.
pub(crate) struct Window<'a> {
    decoder: Decoder<'a>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    produced: u64,
    produced_max: u64,
}

impl<'a> OpenBatch<'a> {
    /// `batch` is exactly one batch. More than `decompressed_bytes_max` decompressed bytes will be an error.
    pub(crate) fn open(batch: &'a [u8], decompressed_bytes_max: u64) -> Result<OpenBatch<'a>, BatchError> {
        let header = BatchHeader::parse(batch)?;
        let incomplete = BatchError::Incomplete { needed: header.total_len(), available: batch.len() };
        let records = batch.get(BATCH_HEADER_LEN..header.total_len()).ok_or(incomplete)?;
        let codec = header.compression()?;
        let count = u32::try_from(header.record_count)
            .map_err(|_| BatchError::CorruptHeader("the record count is negative"))?;
        // Kafka does not look into a batch that compaction has emptied.
        let codec_read = if count == 0 { Compression::None } else { codec };
        let stream = RecordStream::open(codec_read, records, decompressed_bytes_max).map_err(|e| e.at(0, codec))?;
        Ok(OpenBatch { header, codec, count, stream })
    }
}

impl<'a> RecordStream<'a> {
    /// The bytes of `records`; more than `produced_max` decompressed bytes are an error.
    fn open(codec: Compression, records: &'a [u8], produced_max: u64) -> Result<RecordStream<'a>, RecordFault> {
        Ok(match Decoder::open(codec, records)? {
            None => RecordStream::Plain(records),
            Some(decoder) => RecordStream::Compressed(Window {
                decoder,
                bytes: Vec::new(),
                start: 0,
                end: 0,
                ended: false,
                produced: 0,
                produced_max,
            }),
        })
    }

    /// Whether peeking at any length is free.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, RecordStream::Plain(_))
    }

    /// The bytes ahead: at least `len`, unless the stream ends before.
    pub(crate) fn peek(&mut self, len: usize) -> Result<&[u8], RecordFault> {
        match self {
            RecordStream::Plain(rest) => Ok(rest),
            RecordStream::Compressed(window) => window.peek(len),
        }
    }

    /// Exactly the next `len` bytes.
    pub(crate) fn peek_exact(&mut self, len: usize) -> Result<&[u8], RecordFault> {
        self.peek(len)?.get(..len).ok_or(CUT_SHORT)
    }

    /// Moves past `len` bytes that were peeked at.
    pub(crate) fn consume(&mut self, len: usize) {
        match self {
            RecordStream::Plain(rest) => *rest = &rest[len..],
            RecordStream::Compressed(window) => {
                assert!(len <= window.end - window.start, "only what was peeked at is consumed");
                window.start += len;
            }
        }
    }

    /// Reads one byte.
    pub(crate) fn byte(&mut self) -> Result<u8, RecordFault> {
        let byte = self.peek_exact(1)?[0];
        self.consume(1);
        Ok(byte)
    }

    /// Reads an i32; also returns its length.
    pub(crate) fn varint(&mut self) -> Result<(i32, usize), RecordFault> {
        let ahead = self.peek(VARINT_BYTES_MAX)?;
        let (value, len) = read_varint(ahead).ok_or(BAD_VARINT)?;
        self.consume(len);
        Ok((value, len))
    }

    /// Reads an i64; also returns its length.
    pub(crate) fn varlong(&mut self) -> Result<(i64, usize), RecordFault> {
        let ahead = self.peek(VARLONG_BYTES_MAX)?;
        let (value, len) = read_varlong(ahead).ok_or(BAD_VARINT)?;
        self.consume(len);
        Ok((value, len))
    }

    /// Hands the next `len` bytes to `sink`, piece by piece.
    pub(crate) fn pass<E: From<RecordFault>>(
        &mut self,
        mut len: usize,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while len > 0 {
            let ahead = self.peek(1)?;
            if ahead.is_empty() {
                return Err(CUT_SHORT.into());
            }
            let piece = &ahead[..ahead.len().min(len)];
            let piece_len = piece.len();
            sink(piece)?;
            self.consume(piece_len);
            len -= piece_len;
        }
        Ok(())
    }

    /// Moves past `len` bytes without holding them.
    pub(crate) fn skip(&mut self, len: usize) -> Result<(), RecordFault> {
        self.pass(len, |_| Ok(()))
    }

    /// Whether nothing is left; reads a compressed stream to its end mark and checksums.
    pub(crate) fn is_at_end(&mut self) -> Result<bool, RecordFault> {
        Ok(self.peek(1)?.is_empty())
    }
}

impl Window<'_> {
    fn peek(&mut self, len: usize) -> Result<&[u8], RecordFault> {
        while self.end - self.start < len && !self.ended {
            self.refill()?;
        }
        Ok(&self.bytes[self.start..self.end])
    }

    fn refill(&mut self) -> Result<(), RecordFault> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let left = self.produced_max.saturating_sub(self.produced);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let produced = match self.decoder.fill(&mut self.bytes, self.end, left) {
            Err(RecordFault::TooLarge(_)) => return Err(RecordFault::TooLarge(self.produced_max)),
            result => result?,
        };
        self.end += produced;
        self.produced += produced as u64;
        self.ended = produced == 0;
        if self.produced > self.produced_max { Err(RecordFault::TooLarge(self.produced_max)) } else { Ok(()) }
    }
}
