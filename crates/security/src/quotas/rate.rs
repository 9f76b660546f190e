//! A rate over sampled windows, as Kafka's clients and brokers compute it.

/// How a rate is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many samples are kept (`quota.window.num`); at least 1.
    pub samples: u32,
    /// Length of one, in milliseconds (`quota.window.size.seconds`); at least 1.
    pub sample_ms: i64,
}

impl Window {
    /// A window of at least one sample of at least a millisecond.
    pub fn new(samples: u32, sample_ms: i64) -> Window {
        Window { samples: samples.max(1), sample_ms: sample_ms.max(1) }
    }

    /// After this long a sample no longer counts. Milliseconds.
    pub fn total_ms(self) -> i64 {
        self.sample_ms.saturating_mul(i64::from(self.samples))
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    began_ms: i64,
    last_ms: i64,
    amount: f64,
}

/// What was used lately.
#[derive(Debug, Clone, Default)]
pub struct SampledRate {
    /// Oldest first; at most one more than the window has.
    samples: std::collections::VecDeque<Sample>,
}

impl SampledRate {
    /// Adds `amount`, which is negative when something is taken back.
    pub fn record(&mut self, window: Window, amount: f64, now_ms: i64) {
        self.forget(window, now_ms);
        match self.samples.back_mut() {
            Some(sample) if now_ms - sample.began_ms < window.sample_ms => {
                sample.amount += amount;
                sample.last_ms = now_ms;
            }
            _ => {
                if self.samples.len() > window.samples as usize {
                    self.samples.pop_front();
                }
                self.samples.push_back(Sample { began_ms: now_ms, last_ms: now_ms, amount });
            }
        }
    }

    /// The rate per second, and over how many milliseconds it was taken: at least `samples - 1` whole ones, also when the
    /// first record is younger.
    pub fn measure(&mut self, window: Window, now_ms: i64) -> (f64, i64) {
        self.forget(window, now_ms);
        let amount: f64 = self.samples.iter().map(|sample| sample.amount).sum();
        let elapsed_ms = self.samples.front().map_or(0, |oldest| now_ms - oldest.began_ms);
        let missing = (i64::from(window.samples) - 1 - elapsed_ms / window.sample_ms).max(0);
        let span_ms = elapsed_ms.saturating_add(missing.saturating_mul(window.sample_ms)).max(1);
        (amount * 1000.0 / span_ms as f64, span_ms)
    }

    /// Whether nothing of it counts any more.
    pub fn is_idle(&self, window: Window, now_ms: i64) -> bool {
        self.samples.back().is_none_or(|sample| now_ms - sample.last_ms >= window.total_ms())
    }

    /// Forgets samples without anything in the window.
    fn forget(&mut self, window: Window, now_ms: i64) {
        while self.samples.front().is_some_and(|sample| now_ms - sample.last_ms >= window.total_ms()) {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Window = Window { samples: 11, sample_ms: 1000 };

    #[test]
    fn a_first_record_counts_over_ten_whole_windows() {
        let mut rate = SampledRate::default();
        rate.record(WINDOW, 5000.0, 100);
        assert_eq!(rate.measure(WINDOW, 100), (500.0, 10_000));
        assert_eq!(rate.measure(WINDOW, 10_100), (500.0, 10_000));
        assert_eq!(rate.measure(WINDOW, 10_900).1, 10_800);
        assert_eq!(rate.measure(WINDOW, 11_100), (0.0, 10_000));
        assert!(rate.is_idle(WINDOW, 11_100));
    }

    #[test]
    fn what_is_taken_back_does_not_count() {
        let mut rate = SampledRate::default();
        rate.record(WINDOW, 700.0, 0);
        rate.record(WINDOW, -700.0, 10);
        assert_eq!(rate.measure(WINDOW, 10).0, 0.0);
    }

    proptest! {
        /// A client that waits as it is told stays at its quota over the long run. What is worth more than all windows is
        /// forgotten before it is paid for, as in Kafka: then it is less than twice the quota.
        #[test]
        fn whoever_waits_as_told_keeps_the_quota(
            limit in 10.0f64..1e6,
            seconds_worth in prop_oneof![0.001f64..1.0, 1.0f64..100.0],
            sends in proptest::collection::vec(0.0f64..1.0, 200..400),
        ) {
            let largest = limit * seconds_worth;
            let factor = if seconds_worth <= 1.0 { 1.05 } else { 2.0 };
            let mut rate = SampledRate::default();
            let (began, mut now_ms, mut total) = (1_000_000i64, 1_000_000i64, 0.0);
            for share in &sends {
                rate.record(WINDOW, share * largest, now_ms);
                total += share * largest;
                let (measured, span) = rate.measure(WINDOW, now_ms);
                if measured > limit {
                    let wait = ((measured - limit) / limit * span as f64).round() as i64;
                    prop_assert!(wait >= 0);
                    now_ms += wait;
                }
                now_ms += 1;
            }
            let seconds = (now_ms - began) as f64 / 1000.0;
            // A burst of all windows comes on top.
            prop_assert!(total <= factor * limit * (seconds + 12.0) + largest, "{total} in {seconds} s at {limit}");
        }

        /// The number of samples is bounded, and so is the time that a rate is taken over.
        #[test]
        fn memory_and_span_are_bounded(steps in proptest::collection::vec((0i64..5000, 0.0f64..1e9), 1..300)) {
            let (mut rate, mut now_ms) = (SampledRate::default(), 0);
            for (step, amount) in steps {
                now_ms += step;
                rate.record(WINDOW, amount, now_ms);
                let (measured, span) = rate.measure(WINDOW, now_ms);
                prop_assert!(rate.samples.len() <= WINDOW.samples as usize + 1);
                prop_assert!(span >= 10_000 && span <= 2 * WINDOW.total_ms());
                prop_assert!(measured >= 0.0);
            }
        }
    }
}
