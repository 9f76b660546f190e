//! Who waits for a partition's high watermark, and how they are woken.
//!
//! A parked request holds one [`Waiter`] and registers it with each partition it waits for, together with the high watermark
//! that would interest it. A partition wakes and forgets every entry whose watermark is reached, and all of them when it
//! goes offline, loses leadership or leaves. A waiter that is woken looks at the partitions again; it never trusts the
//! wake-up alone.

use std::collections::BTreeMap;
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

/// Names an entry: the high watermark that it waits for, and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Registration {
    high_watermark: i64,
    number: u64,
}

/// The waiters of one partition.
#[derive(Default)]
pub(crate) struct Watchers {
    entries: BTreeMap<Registration, Weak<Waiter>>,
    next_number: u64,
    /// Entries after the last sweep; when their number doubles, those whose request is gone are dropped.
    live: usize,
}

/// Below this many entries no sweep for abandoned ones is worth while.
const SWEEP_ENTRIES_MIN: usize = 64;

impl Watchers {
    /// Wakes `waiter` once, when the high watermark is at least `high_watermark`.
    pub(crate) fn add(&mut self, high_watermark: i64, waiter: &Arc<Waiter>) -> Registration {
        if self.entries.len() >= SWEEP_ENTRIES_MIN.max(2 * self.live) {
            self.entries.retain(|_, waiter| waiter.strong_count() > 0);
            self.live = self.entries.len();
        }
        let registration = Registration { high_watermark, number: self.next_number };
        self.next_number += 1;
        self.entries.insert(registration, Arc::downgrade(waiter));
        registration
    }

    /// As [`Watchers::add`], unless the waiter's earlier `registration` still stands: a request that looks again and again
    /// has one entry at each partition.
    pub(crate) fn keep(&mut self, registration: &mut Option<Registration>, high_watermark: i64, waiter: &Arc<Waiter>) {
        let stands = registration.is_some_and(|registration| self.entries.contains_key(&registration));
        if !stands {
            *registration = Some(self.add(high_watermark, waiter));
        }
    }

    /// Whether anybody is interested in records that are not yet visible.
    pub(crate) fn any(&self) -> bool {
        self.entries.values().any(|waiter| waiter.strong_count() > 0)
    }

    /// Wakes whoever waits for `high_watermark` or less.
    pub(crate) fn reached(&mut self, high_watermark: i64) {
        while let Some(first) = self.entries.first_entry() {
            if first.key().high_watermark > high_watermark {
                return;
            }
            wake(&first.remove());
        }
    }

    pub(crate) fn wake_all(&mut self) {
        std::mem::take(&mut self.entries).values().for_each(wake);
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
    use futures_util::FutureExt;

    fn is_woken(waiter: &Waiter) -> bool {
        waiter.woken().now_or_never().is_some()
    }

    #[test]
    fn only_reached_watermarks_wake() {
        let (near, far) = (Waiter::new(), Waiter::new());
        let mut watchers = Watchers::default();
        watchers.add(9, &far);
        watchers.add(5, &near);
        watchers.reached(5);
        assert!(is_woken(&near) && !is_woken(&far));
        watchers.wake_all();
        assert!(is_woken(&far) && !watchers.any());
    }

    #[test]
    fn wake_up_that_comes_before_the_wait_is_not_lost() {
        let waiter = Waiter::new();
        waiter.wake();
        assert!(is_woken(&waiter));
        assert!(!is_woken(&waiter), "one wake-up wakes once");
    }

    #[test]
    fn request_that_looks_again_and_again_has_one_entry() {
        let waiter = Waiter::new();
        let (mut watchers, mut registration) = (Watchers::default(), None);
        for _ in 0..100 {
            watchers.keep(&mut registration, 7, &waiter);
        }
        assert_eq!(watchers.entries.len(), 1);
        watchers.wake_all();
        watchers.keep(&mut registration, 7, &waiter);
        assert_eq!(watchers.entries.len(), 1, "the old entry is gone, so it is made anew");
    }

    #[test]
    fn abandoned_requests_do_not_pile_up() {
        let mut watchers = Watchers::default();
        for _ in 0..10_000 {
            watchers.add(1, &Waiter::new());
        }
        assert!(watchers.entries.len() <= SWEEP_ENTRIES_MIN + 1);
        assert!(!watchers.any());
    }
}
