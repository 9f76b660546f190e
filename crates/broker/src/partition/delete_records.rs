//! DeleteRecords: the log start offset moves, durably before the answer.

use super::jobs::Job;
use super::{Partition, PartitionError};
use ottla_runtime::Instant;
use ottla_storage::LogStartJob;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Stands for the high watermark in a request.
const HIGH_WATERMARK: i64 = -1;

impl Partition {
    /// Moves the log start offset to `offset` (-1: the high watermark) and answers it once it is durable.
    pub(crate) async fn delete_records(
        self: &Arc<Self>,
        offset: i64,
        deadline: Instant,
    ) -> Result<i64, PartitionError> {
        if offset < HIGH_WATERMARK {
            return Err(PartitionError::of(ErrorCode::OffsetOutOfRange, format!("offset {offset} is negative")));
        }
        // Acknowledged records count, also those whose flush is still under way.
        if !self.flushed_to_end(deadline).await? {
            return Err(timed_out("the records are not flushed yet"));
        }
        let (job, running, low_watermark) = loop {
            // Made before the attempt, so that the end of a switch in between is not missed.
            let switched = self.rolled.notified();
            if let Some(begun) = self.move_log_start(offset)? {
                break begun;
            }
            let left = deadline.saturating_duration_since(self.shared.runtime.now());
            if self.shared.runtime.timeout(left, switched).await.is_err() {
                return Err(timed_out("the log is being switched to another log directory"));
            }
        };
        // A task of its own: its writes are shared with other partitions, and a client that goes away must not stop them.
        let made_durable = self.shared.runtime.spawn("partition.delete-records", async move {
            let result = job.run().await;
            drop(running);
            result
        });
        let left = deadline.saturating_duration_since(self.shared.runtime.now());
        match self.shared.runtime.timeout(left, made_durable).await {
            Ok(Ok(Ok(()))) => Ok(low_watermark),
            Ok(Ok(Err(error))) => {
                let next_step = "look at the disk of the log directory, and delete the records again";
                Err(PartitionError::storage(error.with_next_step(next_step)))
            }
            // The node goes down.
            Ok(Err(ended)) => Err(PartitionError::of(ErrorCode::NotLeaderOrFollower, ended.to_string())),
            Err(_) => Err(timed_out("the new log start offset is not known to be durable yet")),
        }
    }

    /// `None` while the log is switched to another log directory.
    fn move_log_start(&self, offset: i64) -> Result<Option<(LogStartJob, Job, i64)>, PartitionError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let is_only_compacted = state.config.cleanup_compact && !state.config.cleanup_delete;
        let high_watermark = state.high_watermark;
        let (open, _) = state.leading()?;
        if open.is_switching {
            return Ok(None);
        }
        if is_only_compacted {
            let message = "the topic is compacted and not deleted from (cleanup.policy)";
            return Err(PartitionError::of(ErrorCode::PolicyViolation, message));
        }
        let target = if offset == HIGH_WATERMARK { high_watermark } else { offset };
        if target > high_watermark {
            let message = format!("offset {target} is above the high watermark, {high_watermark}");
            return Err(PartitionError::of(ErrorCode::OffsetOutOfRange, message));
        }
        let job = open.log.delete_records_to(target).unwrap_or_else(|| open.log.log_start_job());
        let low_watermark = open.log.log_start_offset();
        self.note_progress(state);
        Ok(Some((job, self.jobs.begin(), low_watermark)))
    }
}

fn timed_out(message: &'static str) -> PartitionError {
    PartitionError::of(ErrorCode::RequestTimedOut, message)
}
