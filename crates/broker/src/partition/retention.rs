//! Retention: what the configs no longer keep leaves the log, now and then.

use super::state::Status;
use super::{Partition, PartitionError};
use ottla_storage::{LogError, Retention};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Steps of one round for one partition; each deletes many segments, so a round that needs more is continued by the next.
const STEPS_MAX: usize = 1000;

#[derive(Debug, thiserror::Error)]
enum RetentionError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Roll(#[from] PartitionError),
}

impl Partition {
    /// Deletes what retention no longer keeps.
    pub(crate) async fn apply_retention(self: &Arc<Self>) {
        let Some(_running) = self.begin_unless_leaving() else { return };
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
            online.open.log.remove_expired_producers(now_ms);
            let expiration_ms = self.shared.producer_id_expiration_ms.load(Ordering::Relaxed);
            online.open.verifications.remove_expired(now_ms, expiration_ms);
        }
    }

    fn begin_unless_leaving(&self) -> Option<super::Job> {
        let state = self.lock();
        (!state.is_leaving()).then(|| self.jobs.begin())
    }

    /// Whether there may be more to do.
    async fn retention_step(self: &Arc<Self>) -> Result<bool, RetentionError> {
        let now_ms = self.shared.runtime.wall_clock_ms();
        let step = {
            let mut guard = self.lock();
            let state = &mut *guard;
            match &mut state.status {
                _ if state.is_closing => Retention::Nothing,
                Status::Online(online) => {
                    let step = online.open.log.retention(now_ms, state.high_watermark);
                    self.account_unflushed(&mut online.open);
                    step
                }
                Status::Opening | Status::Offline(_) | Status::Retired(_) => Retention::Nothing,
            }
        };
        match step {
            Retention::Nothing => Ok(false),
            Retention::LoadNeeded(load) => Ok(load.run().await.map(|()| true)?),
            Retention::Delete(job) => Ok(job.run().await.map(|()| true)?),
            Retention::RollNeeded => {
                self.roll().await?;
                // What was sealed leaves only when it is flushed, and no append may ever come: the next round goes on.
                self.flush_now();
                Ok(false)
            }
        }
    }
}
