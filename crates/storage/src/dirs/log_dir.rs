//! One log directory: its state, its checkpoints, and what is known of the logs in it.

use super::checkpoint::DurableOffsets;
use super::marker::{self, LastRun, Shutdown};
use super::openings::Openings;
use super::removals::Removals;
use crate::limits::{CHECKPOINT_LAG_BYTES_MAX, CLEANER_FREE_PART, FREE_BYTES_MIN, FREE_BYTES_RESUME, FREE_PART_MIN};
use crate::segment::SegmentCache;
use crate::{AppendError, LogError};
use ottla_runtime::{Disk, Instant, LockGuard, Runtime, Space, is_disk_full};
use ottla_types::{TopicPartition, Uuid};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::{error, info, warn};

/// Whether a log directory takes appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogDirState {
    /// It does.
    Online,
    /// Its file system has no space: appends are refused, reads go on; it comes back by itself.
    Full,
    /// It failed, for this reason; only its own partitions are affected. It comes back with a restart.
    Offline(String),
}

/// One of `log.dirs`.
#[derive(Debug)]
pub struct LogDir {
    pub(crate) rt: Runtime,
    pub(super) path: PathBuf,
    pub(super) id: Uuid,
    pub(super) last_run: LastRun,
    pub(crate) recovery_points: DurableOffsets,
    pub(crate) log_starts: DurableOffsets,
    /// How far each log is compacted.
    pub(crate) cleaned: DurableOffsets,
    pub(crate) node: Arc<NodeState>,
    pub(super) state: Mutex<LogDirState>,
    /// Whether `state` is `Online`: what an append asks.
    pub(super) is_online: AtomicBool,
    pub(super) had_failed_flush: AtomicBool,
    /// Held while the dirty marker is written.
    pub(super) marking: tokio::sync::Mutex<()>,
    pub(super) has_unopened_logs: AtomicBool,
    pub(super) logs: Mutex<BTreeMap<TopicPartition, Arc<LogProgress>>>,
    pub(super) removals: Mutex<Removals>,
    /// Bytes flushed since the recovery points were last taken over.
    pub(super) flushed_bytes: AtomicU64,
    /// There are many: the recovery points are to be checkpointed before their time.
    pub(super) many_flushed: tokio::sync::Notify,
    pub(super) openings: Openings,
    pub(super) _lock: LockGuard,
}

/// What all logs of the node share.
#[derive(Debug, Default)]
pub(crate) struct NodeState {
    /// Open sealed segments.
    pub(crate) cache: SegmentCache,
    /// Unflushed bytes of all logs.
    pub(crate) dirty_bytes: AtomicU64,
    /// Numbers for logs, unique in this process.
    pub(crate) next_log: AtomicU64,
    /// Where logs are to be created that do not exist yet, by the id of the directory.
    pub(crate) preferred: Mutex<BTreeMap<TopicPartition, Uuid>>,
}

/// What a log tells its directory without being locked.
#[derive(Debug, Default)]
pub(crate) struct LogProgress {
    /// Everything below is durable, and so is what recovery needs to start there.
    pub(crate) recovery_point: AtomicI64,
    /// The log start offset that a power loss does not take back.
    pub(crate) durable_log_start: AtomicI64,
    /// Whether the log was deleted: what its jobs still meet does not matter.
    pub(crate) is_deleted: AtomicBool,
    /// Whether the log was closed with everything durable.
    pub(crate) is_closed: AtomicBool,
}

impl LogDir {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Kafka's directory id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether it takes appends.
    pub fn state(&self) -> LogDirState {
        lock(&self.state).clone()
    }

    /// Number of logs that are open in it.
    pub fn log_count(&self) -> usize {
        lock(&self.logs).len()
    }

    /// Space of its file system.
    pub async fn space(&self) -> Result<Space, LogError> {
        self.disk().space(&self.path).await.map_err(LogError::io("measure the space of", &self.path))
    }

    /// Bytes that log compaction may take for what it writes, before it gives the space of the old segments back.
    pub(crate) async fn room_for_cleaning(&self) -> Result<u64, LogError> {
        let Space { total, available } = self.space().await?;
        let reserve = FREE_BYTES_MIN.min(total / FREE_PART_MIN) / CLEANER_FREE_PART;
        // However little is left, what hardly leaves anything may be cleaned: it frees the most.
        Ok(available - reserve.min(available / 2))
    }

    /// Bytes that copies of logs from other directories may take: the logs that are here keep twice what makes the directory
    /// full.
    pub(crate) async fn room_for_copies(&self) -> Result<u64, LogError> {
        let Space { total, available } = self.space().await?;
        Ok(available.saturating_sub(2 * FREE_BYTES_MIN.min(total / FREE_PART_MIN)))
    }

    /// How the run before this one ended.
    pub fn last_shutdown(&self) -> Shutdown {
        self.last_run.shutdown
    }

    pub(crate) fn disk(&self) -> &Disk {
        self.rt.disk()
    }

    /// Refuses appends to a directory that is full or offline.
    pub(crate) fn check_writable(&self) -> Result<(), AppendError> {
        if self.is_online.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.state() {
            LogDirState::Online => Ok(()),
            LogDirState::Full => Err(AppendError::DiskFull { dir: self.path.clone() }),
            LogDirState::Offline(reason) => Err(AppendError::Offline { reason }),
        }
    }

    /// Takes note of a failed write: a full disk makes the directory full.
    pub(crate) fn note_error(&self, error: &io::Error) {
        if is_disk_full(error) {
            self.set_full(None);
        }
    }

    /// As [`LogDir::note_error`].
    pub(crate) fn note_log_error(&self, error: &LogError) {
        if error.is_disk_full() {
            self.set_full(None);
        }
    }

    /// As [`LogDir::note_error`]. A directory whose own files cannot be written is offline.
    pub(super) fn note_own_error(&self, error: &LogError) {
        match error.is_disk_full() {
            true => self.set_full(None),
            false => self.set_offline(error.to_string()),
        }
    }

    /// Looks at the free space: the directory becomes full, or takes appends again.
    pub(super) async fn probe_space(&self) {
        let Space { total, available } = match self.space().await {
            Ok(space) => space,
            Err(error) => return self.set_offline(error.to_string()),
        };
        match self.state() {
            LogDirState::Online if available < FREE_BYTES_MIN.min(total / FREE_PART_MIN) => {
                self.set_full(Some(available))
            }
            LogDirState::Full if available >= FREE_BYTES_RESUME.min(2 * total / FREE_PART_MIN) => {
                info!(log_dir = %self.path.display(), available, "there is space again: the log directory takes appends");
                *lock(&self.state) = LogDirState::Online;
                self.is_online.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Brings the recovery points of all open logs to disk, if they moved.
    pub(super) async fn checkpoint_recovery_points(&self) {
        if let LogDirState::Offline(_) = self.state() {
            return;
        }
        self.set_recovery_points();
        match self.recovery_points.flush(self.disk()).await {
            Ok(()) => {}
            // The next time comes soon.
            Err(error) if error.is_out_of_files() => {
                warn!(log_dir = %self.path.display(), %error, "the recovery points were not written");
            }
            Err(error) => self.note_own_error(&error),
        }
    }

    /// Takes over the recovery points that the open logs have reached.
    pub(super) fn set_recovery_points(&self) {
        self.flushed_bytes.store(0, Ordering::Relaxed);
        let logs: Vec<_> = lock(&self.logs).iter().map(|(partition, log)| (partition.clone(), log.clone())).collect();
        for (partition, progress) in logs {
            let reached = progress.recovery_point.load(Ordering::Acquire);
            self.if_open(&partition, &progress, || self.recovery_points.set(&partition, reached));
        }
    }

    /// A log was opened or created.
    pub(crate) fn register(&self, partition: &TopicPartition, progress: Arc<LogProgress>) {
        lock(&self.logs).insert(partition.clone(), progress);
    }

    /// Sets a log start offset to be made durable, unless the log is no longer the one that is open here.
    pub(crate) fn raise_log_start(&self, partition: &TopicPartition, progress: &Arc<LogProgress>, offset: i64) {
        self.if_open(partition, progress, || self.log_starts.raise(partition, offset));
    }

    /// A log is compacted up to `offset`; unless it is no longer the one that is open here.
    pub(crate) fn set_cleaned(&self, partition: &TopicPartition, progress: &Arc<LogProgress>, offset: i64) {
        self.if_open(partition, progress, || self.cleaned.set(partition, offset));
    }

    /// Sets a recovery point to be made durable, before housekeeping does; with the same exception.
    pub(crate) fn raise_recovery_point(&self, partition: &TopicPartition, progress: &Arc<LogProgress>, offset: i64) {
        self.if_open(partition, progress, || self.recovery_points.raise(partition, offset));
    }

    /// A log that was deleted must leave no offset behind for one that is made under its name: the change is made under the lock that
    /// a deletion needs.
    fn if_open(&self, partition: &TopicPartition, progress: &Arc<LogProgress>, change: impl FnOnce()) {
        let logs = lock(&self.logs);
        if logs.get(partition).is_some_and(|open| Arc::ptr_eq(open, progress)) {
            change();
        }
    }

    /// A log is no longer here.
    pub(super) fn unregister(&self, partition: &TopicPartition) {
        lock(&self.logs).remove(partition);
        self.recovery_points.remove(partition);
        self.log_starts.remove(partition);
        self.cleaned.remove(partition);
    }

    /// A log's flush made `bytes` durable up to `recovery_point`.
    pub(crate) fn note_flushed(&self, progress: &LogProgress, recovery_point: i64, bytes: u64) {
        progress.recovery_point.store(recovery_point, Ordering::Release);
        let flushed = self.flushed_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if flushed >= CHECKPOINT_LAG_BYTES_MAX {
            self.many_flushed.notify_one();
        }
    }

    /// A fsync failed: after a crash this boot's page cache must not be believed.
    pub(crate) async fn note_failed_flush(&self) -> Result<(), LogError> {
        self.had_failed_flush.store(true, Ordering::Relaxed);
        // Several logs may come at once, and a sync that fails for one of two writers is not heard by the other.
        let _marking = self.marking.lock().await;
        marker::write_failed_flush(self.disk(), &self.path, &self.rt.boot_id()).await
    }

    /// Removes a file or directory at `due`.
    pub(crate) fn remove_later(&self, due: Instant, path: PathBuf, is_dir: bool) {
        lock(&self.removals).push(due, path, is_dir);
    }

    fn set_full(&self, available: Option<u64>) {
        let mut state = lock(&self.state);
        if *state == LogDirState::Online {
            error!(
                log_dir = %self.path.display(), available,
                "the file system is full: writes are refused until there is space again, reads go on"
            );
            *state = LogDirState::Full;
            self.is_online.store(false, Ordering::Relaxed);
        }
    }

    fn set_offline(&self, reason: String) {
        let mut state = lock(&self.state);
        if !matches!(*state, LogDirState::Offline(_)) {
            error!(
                log_dir = %self.path.display(), reason,
                "the log directory is offline, with all its partitions. Next step: repair the disk and restart the node"
            );
            *state = LogDirState::Offline(reason);
            self.is_online.store(false, Ordering::Relaxed);
        }
    }
}

/// Every step under these locks leaves the state consistent, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
