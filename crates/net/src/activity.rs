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
    requests: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
}

impl Activity {
    pub(crate) fn new(now: Instant) -> Activity {
        let zero = || AtomicU64::new(0);
        let busy = AtomicU32::new(0);
        Activity { opened: now, last: zero(), busy, requests: zero(), bytes_received: zero(), bytes_sent: zero() }
    }

    /// Bytes moved.
    pub(crate) fn touch(&self, now: Instant) {
        let micros = u64::try_from((now - self.opened).as_micros()).unwrap_or(u64::MAX);
        self.last.fetch_max(micros, Ordering::Relaxed);
    }

    /// Bytes came.
    pub(crate) fn received(&self, bytes: u64, now: Instant) {
        self.bytes_received.fetch_add(bytes, Ordering::Relaxed);
        self.touch(now);
    }

    /// Bytes left.
    pub(crate) fn sent(&self, bytes: u64, now: Instant) {
        self.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
        self.touch(now);
    }

    /// A request is complete.
    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// When the connection was accepted.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// Requests, bytes received and bytes sent so far.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (read(&self.requests), read(&self.bytes_received), read(&self.bytes_sent))
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
