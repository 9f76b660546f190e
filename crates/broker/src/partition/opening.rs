//! How a partition comes into service.

use super::Partition;
use super::jobs::Job;
use super::state::{FlushPhase, Leadership, Online, OpenLog, Status};
use super::verification::Verifications;
use ottla_config::TopicConfig;
use ottla_replication::{LeaderConfig, LeaderState};
use ottla_storage::{FoundPartition, Log, LogError};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Pause before a log that could not be created is tried again; it doubles up to the maximum.
const CREATE_AGAIN_AFTER: Duration = Duration::from_secs(1);
const CREATE_AGAIN_AFTER_MAX: Duration = Duration::from_secs(30);

impl Partition {
    /// Opens the log in the directory that was found for it; whether none is left that should be open and is not. While the log
    /// waits behind others it goes as soon as the partition leaves (so that a deletion need not wait) or the openings are given
    /// up.
    pub(crate) async fn open(self: Arc<Self>, opening: Job, given_up: impl Future<Output = ()> + Send) -> bool {
        let (found, config) = {
            let state = self.lock();
            (state.found.clone(), self.log_config(&state.config))
        };
        let found = found.expect("only what was found is opened");
        let unwanted = Box::pin(async {
            tokio::select! {
                biased;
                () = self.left() => {}
                () = given_up => {}
            }
        });
        let is_open = match self.shared.log_dirs.open_log(&found, config, unwanted).await {
            Ok((log, report)) => {
                if let Some(cut) = &report.cut {
                    self.shared.metrics.log.recovered_bytes_cut.add(cut.bytes);
                }
                let returned = self.come_online(log);
                let is_open = returned.is_none();
                self.lock().leftover = returned;
                is_open
            }
            Err(LogError::Unwanted) => false,
            Err(error) => {
                self.stay_offline(&error, "look at the disk of the log directory and restart the node");
                false
            }
        };
        drop(opening);
        is_open || self.lock().is_deleted()
    }

    /// Resolves when the partition is about to leave.
    async fn left(&self) {
        // Made before the look, so that a departure in between is not missed.
        let leaving = self.leaving.notified();
        if !self.lock().is_leaving() {
            leaving.await;
        }
    }

    /// Creates the log: the partition is new on this node. After a failure (a full disk, say) it is tried again in the
    /// background until it works.
    pub(crate) async fn create(self: Arc<Self>, opening: Job) {
        if self.try_create().await {
            return;
        }
        let partition = Arc::clone(&self);
        self.shared.runtime.spawn("partition.create", async move {
            let mut pause = CREATE_AGAIN_AFTER;
            while partition.pause(pause).await {
                if partition.try_create().await {
                    tracing::info!(topic = %partition.topic, partition = partition.index, "the partition is online");
                    break;
                }
                pause = CREATE_AGAIN_AFTER_MAX.min(2 * pause);
            }
            drop(opening);
        });
    }

    /// Whether there is nothing more to try.
    async fn try_create(self: &Arc<Self>) -> bool {
        let config = {
            let state = self.lock();
            if state.is_leaving() {
                return true;
            }
            self.log_config(&state.config)
        };
        match self.shared.log_dirs.create_log(&self.name(), self.topic_id, config).await {
            Ok(log) => {
                let returned = self.come_online(log);
                self.lock().leftover = returned;
                true
            }
            Err(error) => {
                self.clear_failed_creation(&error).await;
                self.stay_offline(
                    &error,
                    "look at the disk of the log directory; the creation is tried again by itself",
                );
                false
            }
        }
    }

    /// Puts away what would be in the way of the next try: the rest of a failed one, or a directory of the same name that
    /// no partition of this node uses, which is kept.
    async fn clear_failed_creation(&self, error: &LogError) {
        let LogError::Io { source, .. } = error else { return };
        let log_dirs = &self.shared.log_dirs;
        for dir in log_dirs.dirs() {
            let path = dir.path().join(format!("{}-{}", self.topic, self.index));
            if !matches!(self.shared.runtime.disk().exists(&path).await, Ok(true)) {
                continue;
            }
            let topic_id = Some(self.topic_id);
            let found = FoundPartition { topic_partition: self.name(), topic_id, dir: Arc::clone(dir), path };
            let cleared = match source.kind() == io::ErrorKind::AlreadyExists {
                true => log_dirs.set_aside_stray(&found).await,
                false => log_dirs.delete_found(&found, Duration::ZERO).await,
            };
            if let Err(error) = cleared {
                tracing::warn!(topic = %self.topic, partition = self.index, %error, "the rest of a failed creation stays");
            }
        }
    }

    /// Puts the partition into service with `log`, or gives the log back if the partition is about to leave.
    pub(super) fn come_online(&self, mut log: Log) -> Option<Log> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_leaving() {
            return Some(log);
        }
        log.apply_config(self.log_config(&state.config));
        let known = state.high_watermark.max(log.log_start_offset());
        let leader = self.leader_state(&state.leadership, &state.config, &log, known);
        let high_watermark = leader.as_ref().map_or(known.min(log.log_end_offset()), LeaderState::high_watermark);
        if high_watermark < state.high_watermark {
            // Only with write.caching, whose acknowledgements do not wait for the disk.
            tracing::warn!(
                topic = %self.topic, partition = self.index, before = state.high_watermark, high_watermark,
                "acknowledged records were not on stable storage and are lost"
            );
        }
        log.on_high_watermark(high_watermark);
        state.high_watermark = high_watermark;
        state.incarnation += 1;
        let open = OpenLog {
            log,
            incarnation: state.incarnation,
            flush: FlushPhase::Idle,
            is_rolling: false,
            failed_roll: None,
            is_switching: false,
            accounted_bytes: 0,
            queued: None,
            verifications: Verifications::default(),
        };
        state.status = Status::Online(Box::new(Online { open, leader }));
        state.watchers.wake_all();
        state.recount(&self.shared.metrics.broker);
        None
    }

    /// The leader's state for a leadership, if it is this node's; the watermark is `known`, or higher where that follows
    /// from the log.
    pub(super) fn leader_state(
        &self,
        leadership: &Leadership,
        config: &TopicConfig,
        log: &Log,
        known: i64,
    ) -> Option<LeaderState> {
        let leader_config = LeaderConfig {
            node: self.shared.node_id,
            leader_epoch: leadership.leader_epoch,
            replicas: leadership.replicas.clone(),
            isr: leadership.isr.clone(),
            min_insync_replicas: usize::try_from(config.min_insync_replicas).unwrap_or(1).max(1),
            write_caching: config.write_caching,
            replica_lag_time_max_ms: self.shared.replica_lag_time_max_ms,
        };
        let now_ms = self.shared.runtime.wall_clock_ms();
        leadership
            .is_local
            .then(|| LeaderState::new(leader_config, log.log_end_offset(), log.flushed_offset(), known, now_ms))
    }
}
