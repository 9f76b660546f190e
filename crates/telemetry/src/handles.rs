//! The three kinds of handles. Cloning one gives another handle to the same number.

use prometheus_client::metrics::{counter, gauge, histogram};

/// A number that only grows.
#[derive(Debug, Clone, Default)]
pub struct Counter(pub(crate) counter::Counter);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.0.inc();
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.inc_by(amount);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// A number that rises and falls.
#[derive(Debug, Clone, Default)]
pub struct Gauge(pub(crate) gauge::Gauge);

impl Gauge {
    /// Makes it `value`. Values beyond `i64::MAX` are shown as that.
    pub fn set(&self, value: u64) {
        self.0.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Adds one.
    pub fn increment(&self) {
        self.0.inc();
    }

    /// Takes one away.
    pub fn decrement(&self) {
        self.0.dec();
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.inc_by(amount);
    }

    /// The number now.
    pub fn get(&self) -> i64 {
        self.0.get()
    }
}

/// A distribution of durations in seconds, over fixed buckets from 0.1 ms to 13 s.
#[derive(Debug, Clone)]
pub struct Histogram(pub(crate) histogram::Histogram);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram(histogram::Histogram::new(histogram::exponential_buckets(0.0001, 2.0, 18)))
    }
}

impl Histogram {
    /// Counts one observation.
    pub fn observe_seconds(&self, seconds: f64) {
        self.0.observe(seconds);
    }
}
