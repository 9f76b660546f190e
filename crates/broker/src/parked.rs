//! Requests that wait, counted: a gauge that comes right also when a client goes away, and the bound on what they hold.

use ottla_telemetry::Gauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Partitions that all fetches which may wait hold in memory together, about 100 bytes each. A fetch that finds no room
/// for its own is answered at once instead.
pub(crate) const FETCHED_PARTITIONS_MAX: usize = 1_000_000;

/// Something waits as long as this lives.
pub(crate) struct Parked {
    gauge: Gauge,
}

impl Parked {
    pub(crate) fn new(gauge: Gauge) -> Parked {
        gauge.increment();
        Parked { gauge }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.gauge.decrement();
    }
}

/// How much fetches hold that wait, or may.
pub(crate) struct FetchRoom {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

/// A fetch's share of a [`FetchRoom`].
pub(crate) struct FetchShare {
    taken: Arc<AtomicUsize>,
    partitions: usize,
}

impl FetchRoom {
    pub(crate) fn new(limit: usize) -> FetchRoom {
        FetchRoom { taken: Arc::default(), limit }
    }

    /// Room for this many partitions, if there is; for none of them there always is.
    pub(crate) fn take(&self, partitions: usize) -> Option<FetchShare> {
        let before = self.taken.fetch_add(partitions, Ordering::Relaxed);
        let share = FetchShare { taken: Arc::clone(&self.taken), partitions };
        (partitions == 0 || before.saturating_add(partitions) <= self.limit).then_some(share)
    }
}

impl Drop for FetchShare {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.partitions, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_comes_back() {
        let room = FetchRoom::new(10);
        let one = room.take(6).unwrap();
        assert!(room.take(5).is_none(), "a refused share takes nothing");
        let other = room.take(4).unwrap();
        // Somebody who is refused just now has added what he wanted for a moment.
        room.taken.fetch_add(1, Ordering::Relaxed);
        assert!(room.take(0).is_some(), "acknowledgements and ends are never refused");
        room.taken.fetch_sub(1, Ordering::Relaxed);
        drop(one);
        assert!(room.take(6).is_some());
        drop(other);
    }

    #[test]
    fn gauge_counts_what_waits() {
        let gauge = Gauge::default();
        let (one, _other) = (Parked::new(gauge.clone()), Parked::new(gauge.clone()));
        assert_eq!(gauge.get(), 2);
        drop(one);
        assert_eq!(gauge.get(), 1);
    }
}
