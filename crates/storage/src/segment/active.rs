//! The last segment of a log: the one that grows.

use crate::LogConfig;
use crate::files::SegmentFile;
use crate::index::{IndexBuilder, TimestampEntry};
use crate::limits::SEGMENT_BYTES_MAX;
use crate::segment::TailBatches;
use crate::txn_index::AbortedTxn;
use ottla_records::{BATCH_HEADER_LEN, BatchHeader};
use ottla_runtime::{Disk, File, OpenMode};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The active segment: its log file, which is open while it is used, its indexes, the boundaries of its last batches.
///
/// The indexes are in memory alone; their files are written when the segment is sealed or closed, and after a crash they are
/// built again.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    base_offset: i64,
    log: File,
    size: u64,
    /// Everything before this position is on stable storage.
    synced_to: u64,
    /// Writeback was asked for up to this position.
    written_back_to: u64,
    indexes: IndexBuilder,
    tail: TailBatches,
    aborted: Vec<AbortedTxn>,
    /// Highest timestamp of the first batch: `segment.ms` counts from it.
    first_timestamp: Option<i64>,
    created_ms: i64,
    /// Taken off `segment.ms`.
    jitter_ms: i64,
}

/// The open files of a segment that is complete.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFiles {
    /// The batches.
    pub(crate) log: File,
    /// Offset to position.
    pub(crate) index: File,
    /// Timestamp to offset.
    pub(crate) time_index: File,
}

/// What the index files of a complete segment hold.
#[derive(Debug)]
pub(crate) struct EncodedIndexes {
    offsets: Vec<u8>,
    times: Vec<u8>,
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

/// Makes the empty log file of a segment. What an unfinished roll left behind is emptied.
pub(crate) async fn create_log_file(disk: &Disk, dir: &Path, base_offset: i64) -> io::Result<File> {
    let file = disk.open_lazily(&SegmentFile::Log.path(dir, base_offset), OpenMode::Create).await?;
    if !file.is_empty()? {
        file.set_len(0)?;
    }
    Ok(file)
}

impl SegmentFiles {
    /// The files of a segment whose batches are in `log`, with its complete indexes written.
    pub(crate) async fn write(
        disk: &Disk,
        dir: &Path,
        base_offset: i64,
        log: File,
        indexes: &EncodedIndexes,
    ) -> io::Result<SegmentFiles> {
        let write = async |kind: SegmentFile, bytes: &[u8]| {
            let file = disk.open(&kind.path(dir, base_offset), OpenMode::Create).await?;
            file.set_len(0)?;
            file.write_at(0, &[bytes])?;
            Ok::<File, io::Error>(file)
        };
        let index = write(SegmentFile::Index, &indexes.offsets).await?;
        let time_index = write(SegmentFile::TimeIndex, &indexes.times).await?;
        Ok(SegmentFiles { log, index, time_index })
    }
}

impl ActiveSegment {
    /// A new, empty segment. Nothing of it is durable yet.
    pub(crate) fn new(base_offset: i64, log: File, interval_bytes: u32, now_ms: i64, jitter_ms: i64) -> Self {
        ActiveSegment {
            base_offset,
            log,
            size: 0,
            synced_to: 0,
            written_back_to: 0,
            indexes: IndexBuilder::new(base_offset, interval_bytes),
            tail: TailBatches::default(),
            aborted: Vec::new(),
            first_timestamp: None,
            created_ms: now_ms,
            jitter_ms,
        }
    }

    /// A segment that was there before, with `size` durable bytes.
    pub(crate) fn resumed(
        self,
        size: u64,
        indexes: IndexBuilder,
        tail: TailBatches,
        first_timestamp: Option<i64>,
        aborted: Vec<AbortedTxn>,
    ) -> Self {
        let (synced_to, written_back_to) = (size, size);
        ActiveSegment { size, synced_to, written_back_to, indexes, tail, first_timestamp, aborted, ..self }
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

    /// The batches.
    pub(crate) fn log(&self) -> &File {
        &self.log
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
        if let Err(error) = self.log.open_now() {
            return Err(WriteFailed { error, is_cut_back: true });
        }
        if let Err(error) = self.log.write_at(position, &[batch.head, batch.records]) {
            let is_cut_back = self.log.set_len(position).is_ok();
            return Err(WriteFailed { error, is_cut_back });
        }
        self.size += batch.header.total_len() as u64;
        self.indexes.add(batch.header, position);
        self.tail.push(batch.header.base_offset, position);
        self.first_timestamp.get_or_insert(batch.header.max_timestamp);
        Ok(())
    }

    /// An abort marker was appended.
    pub(crate) fn add_aborted(&mut self, aborted: AbortedTxn) {
        self.aborted.push(aborted);
    }

    /// The index files of the segment, the last timestamp included: it is complete, or closed.
    pub(crate) fn seal_indexes(&mut self) -> EncodedIndexes {
        self.indexes.seal();
        EncodedIndexes { offsets: self.indexes.offsets().encode_from(0), times: self.indexes.times().encode_from(0) }
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
    pub(crate) fn into_sealed_parts(self) -> (IndexBuilder, Arc<[AbortedTxn]>) {
        (self.indexes, Arc::from(self.aborted))
    }

    /// How long the segment has waited for its roll: by the records' clock where they have one.
    fn waited_for_roll_ms(&self, batch_timestamp: i64, now_ms: i64) -> i64 {
        match self.first_timestamp.filter(|&first| first >= 0) {
            Some(first) => batch_timestamp.saturating_sub(first),
            None => now_ms.saturating_sub(self.created_ms),
        }
    }
}
