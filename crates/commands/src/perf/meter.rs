//! Counts of a running measurement, its progress bar, and what is reported at the end.

use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::progress::{self, grouped};
use serde::Serialize;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Two digits of every latency are exact; the longest that is counted is an hour.
const DIGITS: u8 = 2;
const LATENCY_US_MAX: u64 = 3_600_000_000;
/// How often the progress bar moves.
const TICK: Duration = Duration::from_millis(100);

/// What has happened so far, shared by everybody who makes it happen.
pub(super) struct Meter {
    begun: Instant,
    warm_up: Duration,
    end: Option<Instant>,
    records_max: u64,
    taken: AtomicU64,
    done: AtomicU64,
    counted: Mutex<Counted>,
    is_stopped: AtomicBool,
}

/// What counts: after the warm-up.
#[derive(Debug)]
struct Counted {
    records: u64,
    bytes: u64,
    errors: u64,
    first_error: Option<String>,
    last: Instant,
    latencies: Vec<(&'static str, Histogram<u64>)>,
}

/// The result of a measurement.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) records: u64,
    pub(super) errors: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) records_per_second: f64,
    pub(super) megabytes_per_second: f64,
    pub(super) latency: Vec<Latency>,
}

/// Latencies of one kind, in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) of: &'static str,
    pub(super) mean_ms: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

impl Meter {
    /// Up to `records_max` records, up to `duration` after the warm-up, with these kinds of latencies.
    pub(super) fn new(
        records_max: u64,
        duration: Option<Duration>,
        warm_up: Duration,
        kinds: &[&'static str],
    ) -> Meter {
        let begun = Instant::now();
        let histogram = || Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS).expect("the bounds are constants");
        let latencies = kinds.iter().map(|kind| (*kind, histogram())).collect();
        let last = begun + warm_up;
        let counted = Counted { records: 0, bytes: 0, errors: 0, first_error: None, last, latencies };
        Meter {
            begun,
            warm_up,
            end: duration.map(|duration| begun + warm_up + duration),
            records_max,
            taken: AtomicU64::new(0),
            done: AtomicU64::new(0),
            counted: Mutex::new(counted),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Whether one more record is to be made; counts it.
    pub(super) fn take(&self) -> bool {
        if self.is_over() {
            return false;
        }
        self.taken.fetch_add(1, Ordering::Relaxed) < self.records_max
    }

    /// Whether time is over, enough was done, or somebody pressed Ctrl-C.
    pub(super) fn is_over(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
            || self.done.load(Ordering::Relaxed) >= self.records_max
            || self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// Ends it.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Records that were done, with their latencies in the order of the kinds.
    pub(super) fn count(&self, records: u64, bytes: u64, latencies: &[Duration]) {
        self.done.fetch_add(records, Ordering::Relaxed);
        let now = Instant::now();
        if now < self.begun + self.warm_up {
            return;
        }
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.records += records;
        counted.bytes += bytes;
        counted.last = now;
        for ((_, histogram), latency) in counted.latencies.iter_mut().zip(latencies) {
            saturating_record(histogram, *latency);
        }
    }

    /// A latency of one kind of a record that is counted elsewhere; `kind` is its place among the kinds.
    pub(super) fn record_latency(&self, kind: usize, latency: Duration) {
        if Instant::now() < self.begun + self.warm_up {
            return;
        }
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, histogram)) = counted.latencies.get_mut(kind) {
            saturating_record(histogram, latency);
        }
    }

    /// A record that failed.
    pub(super) fn count_error(&self, error: String) {
        self.done.fetch_add(1, Ordering::Relaxed);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.errors += 1;
        counted.first_error.get_or_insert(error);
    }

    /// Moves a progress bar on standard error until `work` is done, where that is a terminal. Ctrl-C ends the measurement, not
    /// the report.
    pub(super) async fn watch(&self, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
        let bar = self.bar();
        let mut work = std::pin::pin!(work);
        let mut stop = std::pin::pin!(ottla_terminal::reading::stop_signal());
        let mut is_stopping = false;
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    bar.finish_and_clear();
                    return done;
                }
                signal = &mut stop, if !is_stopping => {
                    is_stopping = true;
                    if signal.is_ok() {
                        self.stop();
                    }
                }
                () = tokio::time::sleep(TICK) => self.show(&bar),
            }
        }
    }

    fn bar(&self) -> ProgressBar {
        let length = match self.end {
            Some(end) => (end - self.begun).as_millis() as u64,
            None => self.records_max,
        };
        let bar = ProgressBar::with_draw_target(Some(length), progress::target());
        bar.set_style(progress::style("{msg}"));
        bar
    }

    fn show(&self, bar: &ProgressBar) {
        let done = self.done.load(Ordering::Relaxed);
        let position = if self.end.is_some() { self.begun.elapsed().as_millis() as u64 } else { done };
        bar.set_position(position);
        let rate = done as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        bar.set_message(format!("{} records/s", grouped(rate)));
    }

    /// What came out. An error when nothing was done but errors.
    pub(super) fn report(&self) -> Result<Report, Failure> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &counted.first_error {
            eprintln!("warning: {} records failed; the first: {error}", counted.errors);
            if counted.records == 0 {
                return Err(Failure::new(error.clone()));
            }
        }
        let seconds = counted.last.saturating_duration_since(self.begun + self.warm_up).as_secs_f64();
        let per_second = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
        let milliseconds = |micros: u64| micros as f64 / 1000.0;
        let latency =
            counted.latencies.iter().filter(|(_, histogram)| !histogram.is_empty()).map(|(of, histogram)| Latency {
                of,
                mean_ms: histogram.mean() / 1000.0,
                p50_ms: milliseconds(histogram.value_at_quantile(0.5)),
                p99_ms: milliseconds(histogram.value_at_quantile(0.99)),
                p999_ms: milliseconds(histogram.value_at_quantile(0.999)),
                max_ms: milliseconds(histogram.max()),
            });
        Ok(Report {
            records: counted.records,
            errors: counted.errors,
            bytes: counted.bytes,
            seconds,
            records_per_second: per_second(counted.records as f64),
            megabytes_per_second: per_second(counted.bytes as f64 / 1e6),
            latency: latency.collect(),
        })
    }
}

fn saturating_record(histogram: &mut Histogram<u64>, latency: Duration) {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    histogram.saturating_record(micros.max(1));
}

impl Report {
    /// Prints it.
    pub(super) fn print(&self, verb: &str, output: OutputArgs) -> Result<(), Failure> {
        output.print(self, |report| report.human(verb))
    }

    fn human(&self, verb: &str) -> String {
        let mut text = format!(
            "{} records {verb} in {:.2} s: {} records/s, {:.2} MB/s\n",
            grouped(self.records as f64),
            self.seconds,
            grouped(self.records_per_second),
            self.megabytes_per_second
        );
        if self.errors > 0 {
            let _ = writeln!(text, "{} records failed", grouped(self.errors as f64));
        }
        for latency in &self.latency {
            let _ = writeln!(
                text,
                "{} latency: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
                latency.of, latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_rates_and_percentiles() {
        let meter = Meter::new(100, None, Duration::ZERO, &["acknowledgement"]);
        for milliseconds in 1..=100 {
            assert!(meter.take());
            meter.count(1, 1_000, &[Duration::from_millis(milliseconds)]);
        }
        assert!(!meter.take() && meter.is_over());
        let report = meter.report().unwrap();
        assert_eq!((report.records, report.bytes, report.errors), (100, 100_000, 0));
        let latency = &report.latency[0];
        assert!((49.0..=51.0).contains(&latency.p50_ms) && (99.0..=101.0).contains(&latency.max_ms), "{latency:?}");
        let text = report.human("written");
        assert!(text.starts_with("100 records written in "), "{text}");
        assert!(text.contains("acknowledgement latency: p50 "), "{text}");
    }

    #[test]
    fn the_warm_up_does_not_count() {
        let meter = Meter::new(10, None, Duration::from_secs(3600), &[]);
        meter.count(5, 5, &[]);
        assert_eq!(meter.report().unwrap().records, 0);
    }

    #[test]
    fn nothing_but_errors_is_a_failure() {
        let meter = Meter::new(1, None, Duration::ZERO, &[]);
        meter.count_error("no leader".to_string());
        assert_eq!(meter.report().unwrap_err().cause, "no leader");
    }
}
