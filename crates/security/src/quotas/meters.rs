//! One meter for each that shares a quota.

use super::bucket::TokenBucket;
use super::limits::{Bound, Share};
use super::rate::{SampledRate, Window};
use std::collections::BTreeMap;

/// Meters of one kind, at most.
pub const METERS_MAX: usize = 100_000;
/// From this number on, idle meters are looked for.
const SWEEP_FROM: usize = 1024;

/// Meters of rates: produce, fetch and request quotas.
#[derive(Debug)]
pub struct RateMeters {
    window: Window,
    /// Longest wait in milliseconds, if it is bounded.
    wait_ms_max: Option<i64>,
    meters: BTreeMap<Share, SampledRate>,
    sweeps: Sweeps,
}

impl RateMeters {
    /// No meters yet.
    pub fn new(window: Window, wait_ms_max: Option<i64>) -> RateMeters {
        RateMeters { window, wait_ms_max, meters: BTreeMap::new(), sweeps: Sweeps::default() }
    }

    /// Counts `amount`, and says for how many milliseconds whoever used it has to wait; 0 below the limit.
    pub fn record(&mut self, bound: &Bound, amount: f64, now_ms: i64) -> i64 {
        let (window, wait_ms_max) = (self.window, self.wait_ms_max);
        let meter = self.meter(bound, now_ms);
        meter.record(window, amount, now_ms);
        let (rate, span_ms) = meter.measure(window, now_ms);
        if rate <= bound.limit {
            return 0;
        }
        let wait_ms = ((rate - bound.limit) / bound.limit * span_ms as f64).round() as i64;
        wait_ms.clamp(0, wait_ms_max.unwrap_or(i64::from(i32::MAX)))
    }

    /// Takes back what was counted and did not happen.
    pub fn take_back(&mut self, bound: &Bound, amount: f64, now_ms: i64) {
        let window = self.window;
        self.meter(bound, now_ms).record(window, -amount, now_ms);
    }

    /// The largest amount that a whole window may hold.
    pub fn amount_max(&self, bound: &Bound) -> f64 {
        let windows = f64::from(self.window.samples.saturating_sub(1).max(1));
        bound.limit * windows * self.window.sample_ms as f64 / 1000.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.meters.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.meters.is_empty()
    }

    fn meter(&mut self, bound: &Bound, now_ms: i64) -> &mut SampledRate {
        if !self.meters.contains_key(&bound.share) {
            if self.sweeps.is_due(self.meters.len(), self.window, now_ms) {
                let window = self.window;
                self.meters.retain(|_, meter| !meter.is_idle(window, now_ms));
                self.sweeps.done(self.meters.len(), now_ms);
            }
            if self.meters.len() >= METERS_MAX {
                self.meters.pop_first();
            }
        }
        self.meters.entry(bound.share.clone()).or_default()
    }
}

/// Token buckets: controller mutations.
#[derive(Debug)]
pub struct TokenBuckets {
    window: Window,
    buckets: BTreeMap<Share, (TokenBucket, f64)>,
    sweeps: Sweeps,
}

impl TokenBuckets {
    /// No buckets yet.
    pub fn new(window: Window) -> TokenBuckets {
        TokenBuckets { window, buckets: BTreeMap::new(), sweeps: Sweeps::default() }
    }

    /// How long until there are tokens, in milliseconds; 0 when there are.
    pub fn wait_ms(&mut self, bound: &Bound, now_ms: i64) -> i64 {
        let window = self.window;
        let (bucket, limit) = self.bucket(bound, now_ms);
        bucket.wait_ms(window, *limit, now_ms).min(i64::from(i32::MAX))
    }

    /// Takes tokens, also beyond what is there; a negative amount gives them back.
    pub fn take(&mut self, bound: &Bound, amount: f64, now_ms: i64) {
        let window = self.window;
        let (bucket, limit) = self.bucket(bound, now_ms);
        bucket.take(window, *limit, amount, now_ms);
    }

    fn bucket(&mut self, bound: &Bound, now_ms: i64) -> &mut (TokenBucket, f64) {
        let window = self.window;
        if !self.buckets.contains_key(&bound.share) {
            if self.sweeps.is_due(self.buckets.len(), window, now_ms) {
                self.buckets.retain(|_, (bucket, limit)| !bucket.is_full(window, *limit, now_ms));
                self.sweeps.done(self.buckets.len(), now_ms);
            }
            if self.buckets.len() >= METERS_MAX {
                self.buckets.pop_first();
            }
        }
        let fresh = || (TokenBucket::full(window, bound.limit, now_ms), bound.limit);
        let entry = self.buckets.entry(bound.share.clone()).or_insert_with(fresh);
        entry.1 = bound.limit;
        entry
    }
}

/// When to look for idle meters: when their number has doubled, and not more often than a sample is long.
#[derive(Debug)]
struct Sweeps {
    at: usize,
    last_ms: Option<i64>,
}

impl Default for Sweeps {
    fn default() -> Sweeps {
        Sweeps { at: SWEEP_FROM, last_ms: None }
    }
}

impl Sweeps {
    fn is_due(&self, meters: usize, window: Window, now_ms: i64) -> bool {
        meters >= self.at && self.last_ms.is_none_or(|last| now_ms - last >= window.sample_ms)
    }

    fn done(&mut self, left: usize, now_ms: i64) {
        *self = Sweeps { at: (2 * left).clamp(SWEEP_FROM, METERS_MAX), last_ms: Some(now_ms) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, sample_ms: 1000 };

    fn bound(client_id: &str, limit: f64) -> Bound {
        Bound { limit, share: Share { user: String::new(), client_id: client_id.to_string() } }
    }

    #[test]
    fn who_is_above_the_limit_waits_and_others_do_not() {
        let mut meters = RateMeters::new(WINDOW, None);
        assert_eq!(meters.record(&bound("a", 1000.0), 10_000.0, 0), 0);
        assert_eq!(meters.record(&bound("a", 1000.0), 5_000.0, 0), 5_000);
        assert_eq!(meters.record(&bound("b", 1000.0), 5_000.0, 0), 0);
        // A higher limit holds at once.
        assert_eq!(meters.record(&bound("a", 2000.0), 0.0, 0), 0);
        meters.take_back(&bound("a", 1000.0), 5_000.0, 0);
        assert_eq!(meters.record(&bound("a", 1000.0), 0.0, 0), 0);
    }

    #[test]
    fn a_wait_may_be_bounded() {
        let mut meters = RateMeters::new(WINDOW, Some(1000));
        assert_eq!(meters.record(&bound("a", 1.0), 1e9, 0), 1000);
    }

    #[test]
    fn idle_meters_go_and_their_number_is_bounded() {
        let mut meters = RateMeters::new(WINDOW, None);
        for client in 0..5_000 {
            meters.record(&bound(&client.to_string(), 1.0), 1.0, client * 100);
        }
        assert!(meters.len() <= 2 * SWEEP_FROM, "{}", meters.len());
        for client in 0..METERS_MAX + 10 {
            meters.record(&bound(&client.to_string(), 1.0), 1.0, 600_000);
        }
        assert_eq!(meters.len(), METERS_MAX);
    }

    #[test]
    fn tokens_that_were_not_used_come_back() {
        let mut buckets = TokenBuckets::new(WINDOW);
        let bound = bound("a", 1.0);
        buckets.take(&bound, 20.0, 0);
        assert_eq!(buckets.wait_ms(&bound, 0), 9000);
        buckets.take(&bound, -20.0, 0);
        assert_eq!(buckets.wait_ms(&bound, 0), 0);
    }
}
