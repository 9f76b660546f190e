//! [`Log`]: one partition's log.
//!
//! The caller holds the partition's lock around every method that takes `&mut self`; none of them awaits. What takes
//! longer is a job: `begin_…` under the lock makes it, `run` does the work on storage threads without the lock, and
//! `finish_…` under the lock takes in the result.
//!
//! Offsets of a log, in ascending order:
//! 1. `log_start_offset`: the first one that may be read.
//! 2. `recovery_point`: below it recovery has nothing to look at.
//! 3. `flushed_offset`: everything below is on stable storage.
//! 4. `log_end_offset`: where the next record goes. Everything below is in the page cache at least.
//!
//! A log goes offline when it can no longer promise this (a failed fsync, a failed write that could not be taken back);
//! then it only says so. It comes back by being opened again, from its last flushed offset.

mod append;
mod cleaning;
mod close;
mod failed;
mod flush;
mod read;
mod retention;
mod roll;
mod timestamp;
mod transactions;
mod unflushed;

pub use append::{AppendOutcome, Appended};
pub use cleaning::{Cleanable, CleaningLoad};
pub use failed::FailedLog;
pub use flush::{FlushDone, FlushJob, WritebackHint};
pub(crate) use flush::{sync_dir, sync_file};
pub use read::{LogSlice, ReadPlan};
pub use retention::{DeleteJob, LogStartJob, Retention, RetentionLoad};
pub use roll::{RollDone, RollJob};
pub use timestamp::{TimestampLookup, TimestampOffset, TimestampQuery};
pub use transactions::AbortedLookup;
pub(crate) use unflushed::Unflushed;

use crate::dirs::{LogDir, LogProgress, write_topic_id};
use crate::leader_epoch_cache::{EpochEntry, LeaderEpochCache};
use crate::producer_state::ProducerState;
use crate::segment::{ActiveSegment, Segment};
use crate::{LogConfig, LogError, sites};
use ottla_runtime::Instant;
use ottla_types::{LeaderEpoch, TopicPartition, Uuid};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use tracing::error;

/// The sealed segments by base offset. Jobs keep the map they were made with; a change makes a new one.
pub(crate) type Segments = Arc<BTreeMap<i64, Arc<Segment>>>;

/// One partition's log. See the module's story.
#[derive(Debug)]
pub struct Log {
    pub(crate) identity: Arc<LogIdentity>,
    pub(crate) config: LogConfig,
    pub(crate) segments: Segments,
    pub(crate) active: ActiveSegment,
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) flushed_offset: i64,
    pub(crate) recovery_point: i64,
    producers: ProducerState,
    pub(crate) epochs: LeaderEpochCache,
    /// Counts the changes of `epochs`, and those that the leader epoch checkpoint has.
    pub(crate) epochs_version: u64,
    pub(crate) epochs_saved_version: u64,
    /// Offset of the last producer snapshot on disk.
    last_snapshot_offset: Option<i64>,
    /// The last run closed it, and this one found every file as it was left.
    pub(crate) is_as_closed: bool,
    pub(crate) unflushed: Unflushed,
    /// Alive while a roll is under way.
    pub(crate) roll: Weak<()>,
    /// A roll was begun; nothing is appended before it is finished.
    pub(crate) is_roll_due: bool,
    /// Some until a cleaning that was begun is finished.
    cleaning: Option<cleaning::Cleaning>,
    /// The log is being copied to another log directory: its segments stay as they are.
    pub(crate) is_moving: bool,
    pub(crate) offline: Option<String>,
}

/// What does not change while a log is open.
#[derive(Debug)]
pub(crate) struct LogIdentity {
    pub(crate) dir: Arc<LogDir>,
    pub(crate) path: PathBuf,
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: Option<Uuid>,
    /// Unique in this process.
    pub(crate) number: u64,
    pub(crate) progress: Arc<LogProgress>,
}

/// What opening or creating a log found out.
#[derive(Debug)]
pub(crate) struct LogParts {
    pub(crate) identity: Arc<LogIdentity>,
    pub(crate) config: LogConfig,
    pub(crate) segments: BTreeMap<i64, Arc<Segment>>,
    pub(crate) active: ActiveSegment,
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) producers: ProducerState,
    pub(crate) epochs: LeaderEpochCache,
    pub(crate) last_snapshot_offset: Option<i64>,
    pub(crate) is_as_closed: bool,
    pub(crate) unflushed: Unflushed,
}

impl LogIdentity {
    /// Writes the file with the topic id again and syncs it: what became of the first write, at the log's creation, nobody saw.
    async fn write_metadata(&self) -> Result<(), LogError> {
        let Some(topic_id) = self.topic_id else { return Ok(()) };
        let metadata = write_topic_id(&self.dir, &self.path, topic_id).await?;
        sync_file(&metadata, sites::PARTITION_METADATA, &self.path).await
    }
}

impl Log {
    /// A log whose records are all durable.
    pub(crate) fn from_parts(parts: LogParts) -> Log {
        let recovery_point = parts.log_end_offset;
        parts.identity.progress.recovery_point.store(recovery_point, Ordering::Release);
        parts.identity.progress.durable_log_start.store(parts.log_start_offset, Ordering::Release);
        parts.identity.dir.register(&parts.identity.partition, parts.identity.progress.clone());
        Log {
            identity: parts.identity,
            config: parts.config,
            segments: Arc::new(parts.segments),
            active: parts.active,
            log_start_offset: parts.log_start_offset,
            log_end_offset: parts.log_end_offset,
            flushed_offset: parts.log_end_offset,
            recovery_point,
            producers: parts.producers,
            epochs: parts.epochs,
            epochs_version: 0,
            epochs_saved_version: 0,
            last_snapshot_offset: parts.last_snapshot_offset,
            is_as_closed: parts.is_as_closed,
            unflushed: parts.unflushed,
            roll: Weak::new(),
            is_roll_due: false,
            cleaning: None,
            is_moving: false,
            offline: None,
        }
    }

    /// Topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.identity.partition
    }

    /// The topic's id.
    pub fn topic_id(&self) -> Option<Uuid> {
        self.identity.topic_id
    }

    /// The log directory that holds the log.
    pub fn log_dir(&self) -> &Arc<LogDir> {
        &self.identity.dir
    }

    /// The partition's directory.
    pub fn path(&self) -> &Path {
        &self.identity.path
    }

    /// The configs in effect.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// New configs; those of segments apply from the next roll on.
    pub fn apply_config(&mut self, config: LogConfig) {
        self.producers.set_expiration_ms(config.producer_id_expiration_ms);
        self.config = config;
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset
    }

    /// The offset of the next record.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end_offset
    }

    /// Everything below is on stable storage.
    pub fn flushed_offset(&self) -> i64 {
        self.flushed_offset
    }

    /// Below it recovery has nothing to look at.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point
    }

    /// First offset of the active segment: a read below it never gets more by waiting.
    pub fn active_base_offset(&self) -> i64 {
        self.active.base_offset()
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.size()).sum::<u64>() + self.active.size()
    }

    /// Number of segments, the active one included.
    pub fn segment_count(&self) -> usize {
        self.segments.len() + 1
    }

    /// Bytes that are not on stable storage yet.
    pub fn dirty_bytes(&self) -> u64 {
        self.unflushed.sealed_bytes() + self.active.dirty_bytes()
    }

    /// When the oldest unflushed record was appended.
    pub fn dirty_since(&self) -> Option<Instant> {
        self.unflushed.since
    }

    /// Why the log is offline, if it is; the text names the next step.
    pub fn offline_reason(&self) -> Option<&str> {
        self.offline.as_deref()
    }

    /// Epoch of the last leader that appended here.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest_epoch()
    }

    /// Epoch of the leader that appended the record at `offset`; `None` if it is not known.
    pub fn leader_epoch_at(&self, offset: i64) -> Option<LeaderEpoch> {
        self.present_epochs().epoch_for_offset(offset)
    }

    /// Where the records of leader epoch `requested` end (KIP-101): the largest epoch not above it and the offset after
    /// its last record. `current` is the present leader's epoch and where its first record is or will be, so that older
    /// epochs without records have an end, too. `None` for an epoch that is above it.
    pub fn offset_for_leader_epoch(&self, requested: LeaderEpoch, current: EpochEntry) -> Option<(LeaderEpoch, i64)> {
        // What consumers ask with nearly every fetch.
        if requested == current.epoch {
            return Some((requested, self.log_end_offset));
        }
        self.epochs_led_by(current).end_offset_for(requested, self.log_end_offset)
    }

    /// Epoch of the first record that is present, or of the present leader if there is none.
    pub fn earliest_epoch(&self, current: EpochEntry) -> Option<LeaderEpoch> {
        self.epochs_led_by(current).epoch_for_offset(self.log_start_offset)
    }

    fn epochs_led_by(&self, current: EpochEntry) -> LeaderEpochCache {
        let mut epochs = self.present_epochs();
        epochs.assign(current.epoch, current.start_offset.clamp(self.log_start_offset, self.log_end_offset));
        epochs
    }

    /// The epochs of the records from the log start offset on. What is kept beyond them is needed if a power loss takes
    /// the log start offset back.
    pub(crate) fn present_epochs(&self) -> LeaderEpochCache {
        let mut epochs = self.epochs.clone();
        epochs.truncate_from_start(self.log_start_offset);
        epochs
    }

    /// Takes the log offline.
    fn go_offline(&mut self, reason: String) {
        error!(
            partition = %self.identity.partition, path = %self.identity.path.display(), reason,
            "the log is offline; it is opened again from its last flushed offset"
        );
        self.offline.get_or_insert(reason);
    }

    fn disk(&self) -> &ottla_runtime::Disk {
        self.identity.dir.disk()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.identity.dir.node.dirty_bytes.fetch_sub(self.dirty_bytes(), Ordering::Relaxed);
        self.identity.dir.node.cache.remove_log(self.identity.number);
    }
}
