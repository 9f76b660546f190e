//! A node: the roles of one process, put together.
//!
//! Start, in this order: 1. the listeners take their ports, so that a port in use is told before anything is touched;
//! 2. the log directories are locked; 3. the metadata quorum opens, and forms the cluster if it is new; 4. the broker
//! registers: every partition that it leads gets a new leader epoch; 5. the broker pairs its logs with the metadata;
//! 6. the listeners serve. Logs that need recovery are recovered meanwhile.
//!
//! [`Node::shutdown`] goes the other way and leaves everything clean. [`EmbeddedNode`] is a node for tests, in memory.

mod embedded;
mod error;
mod listeners;
mod observe;

pub use embedded::{EmbeddedError, EmbeddedNode, EmbeddedNodeBuilder, NodeFailed};
pub use error::StartError;

use futures_util::future::BoxFuture;
use listeners::{advertised_endpoints, net_config};
use observe::{Observer, Serving};
use ottla_broker::{Broker, BrokerHandler, BrokerParts};
use ottla_config::BrokerConfig;
use ottla_controller::{Controller, ControllerConfig, LocalBroker};
use ottla_http::{BoundHttp, HttpServer};
use ottla_net::{BoundServer, Server};
use ottla_quorum::{DirectoryId, NoPeers, QuorumConfig};
use ottla_runtime::{AbortOnDrop, Runtime};
use ottla_storage::{LogDirs, LogDirsOptions};
use ottla_telemetry::Metrics;
use ottla_types::Uuid;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Directory of the metadata quorum below `metadata.log.dir`.
const METADATA_DIR: &str = "metadata";
/// How long a shutdown waits for requests that were begun.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// A running node.
pub struct Node {
    server: Arc<Server>,
    broker: Arc<Broker>,
    controller: Controller,
    metrics: Metrics,
    addresses: Vec<(String, SocketAddr)>,
    cluster_id: Uuid,
    observer: Arc<Observer>,
    http: Option<HttpServer>,
    #[cfg(feature = "otel")]
    _exporter: Option<ottla_http::otlp::Exporter>,
    _limits: AbortOnDrop<()>,
}

impl Node {
    /// Starts a node with these configs. It answers requests when this returns.
    ///
    /// # Errors
    /// See [`StartError`]; nothing stays open.
    pub fn start(runtime: &Runtime, config: BrokerConfig) -> BoxFuture<'_, Result<Node, StartError>> {
        // Boxed: compiled here, not again in every crate that awaits it.
        Box::pin(Node::start_here(runtime, config))
    }

    async fn start_here(runtime: &Runtime, config: BrokerConfig) -> Result<Node, StartError> {
        check_supported(&config)?;
        let metrics = Metrics::new();
        let observer = Observer::new(runtime, &config, &metrics);
        // First, so that a node can be looked at while it starts.
        let http = match &config.network.http_listener {
            Some(address) => {
                Some(BoundHttp::bind(address).await?.serve(runtime, ottla_http::observe::router(observer.clone())))
            }
            None => None,
        };
        #[cfg(feature = "otel")]
        let _exporter = ottla_http::otlp::start_from_env(runtime, observer.clone())?;
        let bound = BoundServer::bind(runtime, net_config(&config)?).await?;
        let log_dirs = LogDirs::open(runtime, log_dirs_options(&config)).await?;
        let wanted = wanted_cluster_id(&log_dirs)?;
        let controller =
            Controller::open(runtime, controller_config(&config, &log_dirs, wanted), Arc::new(NoPeers)).await?;
        let cluster_id = controller.ready().await?;
        log_dirs.set_cluster_id(&cluster_id.to_string()).await?;
        let registration = LocalBroker {
            node_id: config.node_id,
            endpoints: advertised_endpoints(&config, &bound, &runtime.host_name()),
            rack: config.rack.clone(),
            directories: log_dirs.dirs().iter().map(|dir| dir.id()).collect(),
        };
        let administered = listeners::controller_endpoints(&config, &bound, &runtime.host_name());
        if !administered.is_empty() || controller.images().borrow().controller(config.node_id).is_some() {
            controller.register_controller(runtime, config.node_id, &administered).await?;
        }
        controller.register_broker(runtime, &registration).await?;
        let broker = Broker::start(BrokerParts {
            runtime: runtime.clone(),
            config: config.clone(),
            controller: controller.channel(),
            images: controller.images(),
            log_dirs,
            metrics: metrics.clone(),
        })
        .await?;
        let names = config.listeners.iter().map(|listener| listener.name.clone());
        let addresses: Vec<(String, SocketAddr)> =
            names.filter_map(|name| bound.local_addr(&name).map(|address| (name, address))).collect();
        let handler = BrokerHandler::new(Arc::clone(&broker), config.controller_listener_names.clone());
        let server = Arc::new(bound.serve(Arc::new(handler), metrics.net.clone()));
        let limits = runtime
            .spawn("node.follow-limits", listeners::follow_limits(Arc::clone(&server), config, controller.images()));
        let (server_shown, broker_shown) = (Arc::clone(&server), Arc::clone(&broker));
        observer.is_ready(Serving {
            server: server_shown,
            broker: broker_shown,
            cluster_id,
            addresses: addresses.clone(),
        });
        let _limits = limits.abort_on_drop();
        Ok(Node {
            server,
            broker,
            controller,
            metrics,
            addresses,
            cluster_id,
            observer,
            http,
            #[cfg(feature = "otel")]
            _exporter,
            _limits,
        })
    }

    /// Name and bound address of every listener.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// Bound address of `http.listener`, if there is one.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::local_addr)
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> Uuid {
        self.cluster_id
    }

    /// Everything that the node counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Answers what was begun, closes every log cleanly and ends.
    pub fn shutdown(self) -> BoxFuture<'static, ()> {
        // Boxed: compiled here, not again in every crate that awaits it.
        Box::pin(self.shut_down_here())
    }

    async fn shut_down_here(self) {
        self.observer.is_stopping();
        self.server.shutdown(DRAIN_PATIENCE).await;
        self.broker.shutdown().await;
        self.controller.shutdown().await;
    }
}

/// Refuses what this version cannot do, before anything is touched.
fn check_supported(config: &BrokerConfig) -> Result<(), StartError> {
    if !config.roles.broker || !config.roles.controller {
        let message = "process.roles must be broker,controller: nodes with one role come with clustering. Next step: set \
                       process.roles=broker,controller";
        return Err(StartError::Unsupported(message.to_string()));
    }
    if config.quorum.voters.len() > 1 {
        let message = "controller.quorum.voters names more than one node: clusters of several nodes are not supported yet. \
                       Next step: name this node alone, or leave the config out";
        return Err(StartError::Unsupported(message.to_string()));
    }
    Ok(())
}

fn controller_config(config: &BrokerConfig, log_dirs: &LogDirs, cluster_id: Option<Uuid>) -> ControllerConfig {
    let metadata_log_dir = PathBuf::from(&config.storage.metadata_log_dir);
    let opened = log_dirs.dirs().iter().find(|dir| dir.path() == metadata_log_dir);
    let is_log_dir = config.storage.log_dirs.iter().any(|dir| Path::new(dir) == metadata_log_dir);
    let snapshot_interval_ms = config.long("metadata.log.max.snapshot.interval.ms");
    let quorum = QuorumConfig {
        snapshot_after_bytes: config.quorum.snapshot_bytes.max(1) as u64,
        // Kafka's 0 switches snapshots by time off.
        snapshot_after: u64::try_from(snapshot_interval_ms)
            .ok()
            .filter(|&interval| interval > 0)
            .map_or(Duration::from_secs(u64::from(u32::MAX)), Duration::from_millis),
        directory_id: match opened {
            Some(dir) => DirectoryId::Known(dir.id()),
            None if is_log_dir => DirectoryId::Unknown,
            None => DirectoryId::None,
        },
        ..QuorumConfig::new(metadata_log_dir.join(METADATA_DIR))
    };
    ControllerConfig { quorum, broker: Arc::new(config.clone()), cluster_id }
}

fn log_dirs_options(config: &BrokerConfig) -> LogDirsOptions {
    LogDirsOptions {
        dirs: config.storage.log_dirs.iter().map(PathBuf::from).collect(),
        node_id: config.node_id,
        cluster_id: None,
    }
}

/// The id that the log directories name, from an earlier start or from a format step.
fn wanted_cluster_id(log_dirs: &LogDirs) -> Result<Option<Uuid>, StartError> {
    let Some(text) = log_dirs.cluster_id() else { return Ok(None) };
    text.parse().map(Some).map_err(|_| StartError::ClusterId(text))
}
