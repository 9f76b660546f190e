//! Rolling: a new segment takes the place of the active one, in a task of its own, while appends wait.

use super::state::{OpenLog, Status};
use super::{Partition, PartitionError};
use ottla_storage::RollDone;
use std::sync::Arc;
use std::time::Duration;

/// How long appends that need a new segment are refused after one could not be made.
const ROLL_AGAIN_AFTER: Duration = Duration::from_millis(100);

impl Partition {
    /// Sees to it that a roll is under way; its end, good or bad, notifies [`Partition::rolled`].
    pub(super) fn start_roll(self: &Arc<Self>, open: &mut OpenLog) -> Result<(), PartitionError> {
        if open.is_rolling {
            return Ok(());
        }
        if let Some((failed_at, reason)) = &open.failed_roll
            && self.shared.runtime.now().saturating_duration_since(*failed_at) < ROLL_AGAIN_AFTER
        {
            return Err(PartitionError::storage(reason.clone()));
        }
        let Some(job) = open.log.begin_roll() else {
            let message = "a new segment is needed and cannot be made now. Next step: try again, and look at the disk of the \
                           log directory if this stays so";
            return Err(PartitionError::storage(message));
        };
        open.is_rolling = true;
        let (partition, incarnation, running) = (Arc::clone(self), open.incarnation, self.jobs.begin());
        self.shared.runtime.spawn("partition.roll", async move {
            let done = job.run().await;
            partition.finish_roll(incarnation, done);
            drop(running);
        });
        Ok(())
    }

    /// Rolls now, if there is something to roll, and waits for it.
    pub(super) async fn roll(self: &Arc<Self>) -> Result<(), PartitionError> {
        let rolled = self.rolled.notified();
        match &mut self.lock().status {
            Status::Online(online) => self.start_roll(&mut online.open)?,
            Status::Opening | Status::Offline(_) | Status::Retired(_) => return Ok(()),
        }
        rolled.await;
        Ok(())
    }

    fn finish_roll(self: &Arc<Self>, incarnation: u64, done: RollDone) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(open) = state.open(incarnation) {
            open.is_rolling = false;
            open.failed_roll = None;
            if let Err(error) = open.log.finish_roll(done) {
                open.failed_roll = Some((self.shared.runtime.now(), error.to_string()));
                tracing::warn!(topic = %self.topic, partition = self.index, %error, "a new segment could not be made");
                self.append_failed(state, &error);
            }
        }
        drop(guard);
        self.rolled.notify_waiters();
    }
}
