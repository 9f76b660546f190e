//! The part of a compaction that a partition plays: what there is to clean, and the swap of each group under its lock.

use super::state::Status;
use super::{Job, Partition};
use ottla_storage::cleaner::{CleanContext, CleanJob, CleanStats, CleaningError, LogToClean};
use ottla_storage::{Cleanable, LogError};
use std::sync::Arc;

impl Partition {
    /// What there is to clean.
    pub(super) async fn log_to_clean(&self) -> Result<Option<LogToClean>, LogError> {
        loop {
            let now_ms = self.shared.runtime.wall_clock_ms();
            let cleanable = {
                let mut guard = self.lock();
                let state = &mut *guard;
                match &mut state.status {
                    _ if state.is_closing => Cleanable::Nothing,
                    Status::Online(online) => {
                        let log = &mut online.open.log;
                        let unstable = log.first_unstable_offset().unwrap_or(i64::MAX);
                        log.log_to_clean(now_ms, unstable.min(state.high_watermark))
                    }
                    Status::Opening | Status::Offline(_) | Status::Retired(_) => Cleanable::Nothing,
                }
            };
            match cleanable {
                Cleanable::Nothing => return Ok(None),
                Cleanable::LoadNeeded(load) => load.run().await?,
                Cleanable::Found(found) => return Ok(Some(found)),
            }
        }
    }

    /// Cleans the log. `None` if there is nothing to clean any more.
    pub(super) async fn clean(
        self: &Arc<Self>,
        log: &LogToClean,
        context: CleanContext<'_>,
    ) -> Result<Option<CleanStats>, CleaningError> {
        let Some((_running, incarnation, mut job)) = self.begin_cleaning(log) else { return Ok(None) };
        let result = self.clean_groups(incarnation, &mut job, context).await;
        let mut guard = self.lock();
        // Without the log there is nothing to finish.
        if let Some(open) = guard.open(incarnation) {
            open.log.finish_cleaning(job);
        }
        result.map(Some)
    }

    /// Whether a cleaning of this log is in somebody's way: the partition leaves or moves, or its log failed and is to be opened
    /// again.
    pub(super) fn is_cleaning_unwanted(&self) -> bool {
        let state = self.lock();
        state.is_leaving() || state.moving.is_some() || !matches!(state.status, Status::Online(_))
    }

    fn begin_cleaning(&self, log: &LogToClean) -> Option<(Job, u64, CleanJob)> {
        let now_ms = self.shared.runtime.wall_clock_ms();
        let mut guard = self.lock();
        if guard.is_leaving() {
            return None;
        }
        let incarnation = guard.incarnation;
        let job = guard.open(incarnation)?.log.begin_cleaning(log, now_ms)?;
        Some((self.jobs.begin(), incarnation, job))
    }

    async fn clean_groups(
        self: &Arc<Self>,
        incarnation: u64,
        job: &mut CleanJob,
        context: CleanContext<'_>,
    ) -> Result<CleanStats, CleaningError> {
        while let Some(group) = job.next_group(context).await? {
            let mut guard = self.lock();
            let state = &mut *guard;
            let Some(open) = state.open(incarnation) else { return Err(CleaningError::Stopped) };
            if let Err(error) = open.log.finish_group(group) {
                self.go_offline_with_log(state);
                return Err(error.into());
            }
        }
        let (_, stats) = job.complete().await?;
        Ok(stats)
    }
}
