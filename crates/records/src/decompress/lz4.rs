//! The LZ4 frame format, read as Kafka's Java code reads it.
//!
//! Only independent blocks are allowed, since Java consumers read nothing else; a dictionary is refused. Header and
//! block checksums are verified. The content checksum is skipped, and so is anything behind the end mark, as in Kafka.

use super::{fault, take, take_array};
use crate::error::RecordFault;
use twox_hash::XxHash32;

const MAGIC: u32 = 0x184D_2204;
/// Flag bits: version (2 bits, must be 1), independent blocks, block checksum, content size, content checksum.
const VERSION_SHIFT: u8 = 6;
const INDEPENDENT_BLOCKS: u8 = 0x20;
const BLOCK_CHECKSUM: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
const RESERVED_FLAGS: u8 = 0x03;
/// Set in a block's length when the block is stored as it is.
const STORED_BLOCK: u32 = 1 << 31;
/// One byte of a length extends a run by at most this.
const EXPANSION_MAX: usize = 255;

/// LZ4 blocks in memory.
pub(crate) struct Lz4Blocks<'a> {
    rest: &'a [u8],
    block_bytes_max: usize,
    block_checksum: bool,
    content_checksum: bool,
    finished: bool,
}

impl<'a> Lz4Blocks<'a> {
    /// Reads the frame header.
    pub(crate) fn open(compressed: &'a [u8]) -> Result<Lz4Blocks<'a>, RecordFault> {
        let mut rest = compressed;
        if u32::from_le_bytes(take_array(&mut rest)?) != MAGIC {
            return Err(fault("not an LZ4 frame"));
        }
        let described = rest;
        let [flags, block_descriptor] = take_array(&mut rest)?;
        if flags >> VERSION_SHIFT != 1 || flags & RESERVED_FLAGS != 0 {
            return Err(fault("unsupported flags of an LZ4 frame"));
        }
        if flags & INDEPENDENT_BLOCKS == 0 {
            return Err(fault("LZ4 frames with dependent blocks are not supported"));
        }
        if flags & CONTENT_SIZE != 0 {
            take(&mut rest, 8)?;
        }
        let described = &described[..described.len() - rest.len()];
        let [checksum] = take_array(&mut rest)?;
        if checksum != (XxHash32::oneshot(0, described) >> 8) as u8 {
            return Err(fault("wrong header checksum of an LZ4 frame"));
        }
        Ok(Lz4Blocks {
            rest,
            block_bytes_max: block_bytes_max(block_descriptor)?,
            block_checksum: flags & BLOCK_CHECKSUM != 0,
            content_checksum: flags & CONTENT_CHECKSUM != 0,
            finished: false,
        })
    }

    /// Decodes the next block, which is at most 4 MiB; see `Decoder::fill`.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>, at: usize) -> Result<usize, RecordFault> {
        while !self.finished {
            let word = u32::from_le_bytes(take_array(&mut self.rest)?);
            let len = (word & !STORED_BLOCK) as usize;
            if len == 0 {
                self.finish()?;
                break;
            }
            if len > self.block_bytes_max {
                return Err(fault("an LZ4 block is longer than its frame allows"));
            }
            let block = take(&mut self.rest, len)?;
            if self.block_checksum && u32::from_le_bytes(take_array(&mut self.rest)?) != XxHash32::oneshot(0, block) {
                return Err(fault("wrong checksum of an LZ4 block"));
            }
            let produced = self.decode(block, word & STORED_BLOCK != 0, out, at)?;
            if produced > 0 {
                return Ok(produced);
            }
        }
        Ok(0)
    }

    fn decode(&self, block: &[u8], stored: bool, out: &mut Vec<u8>, at: usize) -> Result<usize, RecordFault> {
        let room = if stored { block.len() } else { self.block_bytes_max.min(block.len() * EXPANSION_MAX) };
        if out.len() < at + room {
            out.resize(at + room, 0);
        }
        let target = &mut out[at..at + room];
        if stored {
            target.copy_from_slice(block);
            return Ok(room);
        }
        lz4_flex::block::decompress_into(block, target).map_err(fault)
    }

    fn finish(&mut self) -> Result<(), RecordFault> {
        self.finished = true;
        if self.content_checksum {
            take(&mut self.rest, 4)?;
        }
        Ok(())
    }
}

fn block_bytes_max(descriptor: u8) -> Result<usize, RecordFault> {
    match (descriptor & 0x8f, descriptor >> 4) {
        (0, code @ 4..=7) => Ok(1 << (8 + 2 * code)),
        _ => Err(fault("unsupported block size of an LZ4 frame")),
    }
}
