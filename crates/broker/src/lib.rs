//! The broker role: API handlers, partitions, fetch sessions, parked requests.
//!
//! [`Broker`] is the network layer's [`Handler`]: `handlers` holds one file per API key. `partition` is a partition of this
//! node, `partitions` all of them and how they follow the metadata image; `flush` says when they are flushed, `watchers`
//! who waits for them. Metadata changes go to the controller through a [`ControllerChannel`].

mod fetch_session;
mod flush;
mod handlers;
mod housekeeping;
mod partition;
mod partitions;
mod producer_ids;
mod topic_config;
mod watchers;

use fetch_session::FetchSessions;
use flush::FlushControl;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ottla_config::BrokerConfig;
use ottla_metadata::{ControllerChannel, MetadataImage};
use ottla_net::{Handler, Outcome, Request};
use ottla_runtime::{Instant, Runtime};
use ottla_storage::{LogDirs, LogError};
use ottla_telemetry::Metrics;
use ottla_types::NodeId;
use partition::Shared;
use partitions::{Applier, Partitions};
use producer_ids::ProducerIds;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// What a broker is made of.
pub struct BrokerParts {
    /// Clock, disk, network.
    pub runtime: Runtime,
    /// The configs of the file and the command line.
    pub config: BrokerConfig,
    /// The way to the active controller.
    pub controller: Arc<dyn ControllerChannel>,
    /// The committed metadata. The broker's own registration, with the epoch bumps of its partitions, is in it already.
    pub images: watch::Receiver<Arc<MetadataImage>>,
    /// The log directories.
    pub log_dirs: LogDirs,
    /// Where to count.
    pub metrics: Metrics,
}

/// The broker role of a node.
pub struct Broker {
    shared: Arc<Shared>,
    static_config: BrokerConfig,
    config: RwLock<Arc<BrokerConfig>>,
    controller: Arc<dyn ControllerChannel>,
    images: watch::Receiver<Arc<MetadataImage>>,
    applied: watch::Sender<Arc<MetadataImage>>,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) fetch_sessions: Mutex<FetchSessions>,
    pub(crate) producer_ids: ProducerIds,
}

/// Where a broker is reached on the inter-broker listener, for responses that name a new leader.
pub(crate) struct LeaderEndpoint {
    pub(crate) node_id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
}

impl Broker {
    /// Starts the broker: finds the logs, pairs them with the metadata, and follows the metadata from then on. Logs are
    /// recovered in the background; until one is, its partition answers NOT_LEADER_OR_FOLLOWER, which clients retry.
    ///
    /// # Errors
    /// When a log directory cannot be listed.
    pub async fn start(parts: BrokerParts) -> Result<Arc<Broker>, LogError> {
        let BrokerParts { runtime, config, controller, images, log_dirs, metrics } = parts;
        let found = log_dirs.discover().await?;
        let has_failed_directory = log_dirs.dirs().len() < config.storage.log_dirs.len();
        let shared = Arc::new(Shared {
            runtime: runtime.clone(),
            node_id: config.node_id,
            log_dirs,
            flush: FlushControl::new(),
            metrics,
            producer_id_expiration_ms: i64::from(config.storage.producer_id_expiration_ms),
            replica_lag_time_max_ms: config.long("replica.lag.time.max.ms"),
        });
        shared.flush.start(&runtime);
        let partitions = Partitions::new(Arc::clone(&shared), images.clone());
        let applier = Applier::new(Arc::clone(&partitions), found, has_failed_directory);
        let broker = Arc::new(Broker {
            config: RwLock::new(Arc::new(config.clone())),
            producer_ids: ProducerIds::new(config.node_id, Arc::clone(&controller), images.clone()),
            fetch_sessions: Mutex::new(FetchSessions::new(config.fetch.max_incremental_fetch_session_cache_slots)),
            applied: watch::Sender::new(Arc::new(MetadataImage::empty())),
            static_config: config,
            shared,
            controller,
            images,
            partitions,
        });
        broker.follow_metadata(applier).await;
        housekeeping::start(&broker);
        Ok(broker)
    }

    /// Applies the image of now, then every later one in a task.
    async fn follow_metadata(self: &Arc<Self>, mut applier: Applier) {
        let mut images = self.images.clone();
        let first = Arc::clone(&images.borrow_and_update());
        self.apply(&mut applier, &first).await;
        applier.set_strays_aside().await;
        let broker = Arc::clone(self);
        self.runtime().spawn("broker.follow-metadata", async move {
            while images.changed().await.is_ok() {
                let image = Arc::clone(&images.borrow_and_update());
                broker.apply(&mut applier, &image).await;
            }
        });
    }

    async fn apply(&self, applier: &mut Applier, image: &Arc<MetadataImage>) {
        let config = Arc::new(image.broker_config(&self.static_config));
        applier.apply(image, &config).await;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        self.applied.send_replace(Arc::clone(image));
    }

    /// Waits until everything that is committed now is applied to this node's partitions, at most until `deadline`.
    pub(crate) async fn wait_until_applied(&self, deadline: Instant) {
        let target = self.image();
        let mut applied = self.applied.subscribe();
        let is_there = applied.wait_for(|image| Arc::ptr_eq(image, &target) || Arc::ptr_eq(image, &self.image()));
        let left = deadline.saturating_duration_since(self.runtime().now());
        let _ = self.runtime().timeout(left, is_there).await;
    }

    /// Closes every log cleanly. Requests that come later are refused.
    pub async fn shutdown(&self) {
        for partition in self.partitions.all() {
            partition.close().await;
        }
        self.shared.log_dirs.clone().shutdown().await;
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.shared.runtime
    }

    pub(crate) fn metrics(&self) -> &ottla_telemetry::BrokerMetrics {
        &self.shared.metrics.broker
    }

    pub(crate) fn log_dirs(&self) -> &LogDirs {
        &self.shared.log_dirs
    }

    pub(crate) fn node_id(&self) -> NodeId {
        self.shared.node_id
    }

    /// The configs with everything that was changed at runtime.
    pub(crate) fn config(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The configs of the file and the command line.
    pub(crate) fn static_config(&self) -> &BrokerConfig {
        &self.static_config
    }

    pub(crate) fn controller(&self) -> &dyn ControllerChannel {
        &*self.controller
    }

    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.images.borrow())
    }

    /// `request.timeout.ms`.
    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.config().long("request.timeout.ms").max(0) as u64)
    }

    /// Where the given nodes are reached.
    pub(crate) fn endpoints_of(&self, ids: &[i32], listener: &str) -> Vec<LeaderEndpoint> {
        let image = self.image();
        let endpoint = |&node_id: &i32| {
            let broker = image.broker(NodeId(node_id))?;
            let endpoint = broker.endpoint(listener)?;
            let (host, port) = (endpoint.host.clone(), i32::from(endpoint.port));
            Some(LeaderEndpoint { node_id, host, port, rack: broker.rack.clone() })
        };
        ids.iter().filter_map(endpoint).collect()
    }
}

/// The handler of the node's listeners.
pub struct BrokerHandler(pub Arc<Broker>);

impl Handler for BrokerHandler {
    fn call(&self, request: Request) -> BoxFuture<'_, Outcome> {
        handlers::dispatch(Arc::clone(&self.0), request).boxed()
    }
}
