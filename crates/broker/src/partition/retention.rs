//! Records leave the log: DeleteRecords at once, retention by time and size now and then.

use super::state::Status;
use super::{Partition, PartitionError};
use ottla_runtime::Instant;
use ottla_storage::{LogError, Retention};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Steps of one retention round; each deletes many segments, so a round that needs more is continued by the next.
const STEPS_MAX: usize = 1000;

impl Partition {
    /// Moves the log start offset to `offset` (-1: the high watermark) and answers it once it is durable.
    pub(crate) async fn delete_records(self: &Arc<Self>, offset: i64, deadline: Instant) -> Result<i64, PartitionError> {
        if offset < -1 {
            return Err(PartitionError::of(ErrorCode::OffsetOutOfRange, format!("offset {offset} is negative")));
        }
        // Acknowledged records count, also those whose flush is still under way.
        self.flushed_to_end(deadline).await?;
        let (job, low_watermark) = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let config = Arc::clone(&state.config);
            let online = state.leading()?;
            if config.cleanup_compact && !config.cleanup_delete {
                let message = "the topic is compacted and not deleted from (cleanup.policy)";
                return Err(PartitionError::of(ErrorCode::PolicyViolation, message));
            }
            let high_watermark = online.replication.high_watermark();
            let target = if offset == -1 { high_watermark } else { offset };
            if target > high_watermark {
                let message = format!("offset {target} is above the high watermark, {high_watermark}");
                return Err(PartitionError::of(ErrorCode::OffsetOutOfRange, message));
            }
            let job = online.log.delete_records_to(target).unwrap_or_else(|| online.log.log_start_job());
            (job, online.log.log_start_offset())
        };
        let left = deadline.saturating_duration_since(self.shared.runtime.now());
        match self.shared.runtime.timeout(left, job.run()).await {
            Ok(Ok(())) => Ok(low_watermark),
            Ok(Err(error)) => Err(PartitionError::of(ErrorCode::KafkaStorageError, error.to_string())),
            Err(_) => Err(PartitionError::of(
                ErrorCode::RequestTimedOut,
                "the new log start offset is not known to be durable yet",
            )),
        }
    }

    /// Deletes what retention no longer keeps.
    pub(crate) async fn apply_retention(self: &Arc<Self>) {
        for _ in 0..STEPS_MAX {
            match self.retention_step().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(topic = %self.topic, partition = self.index, %error, "retention failed; it is tried again later");
                    return;
                }
            }
        }
    }

    /// Forgets producers that were idle for `producer.id.expiration.ms`.
    pub(crate) fn forget_idle_producers(&self) {
        let now_ms = self.shared.runtime.wall_clock_ms();
        if let Status::Online(online) = &mut self.lock().status {
            online.log.remove_expired_producers(now_ms);
        }
    }

    /// Whether there may be more to do.
    async fn retention_step(self: &Arc<Self>) -> Result<bool, LogError> {
        let now_ms = self.shared.runtime.wall_clock_ms();
        let step = match &mut self.lock().status {
            Status::Online(online) => online.log.retention(now_ms, online.replication.high_watermark()),
            Status::Opening | Status::Offline(_) => Retention::Nothing,
        };
        match step {
            Retention::Nothing => Ok(false),
            Retention::LoadNeeded(load) => load.run().await.map(|()| true),
            Retention::Delete(job) => job.run().await.map(|()| true),
            Retention::RollNeeded => {
                let roll = match &mut self.lock().status {
                    Status::Online(online) => {
                        let roll = online.log.begin_roll();
                        online.is_rolling |= roll.is_some();
                        roll
                    }
                    Status::Opening | Status::Offline(_) => None,
                };
                let Some(roll) = roll else { return Ok(false) };
                let done = roll.run().await;
                Ok(self.finish_roll(done).is_ok())
            }
        }
    }
}
