//! When a connection last did something, and whether it waits for us rather than for its client.

use ottla_runtime::Instant;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Written by both halves of a connection, read by its idle timer and by the choice of the least recently used.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Microseconds after `opened`.
    last: AtomicU64,
    busy: AtomicU32,
}

impl Activity {
    pub(crate) fn new(now: Instant) -> Activity {
        Activity { opened: now, last: AtomicU64::new(0), busy: AtomicU32::new(0) }
    }

    /// Bytes moved.
    pub(crate) fn touch(&self, now: Instant) {
        let micros = u64::try_from((now - self.opened).as_micros()).unwrap_or(u64::MAX);
        self.last.fetch_max(micros, Ordering::Relaxed);
    }

    /// When bytes last moved.
    pub(crate) fn last(&self) -> Instant {
        self.opened + Duration::from_micros(self.last.load(Ordering::Relaxed))
    }

    /// While the guard lives, the client waits for us: the connection is not idle.
    pub(crate) fn working(&self) -> Working<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Working(self)
    }

    /// Whether the client waits for us.
    pub(crate) fn is_working(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }
}

/// See [`Activity::working`].
pub(crate) struct Working<'a>(&'a Activity);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
