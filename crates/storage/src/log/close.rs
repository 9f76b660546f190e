//! The clean end of a log: everything durable, so that the next start has nothing to recover.

use super::{FlushJob, Log, sync_file};
use crate::files::{LEADER_EPOCH_CHECKPOINT, SegmentFile};
use crate::segment::{SealedFiles, SegmentFiles};
use crate::{LogError, sites};
use ottla_runtime::{File, OpenMode};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Log {
    /// Flushes records, indexes, producer state and leader epochs, and closes the log. No other job of the log may be
    /// under way. After an error the log was not closed cleanly and will be recovered.
    pub async fn close(mut self) -> Result<(), LogError> {
        let is_flushing = self.is_flushing();
        if let Some(reason) = &self.offline {
            return Err(LogError::Offline { reason: reason.clone() });
        }
        assert!(!is_flushing, "the caller waited for the flush that was under way");
        if self.is_unused() && (!self.is_as_closed || self.active.log().has_unsynced()) {
            // Nothing but a write that failed, here or in a run that crashed: a power loss must not bring it back.
            let log = self.active.log();
            sync_file(log, sites::SEGMENT, self.path()).await?;
            log.let_go();
        }
        if self.is_as_opened() || self.is_unused() {
            self.identity.progress.is_closed.store(true, Ordering::Release);
            return Ok(());
        }
        let path = self.path().to_path_buf();
        let indexes = self.active.seal_indexes();
        let (base_offset, log) = (self.active.base_offset(), self.active.log().clone());
        let files = SegmentFiles::write(self.disk(), &path, base_offset, log, &indexes).await;
        let files = files.map_err(LogError::io("write the indexes of", &path))?;
        let snapshot = self.write_snapshot().await?;
        self.unflushed.push_sealed(SealedFiles {
            base_offset,
            size: self.active.size(),
            dirty_bytes: 0,
            files,
            aborted: Arc::from(self.active.aborted()),
            snapshot,
        });
        let job: FlushJob = self.start_round();
        let done = job.run().await;
        self.finish_flush(done)?;
        if self.recovery_point < self.log_end_offset {
            let path = path.join(LEADER_EPOCH_CHECKPOINT);
            return Err(LogError::Offline { reason: format!("{} was not written", path.display()) });
        }
        self.identity.progress.is_closed.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether nothing happened since a clean start. A recovery leaves the indexes of the active segment in memory alone: its log is
    /// never as it was opened.
    fn is_as_opened(&self) -> bool {
        let is_saved =
            self.is_as_closed && self.last_snapshot_offset == Some(self.log_end_offset) && self.dirty_bytes() == 0;
        let is_untouched = self.unflushed.is_empty() && self.epochs_version == self.epochs_saved_version;
        is_saved && is_untouched
    }

    /// Whether nothing was ever in the log: none of its files has to be there at the next start.
    fn is_unused(&self) -> bool {
        let is_empty = self.log_end_offset == 0 && self.active.size() == 0 && self.segments.is_empty();
        is_empty && self.unflushed.sealed.is_empty() && self.epochs_version == 0 && self.epochs.latest_epoch().is_none()
    }

    async fn write_snapshot(&mut self) -> Result<Option<File>, LogError> {
        if self.last_snapshot_offset == Some(self.log_end_offset) {
            return Ok(None);
        }
        let path = SegmentFile::Snapshot.path(&self.identity.path, self.log_end_offset);
        let file = self.disk().open(&path, OpenMode::Create).await.map_err(LogError::io("create", &path))?;
        file.set_len(0).map_err(LogError::io("cut", &path))?;
        file.write_at(0, &[&self.producers.encode_snapshot()]).map_err(LogError::io("write", &path))?;
        Ok(Some(file))
    }
}
