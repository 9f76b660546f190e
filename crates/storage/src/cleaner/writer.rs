//! The new segment that a cleaning writes, under names that end in `.cleaned`.

use crate::LogError;
use crate::files::{self, SegmentFile};
use crate::index::IndexBuilder;
use crate::limits::SEGMENT_BYTES_MAX;
use crate::log::sync_file;
use crate::segment::OpenSegment;
use crate::sites;
use crate::txn_index::{AbortedTxn, TransactionIndex};
use ottla_records::BatchHeader;
use ottla_runtime::{Disk, File, OpenMode};
use std::path::{Path, PathBuf};

/// Writes batches in order.
#[derive(Debug)]
pub(super) struct CleanedWriter {
    dir: PathBuf,
    base_offset: i64,
    log: File,
    buffer: Vec<u8>,
    buffer_bytes: usize,
    written: u64,
    indexes: IndexBuilder,
    end_offset: i64,
}

/// A finished segment, all of whose files are durable but for their names.
#[derive(Debug)]
pub(super) struct CleanedFiles {
    pub(super) size: u64,
    /// The files that there are.
    pub(super) kinds: Vec<SegmentFile>,
    pub(super) opened: OpenSegment,
}

impl CleanedWriter {
    /// An empty segment; `buffer_bytes` are gathered before they are written.
    pub(super) async fn create(
        disk: &Disk,
        dir: &Path,
        base_offset: i64,
        interval_bytes: u32,
        buffer_bytes: usize,
    ) -> Result<CleanedWriter, LogError> {
        let log = create(disk, dir, base_offset, SegmentFile::Log).await?;
        Ok(CleanedWriter {
            dir: dir.to_path_buf(),
            base_offset,
            log,
            buffer: Vec::new(),
            buffer_bytes,
            written: 0,
            indexes: IndexBuilder::new(base_offset, interval_bytes),
            end_offset: base_offset,
        })
    }

    /// Adds a batch, or says why it cannot be in this segment. Returns the bytes that went to the file.
    pub(super) fn append(&mut self, batch: &[u8]) -> Result<Result<u64, String>, LogError> {
        let header = match BatchHeader::parse(batch) {
            Ok(header) => header,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let position = self.written + self.buffer.len() as u64;
        if header.base_offset < self.end_offset || !self.indexes.offsets().can_hold(header.last_offset()) {
            return Ok(Err(format!("offset {} does not follow {}", header.base_offset, self.end_offset)));
        }
        if position + batch.len() as u64 > SEGMENT_BYTES_MAX {
            return Ok(Err("the compacted segment grows too large".to_string()));
        }
        self.indexes.add(&header, position);
        self.end_offset = header.next_offset();
        self.buffer.extend_from_slice(batch);
        if self.buffer.len() < self.buffer_bytes {
            return Ok(Ok(0));
        }
        self.flush().map(Ok)
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Completes the segment and makes its files durable. `aborted` is what its transaction index holds.
    pub(super) async fn finish(mut self, disk: &Disk, aborted: &[AbortedTxn]) -> Result<CleanedFiles, LogError> {
        self.flush()?;
        self.indexes.seal();
        let (dir, base_offset) = (self.dir.clone(), self.base_offset);
        sync_file(&self.log, sites::CLEANED_SEGMENT, &files::cleaned(&SegmentFile::Log.path(&dir, base_offset)))
            .await?;
        let (offsets, times) = self.indexes.into_parts();
        let aborted = TransactionIndex::from_entries(base_offset, aborted);
        let contents = [
            (SegmentFile::Index, offsets.encode_from(0), sites::CLEANED_INDEX),
            (SegmentFile::TimeIndex, times.encode_from(0), sites::CLEANED_TIME_INDEX),
            // An empty one says that there are none; what is missing is built again.
            (SegmentFile::TxnIndex, aborted.encode(), sites::CLEANED_TXN_INDEX),
        ];
        let mut kinds = vec![SegmentFile::Log];
        for (kind, bytes, site) in contents {
            let path = files::cleaned(&kind.path(&dir, base_offset));
            let file = create(disk, &dir, base_offset, kind).await?;
            file.write_at(0, &[&bytes]).map_err(LogError::io("write", &path))?;
            if !bytes.is_empty() {
                sync_file(&file, site, &path).await?;
            }
            kinds.push(kind);
        }
        Ok(CleanedFiles { size: self.written, kinds, opened: OpenSegment { file: self.log, offsets, times } })
    }

    fn flush(&mut self) -> Result<u64, LogError> {
        let bytes = self.buffer.len() as u64;
        if bytes > 0 {
            let path = files::cleaned(&SegmentFile::Log.path(&self.dir, self.base_offset));
            self.log.write_at(self.written, &[&self.buffer]).map_err(LogError::io("write", &path))?;
            self.written += bytes;
            self.buffer.clear();
        }
        Ok(bytes)
    }
}

async fn create(disk: &Disk, dir: &Path, base_offset: i64, kind: SegmentFile) -> Result<File, LogError> {
    let path = files::cleaned(&kind.path(dir, base_offset));
    let file = disk.open(&path, OpenMode::Create).await.map_err(LogError::io("create", &path))?;
    file.set_len(0).map_err(LogError::io("cut", &path))?;
    Ok(file)
}
