//! What the node shows of itself over HTTP (`http.listener`).

use ottla_broker::{Broker, PartitionUsage};
use ottla_config::{BrokerConfig, ConfigEntry, ConfigSource};
use ottla_http::observe::{Config, Connection, Debug, Observed, Partition, Phase};
use ottla_net::{ConnectionUsage, Server};
use ottla_runtime::{Instant, Runtime};
use ottla_telemetry::{Metrics, log_levels};
use ottla_types::Uuid;
use std::cmp::Reverse;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Connections and partitions that `/debug` names.
const TOP: usize = 20;
/// The phases, in the order of a node's life.
const PHASES: [Phase; 3] = [Phase::Starting, Phase::Ready, Phase::Stopping];

/// A node as it can be looked at, from before it serves clients until after.
pub(crate) struct Observer {
    runtime: Runtime,
    started: Instant,
    config: BrokerConfig,
    metrics: Metrics,
    /// Index into [`PHASES`].
    phase: AtomicU8,
    serving: OnceLock<Serving>,
}

/// What there is once the node serves.
pub(crate) struct Serving {
    pub(crate) server: Arc<Server>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) cluster_id: Uuid,
    pub(crate) addresses: Vec<(String, SocketAddr)>,
}

impl Observer {
    pub(crate) fn new(runtime: &Runtime, config: &BrokerConfig, metrics: &Metrics) -> Arc<Observer> {
        Arc::new(Observer {
            runtime: runtime.clone(),
            started: runtime.now(),
            config: config.clone(),
            metrics: metrics.clone(),
            phase: AtomicU8::new(0),
            serving: OnceLock::new(),
        })
    }

    /// Clients are served from now on.
    pub(crate) fn is_ready(&self, serving: Serving) {
        let _only_once = self.serving.set(serving);
        self.phase.store(1, Ordering::Relaxed);
    }

    /// Clients are not served any more.
    pub(crate) fn is_stopping(&self) {
        self.phase.store(2, Ordering::Relaxed);
    }
}

impl Observed for Observer {
    fn metrics(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(self.metrics.scrape())
    }

    fn phase(&self) -> Phase {
        PHASES[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    fn debug(&self) -> Debug {
        let serving = self.serving.get();
        let connections = serving.map_or_else(Vec::new, |serving| serving.server.connections());
        let partitions = serving.map_or_else(Vec::new, |serving| serving.broker.partition_usage());
        let configs = serving.map_or_else(Vec::new, |serving| serving.broker.described_configs());
        let listeners = serving.map_or(&[][..], |serving| &serving.addresses);
        Debug {
            version: env!("CARGO_PKG_VERSION"),
            node_id: self.config.node_id.0,
            cluster_id: serving.map(|serving| serving.cluster_id.to_string()),
            uptime_ms: millis(self.runtime.now().saturating_duration_since(self.started)),
            listeners: listeners.iter().map(|(name, address)| (name.clone(), address.to_string())).collect(),
            log_levels: log_levels().map(|levels| levels.text()),
            connection_count: connections.len(),
            top_connections: top(connections, |c| Reverse(c.bytes_received + c.bytes_sent)).map(connection).collect(),
            partition_count: partitions.len(),
            top_partitions: top(partitions, |p| Reverse((p.bytes_in + p.bytes_out, p.bytes))).map(partition).collect(),
            configs: configs.iter().map(|entry| (entry.key.name.to_string(), config(entry))).collect(),
        }
    }
}

/// The first [`TOP`] by this order.
fn top<T, K: Ord>(mut all: Vec<T>, order: impl Fn(&T) -> K) -> impl Iterator<Item = T> {
    all.sort_by_key(order);
    all.into_iter().take(TOP)
}

fn connection(usage: ConnectionUsage) -> Connection {
    let info = &usage.info;
    Connection {
        peer: info.peer.to_string(),
        listener: info.listener.to_string(),
        client_id: info.client_id.get().cloned().unwrap_or_default(),
        software: info.software.get().map(|software| format!("{} {}", software.name, software.version)),
        age_ms: millis(usage.age),
        idle_ms: millis(usage.idle),
        requests: usage.requests,
        bytes_received: usage.bytes_received,
        bytes_sent: usage.bytes_sent,
    }
}

fn partition(usage: PartitionUsage) -> Partition {
    Partition {
        topic: usage.topic.to_string(),
        partition: usage.partition,
        state: usage.state,
        leader: usage.leader,
        leader_epoch: usage.leader_epoch,
        log_start_offset: usage.log_start_offset,
        high_watermark: usage.high_watermark,
        log_end_offset: usage.log_end_offset,
        bytes: usage.bytes,
        segments: usage.segments,
        bytes_in: usage.bytes_in,
        bytes_out: usage.bytes_out,
    }
}

fn config(entry: &ConfigEntry) -> Config {
    let is_set = entry.source != ConfigSource::Default;
    let hidden = (entry.key.is_sensitive() && is_set).then(|| "(hidden)".to_string());
    Config { value: entry.value.clone().or(hidden), source: entry.source.name() }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
