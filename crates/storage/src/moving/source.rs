//! The log's part in its move: what there is to copy, and the switch.

use crate::dirs::{LogDir, LogProgress};
use crate::log::{Log, LogIdentity, Segments, Unflushed};
use crate::moving::{FutureLog, Moved};
use ottla_runtime::File;
use ottla_types::TopicPartition;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What of a log is durable, and may be copied: taken under the lock, copied without it.
#[derive(Debug)]
pub struct MoveSource {
    pub(super) identity: Arc<LogIdentity>,
    /// The sealed segments whose files are all durable.
    pub(super) sealed: Segments,
    pub(super) active: ActiveSource,
    pub(super) log_start_offset: i64,
    pub(super) flushed_offset: i64,
    /// The leader epoch checkpoint as it is to be.
    pub(super) epochs: Vec<u8>,
    pub(super) preallocate: Option<u64>,
    /// Whether there is nothing but what is listed here.
    pub(super) is_settled: bool,
    /// Bytes of the whole log.
    pub(super) log_bytes: u64,
}

/// The active segment.
#[derive(Debug)]
pub(super) struct ActiveSource {
    pub(super) base_offset: i64,
    pub(super) file: File,
    /// Bytes that are on stable storage.
    pub(super) synced_bytes: u64,
}

/// A partition directory that is not the log's any more.
#[derive(Debug)]
pub struct MovedFrom {
    pub(super) dir: Arc<LogDir>,
    pub(super) path: PathBuf,
    pub(super) partition: TopicPartition,
}

impl MoveSource {
    /// Bytes of the log that the copy does not have.
    pub fn missing_in(&self, future: &FutureLog) -> u64 {
        self.log_bytes.saturating_sub(future.progress().bytes())
    }
}

impl Log {
    /// From now on, until [`Log::end_move`], retention and compaction leave the log alone. `false` if a compaction is still
    /// under way, or the log is offline: ask again.
    pub fn begin_move(&mut self) -> bool {
        self.is_moving = !self.is_cleaning() && self.offline.is_none();
        self.is_moving
    }

    /// The move is over without a switch.
    pub fn end_move(&mut self) {
        self.is_moving = false;
    }

    /// What can be copied now.
    pub fn move_source(&self) -> MoveSource {
        let is_durable = |base_offset: i64| !self.unflushed.has_sealed(base_offset);
        let sealed = self.segments.iter().filter(|(base_offset, _)| is_durable(**base_offset));
        MoveSource {
            identity: self.identity.clone(),
            sealed: Arc::new(sealed.map(|(&base_offset, segment)| (base_offset, segment.clone())).collect()),
            active: ActiveSource {
                base_offset: self.active.base_offset(),
                file: self.active.log().clone(),
                synced_bytes: self.active.size() - self.active.dirty_bytes(),
            },
            log_start_offset: self.log_start_offset,
            flushed_offset: self.flushed_offset,
            epochs: self.epochs.encode(),
            preallocate: self.config.preallocate.then_some(self.config.segment_bytes),
            is_settled: self.is_settled(),
            log_bytes: self.size_bytes(),
        }
    }

    /// Whether every record is durable and in a sealed segment, and nothing is under way: what a switch needs. To get
    /// there appends stop, then the log is rolled if [`Log::has_active_records`], and flushed.
    pub fn is_settled(&self) -> bool {
        let is_idle = self.roll.strong_count() == 0 && !self.is_roll_due && self.unflushed.round.is_none();
        let is_flushed = self.flushed_offset == self.log_end_offset && self.unflushed.sealed.is_empty();
        self.is_moving && self.offline.is_none() && is_idle && is_flushed && !self.has_active_records()
    }

    /// Whether the active segment holds anything.
    pub fn has_active_records(&self) -> bool {
        self.active.size() > 0
    }

    /// The switch: the log goes on in the directory that was decided for. Nothing was appended since.
    pub fn adopt(&mut self, moved: Moved) -> MovedFrom {
        assert!(self.is_settled(), "nothing is appended between the decision and the switch");
        assert_eq!(moved.base_offset, self.log_end_offset, "the copy ends where the log does");
        let old = self.identity.clone();
        let identity = LogIdentity {
            number: moved.dir.node.next_log.fetch_add(1, Ordering::Relaxed),
            dir: moved.dir,
            path: moved.path,
            partition: old.partition.clone(),
            topic_id: Some(moved.topic_id),
            progress: Arc::new(LogProgress::default()),
        };
        self.recovery_point = self.log_end_offset;
        identity.progress.recovery_point.store(self.recovery_point, Ordering::Release);
        identity.progress.durable_log_start.store(self.log_start_offset, Ordering::Release);
        identity.dir.register(&identity.partition, identity.progress.clone());
        identity.dir.node.cache.remove_log(old.number);
        // What stays of it in the old directory does not keep that from being closed cleanly.
        old.progress.is_closed.store(true, Ordering::Release);
        self.identity = Arc::new(identity);
        self.active = self.new_active(moved.base_offset, moved.log);
        self.unflushed = Unflushed::default();
        self.epochs_saved_version = self.epochs_version;
        self.is_as_closed = false;
        self.is_moving = false;
        MovedFrom { dir: old.dir.clone(), path: old.path.clone(), partition: old.partition.clone() }
    }
}
