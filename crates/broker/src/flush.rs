//! When partitions are flushed: at once, after a short while, or because too much is unflushed.
//!
//! A partition runs at most one sync at a time (group commit); many partitions flush in parallel so that the file
//! system's journal merges them. This file holds what all partitions of a node share: the slots for parallel
//! flushes, the queue of partitions that may wait a little, and the bound on unflushed bytes.

use crate::partition::Partition;
use ottla_runtime::{AbortOnDrop, Instant, Runtime};
use ottla_storage::LogDir;
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// Partitions whose flush may run at the same time. Log directories share them evenly, and one that hangs takes none of the others'.
const FLUSHES_IN_PARALLEL: usize = 64;
/// A log directory has at least so many of them.
const FLUSHES_OF_A_DIRECTORY_MIN: usize = 8;
/// A partition with more unflushed bytes than this is flushed without waiting for its turn.
pub(crate) const PARTITION_UNFLUSHED_BYTES_MAX: u64 = 32 << 20;
/// How long write-caching topics stay unflushed, so that recovery stays bounded.
pub(crate) const WRITE_CACHING_FLUSH_INTERVAL: Duration = Duration::from_secs(2);

/// Flushing as all partitions of a node share it.
pub(crate) struct FlushControl {
    /// By the id of the log directory.
    slots: BTreeMap<Uuid, Semaphore>,
    /// `log.unflushed.max.bytes`: above it producers are held back.
    unflushed_bytes_max: u64,
    unflushed_bytes: AtomicU64,
    room: Notify,
    queue: Mutex<Queue>,
    /// The earliest due time has changed.
    earlier: Notify,
}

/// Partitions by the time by which they are to be flushed.
#[derive(Default)]
struct Queue {
    due: BTreeMap<(Instant, u64), Weak<Partition>>,
    pushed: u64,
}

impl FlushControl {
    pub(crate) fn new(unflushed_bytes_max: u64, dirs: &[Arc<LogDir>]) -> Arc<FlushControl> {
        let share = (FLUSHES_IN_PARALLEL / dirs.len().max(1)).max(FLUSHES_OF_A_DIRECTORY_MIN);
        Arc::new(FlushControl {
            slots: dirs.iter().map(|dir| (dir.id(), Semaphore::new(share))).collect(),
            unflushed_bytes_max,
            unflushed_bytes: AtomicU64::new(0),
            room: Notify::new(),
            queue: Mutex::default(),
            earlier: Notify::new(),
        })
    }

    /// The task that flushes what is due; it runs until it is dropped.
    pub(crate) fn start(self: &Arc<Self>, runtime: &Runtime) -> AbortOnDrop<()> {
        let (control, clock) = (Arc::clone(self), runtime.clone());
        runtime.spawn("broker.flush-queue", async move { control.run(&clock).await }).abort_on_drop()
    }

    /// Has `partition` flushed at `due`.
    pub(crate) fn flush_at(&self, due: Instant, partition: Weak<Partition>) {
        let mut queue = self.queue();
        let is_earliest = queue.due.first_key_value().is_none_or(|((first, _), _)| due < *first);
        queue.pushed += 1;
        let number = queue.pushed;
        queue.due.insert((due, number), partition);
        if is_earliest {
            self.earlier.notify_one();
        }
    }

    /// A place among the flushes of the log directory `dir` that run in parallel.
    pub(crate) async fn slot(&self, dir: Uuid) -> SemaphorePermit<'_> {
        let slots = self.slots.get(&dir).expect("every log is in a log directory of the node");
        slots.acquire().await.expect("it is never closed")
    }

    /// Unflushed bytes of all partitions.
    pub(crate) fn unflushed_bytes(&self) -> u64 {
        self.unflushed_bytes.load(Ordering::Relaxed)
    }

    /// Replaces a partition's share of the node's unflushed bytes.
    pub(crate) fn account(&self, before: u64, after: u64) {
        if after >= before {
            self.unflushed_bytes.fetch_add(after - before, Ordering::Relaxed);
            return;
        }
        self.unflushed_bytes.fetch_sub(before - after, Ordering::Relaxed);
        self.room.notify_waiters();
    }

    /// Waits until fewer than `log.unflushed.max.bytes` are unflushed.
    pub(crate) async fn room(&self) {
        while self.unflushed_bytes() >= self.unflushed_bytes_max {
            // Made before the second look, so that what is freed in between is not missed.
            let freed = self.room.notified();
            if self.unflushed_bytes() < self.unflushed_bytes_max {
                return;
            }
            self.flush_due(None);
            freed.await;
        }
    }

    async fn run(&self, clock: &Runtime) {
        loop {
            let first = self.queue().due.first_key_value().map(|((due, _), _)| *due);
            match first {
                None => self.earlier.notified().await,
                Some(due) => {
                    let left = due.saturating_duration_since(clock.now());
                    // Whichever comes first: the time, or something earlier.
                    let _ = clock.timeout(left, self.earlier.notified()).await;
                    self.flush_due(Some(clock.now()));
                }
            }
        }
    }

    /// Flushes what is due at `now`, or everything.
    fn flush_due(&self, now: Option<Instant>) {
        let due = {
            let mut queue = self.queue();
            let rest = match now {
                Some(now) => queue.due.split_off(&(now, u64::MAX)),
                None => BTreeMap::new(),
            };
            std::mem::replace(&mut queue.due, rest)
        };
        due.values().filter_map(Weak::upgrade).for_each(|partition| partition.flush_queued());
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
