//! A partition fails, and comes back if it can.
//!
//! A failed fsync is never repeated: the log is opened again, once, from its last flushed offset; what came after is cut
//! and kept aside, and nobody was told that it is safe. If that fails too the partition stays offline: what its disk holds
//! is known to nobody but a recovery at the next start, which no longer believes the page cache. A damaged log stays
//! offline, because only an operator may decide to lose records.

use super::Partition;
use super::state::{Online, State, Status};
use ottla_storage::{FoundPartition, Log, LogDirState, LogError};
use std::sync::Arc;
use std::time::Duration;

/// Pause before a log that went offline is opened again.
const REOPEN_AFTER: Duration = Duration::from_millis(100);
/// How often a log that waits for space looks whether its directory has some.
const SPACE_POLL: Duration = Duration::from_secs(1);

impl Partition {
    /// If the log went offline, so does the partition.
    pub(super) fn go_offline_with_log(self: &Arc<Self>, state: &mut State) {
        let Status::Online(online) = &state.status else { return };
        if let Some(reason) = online.open.log.offline_reason() {
            let reason = reason.to_string();
            self.go_offline(state, &reason);
        }
    }

    /// A failed fsync or write: the partition goes offline and tries to come back by itself.
    pub(super) fn go_offline(self: &Arc<Self>, state: &mut State, cause: &str) {
        let (topic, partition) = (&self.topic, self.index);
        tracing::error!(%topic, partition, cause, "the partition is offline; it is opened again from its last flushed offset");
        let reason = format!(
            "{cause}. Next step: look at the disk of the log directory; the partition is opened again by itself"
        );
        let Some(online) = self.leave_online(state, Status::Offline(reason)) else { return };
        let running = self.jobs.begin();
        let partition = Arc::clone(self);
        self.shared.runtime.spawn("partition.reopen", async move {
            let returned = partition.reopen(online.open.log).await;
            // Whoever waits for the jobs then finds the log, or none.
            partition.lock().leftover = returned;
            drop(running);
        });
    }

    /// Out of service with `status`: appends and waiters are told, nothing counts as unflushed any more.
    pub(super) fn leave_online(&self, state: &mut State, status: Status) -> Option<Box<Online>> {
        let before = std::mem::replace(&mut state.status, status);
        state.watchers.wake_all();
        state.recount(&self.shared.metrics.broker);
        self.rolled.notify_waiters();
        let Status::Online(online) = before else { return None };
        self.shared.flush.account(online.open.accounted_bytes, 0);
        Some(online)
    }

    /// Opens the log again. Gives it back if the partition is about to leave.
    async fn reopen(self: &Arc<Self>, log: Log) -> Option<Log> {
        let mut pause = REOPEN_AFTER;
        loop {
            if !self.pause(pause).await {
                return Some(log);
            }
            // The reopening itself is one job; the others belong to the log that failed and have to be over. A full disk
            // passes, and recovery may have to write.
            let is_full = log.log_dir().state() == LogDirState::Full;
            if !is_full && self.jobs.is_last() {
                break;
            }
            pause = if is_full { SPACE_POLL } else { REOPEN_AFTER };
        }
        self.lock().found = Some(FoundPartition {
            topic_partition: self.name(),
            topic_id: Some(self.topic_id),
            dir: Arc::clone(log.log_dir()),
            path: log.path().to_path_buf(),
        });
        match self.shared.log_dirs.reopen_log(log).await {
            Ok((log, report)) => {
                if let Some(cut) = &report.cut {
                    self.shared.metrics.log.recovered_bytes_cut.add(cut.bytes);
                }
                tracing::info!(topic = %self.topic, partition = self.index, "the partition is online again");
                self.come_online(log)
            }
            Err(error) => {
                self.stay_offline(&error, "mend the disk and restart the node, which recovers the partition");
                None
            }
        }
    }

    /// Waits for `time`; `false` as soon as the partition is about to leave.
    pub(super) async fn pause(&self, time: Duration) -> bool {
        let leaving = self.leaving.notified();
        if self.lock().is_leaving() {
            return false;
        }
        self.shared.runtime.timeout(time, leaving).await.is_err()
    }

    /// The log cannot be used. `next_step` is for errors that name none themselves.
    pub(super) fn stay_offline(&self, error: &LogError, next_step: &str) {
        let names_next_step = matches!(
            error,
            LogError::Damaged { .. }
                | LogError::NewerFormat { .. }
                | LogError::Malformed { .. }
                | LogError::NoUsableDir
        );
        let reason = match names_next_step {
            true => error.to_string(),
            false => format!("{error}. Next step: {next_step}"),
        };
        tracing::error!(topic = %self.topic, partition = self.index, reason, "the partition is offline");
        let mut guard = self.lock();
        let state = &mut *guard;
        if !matches!(state.status, Status::Retired(_)) {
            self.leave_online(state, Status::Offline(reason));
        }
    }

    /// The partition may be on a log directory that could not be opened.
    pub(crate) fn on_failed_directory(&self) {
        let reason = "one of log.dirs could not be opened, and the partition is in none of the others".to_string();
        let error = LogError::Offline { reason };
        self.stay_offline(&error, "repair that directory, or remove it from log.dirs, and restart the node");
    }
}
