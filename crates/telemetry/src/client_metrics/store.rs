//! The newest values that clients pushed.

use super::limits::{SERIES_MAX, SERIES_PER_CLIENT_MAX, TEXT_BYTES_MAX};
use super::{ClientTelemetryMetrics, Point};
use crate::{Collector, Family};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Kafka's prefix of the names of its clients' metrics, and what stands for it here.
const KAFKA_PREFIX: &str = "org.apache.kafka.";
const OUR_PREFIX: &str = "kafka_client_";

/// Labels that we set ourselves.
const INSTANCE_LABEL: &str = "client_instance_id";
const CLIENT_LABEL: &str = "client_id";

/// Who pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The id that the broker gave it.
    pub instance_id: String,
    /// `client.id`.
    pub client_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SeriesKey {
    name: String,
    labels: Vec<(String, String)>,
}

#[derive(Debug)]
struct Client {
    client_id: String,
    expires_ms: i64,
    series: BTreeMap<SeriesKey, f64>,
}

/// Keeps what clients push, and shows it when somebody looks. Time is an argument: milliseconds that never go back.
#[derive(Debug)]
pub struct ClientMetricsStore {
    clients: Mutex<BTreeMap<String, Client>>,
    metrics: ClientTelemetryMetrics,
}

impl ClientMetricsStore {
    /// Nothing was pushed yet.
    pub fn new(metrics: ClientTelemetryMetrics) -> ClientMetricsStore {
        ClientMetricsStore { clients: Mutex::default(), metrics }
    }

    /// Takes over a push, which is kept until `expires_ms` unless another one comes. `left_out` points were not even read.
    pub fn push(&self, identity: &ClientIdentity, points: Vec<Point>, left_out: u64, now_ms: i64, expires_ms: i64) {
        let mut clients = self.lock();
        clients.retain(|_, client| client.expires_ms > now_ms);
        let mut total: usize = clients.values().map(|client| client.series.len()).sum();
        let client = clients.entry(identity.instance_id.clone()).or_insert_with(|| Client {
            client_id: cut(&identity.client_id),
            expires_ms,
            series: BTreeMap::new(),
        });
        client.expires_ms = expires_ms;
        let mut dropped = left_out;
        for point in points {
            let key = SeriesKey { name: metric_name(&point.name), labels: labels(point.labels) };
            let has_room = client.series.len() < SERIES_PER_CLIENT_MAX && total < SERIES_MAX;
            match client.series.get_mut(&key) {
                Some(value) if point.is_delta => *value += point.value,
                Some(value) => *value = point.value,
                None if has_room => {
                    client.series.insert(key, point.value);
                    total += 1;
                }
                None => dropped += 1,
            }
        }
        self.metrics.pushes.increment();
        self.metrics.series_dropped.add(dropped);
        self.metrics.series.set(total as u64);
    }

    /// The series that are kept at `now_ms`, by name.
    fn families(&self) -> Vec<Family> {
        let clients = self.lock();
        let mut families: BTreeMap<&str, Family> = BTreeMap::new();
        for (instance_id, client) in clients.iter() {
            for (key, value) in &client.series {
                let help = || Family::of_others(key.name.clone(), "Pushed by clients (KIP-714)".to_string());
                let own = [(INSTANCE_LABEL, instance_id), (CLIENT_LABEL, &client.client_id)];
                let own = own.map(|(name, value)| (name.to_string(), value.clone()));
                let labels = own.into_iter().chain(key.labels.iter().cloned()).collect();
                families.entry(&key.name).or_insert_with(help).push_real(labels, *value);
            }
        }
        families.into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for ClientMetricsStore {
    fn collect(&self) -> Pin<Box<dyn Future<Output = Vec<Family>> + Send + '_>> {
        Box::pin(std::future::ready(self.families()))
    }
}

/// A client's name in Prometheus' alphabet. Names of others get a prefix, so that none can pass for one of ours.
fn metric_name(name: &str) -> String {
    let (prefix, rest) = match name.strip_prefix(KAFKA_PREFIX) {
        Some(rest) => (OUR_PREFIX, rest),
        None => ("client_", name),
    };
    format!("{prefix}{}", identifier(rest))
}

/// Labels in Prometheus' alphabet, sorted, each name once, none of them ours.
fn labels(told: Vec<(String, String)>) -> Vec<(String, String)> {
    let named = told.into_iter().map(|(name, value)| (identifier(&name), cut(&value)));
    let unique: BTreeMap<String, String> =
        named.filter(|(name, _)| name != INSTANCE_LABEL && name != CLIENT_LABEL).collect();
    unique.into_iter().collect()
}

fn identifier(text: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let text: String = text.chars().take(TEXT_BYTES_MAX).map(legal).collect();
    match text.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("_{text}"),
        false => text,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::super::otlp::decode;
    use super::super::otlp::tests::push;
    use super::*;
    use crate::Metrics;
    use std::sync::{Arc, Weak};
    use std::task::{Context, Poll, Waker};

    fn identity(instance_id: &str) -> ClientIdentity {
        ClientIdentity { instance_id: instance_id.to_string(), client_id: "app".to_string() }
    }

    fn scrape(metrics: &Metrics) -> String {
        match std::pin::pin!(metrics.scrape()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(text) => text,
            Poll::Pending => panic!("the store waits for nothing"),
        }
    }

    #[test]
    fn pushed_values_are_shown_until_the_client_is_gone() {
        let metrics = Metrics::new();
        let store = Arc::new(ClientMetricsStore::new(metrics.client_telemetry.clone()));
        let weak: Weak<ClientMetricsStore> = Arc::downgrade(&store);
        metrics.add_collector(weak);
        for (now_ms, delta) in [(0, 5), (100, 6)] {
            let (points, left_out) = decode(&push(2.5, delta), 100).unwrap();
            store.push(&identity("i1"), points, left_out, now_ms, now_ms + 1000);
        }
        let text = scrape(&metrics);
        for line in [
            r#"kafka_client_producer_latency_avg{client_instance_id="i1",client_id="app",client_rack="r1",node_id="1"} 2.5"#,
            r#"kafka_client_producer_send_total{client_instance_id="i1",client_id="app",client_rack="r1"} 11.0"#,
            "ottla_client_telemetry_pushes_total 2",
            "ottla_client_telemetry_series 2",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        store.push(&identity("i2"), Vec::new(), 0, 5000, 6000);
        assert!(!scrape(&metrics).contains("kafka_client_producer"));
    }

    #[test]
    fn series_are_bounded() {
        let metrics = ClientTelemetryMetrics::default();
        let store = ClientMetricsStore::new(metrics.clone());
        for client in 0..50 {
            let point = |n: usize| Point { name: format!("m{n}"), labels: Vec::new(), value: 1.0, is_delta: false };
            store.push(&identity(&client.to_string()), (0..600).map(point).collect(), 0, 0, 1000);
        }
        assert_eq!(metrics.series.get(), SERIES_MAX as i64);
        assert_eq!(metrics.series_dropped.get(), 50 * 600 - SERIES_MAX as u64);
    }

    #[test]
    fn names_and_labels_are_prometheus_names() {
        assert_eq!(metric_name("org.apache.kafka.consumer.Fetch-rate"), "kafka_client_consumer_fetch_rate");
        assert_eq!(metric_name("9 lives"), "client__9_lives");
        let told = [("client_id", "x"), ("a.b", "1"), ("a-b", "2")];
        let told = told.map(|(name, value)| (name.to_string(), value.to_string())).to_vec();
        assert_eq!(labels(told), [("a_b".to_string(), "2".to_string())]);
    }
}
