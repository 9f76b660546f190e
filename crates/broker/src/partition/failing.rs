//! A partition fails, and comes back if it can.
//!
//! A failed fsync is never repeated: the log is opened again from its last flushed offset; what came after is cut and kept
//! aside, and nobody was told that it is safe. While the disk refuses that, too, it is tried again, less and less often; and so
//! it is when the log can be opened but fails again soon after ([`Reopenings`]). A damaged log stays offline, because only an
//! operator may decide to lose records.

use super::Partition;
use super::state::{Online, State, Status};
use ottla_runtime::Instant;
use ottla_storage::{FailedLog, FoundPartition, Log, LogDir, LogDirState, LogError};
use std::sync::Arc;
use std::time::Duration;

/// Pause before a log that went offline is opened again; it doubles with each failure, up to the maximum.
const REOPEN_AFTER: Duration = Duration::from_millis(100);
const REOPEN_AFTER_MAX: Duration = Duration::from_secs(10);
/// A log that is well for so long after it was to be opened again begins anew with the shortest pause.
const CALM_AFTER: Duration = Duration::from_secs(60);
/// How often a log that waits for space looks whether its directory has some.
const SPACE_POLL: Duration = Duration::from_secs(1);

/// How long a log that went offline rests before it is opened again: longer each time that it failed soon after the last.
#[derive(Debug, Default)]
pub(super) struct Reopenings {
    /// When it failed last, and for how long it rested then.
    last: Option<(Instant, Duration)>,
}

impl Reopenings {
    /// The log fails at `now`; the pause before it is opened again.
    fn next_pause(&mut self, now: Instant) -> Duration {
        let pause = match self.last {
            Some((failed, pause)) if now < failed + pause + CALM_AFTER => REOPEN_AFTER_MAX.min(2 * pause),
            _ => REOPEN_AFTER,
        };
        self.last = Some((now, pause));
        pause
    }
}

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
        let pause = state.reopenings.next_pause(self.shared.runtime.now());
        let running = self.jobs.begin();
        let partition = Arc::clone(self);
        self.shared.runtime.spawn("partition.reopen", async move {
            let returned = partition.reopen(online.open.log, pause).await;
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

    /// Opens the log again, until that works or only an operator can help. Gives it back if the partition is about to
    /// leave. Rests for `first_pause` before.
    async fn reopen(self: &Arc<Self>, log: Log, first_pause: Duration) -> Option<Log> {
        if !self.may_reopen(log.log_dir(), first_pause).await {
            return Some(log);
        }
        self.note_cut_producers(&log);
        let failed = log.into_failed();
        self.lock().found = Some(FoundPartition {
            topic_partition: self.name(),
            topic_id: Some(self.topic_id),
            dir: Arc::clone(failed.log_dir()),
            path: failed.path().to_path_buf(),
        });
        let mut pause = first_pause;
        loop {
            match self.try_reopen(&failed).await {
                Ok(log) => return self.come_online(log),
                Err(error) if error.may_pass() => {
                    let next_step = "look at the disk of the log directory; the log is opened again by itself";
                    self.stay_offline(&error, next_step);
                }
                Err(error) => {
                    self.stay_offline(&error, "mend what this names and restart the node");
                    return None;
                }
            }
            pause = REOPEN_AFTER_MAX.min(2 * pause);
            if !self.may_reopen(failed.log_dir(), pause).await {
                return None;
            }
        }
    }

    /// Waits for `pause`, and until the log may be opened again; `false` when the partition is about to leave before.
    async fn may_reopen(&self, dir: &LogDir, mut pause: Duration) -> bool {
        loop {
            if !self.pause(pause).await {
                return false;
            }
            // The reopening itself is one job; the others belong to the log that failed and have to be over. A full disk
            // passes, and recovery may have to write.
            let is_full = dir.state() == LogDirState::Full;
            if !is_full && self.jobs.is_last() {
                return true;
            }
            pause = if is_full { SPACE_POLL } else { REOPEN_AFTER };
        }
    }

    async fn try_reopen(&self, failed: &FailedLog) -> Result<Log, LogError> {
        let (log, report) = self.shared.log_dirs.reopen_log(failed).await?;
        if let Some(cut) = &report.cut {
            self.shared.metrics.log.recovered_bytes_cut.add(cut.bytes);
        }
        tracing::info!(topic = %self.topic, partition = self.index, "the partition is online again");
        Ok(log)
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
        self.stay_offline_because(error.with_next_step(next_step));
    }

    /// `reason` names the next step.
    fn stay_offline_because(&self, reason: String) {
        tracing::error!(topic = %self.topic, partition = self.index, reason, "the partition is offline");
        let mut guard = self.lock();
        let state = &mut *guard;
        if !matches!(state.status, Status::Retired(_)) {
            self.leave_online(state, Status::Offline(reason));
        }
    }

    /// The partition may be on a log directory that could not be opened.
    pub(crate) fn on_failed_directory(&self) {
        let reason = "one of log.dirs could not be opened, and the partition is in none of the others. Next step: repair \
                      that directory, or remove it from log.dirs, and restart the node";
        self.stay_offline_because(reason.to_string());
    }

    /// More than one directory says that it is the partition; each may hold records that the others do not.
    pub(crate) fn on_several_directories(&self, found: &[FoundPartition]) {
        let paths: Vec<String> = found.iter().map(|found| found.path.display().to_string()).collect();
        let reason = format!(
            "several of log.dirs hold the partition: {}. Next step: look at each with `ottla log dump`, move all but the one \
             with the right records out of log.dirs, and restart the node",
            paths.join(", ")
        );
        self.stay_offline_because(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_runtime::Runtime;

    #[tokio::test]
    async fn a_log_that_fails_again_soon_rests_longer_until_it_was_well_for_a_while() {
        let mut now = Runtime::in_memory().now();
        let mut reopenings = Reopenings::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let pause = reopenings.next_pause(now);
            pauses.push(pause.as_millis());
            now += pause + CALM_AFTER - Duration::from_millis(1);
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        now += Duration::from_millis(1);
        assert_eq!(reopenings.next_pause(now), REOPEN_AFTER);
    }
}
