//! The end of a move: the copy becomes the log, or does not.

use super::copy::{Copied, FutureLog, MoveContext};
use super::marker::MoveMarker;
use super::{MoveError, MoveSource, MovedFrom};
use crate::checkpoints::PartitionMetadata;
use crate::dirs::LogDir;
use crate::files::{self, LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, SegmentFile};
use crate::log::sync_dir;
use crate::segment::create_log_file;
use crate::{LogDirs, LogError, sites};
use ottla_runtime::File;
use ottla_types::{TopicPartition, Uuid};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A copy that took the place of its source.
#[derive(Debug)]
pub struct Moved {
    pub(super) dir: Arc<LogDir>,
    pub(super) path: PathBuf,
    pub(super) topic_id: Uuid,
    /// Where the new, empty active segment begins.
    pub(super) base_offset: i64,
    pub(super) log: File,
}

/// A copy that is complete and durable, and not decided on.
#[derive(Debug)]
pub struct PreparedMove(());

impl FutureLog {
    /// Completes the copy of a settled source ([`crate::Log::is_settled`]): everything before the decision. May be given up at
    /// any moment, and begun again.
    ///
    /// # Panics
    /// If the source was not settled: that is the caller's to see to.
    pub async fn prepare(&mut self, source: &MoveSource, context: MoveContext<'_>) -> Result<PreparedMove, MoveError> {
        assert!(source.is_settled, "appends were stopped, and everything flushed, before the decision");
        self.copy(source, context).await?;
        self.copy_cuts(source, context).await?;
        self.complete(source).await?;
        self.checkpoint(source).await?;
        Ok(PreparedMove(()))
    }

    /// The decision itself: puts the copy in its place, durably. After `Stopped` and `Failed` the source is the log, as before;
    /// the caller drops the copy.
    pub async fn take_place(&self, source: &MoveSource, _prepared: PreparedMove) -> Result<Moved, MoveError> {
        let place = self.dir.path().join(files::partition_dir_name(&self.partition));
        if self.disk().exists(&place).await.map_err(LogError::io("find", &place))? {
            let source = std::io::ErrorKind::AlreadyExists.into();
            return Err(LogError::Io { action: "put the moved log at", path: place, source }.into());
        }
        let marked = MoveMarker { topic_id: self.topic_id, to: self.dir.id() };
        if let Err(error) = marked.write(self.disk(), &source.identity.path).await {
            source.identity.dir.note_log_error(&error);
            return Err(self.take_back(source, error).await);
        }
        let renamed = self.disk().rename(&self.path, &place).await.map_err(LogError::io("rename", &self.path));
        if let Err(error) = renamed {
            let error = self.failed(error);
            return Err(match self.disk().exists(&place).await {
                Ok(false) => self.take_back(source, error).await,
                _ => MoveError::Undecided(error),
            });
        }
        // A sync that failed says nothing, and neither would a second one: the marker stays, and the next start looks.
        let synced = sync_dir(self.disk(), self.dir.path(), sites::MOVED_LOG_DIR).await;
        synced.map_err(|error| MoveError::Undecided(self.failed(error)))?;
        for segment in source.sealed.values() {
            segment.relocate(&place).await;
        }
        let (dir, base_offset) = (self.dir.clone(), source.active.base_offset);
        let log = self.disk().open_later(&SegmentFile::Log.path(&place, base_offset));
        Ok(Moved { dir, path: place, topic_id: self.topic_id, base_offset, log })
    }

    /// Everything but the batches: an empty active segment, producer state, leader epochs, topic id, names.
    async fn complete(&mut self, source: &MoveSource) -> Result<(), LogError> {
        let stays = |base_offset: &i64| source.sealed.contains_key(base_offset);
        let is_copy = self.copied.iter().all(|(base, copied)| stays(base) && matches!(copied, Copied::Whole));
        assert!(is_copy && self.copied.len() == source.sealed.len(), "a settled source has sealed segments only");
        let base_offset = source.active.base_offset;
        let log = create_log_file(self.disk(), &self.path, base_offset).await;
        let log = log.map_err(LogError::io("create a segment in", &self.path)).map_err(|error| self.failed(error))?;
        if let Some(bytes) = source.preallocate {
            let allocated = log.allocate(bytes).await.map_err(LogError::io("allocate in", &self.path));
            allocated.map_err(|error| self.failed(error))?;
        }
        self.copy_beside(source, base_offset, SegmentFile::Snapshot, sites::MOVED_SNAPSHOT).await?;
        let epochs = self.path.join(LEADER_EPOCH_CHECKPOINT);
        self.write_durably(&epochs, &source.epochs, sites::MOVED_EPOCHS).await?;
        let metadata = PartitionMetadata { topic_id: self.topic_id }.encode();
        self.write_durably(&self.path.join(PARTITION_METADATA), &metadata, sites::MOVED_METADATA).await?;
        sync_dir(self.disk(), &self.path, sites::MOVED_DIR).await
    }

    /// What the checkpoints of the source's log directory know of the log, the target's know before the switch.
    async fn checkpoint(&self, source: &MoveSource) -> Result<(), LogError> {
        let (dir, partition) = (&self.dir, &self.partition);
        dir.recovery_points.set(partition, source.flushed_offset);
        dir.log_starts.set(partition, source.log_start_offset);
        match source.identity.dir.cleaned.get(partition) {
            Some(offset) => dir.cleaned.set(partition, offset),
            None => dir.cleaned.remove(partition),
        }
        for offsets in [&dir.recovery_points, &dir.log_starts, &dir.cleaned] {
            offsets.flush(self.disk()).await.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// The decision did not fall: the source may be used again.
    async fn take_back(&self, source: &MoveSource, error: LogError) -> MoveError {
        match MoveMarker::remove(self.disk(), &source.identity.path).await {
            Ok(()) => MoveError::Failed(error),
            Err(second) => {
                tracing::error!(partition = %self.partition, error = %second, "a move could not be taken back");
                MoveError::Undecided(error)
            }
        }
    }
}

impl LogDirs {
    /// Takes back a decision that nobody acted on: the log went offline, or left, before the switch. The source's marker
    /// goes, and with it what keeps it from being opened again.
    ///
    /// # Errors
    /// When it cannot be taken back: neither directory may be used before a start has looked.
    pub async fn take_back_move(&self, moved: Moved, source: &MoveSource) -> Result<(), LogError> {
        let Moved { dir, path, .. } = moved;
        let partition = &source.identity.partition;
        let removed = self.rename_away(&dir, partition, &path).await?;
        sync_dir(dir.disk(), dir.path(), sites::MOVED_LOG_DIR).await?;
        dir.remove_later(self.now(), removed, true);
        MoveMarker::remove(dir.disk(), &source.identity.path).await
    }

    /// Removes what the log left behind, after `file.delete.delay.ms` as with any deletion. If this fails, or a power loss
    /// takes it back, the next start does it.
    pub async fn remove_moved(&self, from: MovedFrom, delay: Duration) -> Result<(), LogError> {
        let MovedFrom { dir, path, partition } = from;
        self.remove_source(&dir, &partition, &path, delay).await
    }

    /// Removes a source that was replaced.
    pub(super) async fn remove_source(
        &self,
        dir: &LogDir,
        partition: &TopicPartition,
        path: &Path,
        delay: Duration,
    ) -> Result<(), LogError> {
        let removed = self.rename_away(dir, partition, path).await?;
        dir.remove_later(self.now() + delay, removed, true);
        Ok(())
    }
}
