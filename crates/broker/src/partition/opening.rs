//! How a partition comes into service, leaves it, and comes back.
//!
//! A log that goes offline because of a failed fsync is opened again from its last flushed offset, once; a damaged one,
//! or one whose disk fails again, stays offline, because only an operator may decide to lose records.

use super::state::{FlushPhase, Leadership, Online, State, Status};
use super::{Partition, RETIRED, Shared};
use crate::topic_config::log_config;
use crate::watchers::Watchers;
use ottla_config::TopicConfig;
use ottla_replication::{LeaderConfig, LeaderState};
use ottla_storage::{FoundPartition, Log, LogDirs, LogError};
use ottla_types::{TopicPartition, Uuid};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Pause before a log that went offline is opened again.
const REOPEN_AFTER: Duration = Duration::from_millis(100);
/// How often closing looks whether a flush has ended, at least.
const SETTLE_POLL: Duration = Duration::from_millis(20);

impl Partition {
    /// A partition whose log is not open yet.
    pub(crate) fn new(
        shared: Arc<Shared>,
        topic_id: Uuid,
        name: &TopicPartition,
        leadership: Leadership,
        config: Arc<TopicConfig>,
    ) -> Arc<Partition> {
        let state = State { leadership, config, status: Status::Opening, watchers: Watchers::default() };
        let (topic, index) = (Arc::clone(&name.topic), name.partition);
        Arc::new(Partition { topic, topic_id, index, shared, state: Mutex::new(state) })
    }

    /// Opens the log in the directory that was found for it.
    pub(crate) async fn open(self: &Arc<Self>, log_dirs: &LogDirs, found: &FoundPartition) {
        let config = log_config(&self.lock().config, self.shared.producer_id_expiration_ms);
        let opened = log_dirs.open_log(found, config).await;
        match opened {
            Ok((log, report)) => {
                if let Some(cut) = &report.cut {
                    self.shared.metrics.log.recovered_bytes_cut.add(cut.bytes);
                }
                self.come_online(log);
            }
            Err(error) => self.stay_offline(&error),
        }
    }

    /// Creates the log: the partition is new on this node.
    pub(crate) async fn create(self: &Arc<Self>, log_dirs: &LogDirs) {
        let config = log_config(&self.lock().config, self.shared.producer_id_expiration_ms);
        let name = self.name();
        match log_dirs.create_log(&name, self.topic_id, config).await {
            Ok(log) => self.come_online(log),
            Err(error) => self.stay_offline(&error),
        }
    }

    /// Takes the partition out of service for good and gives the log away, if it is open.
    pub(crate) fn retire(&self, reason: &str) -> Option<Log> {
        let mut state = self.lock();
        let status = std::mem::replace(&mut state.status, Status::Offline(reason.to_string()));
        state.watchers.wake_all();
        match status {
            Status::Online(mut online) => {
                self.shared.flush.account(online.accounted_bytes, 0);
                online.rolled.notify_waiters();
                online.accounted_bytes = 0;
                Some(online.log)
            }
            Status::Opening | Status::Offline(_) => None,
        }
    }

    /// Closes the log cleanly, if it is open. Waits for a flush that is under way.
    pub(crate) async fn close(self: &Arc<Self>) {
        loop {
            let settled = {
                let mut state = self.lock();
                // No append from here on; clients retry elsewhere, or here after the restart.
                state.leadership.is_local = false;
                state.watchers.wake_all();
                match &state.status {
                    Status::Online(online) if online.is_rolling || online.flush != FlushPhase::Idle => {
                        Arc::clone(&online.settled)
                    }
                    Status::Opening | Status::Online(_) | Status::Offline(_) => break,
                }
            };
            // A wake-up that comes between the lock and here is made good by looking again soon.
            let _ = self.shared.runtime.timeout(SETTLE_POLL, settled.notified()).await;
        }
        let Some(log) = self.retire(RETIRED) else { return };
        if let Err(error) = log.close().await {
            tracing::error!(topic = %self.topic, partition = self.index, %error, "the log was not closed cleanly; the next start recovers it");
        }
    }

    /// What the committed metadata and the configs say now.
    pub(crate) fn update(&self, leadership: Leadership, config: Arc<TopicConfig>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.leadership != leadership {
            state.leadership = leadership;
            if let Status::Online(online) = &mut state.status {
                let high_watermark = online.replication.high_watermark();
                online.replication = self.leader_state(&state.leadership, &state.config, &online.log, high_watermark);
            }
            state.watchers.wake_all();
        }
        if state.config != config {
            state.config = Arc::clone(&config);
            if let Status::Online(online) = &mut state.status {
                online.log.apply_config(log_config(&config, self.shared.producer_id_expiration_ms));
                online.replication.set_min_insync_replicas(config.min_insync_replicas.max(1) as usize);
                online.replication.set_write_caching(config.write_caching);
            }
            self.note_progress(state);
        }
    }

    /// A failed fsync or write: the partition goes offline and tries to come back by itself.
    pub(super) fn go_offline(self: &Arc<Self>, state: &mut State, error: &LogError) {
        let (topic, partition) = (&self.topic, self.index);
        tracing::error!(%topic, partition, %error, "the partition is offline; it is opened again from its last flushed offset");
        let reason = format!("{error}. Next step: look at the disk of the log directory; the partition is opened again by itself");
        let status = std::mem::replace(&mut state.status, Status::Offline(reason));
        state.watchers.wake_all();
        self.shared.metrics.broker.partitions_offline.increment();
        if let Status::Online(online) = status {
            self.shared.flush.account(online.accounted_bytes, 0);
            online.rolled.notify_waiters();
            let partition = Arc::clone(self);
            self.shared.runtime.spawn("partition.reopen", async move { partition.reopen(online.log).await });
        }
    }

    async fn reopen(self: Arc<Self>, log: Log) {
        self.shared.runtime.sleep(REOPEN_AFTER).await;
        match self.shared.log_dirs.reopen_log(log).await {
            Ok((log, _)) => {
                self.shared.metrics.broker.partitions_offline.decrement();
                tracing::info!(topic = %self.topic, partition = self.index, "the partition is online again");
                self.come_online(log);
            }
            Err(error) => {
                tracing::error!(topic = %self.topic, partition = self.index, %error, "the partition stays offline");
                let mut state = self.lock();
                state.status = Status::Offline(format!("{error}. Next step: mend the disk and restart the node"));
                state.watchers.wake_all();
            }
        }
    }

    fn come_online(self: &Arc<Self>, log: Log) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Status::Offline(reason) = &state.status
            && reason == RETIRED
        {
            return;
        }
        let known = log.log_start_offset();
        let replication = self.leader_state(&state.leadership, &state.config, &log, known);
        state.status = Status::Online(Box::new(Online {
            log,
            replication,
            flush: FlushPhase::Idle,
            rolled: Arc::new(Notify::new()),
            is_rolling: false,
            settled: Arc::new(Notify::new()),
            accounted_bytes: 0,
            is_queued: false,
        }));
        state.watchers.wake_all();
    }

    /// The leader's state for a leadership; the watermark is `known`, or higher where that follows from the log.
    fn leader_state(&self, leadership: &Leadership, config: &TopicConfig, log: &Log, known: i64) -> LeaderState {
        let leader_config = LeaderConfig {
            node: self.shared.node_id,
            leader_epoch: leadership.leader_epoch,
            replicas: leadership.replicas.clone(),
            isr: leadership.isr.clone(),
            min_insync_replicas: config.min_insync_replicas.max(1) as usize,
            write_caching: config.write_caching,
            replica_lag_time_max_ms: self.shared.replica_lag_time_max_ms,
        };
        let now_ms = self.shared.runtime.wall_clock_ms();
        LeaderState::new(leader_config, log.log_end_offset(), log.flushed_offset(), known, now_ms)
    }

    fn stay_offline(&self, error: &LogError) {
        tracing::error!(topic = %self.topic, partition = self.index, %error, "the partition is offline");
        self.shared.metrics.broker.partitions_offline.increment();
        let mut state = self.lock();
        state.status = Status::Offline(error.to_string());
        state.watchers.wake_all();
    }

    /// Marks a partition that is known to be on a log directory that failed.
    pub(crate) fn on_failed_directory(&self) {
        let error = LogError::Offline {
            reason: "its log directory could not be opened. Next step: repair or remove that directory in log.dirs, and \
                     restart"
                .to_string(),
        };
        self.stay_offline(&error);
    }

    /// Whether the log is open.
    pub(crate) fn is_online(&self) -> bool {
        matches!(self.lock().status, Status::Online(_))
    }

    pub(crate) fn name(&self) -> TopicPartition {
        TopicPartition::new(Arc::clone(&self.topic), self.index)
    }

    pub(crate) fn is_internal(&self) -> bool {
        ottla_metadata::topic_name::is_internal(&self.topic)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Size of the log in bytes and the log directory that holds it, while it is open.
    pub(crate) fn usage(&self) -> Option<(Uuid, u64)> {
        match &self.lock().status {
            Status::Online(online) => Some((online.log.log_dir().id(), online.log.size_bytes())),
            Status::Opening | Status::Offline(_) => None,
        }
    }
}
