//! The last segment of a log: the one that grows.

use crate::LogConfig;
use crate::files::SegmentFile;
use crate::index::{IndexBuilder, TimestampEntry};
use crate::limits::{INDEX_WRITE_BYTES, SEGMENT_BYTES_MAX};
use crate::segment::TailBatches;
use crate::txn_index::AbortedTxn;
use ottla_records::{BATCH_HEADER_LEN, BatchHeader};
use ottla_runtime::{Disk, File, OpenMode};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The active segment: its files, its indexes in memory, the boundaries of its last batches.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    base_offset: i64,
    files: SegmentFiles,
    size: u64,
    /// Everything before this position is on stable storage.
    synced_to: u64,
    /// Writeback was asked for up to this position.
    written_back_to: u64,
    indexes: IndexBuilder,
    /// Index entries that the files already have.
    stored: StoredEntries,
    tail: TailBatches,
    aborted: Vec<AbortedTxn>,
    /// Highest timestamp of the first batch: `segment.ms` counts from it.
    first_timestamp: Option<i64>,
    created_ms: i64,
    /// Taken off `segment.ms`.
    jitter_ms: i64,
}

/// The open files of a segment that is written to.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFiles {
    /// The batches.
    pub(crate) log: File,
    /// Offset to position.
    pub(crate) index: File,
    /// Timestamp to offset.
    pub(crate) time_index: File,
}

#[derive(Debug, Clone, Copy, Default)]
struct StoredEntries {
    offsets: usize,
    times: usize,
}

/// A batch could not be written.
#[derive(Debug)]
pub(crate) struct WriteFailed {
    /// What the system said.
    pub(crate) error: io::Error,
    /// Whether the part that may have been written was cut off again.
    pub(crate) is_cut_back: bool,
}

/// A batch with what was stamped into it, ready to be written.
#[derive(Debug)]
pub(crate) struct StampedBatch<'a> {
    /// The header as it is stored.
    pub(crate) head: &'a [u8; BATCH_HEADER_LEN],
    /// The same, parsed.
    pub(crate) header: &'a BatchHeader,
    /// What follows it.
    pub(crate) records: &'a [u8],
}

impl SegmentFiles {
    /// Opens the files, made empty where they do not exist. What an unfinished roll left behind is emptied.
    pub(crate) async fn create(disk: &Disk, dir: &Path, base_offset: i64) -> io::Result<SegmentFiles> {
        let open = async |kind: SegmentFile| {
            let file = disk.open(&kind.path(dir, base_offset), OpenMode::Create).await?;
            file.set_len(0)?;
            Ok::<File, io::Error>(file)
        };
        Ok(SegmentFiles {
            log: open(SegmentFile::Log).await?,
            index: open(SegmentFile::Index).await?,
            time_index: open(SegmentFile::TimeIndex).await?,
        })
    }

    /// Opens the files of a segment that exists; indexes that are missing are made empty.
    pub(crate) async fn open(disk: &Disk, dir: &Path, base_offset: i64) -> io::Result<SegmentFiles> {
        let open = async |kind: SegmentFile, mode| disk.open(&kind.path(dir, base_offset), mode).await;
        Ok(SegmentFiles {
            log: open(SegmentFile::Log, OpenMode::ReadWrite).await?,
            index: open(SegmentFile::Index, OpenMode::Create).await?,
            time_index: open(SegmentFile::TimeIndex, OpenMode::Create).await?,
        })
    }
}

impl ActiveSegment {
    /// A new, empty segment. Nothing of it is durable yet.
    pub(crate) fn new(base_offset: i64, files: SegmentFiles, interval_bytes: u32, now_ms: i64, jitter_ms: i64) -> Self {
        ActiveSegment {
            base_offset,
            files,
            size: 0,
            synced_to: 0,
            written_back_to: 0,
            indexes: IndexBuilder::new(base_offset, interval_bytes),
            stored: StoredEntries::default(),
            tail: TailBatches::default(),
            aborted: Vec::new(),
            first_timestamp: None,
            created_ms: now_ms,
            jitter_ms,
        }
    }

    /// A segment that was there before: `size` durable bytes, whose `indexes` the index files have.
    pub(crate) fn resumed(
        self,
        size: u64,
        indexes: IndexBuilder,
        tail: TailBatches,
        first_timestamp: Option<i64>,
        aborted: Vec<AbortedTxn>,
    ) -> Self {
        let stored = StoredEntries { offsets: indexes.offsets().len(), times: indexes.times().len() };
        let (synced_to, written_back_to) = (size, size);
        ActiveSegment { size, synced_to, written_back_to, indexes, stored, tail, first_timestamp, aborted, ..self }
    }

    /// First offset.
    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Bytes of batches.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are not on stable storage.
    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.size - self.synced_to
    }

    /// The open files.
    pub(crate) fn files(&self) -> &SegmentFiles {
        &self.files
    }

    /// Indexes of everything appended.
    pub(crate) fn indexes(&self) -> &IndexBuilder {
        &self.indexes
    }

    /// Boundaries of the last batches.
    pub(crate) fn tail(&self) -> &TailBatches {
        &self.tail
    }

    /// Transactions whose abort markers are in this segment.
    pub(crate) fn aborted(&self) -> &[AbortedTxn] {
        &self.aborted
    }

    /// The highest timestamp, with the last offset of its batch.
    pub(crate) fn max_timestamp(&self) -> TimestampEntry {
        self.indexes.max_timestamp()
    }

    /// Whether a batch that ends with `last_offset` asks for a new segment first (Kafka's rules).
    pub(crate) fn should_roll(&self, batch: &BatchHeader, last_offset: i64, now_ms: i64, config: &LogConfig) -> bool {
        let segment_bytes = config.segment_bytes.min(SEGMENT_BYTES_MAX);
        let is_full = self.size + batch.total_len() as u64 > segment_bytes;
        let is_old = self.waited_for_roll_ms(batch.max_timestamp, now_ms) > config.segment_ms - self.jitter_ms;
        let index_is_full = self.indexes.is_full(config.segment_index_bytes);
        let is_out_of_reach = !self.indexes.offsets().can_hold(last_offset);
        self.size > 0 && (is_full || is_old || index_is_full || is_out_of_reach)
    }

    /// Writes a batch behind the last one: one write into the page cache.
    pub(crate) fn append(&mut self, batch: &StampedBatch<'_>) -> Result<(), WriteFailed> {
        let position = self.size;
        if let Err(error) = self.files.log.write_at(position, &[batch.head, batch.records]) {
            let is_cut_back = self.files.log.set_len(position).is_ok();
            return Err(WriteFailed { error, is_cut_back });
        }
        self.size += batch.header.total_len() as u64;
        self.indexes.add(batch.header, position);
        self.tail.push(batch.header.base_offset, position);
        self.first_timestamp.get_or_insert(batch.header.max_timestamp);
        if self.unstored_index_bytes() >= INDEX_WRITE_BYTES {
            // Entries that cannot be written now stay in memory, and are written with later ones.
            let _ = self.store_indexes();
        }
        Ok(())
    }

    /// An abort marker was appended.
    pub(crate) fn add_aborted(&mut self, aborted: AbortedTxn) {
        self.aborted.push(aborted);
    }

    /// Brings all index entries into the files, the last timestamp included: the segment is complete, or closed.
    pub(crate) fn seal_indexes(&mut self) -> io::Result<()> {
        self.indexes.seal();
        self.store_indexes()
    }

    /// Everything before `position` was synced.
    pub(crate) fn note_synced(&mut self, position: u64) {
        self.synced_to = self.synced_to.max(position.min(self.size));
    }

    /// A range to write back, once `chunk_bytes` have gathered.
    pub(crate) fn take_writeback(&mut self, chunk_bytes: u64) -> Option<(u64, u64)> {
        let from = self.written_back_to.max(self.synced_to);
        if self.size - from < chunk_bytes {
            return None;
        }
        self.written_back_to = self.size;
        Some((from, self.size - from))
    }

    /// What a sealed segment keeps of this one.
    pub(crate) fn into_sealed_parts(self) -> (SegmentFiles, IndexBuilder, Arc<[AbortedTxn]>) {
        (self.files, self.indexes, Arc::from(self.aborted))
    }

    fn store_indexes(&mut self) -> io::Result<()> {
        let (offsets, times) = (self.indexes.offsets(), self.indexes.times());
        if offsets.len() > self.stored.offsets {
            let at = self.stored.offsets as u64 * 8;
            self.files.index.write_at(at, &[&offsets.encode_from(self.stored.offsets)])?;
            self.stored.offsets = offsets.len();
        }
        if times.len() > self.stored.times {
            let at = self.stored.times as u64 * 12;
            self.files.time_index.write_at(at, &[&times.encode_from(self.stored.times)])?;
            self.stored.times = times.len();
        }
        Ok(())
    }

    fn unstored_index_bytes(&self) -> usize {
        let (offsets, times) = (self.indexes.offsets().len(), self.indexes.times().len());
        (offsets - self.stored.offsets) * 8 + (times - self.stored.times) * 12
    }

    /// How long the segment has waited for its roll: by the records' clock where they have one.
    fn waited_for_roll_ms(&self, batch_timestamp: i64, now_ms: i64) -> i64 {
        match self.first_timestamp.filter(|&first| first >= 0) {
            Some(first) => batch_timestamp.saturating_sub(first),
            None => now_ms.saturating_sub(self.created_ms),
        }
    }
}
