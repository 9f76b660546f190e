//! The broker role: API handlers, partitions, fetch sessions, parked requests.
//!
//! [`BrokerHandler`] is the network layer's [`Handler`]: `handlers` holds one file per API key. `partition` is a partition of
//! this node, `partitions` all of them, `follow` how they follow the metadata image; `flush` says when they are flushed,
//! `watchers` who waits for them. Metadata changes go to the controller through a [`ControllerChannel`].

mod answered;
mod client_telemetry;
mod coordination;
mod fetch_session;
mod flush;
mod follow;
mod handler;
mod handlers;
mod housekeeping;
mod moves;
mod parked;
mod partition;
mod partitions;
mod peers;
mod producer_ids;
mod quotas;
mod scrape;
mod share;
mod streams_topics;
mod tasks;
#[cfg(test)]
mod test_images;
mod transactions;
mod usage;
mod watchers;

pub use handler::BrokerHandler;
pub use usage::PartitionUsage;

use answered::Answered;
use client_telemetry::ClientInstances;
use coordination::{GroupCoordinator, InternalTopic};
use fetch_session::FetchSessions;
use flush::FlushControl;
use follow::{Applied, Follower};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream;
use moves::Moves;
use ottla_config::BrokerConfig;
use ottla_metadata::{ControllerChannel, MetadataImage};
use ottla_runtime::watch;
use ottla_runtime::{AbortOnDrop, Instant, Runtime};
use ottla_storage::{LogDirs, LogError};
use ottla_telemetry::client_metrics::{ClientMetricsStore, ClientTelemetryMetrics};
use ottla_telemetry::{Collector, Metrics};
use ottla_types::{NodeId, Uuid};
use parked::{FETCHED_PARTITIONS_MAX, FetchRoom};
use partition::{Partition, Refused, Shared};
use partitions::{Applier, Partitions};
use peers::{LocalPeers, Peers};
use producer_ids::ProducerIds;
use quotas::ClientQuotas;
use share::{ShareCoordinator, SharePartitions, ShareStates};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use streams_topics::StreamsTopics;
use tasks::Tasks;
use transactions::{MarkerWriter, TxnCoordinator, Verifier};

/// How long a shutdown waits for the broker's own tasks.
const TASKS_PATIENCE: Duration = Duration::from_secs(15);
/// How long it waits until every log is closed; those that are not are recovered by the next start.
const CLOSE_PATIENCE: Duration = Duration::from_secs(60);
/// Logs of a directory that are closed at the same time.
const CLOSES_IN_PARALLEL: usize = 64;

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
    config: Arc<RwLock<Arc<BrokerConfig>>>,
    controller: Arc<dyn ControllerChannel>,
    images: watch::Receiver<Arc<MetadataImage>>,
    applied: Applied,
    partitions: Arc<Partitions>,
    fetch_sessions: Arc<Mutex<FetchSessions>>,
    fetch_room: FetchRoom,
    answered: Answered,
    producer_ids: ProducerIds,
    groups: Arc<GroupCoordinator>,
    offsets_topic: InternalTopic,
    peers: Arc<dyn Peers>,
    share_coordinator: Arc<ShareCoordinator>,
    share_states: Arc<ShareStates>,
    share_partitions: Arc<SharePartitions>,
    transactions: Arc<TxnCoordinator>,
    transaction_state_topic: InternalTopic,
    markers: Arc<MarkerWriter>,
    verifier: Verifier,
    pub(crate) quotas: Arc<ClientQuotas>,
    pub(crate) client_instances: ClientInstances,
    pub(crate) streams_topics: StreamsTopics,
    pub(crate) client_metrics: Arc<ClientMetricsStore>,
    pub(crate) moves: Arc<Moves>,
    tasks: Arc<Tasks>,
    _flush_queue: AbortOnDrop<()>,
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
    pub fn start(parts: BrokerParts) -> BoxFuture<'static, Result<Arc<Broker>, LogError>> {
        // Boxed: compiled here, not again in every crate that awaits it.
        Box::pin(Broker::start_here(parts))
    }

    async fn start_here(parts: BrokerParts) -> Result<Arc<Broker>, LogError> {
        let BrokerParts { runtime, config, controller, images, log_dirs, metrics } = parts;
        let found = log_dirs.discover().await?;
        let has_failed_directory = log_dirs.dirs().len() < config.storage.log_dirs.len();
        let shared = Arc::new(Shared {
            runtime: runtime.clone(),
            node_id: config.node_id,
            flush: FlushControl::new(config.storage.log_unflushed_max_bytes, log_dirs.dirs()),
            log_dirs,
            refused: Refused::default(),
            metrics,
            producer_id_expiration_ms: AtomicI64::new(i64::from(config.storage.producer_id_expiration_ms)),
            replica_lag_time_max_ms: config.long("replica.lag.time.max.ms"),
        });
        let flush_queue = shared.flush.start(&runtime);
        let partitions = Partitions::new(Arc::clone(&shared), images.clone());
        let applied = Applied::new(images.clone());
        let current_config = Arc::new(RwLock::new(Arc::new(config.clone())));
        let sessions = FetchSessions::new(config.fetch.max_incremental_fetch_session_cache_slots);
        let sessions = Arc::new(Mutex::new(sessions));
        let tasks = Arc::new(Tasks::new(&runtime));
        let applier = Applier::new(Arc::clone(&partitions), found, has_failed_directory, Arc::clone(&tasks));
        let quotas = Arc::new(ClientQuotas::new(&runtime, &config, shared.metrics.quotas.clone()));
        let mut follower = Follower::new(
            images.clone(),
            applied.clone(),
            applier,
            config.clone(),
            Arc::clone(&current_config),
            Arc::clone(&quotas),
        );
        follower.apply_first().await;
        tasks.spawn("broker.follow-metadata", |stopping| follower.follow(stopping));
        housekeeping::start(&tasks, &shared, &partitions, &sessions, &config);
        partition::cleaning::start(&tasks, &shared, &partitions, &current_config);
        let moves = Moves::start(&tasks, &shared, &partitions, &current_config);
        let groups = GroupCoordinator::new(&runtime, images.clone(), Arc::clone(&partitions), &config, &shared.metrics);
        coordination::start(&tasks, &groups, applied.clone(), Arc::clone(&current_config));
        let share_coordinator = ShareCoordinator::new(
            &runtime,
            images.clone(),
            Arc::clone(&partitions),
            Arc::clone(&current_config),
            shared.metrics.share_groups.clone(),
        );
        share::follow(&tasks, &share_coordinator, applied.clone());
        let producer_ids = ProducerIds::new(&runtime, config.node_id, Arc::clone(&controller), images.clone());
        let (ids, counts) = (producer_ids.clone(), shared.metrics.transactions.clone());
        let transactions = TxnCoordinator::new(&runtime, images.clone(), Arc::clone(&partitions), ids, &config, counts);
        let patience = Duration::from_millis(u64::try_from(config.long("request.timeout.ms")).unwrap_or(0));
        let markers = MarkerWriter::new(&runtime, Arc::clone(&partitions), Arc::clone(&groups), patience);
        let peers: Arc<dyn Peers> = Arc::new(LocalPeers {
            runtime: runtime.clone(),
            node_id: config.node_id,
            images: images.clone(),
            partitions: Arc::clone(&partitions),
            markers: Arc::clone(&markers),
            share_coordinator: Arc::clone(&share_coordinator),
            transactions: Arc::downgrade(&transactions),
        });
        transactions.set_peers(Arc::clone(&peers));
        let verifier = Verifier::new(&runtime, images.clone(), Arc::clone(&transactions), Arc::clone(&peers), &config);
        transactions::start(&tasks, &transactions, applied.clone(), Arc::clone(&current_config));
        let share_topic = InternalTopic::share_state(&runtime, Arc::clone(&controller));
        let share_states = ShareStates::new(&share_coordinator, share_topic, applied.clone(), Arc::clone(&peers));
        let share_partitions = SharePartitions::new(&share_states, Arc::clone(&controller), &config);
        share::watch_locks(&tasks, &share_partitions);
        let broker = Broker {
            peers,
            share_coordinator,
            share_states,
            share_partitions,
            groups,
            offsets_topic: InternalTopic::offsets(&runtime, Arc::clone(&controller)),
            transactions,
            transaction_state_topic: InternalTopic::transaction_state(&runtime, Arc::clone(&controller)),
            markers,
            verifier,
            producer_ids,
            quotas,
            client_instances: ClientInstances::default(),
            streams_topics: StreamsTopics::default(),
            client_metrics: client_metrics(&shared.metrics),
            moves,
            config: current_config,
            static_config: config,
            controller,
            images,
            applied,
            partitions,
            fetch_sessions: sessions,
            fetch_room: FetchRoom::new(FETCHED_PARTITIONS_MAX),
            answered: Answered::new(&shared.metrics.broker),
            tasks,
            _flush_queue: flush_queue,
            shared,
        };
        Ok(broker.shown())
    }

    /// The broker, shown with the node's metrics as long as somebody holds it.
    fn shown(self) -> Arc<Broker> {
        let broker = Arc::new(self);
        let shown: Arc<dyn Collector> = Arc::clone(&broker) as Arc<dyn Collector>;
        broker.shared.metrics.add_collector(Arc::downgrade(&shown));
        broker
    }

    /// Closes every log cleanly. Requests that come later are refused.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        // Boxed: compiled here, not again in every crate that awaits it.
        Box::pin(self.shut_down_here())
    }

    async fn shut_down_here(&self) {
        // First whatever opens, creates or changes logs of its own accord.
        self.tasks.stop(TASKS_PATIENCE).await;
        self.transactions.shutdown().await;
        self.groups.shutdown().await;
        self.share_coordinator.shutdown().await;
        let mut by_dir: BTreeMap<Option<Uuid>, Vec<Arc<Partition>>> = BTreeMap::new();
        for partition in self.partitions.all() {
            by_dir.entry(partition.dir_id()).or_default().push(partition);
        }
        // One that hangs holds up only its own logs.
        let dirs = by_dir.into_values().map(|partitions| {
            stream::iter(partitions)
                .for_each_concurrent(CLOSES_IN_PARALLEL, |partition| async move { partition.close().await })
        });
        if self.runtime().timeout(CLOSE_PATIENCE, join_all(dirs)).await.is_err() {
            tracing::error!("some logs could not be closed in time; the next start recovers them");
        }
        self.shared.log_dirs.clone().shutdown().await;
    }

    /// Waits until everything that is committed now is applied to this node's partitions, at most until `deadline`.
    pub(crate) async fn wait_until_applied(&self, deadline: Instant) {
        self.applied.wait_for_committed(self.runtime(), deadline).await;
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.shared.runtime
    }

    pub(crate) fn metrics(&self) -> &ottla_telemetry::BrokerMetrics {
        &self.shared.metrics.broker
    }

    pub(crate) fn topic_totals(&self) -> &ottla_telemetry::TopicTotals {
        &self.shared.metrics.topics
    }

    pub(crate) fn group_metrics(&self) -> &ottla_telemetry::GroupMetrics {
        &self.shared.metrics.groups
    }

    pub(crate) fn telemetry(&self) -> &ClientTelemetryMetrics {
        &self.shared.metrics.client_telemetry
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

    pub(crate) fn groups(&self) -> &GroupCoordinator {
        &self.groups
    }

    pub(crate) fn peers(&self) -> &dyn Peers {
        &*self.peers
    }

    pub(crate) fn share_coordinator(&self) -> &ShareCoordinator {
        &self.share_coordinator
    }

    pub(crate) fn share_states(&self) -> &Arc<ShareStates> {
        &self.share_states
    }

    pub(crate) fn share_partitions(&self) -> &Arc<SharePartitions> {
        &self.share_partitions
    }

    pub(crate) fn offsets_topic(&self) -> &InternalTopic {
        &self.offsets_topic
    }

    pub(crate) fn transactions(&self) -> &TxnCoordinator {
        &self.transactions
    }

    pub(crate) fn transaction_state_topic(&self) -> &InternalTopic {
        &self.transaction_state_topic
    }

    pub(crate) fn markers(&self) -> &MarkerWriter {
        &self.markers
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// `transaction.partition.verification.enable`.
    pub(crate) fn verifies_transactions(&self) -> bool {
        self.config().boolean("transaction.partition.verification.enable")
    }

    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.images.borrow())
    }

    /// `request.timeout.ms`.
    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.config().long("request.timeout.ms")).unwrap_or(0))
    }

    /// Where the given nodes are reached, each once; -1 is none.
    pub(crate) fn endpoints_of(&self, ids: impl Iterator<Item = i32>, listener: &str) -> Vec<LeaderEndpoint> {
        let ids: BTreeSet<i32> = ids.filter(|&id| id >= 0).collect();
        if ids.is_empty() {
            return Vec::new();
        }
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

/// The store of what clients push, shown with the node's own metrics.
fn client_metrics(metrics: &Metrics) -> Arc<ClientMetricsStore> {
    let store = Arc::new(ClientMetricsStore::new(metrics.client_telemetry.clone()));
    let shown: Arc<dyn Collector> = Arc::clone(&store) as Arc<dyn Collector>;
    metrics.add_collector(Arc::downgrade(&shown));
    store
}
