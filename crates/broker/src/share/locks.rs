//! Locks that end, sessions whose connections are gone, and share partitions of topics that are gone.

use super::partitions::SharePartitions;
use crate::tasks::{Stopping, Tasks};
use std::sync::Arc;
use std::time::Duration;

/// How exactly locks end.
const TICK: Duration = Duration::from_millis(100);
/// Every this many ticks sessions and topics are looked at.
const SWEEP_TICKS: u64 = 10;

/// Starts the task that ends locks.
pub(crate) fn watch_locks(tasks: &Tasks, partitions: &Arc<SharePartitions>) {
    let partitions = Arc::clone(partitions);
    tasks.spawn("broker.share-locks", |stopping| watch(partitions, stopping));
}

async fn watch(partitions: Arc<SharePartitions>, mut stopping: Stopping) {
    let runtime = partitions.runtime.clone();
    let mut ticks = 0u64;
    while stopping.sleep(&runtime, TICK).await {
        ticks += 1;
        partitions.expire();
        if ticks.is_multiple_of(SWEEP_TICKS) {
            partitions.close_abandoned();
            partitions.forget_gone();
            partitions.forget_idle();
            partitions.show();
        }
    }
}

impl SharePartitions {
    fn expire(self: &Arc<Self>) {
        let now_ms = self.now_ms();
        for cached in self.all().into_iter().filter(|cached| cached.may_expire(now_ms)) {
            let limits = self.settings(&cached.key.group_id).limits;
            let (is_available, write) = {
                let mut core = cached.lock();
                let is_available = core.end_delays(now_ms);
                let write = core.expire(now_ms, &limits);
                cached.next_expiry(&core);
                (is_available, write)
            };
            if is_available || write.is_some() {
                cached.wake();
            }
            if let Some(write) = write {
                let count = write.batches.iter().map(|batch| batch.last_offset - batch.first_offset + 1).sum::<i64>();
                self.metrics().locks_expired.add(u64::try_from(count).unwrap_or(0));
                // Nobody waits for it: see `SharePartition::expire`.
                drop(self.write(&cached, write));
                self.begin_dead_letters(&cached);
            }
        }
    }

    fn forget_gone(&self) {
        let image = Arc::clone(&self.states.images.borrow());
        self.forget_where(|cached| {
            let topic = image.topic_by_id(cached.key.topic_id);
            topic.is_none_or(|topic| topic.partition(cached.key.partition).is_none())
        });
    }
}
