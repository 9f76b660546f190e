//! `--print-metrics`: what the producer counted, under the names and in the form of Kafka's tool. Only what this producer has.

use ottla_client::{BatchReport, ProducerInterceptor};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Counts {
    batches: u64,
    batch_bytes: u64,
    batch_bytes_max: u64,
    sent_bytes: u64,
    records: u64,
    errors: u64,
    retries: u64,
}

/// Counts batches as they come to their end.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Counts>);

impl ProducerInterceptor for Metrics {
    fn on_batch(&self, report: &BatchReport<'_>) {
        let (records, bytes) = (report.records as u64, report.bytes as u64);
        let mut counts = self.lock();
        counts.batches += 1;
        counts.batch_bytes += bytes;
        counts.batch_bytes_max = counts.batch_bytes_max.max(bytes);
        counts.sent_bytes += report.sent_bytes as u64;
        counts.retries += records * u64::from(report.attempts.saturating_sub(1));
        match report.result {
            Ok(_) => counts.records += records,
            Err(_) => counts.errors += records,
        }
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table: a metric on each line, by name.
    pub(super) fn render(&self, client_id: &str) -> String {
        let counts = self.lock();
        let average = |sum: u64, count: u64| if count == 0 { f64::NAN } else { sum as f64 / count as f64 };
        let ended = counts.records + counts.errors;
        let rows = [
            ("batch-size-avg", average(counts.batch_bytes, counts.batches)),
            ("batch-size-max", counts.batch_bytes_max as f64),
            ("compression-rate-avg", average(counts.sent_bytes, counts.batch_bytes)),
            ("record-error-total", counts.errors as f64),
            ("record-retry-total", counts.retries as f64),
            ("record-send-total", ended as f64),
            ("record-size-avg", average(counts.batch_bytes, ended)),
        ];
        let names: Vec<String> =
            rows.iter().map(|(name, _)| format!("producer-metrics:{name}:{{client-id={client_id}}}")).collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        let mut text = format!("\n{:<width$}   Value\n", "Metric Name");
        for (name, (_, value)) in names.iter().zip(rows) {
            text += &format!("{name:<width$} : {value:.3}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn metrics_stand_in_kafkas_form() {
        let metrics = Metrics::default();
        let report = |attempts, result| BatchReport {
            topic: "t",
            partition: 0,
            records: 10,
            bytes: 200,
            sent_bytes: 100,
            attempts,
            latency: Duration::from_millis(3),
            result,
        };
        metrics.on_batch(&report(2, Ok(0)));
        let error = ottla_client::ClientError::Aborted;
        metrics.on_batch(&report(1, Err(&error)));
        let text = metrics.render("c");
        assert!(text.starts_with("\nMetric Name "), "{text}");
        assert!(text.contains("producer-metrics:record-send-total:{client-id=c}    : 20.000\n"), "{text}");
        assert!(text.contains("producer-metrics:record-retry-total:{client-id=c}   : 10.000\n"), "{text}");
        assert!(text.contains("producer-metrics:compression-rate-avg:{client-id=c} : 0.500\n"), "{text}");
    }
}
