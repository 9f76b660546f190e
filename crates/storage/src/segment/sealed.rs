//! A segment that no longer grows. It is known by name and size; file and indexes are opened when a read needs them.

use crate::LogError;
use crate::files::{self, SegmentFile};
use crate::index::{IndexBuilder, OffsetIndex, TimeIndex, TimestampEntry};
use crate::limits::{INDEX_FILE_BYTES_MAX, LOCATE_CHUNK_BYTES};
use crate::segment::{BatchReader, ScanStop};
use crate::sites;
use crate::txn_index::{AbortedTxn, TransactionIndex, TxnIndexError};
use ottla_records::NO_TIMESTAMP;
use ottla_runtime::{Disk, File, OpenMode};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing::warn;

/// One sealed segment of one log.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The partition directory; another one after the log has moved.
    dir: Mutex<PathBuf>,
    base_offset: i64,
    size: u64,
    index_interval_bytes: u32,
    /// Where retention counts from when no record has a timestamp: when this process first saw the segment sealed.
    sealed_at_ms: i64,
    max_timestamp: OnceLock<TimestampEntry>,
    first_timestamp: OnceLock<i64>,
    aborted: OnceLock<Arc<[AbortedTxn]>>,
    is_deleted: AtomicBool,
    /// How often compaction replaced the segment at this base offset.
    generation: u64,
    /// Held while files are opened by name: so that names do not change meanwhile.
    opening: tokio::sync::Mutex<()>,
    /// Set before compaction takes the names away.
    pinned: OnceLock<Arc<OpenSegment>>,
}

/// The open file and the indexes of a sealed segment.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    /// The batches.
    pub(crate) file: File,
    /// Offset to position.
    pub(crate) offsets: OffsetIndex,
    /// Timestamp to offset.
    pub(crate) times: TimeIndex,
}

impl Segment {
    /// The segment of `size` bytes at `base_offset` in the partition directory `dir`.
    pub(crate) fn new(dir: &Path, base_offset: i64, size: u64, index_interval_bytes: u32, now_ms: i64) -> Segment {
        Segment {
            dir: Mutex::new(dir.to_path_buf()),
            base_offset,
            size,
            index_interval_bytes,
            sealed_at_ms: now_ms,
            max_timestamp: OnceLock::new(),
            first_timestamp: OnceLock::new(),
            aborted: OnceLock::new(),
            is_deleted: AtomicBool::new(false),
            generation: 0,
            opening: tokio::sync::Mutex::default(),
            pinned: OnceLock::new(),
        }
    }

    /// The same, as the `generation`-th segment at its base offset.
    pub(crate) fn with_generation(self, generation: u64) -> Segment {
        Segment { generation, ..self }
    }

    /// The same, with what is known from building it.
    pub(crate) fn with_known(self, max_timestamp: TimestampEntry, aborted: Arc<[AbortedTxn]>) -> Segment {
        Segment { max_timestamp: OnceLock::from(max_timestamp), aborted: OnceLock::from(aborted), ..self }
    }

    /// First offset.
    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Bytes of batches.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The highest timestamp, if it is known without reading.
    pub(crate) fn known_max_timestamp(&self) -> Option<TimestampEntry> {
        self.max_timestamp.get().copied()
    }

    /// How often compaction replaced the segment at this base offset.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The timestamp of the first batch, if it is known; -1 if there is none.
    pub(crate) fn known_first_timestamp(&self) -> Option<i64> {
        self.first_timestamp.get().copied()
    }

    /// What `retention.ms` counts from, if it is known without reading: the highest timestamp.
    pub(crate) fn known_retention_timestamp(&self) -> Option<i64> {
        let max = self.known_max_timestamp()?.timestamp;
        Some(if max >= 0 { max } else { self.sealed_at_ms })
    }

    /// From now on the files have `.deleted` behind their names.
    pub(crate) fn mark_deleted(&self) {
        self.is_deleted.store(true, Ordering::Release);
    }

    /// From now on the files are opened in `dir`, where the same bytes are.
    pub(crate) async fn relocate(&self, dir: &Path) {
        let _opening = self.opening.lock().await;
        *self.dir.lock().unwrap_or_else(PoisonError::into_inner) = dir.to_path_buf();
    }

    fn dir(&self) -> PathBuf {
        self.dir.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The path of one of the segment's files.
    pub(crate) fn path(&self, kind: SegmentFile) -> PathBuf {
        let path = kind.path(&self.dir(), self.base_offset);
        if self.is_deleted.load(Ordering::Acquire) { files::deleted(&path) } else { path }
    }

    /// The highest timestamp, read from the end of the time index if need be.
    pub(crate) async fn max_timestamp(&self, disk: &Disk) -> Result<TimestampEntry, LogError> {
        match self.max_timestamp.get() {
            Some(&known) => Ok(known),
            None => self.open(disk).await.map(|opened| opened.times.last()),
        }
    }

    /// Learns the timestamp of the first batch.
    pub(crate) async fn load_first_timestamp(&self, disk: &Disk) -> Result<(), LogError> {
        let opened = self.open(disk).await?;
        let mut reader = BatchReader::new(opened.file.clone(), 0, self.size, LOCATE_CHUNK_BYTES);
        let first = reader.next_header().await;
        let path = self.path(SegmentFile::Log);
        let first = first.map_err(|stop| stop.into_error(&self.dir(), &path, self.base_offset))?;
        let _ = self.first_timestamp.set(first.map_or(NO_TIMESTAMP, |(_, header)| header.max_timestamp));
        Ok(())
    }

    /// Holds the segment open under `opened`: its names are about to go, and whoever still reads it does not need them.
    pub(crate) async fn pin(&self, opened: Arc<OpenSegment>) {
        let _opening = self.opening.lock().await;
        let _ = self.pinned.set(opened);
    }

    /// Opens file and indexes. Indexes that are missing or senseless are rebuilt, and written anew if that works.
    pub(crate) async fn open(&self, disk: &Disk) -> Result<Arc<OpenSegment>, LogError> {
        let _opening = self.opening.lock().await;
        match self.pinned.get() {
            Some(pinned) => Ok(pinned.clone()),
            None => self.open_files(disk).await.map(Arc::new),
        }
    }

    async fn open_files(&self, disk: &Disk) -> Result<OpenSegment, LogError> {
        let path = self.path(SegmentFile::Log);
        let file = disk.open(&path, OpenMode::Read).await.map_err(LogError::io("open", &path))?;
        let (offsets, times) = match self.read_indexes(disk).await {
            Ok(indexes) => indexes,
            Err(reason) => {
                warn!(segment = %path.display(), reason, "rebuilding the indexes of a segment");
                let builder = rebuild_indexes(&file, self.base_offset, self.size, self.index_interval_bytes).await;
                let rebuilt =
                    builder.map_err(|stop| stop.into_error(&self.dir(), &path, self.base_offset))?.into_parts();
                self.write_indexes(disk, &rebuilt).await;
                rebuilt
            }
        };
        // Another read may have been faster; both found the same.
        let _ = self.max_timestamp.set(times.last());
        Ok(OpenSegment { file, offsets, times })
    }

    /// The aborted transactions whose markers are in this segment, if its transaction index can be read;
    /// [`load_aborted`](super::load_aborted) builds it otherwise.
    pub(crate) async fn indexed_aborted(&self, disk: &Disk) -> Result<Option<Arc<[AbortedTxn]>>, LogError> {
        let _opening = self.opening.lock().await;
        if let Some(known) = self.aborted.get() {
            return Ok(Some(known.clone()));
        }
        let path = self.path(SegmentFile::TxnIndex);
        let bytes = match disk.read(&path, INDEX_FILE_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::io("read", &path)(error)),
        };
        match TransactionIndex::parse(self.base_offset, &bytes) {
            Ok(index) => Ok(Some(self.aborted.get_or_init(|| Arc::from(index.entries())).clone())),
            Err(error @ TxnIndexError::UnknownVersion(_)) => Err(LogError::Malformed {
                path,
                reason: error.to_string(),
                next_step: "`ottla log repair` has it rebuilt from the log",
            }),
            Err(error) => {
                warn!(index = %path.display(), %error, "a transaction index makes no sense");
                Ok(None)
            }
        }
    }

    /// Takes in a transaction index that was built again, and writes it if the files still have their names.
    pub(crate) async fn put_aborted(&self, disk: &Disk, aborted: Vec<AbortedTxn>) {
        let _opening = self.opening.lock().await;
        let bytes = TransactionIndex::from_entries(self.base_offset, &aborted).encode();
        let is_new = self.aborted.set(Arc::from(aborted)).is_ok();
        if !is_new || self.pinned.get().is_some() || self.is_deleted.load(Ordering::Acquire) {
            return;
        }
        let path = self.path(SegmentFile::TxnIndex);
        if let Err(error) = replace_file(disk, &path, &bytes, sites::TXN_INDEX).await {
            warn!(index = %path.display(), %error, "a rebuilt index was not written; it stays in memory");
        }
    }

    async fn read_indexes(&self, disk: &Disk) -> Result<(OffsetIndex, TimeIndex), String> {
        let read = async |kind: SegmentFile| disk.read(&self.path(kind), INDEX_FILE_BYTES_MAX).await;
        let offsets = read(SegmentFile::Index).await.map_err(|error| error.to_string())?;
        let times = read(SegmentFile::TimeIndex).await.map_err(|error| error.to_string())?;
        let offsets = OffsetIndex::parse(self.base_offset, &offsets, self.size).map_err(|error| error.to_string())?;
        let times = TimeIndex::parse(self.base_offset, &times).map_err(|error| error.to_string())?;
        Ok((offsets, times))
    }

    async fn write_indexes(&self, disk: &Disk, (offsets, times): &(OffsetIndex, TimeIndex)) {
        // Whole or not at all: an index that lost its end looks like one that is whole.
        let parts = [
            (SegmentFile::Index, offsets.encode_from(0), sites::INDEX),
            (SegmentFile::TimeIndex, times.encode_from(0), sites::TIME_INDEX),
        ];
        for (kind, bytes, site) in parts {
            let path = self.path(kind);
            if let Err(error) = replace_file(disk, &path, &bytes, site).await {
                warn!(index = %path.display(), %error, "a rebuilt index was not written; it stays in memory");
            }
        }
    }
}

/// Puts a file in the place of one that can be rebuilt. Which of the two is there after a power loss does not matter.
async fn replace_file(disk: &Disk, path: &Path, bytes: &[u8], site: &'static str) -> io::Result<()> {
    let temporary = files::temporary(path);
    let file = disk.open(&temporary, OpenMode::Create).await?;
    file.set_len(0)?;
    file.write_at(0, &[bytes])?;
    file.sync(site).await?;
    disk.rename(&temporary, path).await
}

/// Builds the indexes of a segment from its batch headers.
pub(crate) async fn rebuild_indexes(
    file: &File,
    base_offset: i64,
    size: u64,
    interval_bytes: u32,
) -> Result<IndexBuilder, ScanStop> {
    let mut builder = IndexBuilder::new(base_offset, interval_bytes);
    let mut reader = BatchReader::new(file.clone(), 0, size, LOCATE_CHUNK_BYTES);
    while let Some((position, header)) = reader.next_header().await? {
        if !builder.offsets().can_hold(header.last_offset()) {
            return Err(ScanStop::Invalid {
                position,
                reason: "offsets leave the segment".to_string(),
                is_torn: false,
            });
        }
        builder.add(&header, position);
    }
    builder.seal();
    Ok(builder)
}

impl ScanStop {
    /// The error for a scan that ought to have reached the end.
    pub(crate) fn into_error(self, directory: &Path, path: &Path, offset: i64) -> LogError {
        match self {
            ScanStop::Io(source) => LogError::Io { action: "read", path: path.to_path_buf(), source },
            ScanStop::Invalid { position, reason, .. } => LogError::Damaged {
                directory: directory.to_path_buf(),
                path: path.to_path_buf(),
                position,
                offset,
                reason,
            },
        }
    }
}
