//! Who waits for a partition's high watermark, and how they are woken.
//!
//! A parked request holds one [`Waiter`] and registers it with each partition it waits for, together
//! with the high watermark that would interest it. A partition wakes and forgets every entry whose
//! watermark is reached, and all of them when it goes offline or loses leadership. A waiter that is
//! woken looks at the partitions again; it never trusts the wake-up alone.

use std::sync::{Arc, Weak};
use tokio::sync::Notify;

/// One parked request.
#[derive(Default)]
pub(crate) struct Waiter {
    notify: Notify,
}

impl Waiter {
    pub(crate) fn new() -> Arc<Waiter> {
        Arc::new(Waiter::default())
    }

    /// Resolves after the next wake-up; a wake-up that came first is not lost.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }

    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }
}

struct Entry {
    high_watermark: i64,
    waiter: Weak<Waiter>,
}

/// The waiters of one partition.
#[derive(Default)]
pub(crate) struct Watchers {
    entries: Vec<Entry>,
    /// Entries at the last sweep; when the list doubles, those whose request is gone are dropped.
    live: usize,
}

/// Below this many entries no sweep for abandoned ones is worth while.
const SWEEP_ENTRIES_MIN: usize = 64;

impl Watchers {
    /// Wakes `waiter` once, when the high watermark is at least `high_watermark`.
    pub(crate) fn add(&mut self, high_watermark: i64, waiter: &Arc<Waiter>) {
        if self.entries.len() >= SWEEP_ENTRIES_MIN.max(2 * self.live) {
            self.entries.retain(|entry| entry.waiter.strong_count() > 0);
            self.live = self.entries.len();
        }
        self.entries.push(Entry { high_watermark, waiter: Arc::downgrade(waiter) });
    }

    /// Whether anybody is interested in records that are not yet visible.
    pub(crate) fn any(&self) -> bool {
        self.entries.iter().any(|entry| entry.waiter.strong_count() > 0)
    }

    pub(crate) fn reached(&mut self, high_watermark: i64) {
        self.entries.retain(|entry| {
            if entry.high_watermark > high_watermark {
                return true;
            }
            wake(&entry.waiter);
            false
        });
    }

    pub(crate) fn wake_all(&mut self) {
        self.entries.drain(..).for_each(|entry| wake(&entry.waiter));
    }
}

fn wake(waiter: &Weak<Waiter>) {
    if let Some(waiter) = waiter.upgrade() {
        waiter.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reached_watermarks_wake() {
        let (near, far) = (Waiter::new(), Waiter::new());
        let mut watchers = Watchers::default();
        watchers.add(5, &near);
        watchers.add(9, &far);
        watchers.reached(5);
        assert_eq!(watchers.entries.len(), 1);
        watchers.wake_all();
        assert!(!watchers.any());
    }

    #[test]
    fn abandoned_requests_do_not_pile_up() {
        let mut watchers = Watchers::default();
        for _ in 0..10_000 {
            watchers.add(1, &Waiter::new());
        }
        assert!(watchers.entries.len() <= SWEEP_ENTRIES_MIN + 1);
    }
}
