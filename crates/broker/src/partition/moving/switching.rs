//! The last part of a move: appends wait, and the log goes on in its new directory, or where it was.

use super::{Interrupted, MoveTicket, SETTLE_PATIENCE, SWITCH_BYTES_MAX};
use crate::partition::Partition;
use crate::partition::state::FlushPhase;
use ottla_storage::cleaner::Throttle;
use ottla_storage::moving::{FutureLog, MoveContext, MoveError, MovedFrom};
use ottla_storage::{FoundPartition, LogError};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// It is put off when more than this is missing after all, once appends wait.
const SWITCH_BYTES_LIMIT: u64 = 4 * SWITCH_BYTES_MAX;
/// How long appends wait for the target to take the rest; then the switch is put off.
const PREPARE_PATIENCE: Duration = Duration::from_secs(10);
const SETTLE_AGAIN_AFTER: Duration = Duration::from_millis(2);

impl Partition {
    /// The last part: appends wait until the log goes on, here or there.
    pub(super) async fn switch(
        self: &Arc<Self>,
        incarnation: u64,
        ticket: &MoveTicket,
        future: &mut FutureLog,
    ) -> Result<MovedFrom, Interrupted> {
        let running = {
            let mut guard = self.lock();
            let state = &mut *guard;
            if state.is_leaving() || !ticket.is_current(state) {
                return Err(MoveError::Stopped.into());
            }
            state.open(incarnation).ok_or(Interrupted::Reopened)?.is_switching = true;
            self.jobs.begin()
        };
        let result = self.settle_and_decide(incarnation, future).await;
        self.take_appends(incarnation);
        drop(running);
        result
    }

    /// Whoever waits for the switch goes on.
    fn take_appends(&self, incarnation: u64) {
        if let Some(open) = self.lock().open(incarnation) {
            open.is_switching = false;
        }
        self.rolled.notify_waiters();
    }

    async fn settle_and_decide(
        self: &Arc<Self>,
        incarnation: u64,
        future: &mut FutureLog,
    ) -> Result<MovedFrom, Interrupted> {
        self.settle(incarnation).await?;
        let source = self.move_source(incarnation)?;
        if source.missing_in(future) > SWITCH_BYTES_LIMIT {
            return Err(Interrupted::PutOff);
        }
        let unlimited = Throttle::new(f64::MAX);
        let context = MoveContext { throttle: &unlimited, is_stopped: &|| false };
        // A target that hangs must not hold up the source; only the decision itself cannot be put off.
        let files = {
            let mut preparing = pin!(future.prepare(&source, context));
            match self.shared.runtime.timeout(PREPARE_PATIENCE, &mut preparing).await {
                Ok(prepared) => prepared?,
                Err(_) => {
                    self.take_appends(incarnation);
                    // Not dropped half done: a sync that fails has to be heard.
                    preparing.await?;
                    return Err(Interrupted::PutOff);
                }
            }
        };
        let moved = match future.take_place(&source, files).await {
            Ok(moved) => moved,
            Err(MoveError::Undecided(error)) => {
                let cause =
                    format!("a move to another log directory failed, and nobody knows where the log is: {error}");
                self.go_offline(&mut self.lock(), &cause);
                return Err(MoveError::Undecided(error).into());
            }
            Err(error) => return Err(error.into()),
        };
        {
            let mut guard = self.lock();
            let state = &mut *guard;
            if let Some(open) = state.open(incarnation) {
                let from = open.log.adopt(moved);
                let (dir, path) = (Arc::clone(open.log.log_dir()), open.log.path().to_path_buf());
                let (topic_partition, topic_id) = (self.name(), Some(self.topic_id));
                state.found = Some(FoundPartition { topic_partition, topic_id, dir, path });
                state.moving = None;
                return Ok(from);
            }
        }
        // Deleted, or offline for another reason: as if nothing had been decided.
        match self.shared.log_dirs.take_back_move(moved, &source).await {
            Ok(()) => {
                let reason = "the log went offline in the last moment of the move".to_string();
                Err(MoveError::Failed(LogError::Offline { reason }).into())
            }
            Err(error) => Err(MoveError::Undecided(error).into()),
        }
    }

    /// Waits until every record is in a sealed segment and durable, and nothing else is at work on the log.
    async fn settle(self: &Arc<Self>, incarnation: u64) -> Result<(), Interrupted> {
        let deadline = self.shared.runtime.now() + SETTLE_PATIENCE;
        let mut has_rolled = false;
        loop {
            {
                let mut guard = self.lock();
                let state = &mut *guard;
                if state.is_leaving() {
                    return Err(MoveError::Stopped.into());
                }
                let open = state.open(incarnation).ok_or(Interrupted::Reopened)?;
                // The switch itself is one job.
                if open.log.is_settled() && self.jobs.is_last() {
                    return Ok(());
                }
                if open.log.has_active_records() {
                    if !open.is_rolling {
                        // A roll that failed is not tried again while appends wait.
                        if std::mem::replace(&mut has_rolled, true) {
                            return Err(Interrupted::PutOff);
                        }
                        self.start_roll(open).map_err(|_| Interrupted::PutOff)?;
                    }
                } else if open.flush == FlushPhase::Idle && !open.log.is_settled() {
                    self.start_flush(open);
                }
            }
            if self.shared.runtime.now() >= deadline {
                return Err(Interrupted::PutOff);
            }
            self.shared.runtime.sleep(SETTLE_AGAIN_AFTER).await;
        }
    }

    pub(super) async fn remove_moved(&self, from: MovedFrom) {
        let delay = Duration::from_millis(u64::try_from(self.lock().config.file_delete_delay_ms).unwrap_or(0));
        if let Err(error) = self.shared.log_dirs.remove_moved(from, delay).await {
            tracing::error!(
                topic = %self.topic, partition = self.index, %error,
                "the partition was moved, but what it left behind cannot be removed; the next start tries again"
            );
        }
    }
}
