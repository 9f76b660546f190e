//! What leaves the log at its start: retention by time and size, and DeleteRecords.
//!
//! The log start offset is durable (in the directory's checkpoint) before a segment's files are touched and before
//! DeleteRecords is answered. So a power loss that takes back some of the deletions leaves segments below the log start
//! offset, which recovery removes, and never a hole.

use super::{Log, LogIdentity};
use crate::LogError;
use crate::files::{self, SegmentFile};
use crate::segment::Segment;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::{debug, info};

/// What retention asks the caller to do. After any step but `Nothing` it is asked again.
#[derive(Debug)]
pub enum Retention {
    /// Nothing is due.
    Nothing,
    /// The highest timestamp of a segment has to be read first.
    LoadNeeded(RetentionLoad),
    /// The active segment is due: it has to be rolled and flushed first.
    RollNeeded,
    /// These segments left the log; their files are to be deleted.
    Delete(DeleteJob),
}

/// Reads what retention needs to know.
#[derive(Debug)]
pub struct RetentionLoad {
    identity: Arc<LogIdentity>,
    segment: Arc<Segment>,
}

/// Makes a new log start offset durable; DeleteRecords is answered after that.
#[derive(Debug)]
pub struct LogStartJob {
    identity: Arc<LogIdentity>,
    log_start_offset: i64,
}

/// Deletes the files of segments that left the log.
#[derive(Debug)]
pub struct DeleteJob {
    log_start: LogStartJob,
    segments: Vec<Arc<Segment>>,
    delay: Duration,
}

/// Whether a segment leaves the log.
enum Verdict {
    Keep,
    Delete,
    Unknown,
}

impl Log {
    /// Moves the log start offset to `offset`, which is not above the high watermark. `None` if it is there already.
    /// Whole segments below it leave with the next [`Log::retention`].
    pub fn delete_records_to(&mut self, offset: i64) -> Option<LogStartJob> {
        assert!(offset <= self.log_end_offset, "the caller checked the high watermark");
        if offset <= self.log_start_offset {
            return None;
        }
        self.raise_log_start(offset);
        Some(self.log_start_job())
    }

    /// A job that makes the present log start offset durable.
    pub fn log_start_job(&self) -> LogStartJob {
        LogStartJob { identity: self.identity.clone(), log_start_offset: self.log_start_offset }
    }

    /// Takes the oldest segments out of the log that are below the log start offset, too old, or too much; never one
    /// with records at or above the high watermark, nor one that is not flushed.
    pub fn retention(&mut self, now_ms: i64, high_watermark: i64) -> Retention {
        // A cleaning has plans for the oldest segments, too, and a move copies them.
        if self.is_cleaning() || self.is_moving || self.offline.is_some() {
            return Retention::Nothing;
        }
        // What is not flushed may be lost, and does not count as kept.
        let mut remaining_bytes = self.size_bytes().saturating_sub(self.dirty_bytes());
        let mut deletable = Vec::new();
        let bases: Vec<i64> = self.segments.keys().copied().skip(1).chain([self.active.base_offset()]).collect();
        for (segment, next_base_offset) in self.segments.values().zip(bases) {
            match self.verdict(segment, next_base_offset, now_ms, high_watermark, remaining_bytes) {
                Verdict::Delete => {
                    remaining_bytes = remaining_bytes.saturating_sub(segment.size());
                    deletable.push((segment.clone(), next_base_offset));
                }
                Verdict::Unknown if deletable.is_empty() => {
                    let (identity, segment) = (self.identity.clone(), segment.clone());
                    return Retention::LoadNeeded(RetentionLoad { identity, segment });
                }
                Verdict::Unknown | Verdict::Keep => break,
            }
        }
        match deletable.last() {
            Some(&(_, next_base_offset)) => Retention::Delete(self.remove_segments(&deletable, next_base_offset)),
            None if self.segments.is_empty() && self.active_is_due(now_ms, high_watermark) => Retention::RollNeeded,
            None => Retention::Nothing,
        }
    }

    fn verdict(
        &self,
        segment: &Segment,
        next_base_offset: i64,
        now_ms: i64,
        high_watermark: i64,
        bytes: u64,
    ) -> Verdict {
        // What follows a deleted segment needs the producer state and the epochs that its seal makes durable.
        if next_base_offset > high_watermark || self.unflushed.has_sealed(segment.base_offset()) {
            return Verdict::Keep;
        }
        let is_below_start = next_base_offset <= self.log_start_offset;
        if is_below_start || self.exceeds_retention_bytes(bytes, segment.size()) {
            return Verdict::Delete;
        }
        match (segment.known_retention_timestamp(), self.config.retention_ms.filter(|_| self.config.delete)) {
            (_, None) => Verdict::Keep,
            (None, Some(_)) => Verdict::Unknown,
            (Some(timestamp), Some(limit)) if now_ms.saturating_sub(timestamp) > limit => Verdict::Delete,
            (Some(_), Some(_)) => Verdict::Keep,
        }
    }

    fn active_is_due(&self, now_ms: i64, high_watermark: i64) -> bool {
        if self.active.size() == 0 || self.log_end_offset > high_watermark || !self.config.delete {
            return false;
        }
        let is_too_much = self.exceeds_retention_bytes(self.active.size(), self.active.size());
        let timestamp = Some(self.active.max_timestamp().timestamp).filter(|&timestamp| timestamp >= 0);
        let is_too_old = match (timestamp, self.config.retention_ms) {
            (Some(timestamp), Some(limit)) => now_ms.saturating_sub(timestamp) > limit,
            _ => false,
        };
        is_too_much || is_too_old
    }

    /// Whether `bytes` of log without `segment_bytes` of them still reach `retention.bytes`.
    fn exceeds_retention_bytes(&self, bytes: u64, segment_bytes: u64) -> bool {
        self.config.delete
            && self.config.retention_bytes.is_some_and(|limit| bytes.saturating_sub(segment_bytes) >= limit)
    }

    fn remove_segments(&mut self, deletable: &[(Arc<Segment>, i64)], new_start: i64) -> DeleteJob {
        info!(
            partition = %self.identity.partition, segments = deletable.len(), log_start_offset = new_start,
            "deleting old segments"
        );
        self.raise_log_start(new_start.max(self.log_start_offset));
        let segments = Arc::make_mut(&mut self.segments);
        for (segment, _) in deletable {
            segments.remove(&segment.base_offset());
        }
        DeleteJob {
            log_start: self.log_start_job(),
            segments: deletable.iter().map(|(segment, _)| segment.clone()).collect(),
            delay: Duration::from_millis(self.config.file_delete_delay_ms),
        }
    }

    fn raise_log_start(&mut self, offset: i64) {
        self.log_start_offset = offset;
        // What lies below is not needed any more, on whatever storage.
        self.flushed_offset = self.flushed_offset.max(offset);
        self.producers.on_log_start_incremented(offset);
    }
}

impl RetentionLoad {
    /// Reads the highest timestamp of the segment.
    pub async fn run(self) -> Result<(), LogError> {
        self.segment.max_timestamp(self.identity.dir.disk()).await.map(|_| ())
    }
}

impl LogStartJob {
    /// Returns once the log start offset is durable.
    pub async fn run(self) -> Result<(), LogError> {
        self.make_durable().await
    }

    async fn make_durable(&self) -> Result<(), LogError> {
        let dir = &self.identity.dir;
        dir.raise_log_start(&self.identity.partition, &self.identity.progress, self.log_start_offset);
        let result = dir.log_starts.flush(dir.disk()).await;
        result.inspect_err(|error| dir.note_log_error(error))?;
        self.identity.progress.durable_log_start.fetch_max(self.log_start_offset, Ordering::Release);
        Ok(())
    }
}

impl DeleteJob {
    /// Makes the log start offset durable, then puts the files aside; they are removed after `file.delete.delay.ms`.
    pub async fn run(self) -> Result<(), LogError> {
        self.log_start.make_durable().await?;
        let identity = &self.log_start.identity;
        for segment in &self.segments {
            for kind in SegmentFile::ALL {
                let from = kind.path(&identity.path, segment.base_offset());
                self.put_aside(&from).await?;
            }
            segment.mark_deleted();
            identity.dir.node.cache.remove(identity.number, segment.base_offset());
        }
        Ok(())
    }

    async fn put_aside(&self, from: &std::path::Path) -> Result<(), LogError> {
        let dir = &self.log_start.identity.dir;
        let to = files::deleted(from);
        match dir.disk().rename(from, &to).await {
            Ok(()) => {
                dir.remove_later(dir.rt.now() + self.delay, to, false);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                debug!(path = %from.display(), "nothing to delete");
                Ok(())
            }
            Err(error) => Err(LogError::io("rename", from)(error)),
        }
    }
}
