//! The shards of one coordinator on this node, by partition.

use crate::handle::ShardHandle;
use crate::shard::Shard;
use crate::task::{ShardParts, start};
use ottla_runtime::{Runtime, TaskHandle};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

/// The shards that run here. A shard that is taken away refuses what waits on it with NOT_COORDINATOR.
pub struct Shards<S: Shard> {
    runtime: Runtime,
    running: RwLock<BTreeMap<i32, ShardHandle<S>>>,
    tasks: Mutex<Vec<TaskHandle<()>>>,
}

impl<S: Shard> Shards<S> {
    /// None yet.
    pub fn new(runtime: &Runtime) -> Shards<S> {
        Shards { runtime: runtime.clone(), running: RwLock::default(), tasks: Mutex::default() }
    }

    /// Starts the shard of a partition, unless it runs.
    pub fn start(&self, partition: i32, parts: impl FnOnce() -> ShardParts<S>) {
        if self.get(partition).is_some() {
            return;
        }
        let (handle, task) = start(parts());
        self.running.write().unwrap_or_else(PoisonError::into_inner).insert(partition, handle);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Ends the shard of a partition, if it runs.
    pub fn stop(&self, partition: i32) {
        self.running.write().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }

    /// The shard of a partition.
    pub fn get(&self, partition: i32) -> Option<ShardHandle<S>> {
        self.running.read().unwrap_or_else(PoisonError::into_inner).get(&partition).cloned()
    }

    /// All shards, by partition.
    pub fn all(&self) -> Vec<(i32, ShardHandle<S>)> {
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        running.iter().map(|(partition, handle)| (*partition, handle.clone())).collect()
    }

    /// Ends all shards and waits for them; those that have not ended after `patience` are aborted.
    pub async fn shutdown(&self, patience: Duration) {
        self.running.write().unwrap_or_else(PoisonError::into_inner).clear();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let deadline = self.runtime.now() + patience;
        for mut task in tasks {
            let left = deadline.saturating_duration_since(self.runtime.now());
            if self.runtime.timeout(left, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}
