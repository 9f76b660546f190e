//! The share coordinator of this node: a shard for each partition of `__share_group_state` that it leads.

use crate::coordination::partition_of;
use crate::partitions::Partitions;
use ottla_config::BrokerConfig;
use ottla_coordinator::{CoordinatorError, Shards};
use ottla_metadata::MetadataImage;
use ottla_metadata::topic_name::SHARE_GROUP_STATE;
use ottla_records::{Compression, CompressionSpec};
use ottla_runtime::{Runtime, watch};
use ottla_share::StateShard;
use ottla_share::state::{StateConfig, StateEffect, StateError, StateEvent, StateKey, StateReply, StateRequest};
use ottla_telemetry::ShareGroupMetrics;
use ottla_types::ErrorCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long a shutdown waits for the shards.
const SHARDS_PATIENCE: Duration = Duration::from_secs(5);
/// How long the deletion of old records of the log may take.
const PRUNE_PATIENCE: Duration = Duration::from_secs(10);

/// The states of share partitions that this node keeps.
pub(crate) struct ShareCoordinator {
    pub(super) runtime: Runtime,
    pub(super) images: watch::Receiver<Arc<MetadataImage>>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) shards: Shards<StateShard>,
    pub(super) metrics: ShareGroupMetrics,
    broker_config: Arc<RwLock<Arc<BrokerConfig>>>,
}

impl ShareCoordinator {
    pub(crate) fn new(
        runtime: &Runtime,
        images: watch::Receiver<Arc<MetadataImage>>,
        partitions: Arc<Partitions>,
        broker_config: Arc<RwLock<Arc<BrokerConfig>>>,
        metrics: ShareGroupMetrics,
    ) -> Arc<ShareCoordinator> {
        let shards = Shards::new(runtime);
        Arc::new(ShareCoordinator { runtime: runtime.clone(), images, partitions, shards, metrics, broker_config })
    }

    /// The partition of `__share_group_state` that holds a share partition's state.
    pub(crate) fn partition_of(&self, coordinator_key: &str) -> i32 {
        let image = self.images.borrow();
        let count = match image.topic(SHARE_GROUP_STATE) {
            Some(topic) => i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            None => i32::try_from(self.config().long("share.coordinator.state.topic.num.partitions")).unwrap_or(1),
        };
        partition_of(coordinator_key, count)
    }

    /// Asks the shard of a share partition.
    ///
    /// # Errors
    /// What the shard refuses, UNKNOWN_TOPIC_OR_PARTITION, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS,
    /// COORDINATOR_NOT_AVAILABLE.
    pub(crate) fn serve(
        &self,
        key: StateKey,
        request: StateRequest,
    ) -> impl Future<Output = StateReply> + Send + use<> + 'static {
        let asked = match self.exists(&key) {
            true => {
                let index = self.partition_of(&key.coordinator_key());
                let shard = self.shards.get(index).ok_or_else(|| failed(self.why_not_here(index)));
                shard.map(|shard| shard.submit(StateEvent::Request(key, request)))
            }
            false => {
                let message = format!("there is no partition {} of topic {}", key.partition, key.topic_id);
                Err(StateError { code: ErrorCode::UnknownTopicOrPartition, message })
            }
        };
        async move { asked?.await.map_err(failed)? }
    }

    /// Ends every shard.
    pub(crate) async fn shutdown(&self) {
        self.shards.shutdown(SHARDS_PATIENCE).await;
    }

    pub(super) fn config(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.broker_config.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn state_config(&self) -> StateConfig {
        let config = self.config();
        let number = |name: &str| u64::try_from(config.long(name)).unwrap_or(0);
        StateConfig {
            updates_per_snapshot: u32::try_from(config.long("share.coordinator.snapshot.update.records.per.snapshot"))
                .unwrap_or(0),
            prune_interval_ms: number("share.coordinator.state.topic.prune.interval.ms"),
            cold_snapshot_interval_ms: number("share.coordinator.cold.partition.snapshot.interval.ms"),
        }
    }

    pub(super) fn compression(&self) -> CompressionSpec {
        let codec = u8::try_from(self.config().long("share.coordinator.state.topic.compression.codec")).unwrap_or(0);
        Compression::from_id(codec).unwrap_or(Compression::None).into()
    }

    /// Begins what a shard asks for.
    pub(super) fn begin(&self, index: i32, effect: StateEffect) {
        let StateEffect::DeleteRecordsBelow(offset) = effect;
        let Ok(partition) = self.partitions.by_name(SHARE_GROUP_STATE, index) else { return };
        let runtime = self.runtime.clone();
        let deadline = runtime.now() + PRUNE_PATIENCE;
        self.runtime.spawn("share.prune", async move {
            if let Err(error) = partition.delete_records(offset, deadline).await {
                tracing::debug!(index, offset, %error, "old states of share partitions are deleted another time");
            }
        });
    }

    fn exists(&self, key: &StateKey) -> bool {
        let image = self.images.borrow();
        image.topic_by_id(key.topic_id).is_some_and(|topic| topic.partition(key.partition).is_some())
    }

    fn why_not_here(&self, index: i32) -> CoordinatorError {
        let image = self.images.borrow();
        let leader = image.partition(SHARE_GROUP_STATE, index).and_then(|partition| partition.leader);
        match leader == Some(self.partitions.node_id()) {
            true => CoordinatorError::LoadInProgress,
            false => CoordinatorError::NotCoordinator,
        }
    }
}

fn failed(error: CoordinatorError) -> StateError {
    StateError { code: error.code(), message: error.to_string() }
}
