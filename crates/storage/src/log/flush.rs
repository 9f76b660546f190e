//! Group commit: one round of fsyncs covers everything that was appended before it began.
//!
//! A round syncs the active segment and, after a roll, whatever the seal left behind: the old segment with its indexes
//! and the producer snapshot, the directory with the new names. All of it runs at once, so that the file system's journal
//! merges it. Then `flushed_offset` moves, and with it the recovery point, which needs the leader epochs on disk, too.

use super::unflushed::Round;
use super::{Log, LogIdentity};
use crate::LogError;
use crate::files::{LEADER_EPOCH_CHECKPOINT, SegmentFile};
use crate::limits::{BACKGROUND_FLUSH_BYTES, BACKGROUND_FLUSH_INTERVAL, WRITEBACK_CHUNK_BYTES};
use crate::segment::SealedFiles;
use crate::sites;
use futures_util::future::{BoxFuture, FutureExt, join, join_all};
use ottla_runtime::{Disk, File, Instant};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::warn;

/// One round of fsyncs. Must be run, and its result taken to [`Log::finish_flush`]: a round that is dropped counts as
/// failed.
#[derive(Debug)]
pub struct FlushJob {
    alive: Arc<()>,
    identity: Arc<LogIdentity>,
    log: Option<File>,
    sealed: Vec<SealedFiles>,
    sync_dir: bool,
    created: bool,
    epochs: Option<Vec<u8>>,
}

/// The outcome of a [`FlushJob`].
#[derive(Debug)]
pub struct FlushDone {
    _alive: Arc<()>,
    data: Result<(), LogError>,
    epochs: Result<(), LogError>,
}

/// A stretch of the active segment whose writeback should start, so that the next fsync finds little left.
#[derive(Debug)]
pub struct WritebackHint {
    file: File,
    offset: u64,
    len: u64,
}

impl Log {
    /// Starts a round of fsyncs over everything appended so far. `None` if there is nothing to do, if a round is under
    /// way (begin again when it has finished), or if the log is offline.
    pub fn begin_flush(&mut self) -> Option<FlushJob> {
        if self.offline.is_some() || self.is_flushing() {
            return None;
        }
        // Records below a log start offset that was raised over them count as flushed; their bytes are not.
        let is_flushed = self.log_end_offset == self.flushed_offset && self.dirty_bytes() == 0;
        if is_flushed && self.unflushed.sealed.is_empty() {
            return None;
        }
        Some(self.start_round())
    }

    /// Starts a round even if no record waits for one: the names of a new log, or its epochs, may.
    pub(super) fn start_round(&mut self) -> FlushJob {
        let alive = Arc::new(());
        let identity = &self.identity;
        let unflushed = &mut self.unflushed;
        // Epochs that begin in the active segment are found again by recovery.
        let epochs_version = if unflushed.epochs_due { self.epochs_version } else { self.epochs_saved_version };
        unflushed.round = Some(Round {
            job: Arc::downgrade(&alive),
            began: identity.dir.rt.now(),
            target: self.log_end_offset,
            records: unflushed.records,
            active_base_offset: self.active.base_offset(),
            active_size: self.active.size(),
            sealed: unflushed.sealed.len(),
            dir_changes: unflushed.dir_changes,
            is_created: unflushed.is_created,
            epochs_version,
        });
        FlushJob {
            alive,
            identity: identity.clone(),
            log: (self.active.dirty_bytes() > 0).then(|| self.active.log().clone()),
            sealed: unflushed.sealed.clone(),
            sync_dir: unflushed.is_dir_dirty(),
            created: unflushed.is_created,
            epochs: (epochs_version > self.epochs_saved_version).then(|| {
                self.epochs.truncate_from_start(identity.progress.durable_log_start.load(Ordering::Acquire));
                self.epochs.encode()
            }),
        }
    }

    /// Takes in the result of a round: the new `flushed_offset`. After an error the log is offline.
    pub fn finish_flush(&mut self, done: FlushDone) -> Result<i64, LogError> {
        let round = self.unflushed.round.take();
        if let Some(reason) = &self.offline {
            return Err(LogError::Offline { reason: reason.clone() });
        }
        let round = round.expect("a round is under way until it is finished");
        if let Err(error) = done.data {
            self.go_offline(format!("a flush failed: {error}"));
            return Err(error);
        }
        let dirty_before = self.dirty_bytes();
        self.note_round(&round);
        let flushed_bytes = dirty_before - self.dirty_bytes();
        self.identity.dir.node.dirty_bytes.fetch_sub(flushed_bytes, Ordering::Relaxed);
        self.flushed_offset = self.flushed_offset.max(round.target);
        if let Err(error) = done.epochs {
            // Not a failed fsync of records: they are safe, only recovery starts further back until this works.
            warn!(partition = %self.identity.partition, %error, "the leader epochs were not written: the recovery point waits");
            self.identity.dir.note_log_error(&error);
        } else {
            self.epochs_saved_version = round.epochs_version;
            self.unflushed.epochs_due = !self.unflushed.sealed.is_empty();
            // Not the flushed offset, which DeleteRecords may have raised over records that are not synced. A segment that
            // was sealed meanwhile ends at the target or behind it: recovery still looks at the whole of it.
            self.recovery_point = self.recovery_point.max(round.target);
        }
        self.identity.dir.note_flushed(&self.identity.progress, self.recovery_point, flushed_bytes);
        Ok(self.flushed_offset)
    }

    /// Whether `flush.messages`, `flush.ms` or the background flush of a write-caching log asks for a flush now.
    pub fn flush_due(&self, now: Instant) -> bool {
        let Some(since) = self.unflushed.since else { return false };
        let age = now.saturating_duration_since(since);
        let by_count = self.config.flush_messages.is_some_and(|limit| self.unflushed.records >= limit);
        let by_age = self.config.flush_ms.is_some_and(|limit| age >= Duration::from_millis(limit));
        let in_background = self.config.write_caching
            && (age >= BACKGROUND_FLUSH_INTERVAL || self.dirty_bytes() >= BACKGROUND_FLUSH_BYTES);
        by_count || by_age || in_background
    }

    /// Whether a sync of records has failed. The round that met it may still be under way, and only its end takes the log
    /// offline; but what was not written may be dropped from memory at any time, and reads then find zeros or older bytes.
    pub fn has_failed_sync(&self) -> bool {
        let sealed = self.unflushed.sealed.iter().map(|sealed| &sealed.files.log);
        sealed.chain([self.active.log()]).any(File::has_failed_sync)
    }

    /// A stretch to write back, once [`WRITEBACK_CHUNK_BYTES`] have gathered.
    pub fn take_writeback(&mut self) -> Option<WritebackHint> {
        let (offset, len) = self.active.take_writeback(WRITEBACK_CHUNK_BYTES)?;
        Some(WritebackHint { file: self.active.log().clone(), offset, len })
    }

    /// Whether a round is under way. One that was dropped may have lost an error: the log goes offline.
    pub(super) fn is_flushing(&mut self) -> bool {
        let Some(round) = &self.unflushed.round else { return false };
        if round.job.strong_count() == 0 {
            self.go_offline("a flush was abandoned".to_string());
        }
        true
    }

    fn note_round(&mut self, round: &Round) {
        let unflushed = &mut self.unflushed;
        unflushed.sealed.drain(..round.sealed);
        match unflushed.sealed.iter_mut().find(|sealed| sealed.base_offset == round.active_base_offset) {
            // Sealed meanwhile: what came after the round began is still dirty.
            Some(sealed) => sealed.dirty_bytes = sealed.size - round.active_size,
            None => self.active.note_synced(round.active_size),
        }
        unflushed.dir_changes_synced = round.dir_changes;
        if round.is_created {
            unflushed.is_created = false;
        }
        unflushed.records -= round.records;
        unflushed.since = (unflushed.records > 0).then_some(round.began);
    }
}

impl FlushJob {
    /// Runs the fsyncs.
    pub async fn run(self) -> FlushDone {
        let (data, epochs) = join(self.sync_data(), self.write_epochs()).await;
        let is_deleted = self.identity.progress.is_deleted.load(Ordering::Acquire);
        if data.is_err()
            && !is_deleted
            && let Err(error) = self.identity.dir.note_failed_flush().await
        {
            warn!(partition = %self.identity.partition, %error, "a failed flush was not noted on disk");
        }
        FlushDone { _alive: self.alive, data, epochs }
    }

    async fn write_epochs(&self) -> Result<(), LogError> {
        let Some(bytes) = &self.epochs else { return Ok(()) };
        let path = self.identity.path.join(LEADER_EPOCH_CHECKPOINT);
        let written = self.identity.dir.disk().write_atomic(&path, bytes, sites::LEADER_EPOCHS).await;
        written.map_err(LogError::io("write", &path))
    }

    async fn sync_data(&self) -> Result<(), LogError> {
        let (disk, dir) = (self.identity.dir.disk(), self.identity.path.as_path());
        let mut syncs: Vec<BoxFuture<'_, Result<(), LogError>>> = Vec::new();
        if let Some(log) = &self.log {
            syncs.push(sync_file(log, sites::SEGMENT, dir).boxed());
        }
        for sealed in &self.sealed {
            // Its file may be new: before the directory is synced.
            let txn_index = sealed.write_txn_index(disk, dir).await;
            let path = SegmentFile::TxnIndex.path(dir, sealed.base_offset);
            let txn_index = txn_index.map_err(LogError::io("write", &path))?;
            syncs.push(sealed.sync(txn_index, dir).boxed());
        }
        if self.sync_dir {
            syncs.push(sync_dir(disk, dir, sites::PARTITION_DIR).boxed());
        }
        if self.created {
            syncs.push(self.identity.write_metadata().boxed());
            syncs.push(sync_dir(disk, self.identity.dir.path(), sites::LOG_DIR).boxed());
        }
        // All are waited for, also after an error: none may go on behind the log's back.
        join_all(syncs).await.into_iter().collect()
    }
}

impl WritebackHint {
    /// Starts the writeback.
    pub async fn run(self) {
        self.file.start_writeback(self.offset, self.len).await;
    }
}

/// Syncs a file; `path` is for the error.
pub(crate) async fn sync_file(file: &File, site: &'static str, path: &Path) -> Result<(), LogError> {
    file.sync(site).await.map_err(LogError::io("sync", path))
}

/// Syncs the names in a directory.
pub(crate) async fn sync_dir(disk: &Disk, path: &Path, site: &'static str) -> Result<(), LogError> {
    disk.sync_dir(path, site).await.map_err(LogError::io("sync", path))
}
