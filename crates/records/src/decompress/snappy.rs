//! Snappy, raw or in the xerial framing: Java clients frame, librdkafka and others do not.
//!
//! Framed: `82 "SNAPPY" 00`, version i32, compatible version i32, then blocks of a length i32 and raw snappy. The
//! header may come again between blocks, when streams were concatenated.

use super::{fault, take, take_array};
use crate::error::RecordFault;

/// Head of the xerial framing.
pub(crate) const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Version, and oldest version that can read it.
pub(crate) const XERIAL_VERSION: i32 = 1;

/// No snappy element expands further than 3 bytes to 64.
const EXPANSION_MAX: usize = 22;

/// Snappy blocks in memory.
pub(crate) struct SnappyBlocks<'a> {
    rest: &'a [u8],
    framed: bool,
    decoder: snap::raw::Decoder,
}

impl<'a> SnappyBlocks<'a> {
    /// Tells the two forms apart by their first bytes.
    pub(crate) fn open(compressed: &'a [u8]) -> Result<SnappyBlocks<'a>, RecordFault> {
        let mut rest = compressed;
        let framed = compressed.starts_with(&XERIAL_MAGIC);
        if framed {
            skip_header(&mut rest)?;
        }
        Ok(SnappyBlocks { rest, framed, decoder: snap::raw::Decoder::new() })
    }

    /// Decodes the next block; see `Decoder::fill`.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>, at: usize, bytes_max: usize) -> Result<usize, RecordFault> {
        while let Some(block) = self.next_block()? {
            let len = snap::raw::decompress_len(block).map_err(fault)?;
            if len > block.len().saturating_mul(EXPANSION_MAX) {
                return Err(fault("a snappy block announces more than it can hold"));
            }
            if len > bytes_max {
                return Err(RecordFault::TooLarge(bytes_max as u64));
            }
            if out.len() < at + len {
                out.resize(at + len, 0);
            }
            self.decoder.decompress(block, &mut out[at..at + len]).map_err(fault)?;
            if len > 0 {
                return Ok(len);
            }
        }
        Ok(0)
    }

    fn next_block(&mut self) -> Result<Option<&'a [u8]>, RecordFault> {
        while self.framed && self.rest.starts_with(&XERIAL_MAGIC) {
            skip_header(&mut self.rest)?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        if !self.framed {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        let len = i32::from_be_bytes(take_array(&mut self.rest)?);
        let len = usize::try_from(len).map_err(|_| fault("negative length of a snappy block"))?;
        take(&mut self.rest, len).map(Some)
    }
}

fn skip_header(rest: &mut &[u8]) -> Result<(), RecordFault> {
    take(rest, XERIAL_MAGIC.len())?;
    let version = i32::from_be_bytes(take_array(rest)?);
    let _compatible = i32::from_be_bytes(take_array(rest)?);
    if version < XERIAL_VERSION {
        return Err(fault("unsupported version of the snappy framing"));
    }
    Ok(())
}
