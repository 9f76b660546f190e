//! Distributions of durations by API, cheap enough for every request.
//!
//! Recording takes no lock and looks nothing up by name: an API's number is its place, and a place is filled when its API
//! first comes. A recording is three additions to atomic numbers.

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// APIs that have a place; others are counted together as `Other`.
const APIS_MAX: usize = 128;
/// Upper bounds in microseconds; what is longer goes into the last bucket.
const BOUNDS_MICROS: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// Durations by API, from 50 µs to 10 s.
#[derive(Debug, Clone, Default)]
pub struct ApiTimes(pub(crate) ApiTimesMetric);

/// What the registry holds of [`ApiTimes`].
#[derive(Clone)]
pub(crate) struct ApiTimesMetric(Arc<[OnceLock<Series>; APIS_MAX + 1]>);

struct Series {
    api: &'static str,
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_nanos: AtomicU64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    request: &'static str,
}

impl ApiTimes {
    /// Counts one duration of the API with this number (Kafka's API key) and name.
    pub fn observe(&self, api_key: i16, api: &'static str, duration: Duration) {
        let place = usize::try_from(api_key).unwrap_or(APIS_MAX).min(APIS_MAX);
        let name = if place == APIS_MAX { "Other" } else { api };
        let series = self.0.0[place].get_or_init(|| Series::new(name));
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| bound * 1_000 < nanos);
        series.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        series.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many durations of an API were counted.
    pub fn count(&self, api_key: i16) -> u64 {
        let place = usize::try_from(api_key).unwrap_or(APIS_MAX).min(APIS_MAX);
        self.0.0[place].get().map_or(0, |series| series.counts().iter().sum())
    }
}

impl Series {
    fn new(api: &'static str) -> Series {
        Series { api, buckets: Default::default(), sum_nanos: AtomicU64::new(0) }
    }

    fn counts(&self) -> [u64; BOUNDS_MICROS.len() + 1] {
        std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed))
    }
}

impl Default for ApiTimesMetric {
    fn default() -> ApiTimesMetric {
        ApiTimesMetric(Arc::new(std::array::from_fn(|_| OnceLock::new())))
    }
}

impl fmt::Debug for ApiTimesMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiTimesMetric")
    }
}

impl EncodeMetric for ApiTimesMetric {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for series in self.0.iter().filter_map(OnceLock::get) {
            let counts = series.counts();
            let seconds = |micros: &u64| *micros as f64 / 1e6;
            let bounds = BOUNDS_MICROS.iter().map(seconds).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
            let sum = series.sum_nanos.load(Ordering::Relaxed) as f64 / 1e9;
            let labels = Labels { request: series.api };
            let mut own = encoder.encode_family(&labels)?;
            own.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    #[test]
    fn durations_are_counted_by_api() {
        let times = ApiTimes::default();
        let mut registry = Registry::default();
        registry.register("total_seconds", "Help", times.0.clone());
        for micros in [50, 51, 3_000, 20_000_000] {
            times.observe(0, "Produce", Duration::from_micros(micros));
        }
        times.observe(i16::MAX, "Strange", Duration::ZERO);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "# TYPE total_seconds histogram",
            "total_seconds_sum{request=\"Produce\"} 20.003101",
            "total_seconds_count{request=\"Produce\"} 4",
            "total_seconds_bucket{le=\"0.00005\",request=\"Produce\"} 1",
            "total_seconds_bucket{le=\"0.0001\",request=\"Produce\"} 2",
            "total_seconds_bucket{le=\"10.0\",request=\"Produce\"} 3",
            "total_seconds_bucket{le=\"+Inf\",request=\"Produce\"} 4",
            "total_seconds_count{request=\"Other\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        assert_eq!(times.count(0), 4);
    }
}
