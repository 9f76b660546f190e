//! Decompression of a batch's records, block by block into the caller's buffer.
//!
//! All four codecs read from a slice that is in memory anyway; what they produce is bounded by the caller, and what
//! they allocate by what has been produced or by what the compressed bytes at hand can possibly expand to, never by a
//! length that the bytes announce.

mod lz4;
mod snappy;

pub(crate) use snappy::{XERIAL_MAGIC, XERIAL_VERSION};

use crate::Compression;
use crate::error::RecordFault;
use flate2::bufread::MultiGzDecoder;
use std::io::Read;

/// Bytes asked of a stream codec (gzip, zstd) at a time.
const READ_BYTES: usize = 32 * 1024;
/// Largest zstd window, as in libzstd's and Java's default: 128 MiB. The decoder touches only as much as it produces.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A decoder over compressed bytes in memory.
pub(crate) enum Decoder<'a> {
    Gzip(Box<MultiGzDecoder<&'a [u8]>>),
    Snappy(snappy::SnappyBlocks<'a>),
    Lz4(lz4::Lz4Blocks<'a>),
    Zstd(Box<zstd::stream::read::Decoder<'static, &'a [u8]>>),
}

impl<'a> Decoder<'a> {
    /// A decoder for `compressed`; `None` for records that are not compressed.
    pub(crate) fn open(codec: Compression, compressed: &'a [u8]) -> Result<Option<Decoder<'a>>, RecordFault> {
        Ok(match codec {
            Compression::None => None,
            Compression::Gzip => Some(Decoder::Gzip(Box::new(MultiGzDecoder::new(compressed)))),
            Compression::Snappy => Some(Decoder::Snappy(snappy::SnappyBlocks::open(compressed)?)),
            Compression::Lz4 => Some(Decoder::Lz4(lz4::Lz4Blocks::open(compressed)?)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed).map_err(fault)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(fault)?;
                Some(Decoder::Zstd(Box::new(decoder)))
            }
        })
    }

    /// Decodes some more bytes into `out` from position `at` on, growing `out` as needed, at most `bytes_max` and one
    /// more (which then breaks the caller's limit). Returns how many; 0 is the end.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>, at: usize, bytes_max: usize) -> Result<usize, RecordFault> {
        match self {
            Decoder::Gzip(decoder) => read_into(decoder, out, at, bytes_max),
            Decoder::Zstd(decoder) => read_into(decoder, out, at, bytes_max),
            Decoder::Snappy(blocks) => blocks.fill(out, at, bytes_max),
            Decoder::Lz4(blocks) => blocks.fill(out, at),
        }
    }
}

/// Decompresses all of `compressed`, for what is no record batch.
///
/// # Errors
/// A text, when the bytes are no such stream or hold more than `bytes_max` bytes.
pub fn decompress(codec: Compression, compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, String> {
    let too_large = || format!("it holds more than {bytes_max} bytes");
    let Some(mut decoder) = Decoder::open(codec, compressed).map_err(|fault| fault.at(0, codec).to_string())? else {
        return if compressed.len() > bytes_max { Err(too_large()) } else { Ok(compressed.to_vec()) };
    };
    let (mut out, mut filled) = (Vec::new(), 0);
    loop {
        match decoder.fill(&mut out, filled, bytes_max - filled).map_err(|fault| fault.at(0, codec).to_string())? {
            0 => break,
            bytes => filled += bytes,
        }
        if filled > bytes_max {
            return Err(too_large());
        }
    }
    out.truncate(filled);
    Ok(out)
}

fn read_into(decoder: &mut impl Read, out: &mut Vec<u8>, at: usize, bytes_max: usize) -> Result<usize, RecordFault> {
    let end = at + READ_BYTES.min(bytes_max.saturating_add(1));
    if out.len() < end {
        out.resize(end, 0);
    }
    decoder.read(&mut out[at..end]).map_err(fault)
}

fn fault(error: impl std::fmt::Display) -> RecordFault {
    RecordFault::Decompress(error.to_string())
}

/// Takes `len` bytes off the front of `rest`.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], RecordFault> {
    let (head, tail) = rest.split_at_checked(len).ok_or_else(|| fault("the stream ends too early"))?;
    *rest = tail;
    Ok(head)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], RecordFault> {
    let head = take(rest, N)?;
    Ok(*head.first_chunk().expect("N bytes were taken"))
}

#[cfg(test)]
mod tests;
