//! Rolling: the active segment is sealed and a new, empty one takes its place.
//!
//! 1. `begin_roll` under the lock notes the producer state. Until the roll is finished every append that needs one is told
//!    `RollNeeded`.
//! 2. `run` writes the producer snapshot and the old segment's indexes and creates the new segment, on storage threads.
//! 3. `finish_roll` under the lock installs the new segment.
//!
//! A roll that was begun has to be finished before anything else is appended: its files may already exist.
//!
//! Nothing is synced here: the next round of group commit makes the seal and the new names durable, before anything in
//! the new segment counts as flushed.

use super::Log;
use crate::files::SegmentFile;
use crate::segment::{ActiveSegment, EncodedIndexes, OpenSegment, SealedFiles, Segment, SegmentFiles, create_log_file};
use crate::{AppendError, LogError};
use ottla_runtime::{Disk, File, OpenMode};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

/// The part of a roll that runs without the lock. If it is dropped, the roll may be begun again.
#[derive(Debug)]
pub struct RollJob {
    alive: Arc<()>,
    disk: Disk,
    dir: PathBuf,
    base_offset: i64,
    snapshot: Option<Vec<u8>>,
    sealed: SealedSource,
    preallocate: Option<u64>,
}

/// The outcome of a [`RollJob`].
#[derive(Debug)]
pub struct RollDone {
    _alive: Arc<()>,
    base_offset: i64,
    files: io::Result<NewFiles>,
}

/// The segment that is to be sealed.
#[derive(Debug)]
struct SealedSource {
    base_offset: i64,
    log: File,
    indexes: EncodedIndexes,
}

#[derive(Debug)]
struct NewFiles {
    /// Of the segment that was the active one.
    sealed: SegmentFiles,
    /// The batches of the new one.
    log: File,
    snapshot: Option<File>,
}

impl Log {
    /// Begins a roll. `None` if one is under way already, if the active segment is empty, or if the log is offline.
    pub fn begin_roll(&mut self) -> Option<RollJob> {
        if self.offline.is_some() || self.roll.strong_count() > 0 || self.active.size() == 0 {
            return None;
        }
        let alive = Arc::new(());
        self.roll = Arc::downgrade(&alive);
        self.is_roll_due = true;
        let base_offset = self.log_end_offset;
        // A snapshot that is there already, from a clean shutdown, says the same and is durable.
        let has_snapshot = self.last_snapshot_offset == Some(base_offset);
        Some(RollJob {
            alive,
            disk: self.disk().clone(),
            dir: self.identity.path.clone(),
            base_offset,
            sealed: SealedSource {
                base_offset: self.active.base_offset(),
                log: self.active.log().clone(),
                indexes: self.active.seal_indexes(),
            },
            snapshot: (!has_snapshot).then(|| self.producers.encode_snapshot()),
            preallocate: self.config.preallocate.then_some(self.config.segment_bytes),
        })
    }

    /// Installs the new segment. After an error the old one stays, and the roll has to be begun again.
    pub fn finish_roll(&mut self, done: RollDone) -> Result<(), AppendError> {
        self.roll = Weak::new();
        if let Some(reason) = &self.offline {
            return Err(AppendError::Offline { reason: reason.clone() });
        }
        assert_eq!(done.base_offset, self.log_end_offset, "nothing is appended while a roll is under way");
        let files = done.files.map_err(|error| self.roll_failed(error))?;
        let new = self.new_active(done.base_offset, files.log);
        let old = std::mem::replace(&mut self.active, new);
        self.install_sealed(old, files.sealed, files.snapshot);
        self.is_roll_due = false;
        Ok(())
    }

    /// An empty segment at `base_offset`, with its own jitter.
    pub(crate) fn new_active(&self, base_offset: i64, log: File) -> ActiveSegment {
        let rt = &self.identity.dir.rt;
        let jitter_ms = self.config.draw_jitter_ms(rt);
        ActiveSegment::new(base_offset, log, self.config.index_interval_bytes, rt.wall_clock_ms(), jitter_ms)
    }

    fn install_sealed(&mut self, old: ActiveSegment, files: SegmentFiles, snapshot: Option<File>) {
        let identity = &self.identity;
        let (base_offset, size, dirty_bytes) = (old.base_offset(), old.size(), old.dirty_bytes());
        let max_timestamp = old.max_timestamp();
        let (indexes, aborted) = old.into_sealed_parts();
        let now_ms = identity.dir.rt.wall_clock_ms();
        let segment = Segment::new(&identity.path, base_offset, size, self.config.index_interval_bytes, now_ms);
        let segment = Arc::new(segment.with_known(max_timestamp, aborted.clone()));
        Arc::make_mut(&mut self.segments).insert(base_offset, segment.clone());
        let (offsets, times) = indexes.into_parts();
        if let Some(file) = files.log.hold_if_open() {
            let opened = Arc::new(OpenSegment { file, offsets, times });
            identity.dir.node.cache.insert(identity.number, &segment, opened, identity.dir.disk());
        }
        if snapshot.is_some() {
            self.last_snapshot_offset = Some(self.log_end_offset);
        }
        self.unflushed.push_sealed(SealedFiles { base_offset, size, dirty_bytes, files, aborted, snapshot });
    }

    fn roll_failed(&mut self, error: io::Error) -> AppendError {
        let dir = self.identity.dir.path().to_path_buf();
        self.identity.dir.note_error(&error);
        if ottla_runtime::is_disk_full(&error) {
            return AppendError::DiskFull { dir };
        }
        if ottla_runtime::is_out_of_files(&error) {
            return AppendError::OutOfFiles { path: self.identity.path.clone() };
        }
        let error = LogError::io("create a segment in", &self.identity.path)(error);
        self.go_offline(error.to_string());
        AppendError::Offline { reason: error.to_string() }
    }
}

impl RollJob {
    /// Writes the snapshot and creates the files.
    pub async fn run(self) -> RollDone {
        let files = self.create().await;
        RollDone { _alive: self.alive, base_offset: self.base_offset, files }
    }

    async fn create(&self) -> io::Result<NewFiles> {
        let snapshot = match &self.snapshot {
            Some(bytes) => {
                let path = SegmentFile::Snapshot.path(&self.dir, self.base_offset);
                let file = self.disk.open(&path, OpenMode::Create).await?;
                file.set_len(0)?;
                file.write_at(0, &[bytes])?;
                Some(file)
            }
            None => None,
        };
        let SealedSource { base_offset, log, indexes } = &self.sealed;
        let sealed = SegmentFiles::write(&self.disk, &self.dir, *base_offset, log.clone(), indexes).await?;
        let log = create_log_file(&self.disk, &self.dir, self.base_offset).await?;
        if let Some(bytes) = self.preallocate {
            log.allocate(bytes).await?;
        }
        Ok(NewFiles { sealed, log, snapshot })
    }
}
