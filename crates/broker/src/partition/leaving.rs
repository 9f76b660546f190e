//! How a partition leaves: closed cleanly when the node shuts down, or deleted.

use super::Partition;
use super::state::{Retirement, State, Status};
use ottla_storage::Log;
use std::sync::Arc;
use std::time::Duration;

impl Partition {
    /// Closes the log cleanly, once everything that was begun with it has ended. From the call on nothing new begins;
    /// clients try again after the restart.
    pub(crate) async fn close(self: &Arc<Self>) {
        {
            let mut guard = self.lock();
            let state = &mut *guard;
            state.is_closing = true;
            state.watchers.wake_all();
            state.recount(&self.shared.metrics.broker);
        }
        self.leaving.notify_waiters();
        self.rolled.notify_waiters();
        self.jobs.settled().await;
        let log = {
            let mut guard = self.lock();
            let log = self.retire(&mut guard, Retirement::Closed);
            log.or_else(|| guard.leftover.take())
        };
        let Some(log) = log else { return };
        if let Err(error) = log.close().await {
            tracing::error!(topic = %self.topic, partition = self.index, %error, "the log was not closed cleanly; the next start recovers it");
        }
    }

    /// Takes the partition out of service at once, and deletes its directory when the returned future runs and
    /// everything that was begun has ended. Requests that wait are answered now.
    pub(crate) fn delete(self: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let log = self.retire(&mut self.lock(), Retirement::Deleted);
        self.leaving.notify_waiters();
        async move {
            self.jobs.settled().await;
            if let Err(error) = self.delete_directory(log).await {
                tracing::error!(topic = %self.topic, partition = self.index, %error, "a deleted partition's directory could not be removed");
            }
        }
    }

    async fn delete_directory(&self, log: Option<Log>) -> Result<(), ottla_storage::LogError> {
        let (log, found, delay_ms) = {
            let mut state = self.lock();
            (log.or_else(|| state.leftover.take()), state.found.take(), state.config.file_delete_delay_ms)
        };
        let log_dirs = &self.shared.log_dirs;
        match (log, found) {
            (Some(log), _) => log_dirs.delete_log(log).await,
            (None, Some(found)) => {
                let delay = Duration::from_millis(u64::try_from(delay_ms).unwrap_or(0));
                log_dirs.delete_found(&found, delay).await
            }
            (None, None) => Ok(()),
        }
    }

    /// Out of service for good; gives the log away, if it is open.
    fn retire(&self, state: &mut State, retirement: Retirement) -> Option<Log> {
        if let Status::Retired(_) = state.status {
            return None;
        }
        self.leave_online(state, Status::Retired(retirement)).map(|online| online.open.log)
    }
}
