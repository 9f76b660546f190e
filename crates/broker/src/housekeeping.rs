//! What a broker does now and then: retention, checkpoints, numbers for the metrics.

use crate::fetch_session::FetchSessions;
use crate::partition::Shared;
use crate::partitions::Partitions;
use crate::tasks::{Stopping, Tasks};
use ottla_config::BrokerConfig;
use ottla_runtime::Runtime;
use ottla_storage::limits::HOUSEKEEPING_INTERVAL;
use ottla_storage::{LogDir, LogDirState};
use ottla_types::Uuid;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often gauges that cost little are brought up to date.
const GAUGES_INTERVAL: Duration = Duration::from_secs(1);
/// Of so many rounds one also adds up the sizes of all logs.
const SIZES_EVERY_ROUNDS: u64 = 10;

/// Starts the tasks.
pub(crate) fn start(
    tasks: &Tasks,
    shared: &Arc<Shared>,
    partitions: &Arc<Partitions>,
    sessions: &Arc<Mutex<FetchSessions>>,
    config: &BrokerConfig,
) {
    let storage = &config.storage;
    let milliseconds = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let delay = milliseconds(storage.log_initial_task_delay_ms);
    let interval = milliseconds(storage.log_retention_check_interval_ms.max(1));
    // Tasks for each directory: a disk that hangs holds up only its own logs.
    for dir in shared.log_dirs.dirs() {
        let (own, partitions, id) = (Arc::clone(shared), Arc::clone(partitions), dir.id());
        tasks.spawn("broker.retention", |stopping| retention(stopping, own, partitions, id, delay, interval));
        let own = Arc::clone(dir);
        tasks.spawn("broker.checkpoints", |stopping| checkpoints(stopping, own));
        let (runtime, own) = (shared.runtime.clone(), Arc::clone(dir));
        tasks.spawn("broker.removals", |stopping| removals(stopping, runtime, own));
    }
    let unopened = storage.log_dirs.len().saturating_sub(shared.log_dirs.dirs().len()) as u64;
    let (shared, partitions, sessions) = (Arc::clone(shared), Arc::clone(partitions), Arc::clone(sessions));
    tasks.spawn("broker.gauges", move |stopping| gauges(stopping, shared, partitions, sessions, unopened));
}

async fn retention(
    mut stopping: Stopping,
    shared: Arc<Shared>,
    partitions: Arc<Partitions>,
    dir: Uuid,
    delay: Duration,
    interval: Duration,
) {
    let mut pause = delay;
    while stopping.sleep(&shared.runtime, pause).await {
        for partition in partitions.all() {
            if stopping.is_set() {
                return;
            }
            if partition.dir_id() == Some(dir) {
                partition.apply_retention().await;
                partition.forget_idle_producers();
            }
        }
        pause = interval;
    }
}

/// Recovery points and free space.
async fn checkpoints(mut stopping: Stopping, dir: Arc<LogDir>) {
    loop {
        tokio::select! {
            biased;
            () = stopping.set() => return,
            // The recovery points follow the flushed offsets within a time or a number of bytes.
            () = dir.checkpoint_due() => {}
        }
        dir.checkpoint().await;
    }
}

/// Deleted files: apart from the checkpoints, because removing a large log may take longer than recovery points may wait.
async fn removals(mut stopping: Stopping, runtime: Runtime, dir: Arc<LogDir>) {
    while stopping.sleep(&runtime, HOUSEKEEPING_INTERVAL).await {
        tokio::select! {
            biased;
            // What is left then, the next start removes.
            () = stopping.set() => return,
            () = dir.remove_due() => {}
        }
    }
}

async fn gauges(
    mut stopping: Stopping,
    shared: Arc<Shared>,
    partitions: Arc<Partitions>,
    sessions: Arc<Mutex<FetchSessions>>,
    unopened_dirs: u64,
) {
    let mut round = 0;
    loop {
        let (broker, log) = (&shared.metrics.broker, &shared.metrics.log);
        let (open, evictions) = {
            let sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
            (sessions.len() as u64, sessions.evictions())
        };
        broker.fetch_sessions.set(open);
        broker.fetch_sessions_evicted.add(evictions.saturating_sub(broker.fetch_sessions_evicted.get()));
        log.dirty_bytes.set(shared.flush.unflushed_bytes());
        let offline = shared.log_dirs.dirs().iter().filter(|dir| matches!(dir.state(), LogDirState::Offline(_)));
        log.offline_log_dirs.set(unopened_dirs + offline.count() as u64);
        if round % SIZES_EVERY_ROUNDS == 0 {
            let usages = partitions.all().into_iter().filter_map(|partition| partition.usage());
            let add = |(bytes, segments): (u64, u64), usage: crate::partition::Usage| {
                (bytes + usage.bytes, segments + usage.segments as u64)
            };
            let (bytes, segments) = usages.fold((0, 0), add);
            log.log_bytes.set(bytes);
            log.segments.set(segments);
        }
        round += 1;
        if !stopping.sleep(&shared.runtime, GAUGES_INTERVAL).await {
            return;
        }
    }
}
