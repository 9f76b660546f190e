//! Moves of partitions between the log directories of this node (AlterReplicaLogDirs): what is asked for, how many at a time,
//! how fast.
//!
//! A request only begins a move, or stops one; [`Partition::run_move`] makes it. `num.replica.alter.log.dirs.threads` moves run
//! at a time, the others wait; together they keep to `replica.alter.log.dirs.io.max.bytes.per.second`. A move that a restart
//! interrupts begins again from nothing after it: its directory tells of it.

use crate::partition::{MoveEnd, MoveTicket, Partition, PartitionError, Place, Shared};
use crate::partitions::Partitions;
use crate::tasks::{Stopping, Tasks};
use ottla_config::BrokerConfig;
use ottla_runtime::Instant;
use ottla_storage::cleaner::Throttle;
use ottla_storage::moving::FutureLog;
use ottla_storage::{LogDir, LogDirState};
use ottla_types::{ErrorCode, TopicPartition};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};

/// How often the rate is brought to what the config says.
const RATE_INTERVAL: Duration = Duration::from_secs(1);
/// Longest name of a directory; the name of a copy is longer than its partition's.
const DIR_NAME_BYTES_MAX: usize = 255;
/// What the name of a copy's directory has more: a dot, 32 digits and `-future`.
const FUTURE_SUFFIX_BYTES: usize = 40;
/// How long a request waits for a switch that is under way.
const SWITCH_PATIENCE: Duration = Duration::from_secs(30);
const SWITCH_POLL: Duration = Duration::from_millis(10);

/// What the moves of a node share.
pub(crate) struct Moves {
    shared: Arc<Shared>,
    partitions: Arc<Partitions>,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
    tasks: Weak<Tasks>,
    slots: Semaphore,
    throttle: Throttle,
    /// Held by the request that is being decided on.
    deciding: Arc<Mutex<()>>,
}

impl Moves {
    /// Goes on with the moves that the last run did not finish, and follows the rate's config.
    pub(crate) fn start(
        tasks: &Arc<Tasks>,
        shared: &Arc<Shared>,
        partitions: &Arc<Partitions>,
        config: &Arc<RwLock<Arc<BrokerConfig>>>,
    ) -> Arc<Moves> {
        let moves = Moves::new(tasks, shared, partitions, config);
        let (resumed, rated) = (Arc::clone(&moves), Arc::clone(&moves));
        // Requests come after it: what they begin is not taken for what the last run did not finish.
        let first = Arc::clone(&moves.deciding).try_lock_owned();
        tasks.spawn("broker.resume-moves", |_| async move {
            resumed.resume().await;
            drop(first);
        });
        tasks.spawn("broker.moves", |stopping| async move { rated.follow_rate(stopping).await });
        moves
    }

    fn new(
        tasks: &Arc<Tasks>,
        shared: &Arc<Shared>,
        partitions: &Arc<Partitions>,
        config: &Arc<RwLock<Arc<BrokerConfig>>>,
    ) -> Arc<Moves> {
        let current = Arc::clone(&config.read().unwrap_or_else(PoisonError::into_inner));
        let threads = current
            .get("num.replica.alter.log.dirs.threads")
            .map(|_| usize::try_from(current.long("num.replica.alter.log.dirs.threads")).unwrap_or(1));
        let slots = threads.unwrap_or(current.storage.log_dirs.len()).max(1);
        Arc::new(Moves {
            shared: Arc::clone(shared),
            partitions: Arc::clone(partitions),
            config: Arc::clone(config),
            tasks: Arc::downgrade(tasks),
            slots: Semaphore::new(slots.min(Semaphore::MAX_PERMITS)),
            throttle: Throttle::new(rate(&current)),
            deciding: Arc::default(),
        })
    }

    /// The partition is to be in the log directory `path`, now or when it is created.
    pub(crate) async fn alter(self: &Arc<Self>, name: &TopicPartition, path: &str) -> Result<(), PartitionError> {
        let _deciding = self.deciding.lock().await;
        let dir_name_bytes = format!("{}-{}", name.topic, name.partition).len() + FUTURE_SUFFIX_BYTES;
        if dir_name_bytes > DIR_NAME_BYTES_MAX {
            let message = "the topic's name is too long for a partition that moves";
            return Err(PartitionError::of(ErrorCode::InvalidTopicException, message));
        }
        let dir = self.dir(path)?;
        let partition = match self.partitions.by_name(&name.topic, name.partition) {
            Ok(partition) => partition,
            Err(error) => {
                self.shared.log_dirs.prefer(name, &dir);
                return Err(replica_not_available(error));
            }
        };
        let deadline = self.shared.runtime.now() + SWITCH_PATIENCE;
        let place = loop {
            let place = self.settled_place(&partition, deadline).await.inspect_err(|error| {
                if error.code == ErrorCode::ReplicaNotAvailable {
                    self.shared.log_dirs.prefer(name, &dir);
                }
            })?;
            if place.target == Some(dir.id()) {
                return Ok(());
            }
            if partition.cancel_move() {
                break place;
            }
        };
        if place.current == dir.id() {
            return Ok(());
        }
        if self.shared.log_dirs.has_offline_dir() {
            let message = "a log directory is offline, and could hold another copy of the partition. Next step: repair that \
                           directory, or remove it from log.dirs, and restart the node";
            return Err(PartitionError::storage(message));
        }
        self.begin(&partition, &dir).await
    }

    /// Where the partition is, when it is not just being switched.
    async fn settled_place(&self, partition: &Partition, deadline: Instant) -> Result<Place, PartitionError> {
        loop {
            let place = partition.place()?;
            if !place.is_switching {
                return Ok(place);
            }
            if self.shared.runtime.now() >= deadline {
                return Err(PartitionError::of(ErrorCode::RequestTimedOut, "an earlier move is about to end"));
            }
            self.shared.runtime.sleep(SWITCH_POLL).await;
        }
    }

    /// The directory of that path, if it is one of `log.dirs` and in order.
    fn dir(&self, path: &str) -> Result<Arc<LogDir>, PartitionError> {
        let config = self.config();
        if !config.storage.log_dirs.iter().any(|dir| dir == path) {
            let message = format!("'{path}' is not one of log.dirs");
            return Err(PartitionError::of(ErrorCode::LogDirNotFound, message));
        }
        let found = self.shared.log_dirs.dirs().iter().find(|dir| dir.path().display().to_string() == path);
        match found.filter(|dir| !matches!(dir.state(), LogDirState::Offline(_))) {
            Some(dir) => Ok(Arc::clone(dir)),
            None => Err(PartitionError::storage(format!(
                "the log directory '{path}' is offline. Next step: look at its disk and restart the node"
            ))),
        }
    }

    async fn begin(self: &Arc<Self>, partition: &Arc<Partition>, dir: &Arc<LogDir>) -> Result<(), PartitionError> {
        let future = self.shared.log_dirs.create_future(&partition.name(), partition.topic_id, dir).await;
        let future = future.map_err(|error| {
            PartitionError::storage(error.with_next_step("look at the disk of that log directory, and try again"))
        })?;
        tracing::info!(
            topic = %partition.topic, partition = partition.index, to = %dir.path().display(),
            "the partition moves to another log directory"
        );
        let (Some(ticket), Some(tasks)) = (partition.begin_move(&future), self.tasks.upgrade()) else {
            self.drop_future(future).await;
            return Err(PartitionError::of(ErrorCode::ReplicaNotAvailable, "the partition leaves this node"));
        };
        let (moves, partition) = (Arc::clone(self), Arc::clone(partition));
        tasks.spawn("broker.move", |stopping| async move { moves.run(partition, future, ticket, stopping).await });
        Ok(())
    }

    async fn run(&self, partition: Arc<Partition>, future: FutureLog, ticket: MoveTicket, mut stopping: Stopping) {
        let slot = tokio::select! {
            biased;
            () = ticket.stopped() => None,
            () = stopping.set() => return,
            slot = self.slots.acquire() => slot.ok(),
        };
        let Some(_slot) = slot else {
            self.drop_future(future).await;
            return;
        };
        let log = &self.shared.metrics.log;
        log.moves_running.increment();
        // A throttle that was set just before counts from the first byte.
        self.throttle.set_rate(rate(&self.config()));
        let began = self.shared.runtime.now();
        let to = future.log_dir().path().display().to_string();
        let end = partition.run_move(future, &ticket, &self.throttle, &stopping).await;
        log.moves_running.decrement();
        let (topic, index) = (&partition.topic, partition.index);
        match end {
            MoveEnd::Moved => {
                log.moves_completed.increment();
                let took_ms = self.shared.runtime.now().saturating_duration_since(began).as_millis() as u64;
                tracing::info!(%topic, partition = index, to, took_ms, "the partition was moved");
            }
            MoveEnd::Dropped(future) => {
                tracing::info!(%topic, partition = index, to, "the move was given up; the partition stays");
                self.drop_future(future).await;
            }
            MoveEnd::Suspended => {
                tracing::info!(%topic, partition = index, to, "the move is not gone on with; the next start begins it again");
            }
            MoveEnd::Failed(future, error) => {
                log.moves_failed.increment();
                tracing::error!(
                    %topic, partition = index, to, %error,
                    "the partition cannot be moved and stays where it is. Next step: look at the disk of both log directories, \
                     and ask for the move again"
                );
                self.drop_future(future).await;
            }
            MoveEnd::Undecided => log.moves_failed.increment(),
        }
    }

    async fn drop_future(&self, future: FutureLog) {
        if let Err(error) = self.shared.log_dirs.drop_future(future).await {
            tracing::warn!(%error, "the copy of a partition that does not move cannot be removed");
        }
    }

    /// The caller holds `deciding`.
    async fn resume(self: Arc<Self>) {
        let unfinished = match self.shared.log_dirs.unfinished_moves().await {
            Ok(unfinished) => unfinished,
            Err(error) => {
                tracing::error!(%error, "unfinished moves between log directories cannot be looked for");
                return;
            }
        };
        for found in unfinished {
            let name = found.topic_partition.clone();
            let begun = match self.partitions.by_name(&name.topic, name.partition) {
                Ok(partition) if !self.shared.log_dirs.has_offline_dir() => self.begin(&partition, &found.dir).await,
                Ok(_) => Err(PartitionError::of(ErrorCode::KafkaStorageError, "a log directory is offline")),
                Err(error) => Err(error),
            };
            if let Err(error) = begun {
                tracing::warn!(partition = %name, to = %found.dir.path().display(), %error, "a move is not gone on with");
            }
            if let Err(error) = self.shared.log_dirs.drop_found_future(found).await {
                tracing::warn!(partition = %name, %error, "what a move had copied before the restart cannot be removed");
            }
        }
    }

    async fn follow_rate(self: Arc<Self>, mut stopping: Stopping) {
        while stopping.sleep(&self.shared.runtime, RATE_INTERVAL).await {
            self.throttle.set_rate(rate(&self.config()));
        }
    }

    fn config(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Bytes per second; 0 lets as good as nothing through, as in Kafka.
fn rate(config: &BrokerConfig) -> f64 {
    config.long("replica.alter.log.dirs.io.max.bytes.per.second") as f64
}

/// Kafka's answer for a partition of another node, or one that this node is about to create.
fn replica_not_available(error: PartitionError) -> PartitionError {
    match error.code {
        ErrorCode::NotLeaderOrFollower => PartitionError { code: ErrorCode::ReplicaNotAvailable, ..error },
        _ => error,
    }
}
