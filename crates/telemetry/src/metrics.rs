//! All handles of one node, and their text form.

use crate::client_metrics::ClientTelemetryMetrics;
use crate::collector::Collected;
use crate::{
    BrokerMetrics, CleanerMetrics, Collector, GroupMetrics, LogMetrics, MetricInfo, NetMetrics, QuotaMetrics,
    ShareGroupMetrics, TopicTotals, TransactionMetrics,
};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// All handles of one node. Clones share the same numbers.
#[derive(Clone)]
pub struct Metrics {
    /// Connections and bytes.
    pub net: NetMetrics,
    /// Requests, partitions and what waits.
    pub broker: BrokerMetrics,
    /// What all topics moved.
    pub topics: TopicTotals,
    /// Logs and their flushes.
    pub log: LogMetrics,
    /// Log compaction.
    pub cleaner: CleanerMetrics,
    /// Consumer groups.
    pub groups: GroupMetrics,
    /// Share groups.
    pub share_groups: ShareGroupMetrics,
    /// Transactions.
    pub transactions: TransactionMetrics,
    /// Client quotas.
    pub quotas: QuotaMetrics,
    /// What clients push (KIP-714).
    pub client_telemetry: ClientTelemetryMetrics,
    registry: Arc<Registry>,
    collectors: Arc<Mutex<Vec<Weak<dyn Collector>>>>,
}

/// The rows of all tables, for documentation.
pub fn all_metrics() -> impl Iterator<Item = &'static MetricInfo> {
    let tables = [
        NetMetrics::INFO,
        BrokerMetrics::INFO,
        LogMetrics::INFO,
        CleanerMetrics::INFO,
        GroupMetrics::INFO,
        ShareGroupMetrics::INFO,
        TransactionMetrics::INFO,
        QuotaMetrics::INFO,
        ClientTelemetryMetrics::INFO,
    ];
    tables.into_iter().flatten().chain(crate::groups::FAMILIES.iter().chain(crate::topics::FAMILIES).copied())
}

impl Metrics {
    /// Handles that all stand at zero.
    pub fn new() -> Metrics {
        let (net, broker, log) = (NetMetrics::default(), BrokerMetrics::default(), LogMetrics::default());
        let (cleaner, groups) = (CleanerMetrics::default(), GroupMetrics::default());
        let (share_groups, transactions) = (ShareGroupMetrics::default(), TransactionMetrics::default());
        let (quotas, client_telemetry) = (QuotaMetrics::default(), ClientTelemetryMetrics::default());
        let mut registry = Registry::default();
        net.register(&mut registry);
        broker.register(&mut registry);
        log.register(&mut registry);
        registry.register_collector(Box::new(crate::process::Process));
        cleaner.register(&mut registry);
        groups.register(&mut registry);
        share_groups.register(&mut registry);
        transactions.register(&mut registry);
        quotas.register(&mut registry);
        client_telemetry.register(&mut registry);
        let collectors = Arc::default();
        let registry = Arc::new(registry);
        Metrics {
            net,
            broker,
            topics: TopicTotals::default(),
            log,
            cleaner,
            groups,
            share_groups,
            transactions,
            quotas,
            client_telemetry,
            registry,
            collectors,
        }
    }

    /// Asks this collector, too, at every [`Metrics::scrape`] from now on, as long as somebody else holds it.
    pub fn add_collector(&self, collector: Weak<dyn Collector>) {
        let mut collectors = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
        collectors.retain(|known| known.strong_count() > 0);
        collectors.push(collector);
    }

    /// Every number in Prometheus' (OpenMetrics) text format, also those that collectors compute.
    pub async fn scrape(&self) -> String {
        let collectors: Vec<Arc<dyn Collector>> = {
            let collectors = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
            collectors.iter().filter_map(Weak::upgrade).collect()
        };
        let mut families = Vec::new();
        for collector in collectors {
            families.extend(collector.collect().await);
        }
        self.text(families)
    }

    /// The numbers of all handles in the same format.
    pub fn encode(&self) -> String {
        self.text(Vec::new())
    }

    fn text(&self, families: Vec<crate::Family>) -> String {
        let mut collected = Registry::default();
        collected.register_collector(Box::new(Collected(families)));
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &collected))
            .and_then(|()| encode_eof(&mut text))
            .expect("writing into a String cannot fail");
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
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
    use crate::{Family, groups};
    use std::collections::BTreeSet;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

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

    struct Lags;

    impl Collector for Lags {
        fn collect(&self) -> Pin<Box<dyn Future<Output = Vec<Family>> + Send + '_>> {
            Box::pin(async {
                let mut lags = Family::new(&groups::LAG);
                for (partition, lag) in [(0, 7), (1, -1)] {
                    let labels = vec![("consumergroup", "a\"b".to_string()), ("partition", format!("{partition}"))];
                    lags.push(labels, lag);
                }
                vec![lags, Family::of_value(&groups::GROUP_OFFSETS, 2)]
            })
        }
    }

    #[test]
    fn collectors_are_asked_as_long_as_they_live() {
        let metrics = Metrics::new();
        let lags = Arc::new(Lags);
        let weak: Weak<Lags> = Arc::downgrade(&lags);
        metrics.add_collector(weak);
        let scrape = || match pin!(metrics.scrape()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(text) => text,
            Poll::Pending => panic!("this collector waits for nothing"),
        };
        let text = scrape();
        for line in [
            "# HELP kafka_consumergroup_lag Records between the committed offset of a group and the high watermark.",
            "# TYPE kafka_consumergroup_lag gauge",
            "kafka_consumergroup_lag{consumergroup=\"a\\\"b\",partition=\"0\"} 7",
            "kafka_consumergroup_lag{consumergroup=\"a\\\"b\",partition=\"1\"} -1",
            "kafka_coordinator_group_groupmetadatamanager_numoffsets 2",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
        drop(lags);
        assert!(!scrape().contains("kafka_consumergroup_lag"));
        // What the process itself uses changes between two looks.
        let steady = |text: String| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with("process_")).map(str::to_string).collect()
        };
        assert_eq!(steady(scrape()), steady(metrics.encode()));
    }

    #[test]
    fn every_metric_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all_metrics().map(|info| info.name).collect();
        assert_eq!(names.len(), all_metrics().count());
        assert!(names.iter().all(|name| name.starts_with("kafka_") || name.starts_with("ottla_")));
    }
}
