//! Opening a log: from the files of its directory to a [`Log`] whose records are all durable.
//!
//! 1. Leftovers of deletions and compactions are removed or completed; segments below the log start offset go, unless the
//!    producer state has to be found in them. A sealed segment that is missing below the recovery point is damage ([`chain`]).
//! 2. After a clean shutdown the last segment's tail is read to find the log end offset.
//! 3. Otherwise every batch from the segment of the recovery point on is read and checked ([`scan`]). Nothing is changed
//!    until it is decided what the first invalid batch means ([`verdict`]):
//!    below the recovery point it is damage; above it, after a power loss, it is the end of the log, and what follows is
//!    cut and kept in a side file; after a process crash only a torn last write may be cut.
//! 4. What was scanned gets new indexes, producer snapshots and leader epochs, and all of it is synced before use.

mod chain;
mod clean;
mod cut;
mod inventory;
mod leftovers;
mod replay;
mod save;
mod scan;
mod verdict;

pub(crate) use chain::may_end_early;
pub(crate) use cut::keep_bytes;
pub(crate) use inventory::{Inventory, remove_if_there};
pub(crate) use replay::apply as apply_batch;

use crate::dirs::{LogDir, LogProgress, Place, Shutdown};
use crate::files::SegmentFile;
use crate::leader_epoch_cache::LeaderEpochCache;
use crate::log::{Log, LogIdentity, LogParts, Unflushed, sync_dir};
use crate::producer_state::{ProducerState, ProducerStateConfig};
use crate::segment::{ActiveSegment, Segment, create_log_file};
use crate::{LogConfig, LogError, sites};
use ottla_runtime::{Disk, File};
use ottla_types::{TopicPartition, Uuid};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Which log to open, and what is known about it.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    pub(crate) dir: Arc<LogDir>,
    pub(crate) path: PathBuf,
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: Option<Uuid>,
    pub(crate) config: LogConfig,
    pub(crate) mode: OpenMode,
    /// The last run was one of this program: it made a log start offset durable before it deleted a segment.
    pub(crate) was_ours: bool,
    /// The page cache may hold bytes that are not on disk although an fsync said so or was never asked: write them again.
    pub(crate) is_cache_suspect: bool,
}

/// How much of the files can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// As the last run left them.
    After(Shutdown),
    /// An fsync failed: nothing from this offset on.
    FlushedTo(i64),
}

/// What opening a log found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Bytes of batches that were read and checked.
    pub scanned_bytes: u64,
    /// What was cut off the end.
    pub cut: Option<Cut>,
    /// Offset of the first record after the log was emptied, because it ended below its log start offset.
    pub emptied_at: Option<i64>,
}

/// The end of a log that recovery or repair cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The first offset that was cut: the log now ends here.
    pub offset: i64,
    /// Bytes that were cut.
    pub bytes: u64,
    /// What was wrong with the first batch that was cut.
    pub reason: String,
    /// Files that hold the bytes; none for a single torn write, which was never whole.
    pub kept_in: Vec<PathBuf>,
}

/// Offsets that the log directory's checkpoints know.
#[derive(Debug, Clone, Copy)]
struct Checkpointed {
    recovery_point: i64,
    /// Below this everything was synced. After a failed fsync that may be less than the recovery point, the flushed offset:
    /// DeleteRecords raises that over records that no sync has covered.
    synced_offset: i64,
    log_start_offset: i64,
}

/// A log found on disk, in memory: what [`LogParts`] is made of.
#[derive(Debug)]
struct Loaded {
    /// Sizes of the sealed segments.
    sealed: BTreeMap<i64, Segment>,
    active: ActiveSegment,
    log_end_offset: i64,
    producers: ProducerState,
    epochs: LeaderEpochCache,
    last_snapshot_offset: Option<i64>,
    /// Every file is on stable storage as it was found.
    is_as_closed: bool,
    /// What waits for the first flush.
    unflushed: Unflushed,
    report: RecoveryReport,
}

/// Opens the log. With a `place` it waits for its turn before it reads much.
pub(crate) async fn open(
    request: OpenRequest,
    place: Option<&mut Place<'_>>,
) -> Result<(Log, RecoveryReport), LogError> {
    let disk = request.dir.disk().clone();
    let checkpointed = request.checkpointed();
    let mut inventory = leftovers::clean_up(&disk, &request.path).await?;
    replay::drop_deleted(&request, &disk, &mut inventory, checkpointed.log_start_offset).await?;
    let gap = verdict::judge_start(&request, &inventory, checkpointed)?;
    if !gap {
        chain::check(&request, &disk, checkpointed, &inventory).await?;
    }
    let loaded = match (inventory.is_empty(), request.mode) {
        (true, _) => request.start_empty(&disk, checkpointed, &inventory).await?,
        (false, _) if gap => cut::apply_to_all(&request, &disk, checkpointed, &inventory).await?,
        (false, OpenMode::After(shutdown)) if inventory.is_as_created() && checkpointed.is_at_zero() => {
            request.as_created(&disk, shutdown)
        }
        (false, OpenMode::After(Shutdown::Clean)) => clean::load(&request, &disk, checkpointed, &inventory).await?,
        (false, _) => scan::recover(&request, &disk, checkpointed, &inventory, place).await?,
    };
    let first_offset =
        loaded.sealed.first_key_value().map_or(loaded.active.base_offset(), |(&base_offset, _)| base_offset);
    let log_start_offset = checkpointed.log_start_offset.max(first_offset);
    let loaded = match loaded.log_end_offset < log_start_offset {
        true => request.start_over(&disk, loaded, log_start_offset).await?,
        false => loaded,
    };
    Ok(request.into_log(loaded, log_start_offset))
}

impl Checkpointed {
    fn is_at_zero(&self) -> bool {
        self.recovery_point == 0 && self.log_start_offset == 0
    }
}

impl OpenRequest {
    fn checkpointed(&self) -> Checkpointed {
        let saved = self.recovery_point().unwrap_or(0);
        let recovery_point = match self.mode {
            OpenMode::FlushedTo(offset) => offset,
            OpenMode::After(_) => saved,
        };
        let log_start_offset = self.dir.log_starts.get(&self.partition).unwrap_or(0);
        Checkpointed { recovery_point, synced_offset: saved.min(recovery_point), log_start_offset }
    }

    /// What the log directory's checkpoint has, or has in memory since.
    fn recovery_point(&self) -> Option<i64> {
        self.dir.recovery_points.get(&self.partition)
    }

    /// The log of a directory without segments: new, or its creation was not durable yet.
    async fn start_empty(
        &self,
        disk: &Disk,
        checkpointed: Checkpointed,
        inventory: &Inventory,
    ) -> Result<Loaded, LogError> {
        let offset = checkpointed.log_start_offset;
        if checkpointed.recovery_point > offset {
            return Err(LogError::Damaged {
                directory: self.path.clone(),
                path: self.path.clone(),
                position: 0,
                offset,
                reason: format!("all segments are gone, but the log was flushed up to {}", checkpointed.recovery_point),
            });
        }
        inventory.remove_snapshots(disk, &self.path, |_| true).await?;
        let loaded = self.loaded_at(disk, offset).await?;
        save::sync_names(self, disk).await?;
        Ok(loaded)
    }

    /// A log that nothing was ever flushed to: as it was right after its creation, its names waiting for the first flush.
    /// Also after a clean shutdown, which syncs nothing of such a log.
    fn as_created(&self, disk: &Disk, shutdown: Shutdown) -> Loaded {
        let log = disk.open_later(&SegmentFile::Log.path(&self.path, 0));
        let is_as_closed = shutdown == Shutdown::Clean;
        Loaded { unflushed: Unflushed::created(), is_as_closed, ..self.loaded_empty(0, log) }
    }

    fn loaded_empty(&self, offset: i64, log: File) -> Loaded {
        Loaded {
            sealed: BTreeMap::new(),
            active: self.active(offset, log),
            log_end_offset: offset,
            producers: ProducerState::new(self.producer_config(), offset),
            epochs: LeaderEpochCache::new(),
            last_snapshot_offset: None,
            is_as_closed: false,
            unflushed: Unflushed::default(),
            report: RecoveryReport::default(),
        }
    }

    /// Everything that was found lies below the log start offset: an empty log takes its place.
    async fn start_over(&self, disk: &Disk, found: Loaded, offset: i64) -> Result<Loaded, LogError> {
        let found_end = found.log_end_offset;
        tracing::warn!(
            partition = %self.partition, log_end_offset = found_end, log_start_offset = offset,
            "the log ended below its log start offset: nothing of it is left"
        );
        let report = RecoveryReport { emptied_at: Some(offset), ..found.report };
        let loaded = self.loaded_at(disk, offset).await?;
        save::write_epochs(self, disk, &loaded.epochs).await?;
        save::sync_names(self, disk).await?;
        let inventory = Inventory::take(disk, &self.path).await?;
        inventory.remove_segments(disk, &self.path, |base_offset| base_offset < offset).await?;
        // Before the recovery point rises: a segment that a power loss brings back does not reach up to the new one.
        sync_dir(disk, &self.path, sites::RECOVERED_DIR).await?;
        Ok(Loaded { report, ..loaded })
    }

    /// A log of one empty segment at `offset`, which is made.
    async fn loaded_at(&self, disk: &Disk, offset: i64) -> Result<Loaded, LogError> {
        let log = create_log_file(disk, &self.path, offset).await;
        let log = log.map_err(LogError::io("create a segment in", &self.path))?;
        Ok(self.loaded_empty(offset, log))
    }

    fn producer_config(&self) -> ProducerStateConfig {
        ProducerStateConfig { expiration_ms: self.config.producer_id_expiration_ms, ..ProducerStateConfig::default() }
    }

    fn now_ms(&self) -> i64 {
        self.dir.rt.wall_clock_ms()
    }

    fn active(&self, base_offset: i64, log: File) -> ActiveSegment {
        let rt = &self.dir.rt;
        let jitter_ms = self.config.draw_jitter_ms(rt);
        ActiveSegment::new(base_offset, log, self.config.index_interval_bytes, rt.wall_clock_ms(), jitter_ms)
    }

    fn sealed(&self, base_offset: i64, size: u64) -> Segment {
        let now_ms = self.dir.rt.wall_clock_ms();
        Segment::new(&self.path, base_offset, size, self.config.index_interval_bytes, now_ms)
    }

    fn into_log(self, loaded: Loaded, log_start_offset: i64) -> (Log, RecoveryReport) {
        let mut epochs = loaded.epochs;
        epochs.truncate_from_end(loaded.log_end_offset);
        epochs.truncate_from_start(log_start_offset);
        let mut producers = loaded.producers;
        producers.on_log_start_incremented(log_start_offset);
        let identity = LogIdentity {
            number: self.dir.node.next_log.fetch_add(1, Ordering::Relaxed),
            dir: self.dir,
            path: self.path,
            partition: self.partition,
            topic_id: self.topic_id,
            progress: Arc::new(LogProgress::default()),
        };
        // A log that Kafka made may have no offset there, or an older one.
        identity.dir.log_starts.raise(&identity.partition, log_start_offset);
        // What is appended where the log was cut has not been compacted.
        identity.dir.cleaned.lower(&identity.partition, loaded.log_end_offset);
        let parts = LogParts {
            identity: Arc::new(identity),
            config: self.config,
            segments: loaded.sealed.into_iter().map(|(base, segment)| (base, Arc::new(segment))).collect(),
            active: loaded.active,
            log_start_offset,
            log_end_offset: loaded.log_end_offset,
            producers,
            epochs,
            last_snapshot_offset: loaded.last_snapshot_offset,
            is_as_closed: loaded.is_as_closed,
            unflushed: loaded.unflushed,
        };
        (Log::from_parts(parts), loaded.report)
    }

    fn damaged(&self, path: &Path, position: u64, offset: i64, reason: String) -> LogError {
        LogError::Damaged { directory: self.path.clone(), path: path.to_path_buf(), position, offset, reason }
    }
}
