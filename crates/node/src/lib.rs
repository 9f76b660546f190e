//! A node: the roles of one process, put together.
//!
//! Start, in this order: 1. the listeners take their ports, so that a port in use is told before anything is touched;
//! 2. the log directories are locked; 3. the metadata quorum opens, and forms the cluster if it is new; 4. the broker
//! registers: every partition that it leads gets a new leader epoch; 5. the broker pairs its logs with the metadata;
//! 6. the listeners serve. Logs that need recovery are recovered meanwhile.
//!
//! [`Node::shutdown`] goes the other way and leaves everything clean.

mod error;
mod listeners;
mod registration;

pub use error::StartError;

use listeners::{advertised_endpoints, net_config};
use ottla_broker::{Broker, BrokerHandler, BrokerParts};
use ottla_config::BrokerConfig;
use ottla_controller::{Controller, ControllerOptions};
use ottla_net::{BoundServer, Server};
use ottla_runtime::{AbortOnDrop, Runtime};
use ottla_storage::{LogDirs, LogDirsOptions};
use ottla_telemetry::Metrics;
use ottla_types::Uuid;
use std::net::SocketAddr;
use std::path::PathBuf;
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
    _limits: AbortOnDrop<()>,
}

impl Node {
    /// Starts a node with these configs. It answers requests when this returns.
    ///
    /// # Errors
    /// See [`StartError`]; nothing stays open.
    pub async fn start(runtime: &Runtime, config: BrokerConfig) -> Result<Node, StartError> {
        registration::check_supported(&config)?;
        let metrics = Metrics::new();
        let bound = BoundServer::bind(runtime, net_config(&config)?).await?;
        let log_dirs = LogDirs::open(runtime, log_dirs_options(&config)).await?;
        let wanted = wanted_cluster_id(&log_dirs)?;
        let options = ControllerOptions {
            config: config.clone(),
            metadata_dir: PathBuf::from(&config.storage.metadata_log_dir).join(METADATA_DIR),
            cluster_id: wanted,
        };
        let controller = Controller::open(runtime, options).await?;
        let cluster_id = controller.bootstrapped().await?;
        log_dirs.set_cluster_id(&cluster_id.to_string()).await?;
        let endpoints = advertised_endpoints(&config, &bound, &runtime.host_name());
        let directories = log_dirs.dirs().iter().map(|dir| dir.id()).collect();
        registration::register(runtime, &config, &controller, cluster_id, endpoints, directories).await?;
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
        let addresses = names.filter_map(|name| bound.local_addr(&name).map(|address| (name, address))).collect();
        let handler = BrokerHandler::new(Arc::clone(&broker), config.controller_listener_names.clone());
        let server = Arc::new(bound.serve(Arc::new(handler), metrics.net.clone()));
        let limits = runtime.spawn("node.follow-limits", listeners::follow_limits(
            Arc::clone(&server),
            config,
            controller.images(),
        ));
        Ok(Node { server, broker, controller, metrics, addresses, cluster_id, _limits: limits.abort_on_drop() })
    }

    /// Name and bound address of every listener.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
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
    pub async fn shutdown(self) {
        self.server.shutdown(DRAIN_PATIENCE).await;
        self.broker.shutdown().await;
        self.controller.shutdown().await;
    }
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
