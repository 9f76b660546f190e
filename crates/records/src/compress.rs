//! Compression of a batch's records, streamed into the batch that is being built.
//!
//! What Java clients can read decides the forms: snappy in the xerial framing unless raw is asked for, LZ4 frames of
//! independent 64 KiB blocks without content checksum.

use crate::decompress::{XERIAL_MAGIC, XERIAL_VERSION};
use crate::{BuildError, Compression, CompressionSpec};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use std::io::{self, Write};

/// Bytes collected before a codec is bothered; also the block size of LZ4.
const CHUNK_BYTES: usize = 64 * 1024;
/// Block size of the xerial framing, as in Java clients.
const SNAPPY_BLOCK_BYTES: usize = 32 * 1024;
/// Largest window of zstd levels above 19, which otherwise take hundreds of MiB for a stream of unknown length.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How snappy blocks are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SnappyFraming {
    /// As Java clients write.
    #[default]
    Xerial,
    /// One raw block, as librdkafka writes.
    Raw,
}

/// Compresses what is written behind what is already in `out`.
pub(crate) struct Compressor {
    spec: CompressionSpec,
    framing: SnappyFraming,
    pending: Vec<u8>,
    stage: Stage,
}

enum Stage {
    /// Nothing has reached the codec yet: a short batch is compressed with its length known.
    Idle(Limited),
    Gzip(Box<flate2::write::GzEncoder<Limited>>),
    Snappy(Limited),
    Lz4(Box<FrameEncoder<Limited>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Limited>>),
}

/// A growing buffer with an end.
struct Limited {
    out: Vec<u8>,
    limit: usize,
}

impl Compressor {
    /// Appends to `out`, which may grow to `limit` bytes.
    pub(crate) fn new(spec: CompressionSpec, framing: SnappyFraming, out: Vec<u8>, limit: usize) -> Compressor {
        Compressor { spec, framing, pending: Vec::new(), stage: Stage::Idle(Limited { out, limit }) }
    }

    /// Compresses `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        if let (Compression::None, Stage::Idle(sink)) = (self.spec.codec, &mut self.stage) {
            let limit = sink.limit;
            return sink.write_all(bytes).map_err(|e| build_error(e, limit));
        }
        let chunk_bytes = self.chunk_bytes();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(chunk_bytes - self.pending.len()));
            self.pending.extend_from_slice(head);
            rest = tail;
            if self.pending.len() == chunk_bytes {
                self.flush_chunk(None)?;
            }
        }
        Ok(())
    }

    /// Ends the stream; returns the buffer it was appended to.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, BuildError> {
        let limit = self.limit();
        if self.spec.codec != Compression::None {
            self.flush_chunk(Some(self.pending.len() as u64))?;
        }
        let sink = match self.stage {
            Stage::Idle(sink) | Stage::Snappy(sink) => sink,
            Stage::Gzip(encoder) => encoder.finish().map_err(|e| build_error(e, limit))?,
            Stage::Lz4(encoder) => encoder.finish().map_err(|e| build_error(e.into(), limit))?,
            Stage::Zstd(encoder) => encoder.finish().map_err(|e| build_error(e, limit))?,
        };
        Ok(sink.out)
    }

    fn chunk_bytes(&self) -> usize {
        match (self.spec.codec, self.framing) {
            (Compression::Snappy, SnappyFraming::Xerial) => SNAPPY_BLOCK_BYTES,
            // A raw block cannot be continued.
            (Compression::Snappy, SnappyFraming::Raw) => usize::MAX,
            _ => CHUNK_BYTES,
        }
    }

    /// Hands the pending bytes to the codec. `whole_len` is the length of everything, if this is the last chunk and
    /// perhaps the only one.
    fn flush_chunk(&mut self, whole_len: Option<u64>) -> Result<(), BuildError> {
        let limit = self.limit();
        let stage = std::mem::replace(&mut self.stage, Stage::Idle(Limited { out: Vec::new(), limit }));
        let stage = match stage {
            Stage::Idle(sink) => start(self.spec, self.framing, sink, whole_len),
            started => Ok(started),
        };
        let mut stage = stage.map_err(|e| build_error(e, limit))?;
        let written = match &mut stage {
            Stage::Idle(_) => unreachable!("the codec was started above"),
            Stage::Gzip(encoder) => encoder.write_all(&self.pending),
            Stage::Lz4(encoder) => encoder.write_all(&self.pending),
            Stage::Zstd(encoder) => encoder.write_all(&self.pending),
            Stage::Snappy(sink) => write_snappy(&self.pending, self.framing, sink),
        };
        self.stage = stage;
        self.pending.clear();
        written.map_err(|e| build_error(e, limit))
    }

    fn limit(&self) -> usize {
        match &self.stage {
            Stage::Idle(sink) | Stage::Snappy(sink) => sink.limit,
            Stage::Gzip(encoder) => encoder.get_ref().limit,
            Stage::Lz4(encoder) => encoder.get_ref().limit,
            Stage::Zstd(encoder) => encoder.get_ref().limit,
        }
    }
}

fn start(spec: CompressionSpec, framing: SnappyFraming, sink: Limited, whole_len: Option<u64>) -> io::Result<Stage> {
    let level = spec.level_or_default();
    Ok(match spec.codec {
        Compression::None => Stage::Idle(sink),
        Compression::Gzip => {
            // -1 is zlib's own default.
            let level = u32::try_from(level).map_or(flate2::Compression::default(), flate2::Compression::new);
            Stage::Gzip(Box::new(flate2::write::GzEncoder::new(sink, level)))
        }
        Compression::Snappy => Stage::Snappy(start_snappy(framing, sink)?),
        Compression::Lz4 => {
            let frame = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
            Stage::Lz4(Box::new(FrameEncoder::with_frame_info(frame, sink)))
        }
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(sink, level)?;
            match whole_len {
                Some(len) => encoder.set_pledged_src_size(Some(len))?,
                None if level > 19 => encoder.window_log(ZSTD_WINDOW_LOG_MAX)?,
                None => {}
            }
            Stage::Zstd(Box::new(encoder))
        }
    })
}

fn start_snappy(framing: SnappyFraming, mut sink: Limited) -> io::Result<Limited> {
    if framing == SnappyFraming::Xerial {
        sink.write_all(&XERIAL_MAGIC)?;
        sink.write_all(&XERIAL_VERSION.to_be_bytes())?;
        sink.write_all(&XERIAL_VERSION.to_be_bytes())?;
    }
    Ok(sink)
}

fn write_snappy(block: &[u8], framing: SnappyFraming, sink: &mut Limited) -> io::Result<()> {
    if block.is_empty() && framing == SnappyFraming::Xerial {
        return Ok(());
    }
    let compressed = snap::raw::Encoder::new().compress_vec(block)?;
    if framing == SnappyFraming::Xerial {
        let len = i32::try_from(compressed.len()).expect("a block of 32 KiB stays small");
        sink.write_all(&len.to_be_bytes())?;
    }
    sink.write_all(&compressed)
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit.saturating_sub(self.out.len()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn build_error(error: io::Error, limit: usize) -> BuildError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => BuildError::TooLarge { limit },
        _ => BuildError::Compress(error.to_string()),
    }
}
