//! What a broker does now and then: retention, checkpoints, numbers for the metrics.

use crate::Broker;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

/// How often gauges are brought up to date.
const GAUGES_INTERVAL: Duration = Duration::from_secs(1);

/// Starts the tasks; they end with the broker.
pub(crate) fn start(broker: &Arc<Broker>) {
    let runtime = broker.runtime();
    let log_dirs = broker.log_dirs().clone();
    runtime.spawn("broker.log-dirs", async move { log_dirs.housekeeping().await });
    runtime.spawn("broker.retention", retention(Arc::downgrade(broker)));
    runtime.spawn("broker.gauges", gauges(Arc::downgrade(broker)));
}

async fn retention(broker: Weak<Broker>) {
    let Some(first) = broker.upgrade() else { return };
    let delay = Duration::from_millis(first.config().storage.log_initial_task_delay_ms.max(0) as u64);
    let runtime = first.runtime().clone();
    drop(first);
    runtime.sleep(delay).await;
    while let Some(broker) = broker.upgrade() {
        for partition in broker.partitions.all() {
            partition.apply_retention().await;
            partition.forget_idle_producers();
        }
        let interval = broker.config().storage.log_retention_check_interval_ms.max(1) as u64;
        drop(broker);
        runtime.sleep(Duration::from_millis(interval)).await;
    }
}

async fn gauges(broker: Weak<Broker>) {
    while let Some(broker) = broker.upgrade() {
        let metrics = &broker.shared.metrics;
        let (sessions, evictions) = {
            let sessions = broker.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner);
            (sessions.len() as u64, sessions.evictions())
        };
        metrics.broker.fetch_sessions.set(sessions);
        metrics.broker.fetch_sessions_evicted.add(evictions - metrics.broker.fetch_sessions_evicted.get());
        metrics.log.dirty_bytes.set(broker.shared.flush.unflushed_bytes());
        let runtime = broker.runtime().clone();
        drop(broker);
        runtime.sleep(GAUGES_INTERVAL).await;
    }
}
