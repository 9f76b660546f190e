//! Transactions on this node: the coordinator's shards, and what coordinators and partition leaders ask of one another.
//!
//! A shard runs for each partition of `__transaction_state` that the node leads (`follow`). What it decides to have done goes out
//! from `effects`: markers to partition leaders, which write them in `markers`. Before a leader takes the first batch of a
//! transaction it asks the coordinator in `verify`, which answers in `add`. Both directions go through `Peers`, also when the
//! other side is this node. What transactions are is in `ottla-txn`.

mod add;
mod effects;
mod follow;
mod markers;
mod verify;

pub(crate) use add::{VERSION_OF_LEADERS, add_partitions, in_version as code_in_version};
pub(crate) use follow::start;
pub(crate) use markers::MarkerWriter;
pub(crate) use verify::{Asking, Operation, Verifier, VerifyFailed};

use crate::coordination::partition_of;
use crate::partitions::Partitions;
use crate::peers::Peers;
use crate::producer_ids::{NoProducerId, ProducerIds};
use effects::UnderWay;
use ottla_config::BrokerConfig;
use ottla_coordinator::{CoordinatorError, Shards};
use ottla_metadata::topic_name::TRANSACTION_STATE;
use ottla_metadata::{MetadataImage, features};
use ottla_runtime::{Runtime, watch};
use ottla_telemetry::TransactionMetrics;
pub(crate) use ottla_txn::ObservedTransactions as Observation;
use ottla_txn::{TransactionFilter, TxnConfig, TxnEvent, TxnReply, TxnRequest, TxnShard, Wanted};
use ottla_types::ErrorCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// How long a shutdown waits for the shards.
const SHARDS_PATIENCE: Duration = Duration::from_secs(5);
/// How long all shards together may take to tell what they hold.
const OBSERVE_PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer waits for its record to be committed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// The transactional ids that this node coordinates.
pub(crate) struct TxnCoordinator {
    runtime: Runtime,
    images: watch::Receiver<Arc<MetadataImage>>,
    partitions: Arc<Partitions>,
    shards: Shards<TxnShard>,
    producer_ids: ProducerIds,
    /// What shards are made with.
    config: RwLock<Arc<TxnConfig>>,
    partition_count: i32,
    load_bytes_max: usize,
    metrics: TransactionMetrics,
    /// Known once the broker is put together.
    peers: OnceLock<Arc<dyn Peers>>,
    under_way: Mutex<UnderWay>,
    /// How long a partition that is to be added waits for the end of the transaction before.
    end_patience: Duration,
}

impl TxnCoordinator {
    pub(crate) fn new(
        runtime: &Runtime,
        images: watch::Receiver<Arc<MetadataImage>>,
        partitions: Arc<Partitions>,
        producer_ids: ProducerIds,
        config: &BrokerConfig,
        metrics: TransactionMetrics,
    ) -> Arc<TxnCoordinator> {
        let txn_config = TxnConfig::new(config, images.borrow().feature_level(features::TRANSACTION_VERSION));
        let partition_count = config.long("transaction.state.log.num.partitions");
        let load_bytes_max = config.long("transaction.state.log.load.buffer.size");
        let end_patience = config.long("add.partitions.to.txn.retry.backoff.max.ms");
        Arc::new(TxnCoordinator {
            runtime: runtime.clone(),
            shards: Shards::new(runtime),
            images,
            partitions,
            producer_ids,
            config: RwLock::new(Arc::new(txn_config)),
            partition_count: i32::try_from(partition_count).unwrap_or(1).max(1),
            load_bytes_max: usize::try_from(load_bytes_max).unwrap_or(usize::MAX),
            metrics,
            peers: OnceLock::new(),
            under_way: Mutex::default(),
            end_patience: Duration::from_millis(u64::try_from(end_patience).unwrap_or(0)),
        })
    }

    /// How partition leaders are reached; said once, before the first shard starts.
    pub(crate) fn set_peers(&self, peers: Arc<dyn Peers>) {
        assert!(self.peers.set(peers).is_ok(), "the peers are known once");
    }

    /// The partition of `__transaction_state` that holds an id.
    pub(crate) fn partition_of(&self, transactional_id: &str) -> i32 {
        let image = self.images.borrow();
        let topic = image.topic(TRANSACTION_STATE);
        let count = topic.map(|topic| i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX));
        partition_of(transactional_id, count.unwrap_or(self.partition_count))
    }

    /// Asks the shard of a transactional id. It is given a producer id that nobody had before when it needs one.
    ///
    /// # Errors
    /// INVALID_REQUEST for an empty id; NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE.
    pub(crate) async fn ask(&self, transactional_id: &str, request: TxnRequest) -> Result<TxnReply, ErrorCode> {
        // Before it is asked where the id belongs: the topic may not be there yet.
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let mut fresh_producer_id = None;
        loop {
            let index = self.partition_of(transactional_id);
            let shard = self.shards.get(index).ok_or_else(|| self.why_not_here(index).code())?;
            let wanted = Wanted { request: request.clone(), fresh_producer_id };
            match shard.submit(TxnEvent::Request(wanted)).await.map_err(CoordinatorError::code)? {
                TxnReply::ProducerIdNeeded => {
                    let allocated = self.producer_ids.next().await;
                    let id = allocated.map_err(|NoProducerId| ErrorCode::CoordinatorLoadInProgress)?;
                    fresh_producer_id = Some(id.0);
                }
                reply => return Ok(reply),
            }
        }
    }

    /// What all shards hold, for metrics; one that is loading or does not answer in time is left out.
    pub(crate) async fn observe(&self) -> Observation {
        let ask = |shard: &ottla_coordinator::ShardHandle<TxnShard>| {
            shard.submit(TxnEvent::Request(Wanted { request: TxnRequest::Observe, fresh_producer_id: None }))
        };
        let under_way: Vec<_> = self.shards.all().iter().map(|(_, shard)| ask(shard)).collect();
        let deadline = self.runtime.now() + OBSERVE_PATIENCE;
        let mut all = Observation::default();
        for reply in under_way {
            let left = deadline.saturating_duration_since(self.runtime.now());
            let Ok(Ok(TxnReply::Observed(one))) = self.runtime.timeout(left, reply).await else { continue };
            one.states.into_iter().for_each(|(state, count)| *all.states.entry(state).or_default() += count);
            all.oldest_open_ms = all.oldest_open_ms.into_iter().chain(one.oldest_open_ms).min();
        }
        all
    }

    /// Asks every shard for its transactions; those that have just left list nothing.
    ///
    /// # Errors
    /// What a shard answers that cannot: COORDINATOR_LOAD_IN_PROGRESS.
    pub(crate) async fn list(&self, filter: TransactionFilter) -> Result<Vec<TxnReply>, ErrorCode> {
        let filter = Arc::new(filter);
        let ask = |shard: &ottla_coordinator::ShardHandle<TxnShard>| {
            let request = TxnRequest::List(Arc::clone(&filter));
            shard.submit(TxnEvent::Request(Wanted { request, fresh_producer_id: None }))
        };
        let under_way: Vec<_> = self.shards.all().iter().map(|(_, shard)| ask(shard)).collect();
        let mut replies = Vec::with_capacity(under_way.len());
        for reply in under_way {
            match reply.await {
                Ok(reply) => replies.push(reply),
                Err(CoordinatorError::NotCoordinator) => {}
                Err(error) => return Err(error.code()),
            }
        }
        Ok(replies)
    }

    fn why_not_here(&self, index: i32) -> CoordinatorError {
        let image = self.images.borrow();
        let leader = image.partition(TRANSACTION_STATE, index).and_then(|partition| partition.leader);
        match leader == Some(self.partitions.node_id()) {
            true => CoordinatorError::LoadInProgress,
            false => CoordinatorError::NotCoordinator,
        }
    }

    fn config(&self) -> Arc<TxnConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends every shard; whoever waits is told to look for another coordinator.
    pub(crate) async fn shutdown(&self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        self.shards.shutdown(SHARDS_PATIENCE).await;
    }
}
