//! All handles of one node, and their text form.

use crate::{BrokerMetrics, LogMetrics, NetMetrics};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// All handles of one node. Clones share the same numbers.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Connections and bytes.
    pub net: NetMetrics,
    /// Requests, partitions and what waits.
    pub broker: BrokerMetrics,
    /// Logs and their flushes.
    pub log: LogMetrics,
    registry: Arc<Registry>,
}

impl Metrics {
    /// Handles that all stand at zero.
    pub fn new() -> Metrics {
        let (net, broker, log) = (NetMetrics::default(), BrokerMetrics::default(), LogMetrics::default());
        let mut registry = Registry::default();
        net.register(&mut registry);
        broker.register(&mut registry);
        log.register(&mut registry);
        registry.register_collector(Box::new(crate::process::Process));
        Metrics { net, broker, log, registry: Arc::new(registry) }
    }

    /// Every number in Prometheus' (OpenMetrics) text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("writing into a String cannot fail");
        text
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::all_metrics;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_counted_is_written() {
        let metrics = Metrics::new();
        metrics.net.connections.set(3);
        metrics.net.bytes_received.add(40);
        metrics.log.fsync_seconds.observe_seconds(0.0015);
        let produce = metrics.clone().broker.requests.of("Produce", "NONE");
        produce.increment();
        produce.increment();
        let text = metrics.encode();
        for line in [
            "kafka_network_socketserver_connections 3",
            "kafka_network_socketserver_bytes_received_total 40",
            "kafka_log_logflushstats_logflush_time_seconds_bucket{le=\"0.0016\"} 1",
            "kafka_network_requestmetrics_requests_total{request=\"Produce\",error=\"NONE\"} 2",
            "# HELP kafka_network_socketserver_connections Connections that are open.",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn every_metric_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all_metrics().map(|info| info.name).collect();
        assert_eq!(names.len(), all_metrics().count());
        assert!(names.iter().all(|name| name.starts_with("kafka_") || name.starts_with("ottla_")));
    }
}
