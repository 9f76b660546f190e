//! Walks the batches of a segment file from a position on, in bounded memory.

use crate::limits::{BATCH_BYTES_MAX, SCAN_CHUNK_BYTES};
use bytes::Bytes;
use ottla_records::{BATCH_HEADER_LEN, BatchError, BatchHeader};
use ottla_runtime::File;
use std::io;

/// Reads batches of one file in order.
pub(crate) struct BatchReader {
    file: File,
    position: u64,
    end: u64,
    chunk_bytes: usize,
    buffer: Bytes,
    buffer_at: u64,
}

/// A whole batch whose checksum is right.
#[derive(Debug)]
pub(crate) struct ScannedBatch {
    /// Where it starts in the file.
    pub(crate) position: u64,
    /// Its header.
    pub(crate) header: BatchHeader,
    /// All of it.
    pub(crate) bytes: Bytes,
}

/// Why a scan stopped before the end of the file.
#[derive(Debug)]
pub(crate) enum ScanStop {
    /// The file could not be read.
    Io(io::Error),
    /// What stands at `position` is not a valid batch.
    Invalid {
        /// Where.
        position: u64,
        /// What is wrong.
        reason: String,
        /// Whether the file ends before the batch does: what a write that did not finish leaves behind.
        is_torn: bool,
    },
}

impl BatchReader {
    /// Reads from `position` to `end`, in steps of at least `chunk_bytes`.
    pub(crate) fn new(file: File, position: u64, end: u64, chunk_bytes: usize) -> BatchReader {
        BatchReader { file, position, end, chunk_bytes, buffer: Bytes::new(), buffer_at: position }
    }

    /// The header of the next batch, with its position; its records are neither read nor checked. `None` at the end.
    pub(crate) async fn next_header(&mut self) -> Result<Option<(u64, BatchHeader)>, ScanStop> {
        let Some(header) = self.peek_header().await? else { return Ok(None) };
        let position = self.position;
        self.position += header.total_len() as u64;
        Ok(Some((position, header)))
    }

    /// The next batch, whole and with a right checksum. `None` at the end.
    pub(crate) async fn next_batch(&mut self) -> Result<Option<ScannedBatch>, ScanStop> {
        let Some(header) = self.peek_header().await? else { return Ok(None) };
        let bytes = self.read(header.total_len()).await?;
        header.check_crc(&bytes).map_err(|error| self.invalid(&error))?;
        let position = self.position;
        self.position += header.total_len() as u64;
        Ok(Some(ScannedBatch { position, header, bytes }))
    }

    /// The batch with the header that was read last, which starts at `position`.
    pub(crate) async fn batch_at(&mut self, position: u64, header: &BatchHeader) -> Result<Bytes, ScanStop> {
        let next = std::mem::replace(&mut self.position, position);
        let bytes = self.read(header.total_len()).await?;
        header.check_crc(&bytes).map_err(|error| self.invalid(&error))?;
        self.position = next;
        Ok(bytes)
    }

    async fn peek_header(&mut self) -> Result<Option<BatchHeader>, ScanStop> {
        let rest = self.end - self.position;
        if rest == 0 {
            return Ok(None);
        }
        let bytes = self.read(rest.min(BATCH_HEADER_LEN as u64) as usize).await?;
        let header = BatchHeader::parse(&bytes).map_err(|error| self.invalid(&error))?;
        let total = header.total_len() as u64;
        if total > BATCH_BYTES_MAX {
            return Err(self.invalid(&BatchError::CorruptHeader("the batch is larger than any request")));
        }
        if header.base_offset < 0 || header.last_offset_delta < 0 {
            return Err(self.invalid(&BatchError::CorruptHeader("negative offsets")));
        }
        if total > rest {
            return Err(self.invalid(&BatchError::Incomplete { needed: total as usize, available: rest as usize }));
        }
        Ok(Some(header))
    }

    /// `len` bytes from the position on; the caller knows that they lie before the end.
    async fn read(&mut self, len: usize) -> Result<Bytes, ScanStop> {
        let buffered = self.position.checked_sub(self.buffer_at).map(|buffered| buffered as usize);
        if let Some(buffered) = buffered.filter(|buffered| self.buffer.len() >= buffered + len) {
            return Ok(self.buffer.slice(buffered..buffered + len));
        }
        if self.chunk_bytes >= SCAN_CHUNK_BYTES {
            // A long scan of what is in the page cache would keep a worker from its other tasks.
            tokio::task::yield_now().await;
        }
        let rest = (self.end - self.position) as usize;
        let wanted = len.max(self.chunk_bytes).min(rest);
        self.buffer = self.file.read_at(self.position, wanted).await.map_err(ScanStop::Io)?;
        self.buffer_at = self.position;
        if self.buffer.len() < len {
            let error = BatchError::Incomplete { needed: len, available: self.buffer.len() };
            return Err(self.invalid(&error));
        }
        Ok(self.buffer.slice(..len))
    }

    fn invalid(&self, error: &BatchError) -> ScanStop {
        let is_torn = matches!(error, BatchError::Incomplete { .. });
        ScanStop::Invalid { position: self.position, reason: error.to_string(), is_torn }
    }
}
