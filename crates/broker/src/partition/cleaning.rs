//! Log compaction: tasks that clean one log after another, the filthiest first, outside the partitions' locks.
//!
//! `log.cleaner.threads` tasks share one [`Cleaner`], which chooses, and one throttle. A cleaning is a job of its
//! partition: closing, deleting and reopening wait for it, and it stops as soon as one of them wants to.

use super::state::Status;
use super::{Job, Partition, Shared};
use crate::partitions::Partitions;
use crate::tasks::{Stopping, Tasks};
use ottla_config::BrokerConfig;
use ottla_storage::cleaner::{CleanContext, CleanJob, Cleaner, CleanerConfig, CleaningError, LogToClean, Throttle};
use ottla_storage::{Cleanable, LogError};
use ottla_types::TopicPartition;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// What the cleaners of a node share.
struct Cleaners {
    shared: Arc<Shared>,
    partitions: Arc<Partitions>,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
    cleaner: Mutex<Cleaner>,
    throttle: Throttle,
}

/// Starts the cleaners, unless `log.cleaner.enable` is off. Their number is that of the start; other configs may change.
pub(crate) fn start(
    tasks: &Tasks,
    shared: &Arc<Shared>,
    partitions: &Arc<Partitions>,
    config: &Arc<RwLock<Arc<BrokerConfig>>>,
) {
    let cleaners = Arc::new(Cleaners {
        shared: Arc::clone(shared),
        partitions: Arc::clone(partitions),
        config: Arc::clone(config),
        cleaner: Mutex::default(),
        throttle: Throttle::new(f64::MAX),
    });
    let config = cleaners.config();
    if !config.enabled {
        tracing::warn!("log.cleaner.enable is off: compacted topics grow without limit");
        return;
    }
    for _ in 0..config.threads {
        let cleaners = Arc::clone(&cleaners);
        tasks.spawn("broker.cleaner", |stopping| cleaners.run(stopping));
    }
}

impl Cleaners {
    async fn run(self: Arc<Self>, mut stopping: Stopping) {
        while !stopping.is_set() {
            let config = self.config();
            self.throttle.set_rate(config.io_bytes_per_second_max);
            let has_cleaned = self.clean_filthiest(&config, &stopping).await;
            let all = &self.partitions;
            self.lock().retain(|name| all.all().iter().any(|partition| partition.name() == *name));
            if !has_cleaned && !stopping.sleep(&self.shared.runtime, config.backoff).await {
                return;
            }
        }
    }

    /// Whether there was a log to clean, and it was cleaned.
    async fn clean_filthiest(&self, config: &CleanerConfig, stopping: &Stopping) -> bool {
        let mut found = Vec::new();
        for partition in self.partitions.all() {
            let name = partition.name();
            let may_choose = self.lock().may_choose(&name);
            if stopping.is_set() {
                return false;
            }
            if !may_choose || !partition.lock().config.cleanup_compact {
                continue;
            }
            match partition.log_to_clean().await {
                Ok(Some(log)) => found.push((partition, log)),
                Ok(None) => {}
                Err(error) => self.failed(&name, &error),
            }
        }
        let logs = found.iter().map(|(partition, log)| (partition.name(), *log));
        let chosen = self.lock().choose(logs);
        let Some((name, log)) = chosen else { return false };
        let Some((partition, _)) = found.into_iter().find(|(partition, _)| partition.name() == name) else {
            return false;
        };
        let is_stopped = || stopping.is_set() || partition.lock().is_leaving();
        let context = CleanContext { config, throttle: &self.throttle, is_stopped: &is_stopped };
        let result = partition.clean(&log, context).await;
        self.lock().done(&name, None);
        match result {
            Ok(has_cleaned) => has_cleaned,
            Err(CleaningError::Stopped) => false,
            Err(CleaningError::Failed(error)) => {
                self.failed(&name, &error);
                false
            }
        }
    }

    /// A full disk passes, and so does a log that is offline; any other failure does not.
    fn failed(&self, name: &TopicPartition, error: &LogError) {
        if error.is_disk_full() || matches!(error, LogError::Offline { .. }) {
            tracing::warn!(partition = %name, %error, "a log could not be compacted; it is tried again later");
            return;
        }
        tracing::error!(
            partition = %name, %error,
            "a log cannot be compacted and keeps growing. Next step: mend what the error names and restart the node"
        );
        self.lock().done(name, Some(error.to_string()));
    }

    fn config(&self) -> CleanerConfig {
        CleanerConfig::of_broker(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every step under the lock leaves the choice consistent.
    fn lock(&self) -> MutexGuard<'_, Cleaner> {
        self.cleaner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partition {
    /// What there is to clean.
    async fn log_to_clean(&self) -> Result<Option<LogToClean>, LogError> {
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

    /// Cleans the log. `false` if there is nothing to clean any more.
    async fn clean(self: &Arc<Self>, log: &LogToClean, context: CleanContext<'_>) -> Result<bool, CleaningError> {
        let Some((_running, incarnation, mut job)) = self.begin_cleaning(log) else { return Ok(false) };
        let result = self.clean_groups(incarnation, &mut job, context).await;
        let mut guard = self.lock();
        // Without the log there is nothing to finish.
        if let Some(open) = guard.open(incarnation) {
            open.log.finish_cleaning(job);
        }
        result.map(|()| true)
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
    ) -> Result<(), CleaningError> {
        while let Some(group) = job.next_group(context).await? {
            let mut guard = self.lock();
            let state = &mut *guard;
            let Some(open) = state.open(incarnation) else { return Err(CleaningError::Stopped) };
            if let Err(error) = open.log.finish_group(group) {
                self.go_offline_with_log(state);
                return Err(error.into());
            }
        }
        job.complete().await?;
        Ok(())
    }
}
