//! Log compaction: tasks that clean one log after another, the filthiest first, outside the partitions' locks.
//!
//! `log.cleaner.threads` tasks share one [`Cleaner`], which chooses, and one throttle; their number follows the config. A
//! cleaning is a job of its partition: closing, deleting and reopening wait for it, and it stops as soon as one of them wants to.
//! A log directory without room for the result puts a cleaning off for a while, and so does a lack of descriptors.

use super::Shared;
use crate::partitions::Partitions;
use crate::tasks::{Stopping, Tasks};
use ottla_config::BrokerConfig;
use ottla_runtime::{Instant, TaskHandle, give_way};
use ottla_storage::LogError;
use ottla_storage::cleaner::{CleanContext, CleanStats, Cleaner, CleanerConfig, CleaningError, Throttle};
use ottla_types::TopicPartition;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// What the cleaners of a node share.
struct Cleaners {
    shared: Arc<Shared>,
    partitions: Arc<Partitions>,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
    cleaner: Mutex<Cleaner>,
    throttle: Throttle,
    /// Logs whose compaction had no room, and until when they are left alone.
    put_off: Mutex<BTreeMap<TopicPartition, Instant>>,
    last_look: Mutex<Option<Instant>>,
}

/// How often it is looked whether `log.cleaner.threads` has changed.
const THREADS_INTERVAL: Duration = Duration::from_secs(1);
/// How long a log is left alone whose compaction had no room, on the disk or among the open files.
const NO_ROOM_PAUSE: Duration = Duration::from_secs(60);

/// Starts the cleaners, unless `log.cleaner.enable` is off (which, as in Kafka, only a restart changes).
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
        put_off: Mutex::default(),
        last_look: Mutex::default(),
    });
    if !cleaners.config().enabled {
        tracing::warn!("log.cleaner.enable is off: compacted topics grow without limit");
        return;
    }
    tasks.spawn("broker.cleaners", |stopping| cleaners.supervise(stopping));
}

impl Cleaners {
    /// Has as many cleaners at work as `log.cleaner.threads` says. One that is too many ends as soon as it can.
    async fn supervise(self: Arc<Self>, mut stopping: Stopping) {
        let mut running: BTreeMap<usize, TaskHandle<()>> = BTreeMap::new();
        let runtime = self.shared.runtime.clone();
        loop {
            running.retain(|_, cleaner| !cleaner.is_finished());
            for number in 0..self.config().threads {
                running.entry(number).or_insert_with(|| {
                    runtime.spawn("broker.cleaner", Arc::clone(&self).run(number, stopping.clone()))
                });
            }
            self.shared.metrics.cleaner.threads.set(running.len() as u64);
            if !stopping.sleep(&runtime, THREADS_INTERVAL).await {
                break;
            }
        }
        for (_, cleaner) in running {
            // It has seen that it is time to end.
            let _ = cleaner.await;
        }
    }

    async fn run(self: Arc<Self>, number: usize, mut stopping: Stopping) {
        while !stopping.is_set() {
            let config = self.config();
            if number >= config.threads {
                return;
            }
            self.throttle.set_rate(config.io_bytes_per_second_max);
            let has_cleaned = self.clean_filthiest(&config, number, &stopping).await;
            self.forget_gone();
            if !has_cleaned && !stopping.sleep(&self.shared.runtime, config.backoff).await {
                return;
            }
        }
    }

    /// Whether there was a log to clean, and it was cleaned.
    async fn clean_filthiest(&self, config: &CleanerConfig, number: usize, stopping: &Stopping) -> bool {
        self.note_look();
        let mut found = Vec::new();
        for partition in self.partitions.all() {
            let name = partition.name();
            let may_choose = self.lock().may_choose(&name) && !self.is_put_off(&name);
            if stopping.is_set() {
                return false;
            }
            let is_wanted = {
                let state = partition.lock();
                state.config.cleanup_compact && state.moving.is_none()
            };
            if !may_choose || !is_wanted {
                continue;
            }
            match partition.log_to_clean().await {
                Ok(Some(log)) => found.push((partition, log)),
                Ok(None) => {}
                Err(error) => self.failed(&name, &error),
            }
        }
        let logs = found.iter().map(|(partition, log)| (partition.name(), *log));
        let delay_ms = found.iter().map(|(_, log)| log.compaction_delay_ms).max().unwrap_or(0);
        let chosen = {
            let mut cleaner = self.lock();
            let chosen = cleaner.choose(logs);
            let metrics = &self.shared.metrics.cleaner;
            metrics.max_dirty_percent.set(cleaner.max_dirty_percent());
            metrics.compaction_delay_seconds.set(u64::try_from(delay_ms / 1000).unwrap_or(0));
            chosen
        };
        let Some((name, log)) = chosen else { return false };
        let Some((partition, _)) = found.into_iter().find(|(partition, _)| partition.name() == name) else {
            return false;
        };
        let is_stopped = || stopping.is_set() || partition.is_cleaning_unwanted() || number >= self.config().threads;
        let began = self.shared.runtime.now();
        let context = CleanContext { config, throttle: &self.throttle, is_stopped: &is_stopped };
        let result = give_way(&self.shared.runtime, partition.clean(&log, context)).await;
        // It waits while a log is cleaned, and the next cleaning may begin at once.
        partition.apply_retention().await;
        self.lock().done(&name, None);
        match result {
            Ok(Some(stats)) => {
                self.cleaned(&stats, self.shared.runtime.now().saturating_duration_since(began));
                true
            }
            Ok(None) => false,
            Err(CleaningError::Stopped) => false,
            Err(CleaningError::Failed(error)) => {
                self.failed(&name, &error);
                false
            }
        }
    }

    /// A full disk and a lack of descriptors pass, and so does a log that is offline; any other failure does not.
    fn failed(&self, name: &TopicPartition, error: &LogError) {
        let lacks_room = error.is_disk_full() || error.is_out_of_files();
        if error.is_disk_full() {
            self.shared.metrics.cleaner.disk_full.increment();
        }
        if lacks_room {
            let until = self.shared.runtime.now() + NO_ROOM_PAUSE;
            locked(&self.put_off).insert(name.clone(), until);
        }
        if lacks_room || matches!(error, LogError::Offline { .. }) {
            tracing::warn!(partition = %name, %error, "a log could not be compacted; it is tried again later");
            return;
        }
        tracing::error!(
            partition = %name, %error,
            "a log cannot be compacted and keeps growing. Next step: mend what the error names and restart the node"
        );
        self.lock().done(name, Some(error.to_string()));
    }

    /// Counts a cleaning.
    fn cleaned(&self, stats: &CleanStats, took: Duration) {
        let metrics = &self.shared.metrics.cleaner;
        metrics.cleanings.increment();
        metrics.bytes_read.add(stats.bytes_read);
        metrics.bytes_written.add(stats.bytes_written);
        metrics.records_removed.add(stats.records_read.saturating_sub(stats.records_kept));
        metrics.recopy_percent.set(100 * stats.bytes_written / stats.bytes_read.max(1));
        metrics.buffer_utilization_percent.set((100.0 * stats.buffer_utilization) as u64);
        metrics.clean_time_seconds.set(took.as_secs());
    }

    fn note_look(&self) {
        let now = self.shared.runtime.now();
        if let Some(last) = locked(&self.last_look).replace(now) {
            let passed = now.saturating_duration_since(last);
            self.shared.metrics.cleaner.since_last_run_ms.set(passed.as_millis() as u64);
        }
    }

    fn is_put_off(&self, name: &TopicPartition) -> bool {
        let now = self.shared.runtime.now();
        locked(&self.put_off).get(name).is_some_and(|until| now < *until)
    }

    /// Forgets failures of logs that are not here any more, and counts the others.
    fn forget_gone(&self) {
        let now = self.shared.runtime.now();
        locked(&self.put_off).retain(|_, until| now < *until);
        let mut cleaner = self.lock();
        if !cleaner.uncleanable().is_empty() {
            let here: BTreeMap<TopicPartition, u64> = self
                .partitions
                .all()
                .iter()
                .map(|partition| (partition.name(), partition.usage().map_or(0, |usage| usage.bytes)))
                .collect();
            cleaner.retain(|name| here.contains_key(name));
            let bytes = cleaner.uncleanable().keys().filter_map(|name| here.get(name)).sum();
            self.shared.metrics.cleaner.uncleanable_bytes.set(bytes);
        }
        self.shared.metrics.cleaner.uncleanable_partitions.set(cleaner.uncleanable().len() as u64);
    }

    fn config(&self) -> CleanerConfig {
        CleanerConfig::of_broker(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every step under the lock leaves the choice consistent.
    fn lock(&self) -> MutexGuard<'_, Cleaner> {
        locked(&self.cleaner)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
