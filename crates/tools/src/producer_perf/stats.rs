//! Counts of `kafka-producer-perf-test`, printed as Kafka's tool prints them.

use crate::java_text::fixed;
use std::time::{Duration, Instant};

/// Latencies that are kept for percentiles; of more records only every so many.
const SAMPLES_MAX: u64 = 500_000;
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// Counts since the beginning, and since the last line of progress.
pub(super) struct Stats {
    begun: Instant,
    interval: Duration,
    sampling: u64,
    latencies_ms: Vec<u64>,
    count: u64,
    bytes: u64,
    latency_max_ms: u64,
    latency_total_ms: u64,
    window: Window,
    is_steady: bool,
    is_suppressed: bool,
}

struct Window {
    begun: Instant,
    count: u64,
    bytes: u64,
    latency_max_ms: u64,
    latency_total_ms: u64,
}

impl Window {
    fn new() -> Window {
        Window { begun: Instant::now(), count: 0, bytes: 0, latency_max_ms: 0, latency_total_ms: 0 }
    }
}

impl Stats {
    /// For so many records, with a line of progress in each interval.
    pub(super) fn new(records: u64, interval: Duration, is_steady: bool) -> Stats {
        Stats {
            begun: Instant::now(),
            interval,
            sampling: records / records.clamp(1, SAMPLES_MAX),
            latencies_ms: Vec::new(),
            count: 0,
            bytes: 0,
            latency_max_ms: 0,
            latency_total_ms: 0,
            window: Window::new(),
            is_steady,
            is_suppressed: false,
        }
    }

    /// No more lines of progress.
    pub(super) fn suppress(&mut self) {
        self.is_suppressed = true;
    }

    /// A record that was acknowledged; returns what is to be printed now.
    pub(super) fn record(&mut self, latency: Duration, bytes: usize) -> Option<String> {
        let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        let bytes = bytes as u64;
        if self.count.is_multiple_of(self.sampling.max(1)) {
            self.latencies_ms.push(latency_ms);
        }
        self.count += 1;
        self.bytes += bytes;
        self.latency_total_ms += latency_ms;
        self.latency_max_ms = self.latency_max_ms.max(latency_ms);
        self.window.count += 1;
        self.window.bytes += bytes;
        self.window.latency_total_ms += latency_ms;
        self.window.latency_max_ms = self.window.latency_max_ms.max(latency_ms);
        if self.window.begun.elapsed() < self.interval {
            return None;
        }
        let mut text = String::new();
        if self.is_steady && self.count == self.window.count {
            text += "In steady state.\n";
        }
        if !self.is_suppressed {
            text += &self.progress();
        }
        self.window = Window::new();
        Some(text)
    }

    fn progress(&self) -> String {
        let window = &self.window;
        let seconds = window.begun.elapsed().as_millis() as f64 / 1000.0;
        format!(
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency.\n",
            window.count,
            fixed(window.count as f64 / seconds, 1),
            fixed(window.bytes as f64 / seconds / MEGABYTE, 2),
            fixed(window.latency_total_ms as f64 / window.count as f64, 1),
            fixed(window.latency_max_ms as f64, 1),
        )
    }

    /// The summary.
    pub(super) fn total(mut self) -> String {
        let seconds = self.begun.elapsed().as_millis() as f64 / 1000.0;
        self.latencies_ms.sort_unstable();
        let percentile = |quantile: f64| {
            let index = (quantile * self.latencies_ms.len() as f64) as usize;
            self.latencies_ms.get(index).copied().unwrap_or(0)
        };
        format!(
            "{}{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency, {} ms 50th, {} ms 95th, \
             {} ms 99th, {} ms 99.9th.\n",
            self.count,
            if self.is_steady { " steady state" } else { "" },
            fixed(self.count as f64 / seconds, 6),
            fixed(self.bytes as f64 / seconds / MEGABYTE, 2),
            fixed(self.latency_total_ms as f64 / self.count as f64, 2),
            fixed(self.latency_max_ms as f64, 2),
            percentile(0.5),
            percentile(0.95),
            percentile(0.99),
            percentile(0.999),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_kafkas_form() {
        let mut stats = Stats::new(100, Duration::from_secs(3600), true);
        for milliseconds in 0..100 {
            assert_eq!(stats.record(Duration::from_millis(milliseconds), 10), None);
        }
        let text = stats.total();
        assert!(text.starts_with("100 steady state records sent, "), "{text}");
        let latencies =
            "49.50 ms avg latency, 99.00 ms max latency, 50 ms 50th, 95 ms 95th, 99 ms 99th, 99 ms 99.9th.\n";
        assert!(text.ends_with(latencies), "{text}");
    }

    #[test]
    fn progress_is_told_once_in_an_interval() {
        let mut stats = Stats::new(10, Duration::ZERO, false);
        let text = stats.record(Duration::from_millis(3), 10).unwrap();
        assert!(
            text.starts_with("1 records sent, ") && text.ends_with("3.0 ms avg latency, 3.0 ms max latency.\n"),
            "{text}"
        );
        stats.suppress();
        assert_eq!(stats.record(Duration::from_millis(3), 10).unwrap(), "");
    }
}
