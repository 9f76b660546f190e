//! The share coordinator of this node, and the way to it.

use crate::coordination::{InternalTopic, partition_of};
use crate::follow::Applied;
use crate::partitions::Partitions;
use ottla_config::BrokerConfig;
use ottla_coordinator::{CoordinatorError, Shards};
use ottla_metadata::MetadataImage;
use ottla_metadata::topic_name::SHARE_GROUP_STATE;
use ottla_records::{Compression, CompressionSpec};
use ottla_runtime::{Instant, Runtime, watch};
use ottla_share::StateShard;
use ottla_share::state::{StateConfig, StateEffect, StateError, StateEvent, StateKey, StateReply, StateRequest};
use ottla_types::ErrorCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long a shutdown waits for the shards.
const SHARDS_PATIENCE: Duration = Duration::from_secs(5);
/// How long a call waits for a shard that is being created, loaded or moved.
const SHARD_PATIENCE: Duration = Duration::from_secs(10);
/// Pause before a shard that could not answer is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// How long the deletion of old records of the log may take.
const PRUNE_PATIENCE: Duration = Duration::from_secs(10);

/// The states of share partitions that this node keeps.
pub(crate) struct ShareStates {
    pub(super) runtime: Runtime,
    pub(super) images: watch::Receiver<Arc<MetadataImage>>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) shards: Shards<StateShard>,
    pub(super) applied: Applied,
    pub(super) broker_config: Arc<RwLock<Arc<BrokerConfig>>>,
    topic: InternalTopic,
}

impl ShareStates {
    pub(crate) fn new(
        runtime: &Runtime,
        images: watch::Receiver<Arc<MetadataImage>>,
        partitions: Arc<Partitions>,
        topic: InternalTopic,
        applied: Applied,
        broker_config: Arc<RwLock<Arc<BrokerConfig>>>,
    ) -> Arc<ShareStates> {
        let shards = Shards::new(runtime);
        Arc::new(ShareStates { runtime: runtime.clone(), images, partitions, shards, applied, broker_config, topic })
    }

    pub(crate) fn topic(&self) -> &InternalTopic {
        &self.topic
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

    /// Asks the shard of a share partition; creates the topic if it is not there, and waits a while for a shard that is not
    /// ready.
    ///
    /// # Errors
    /// What the shard refuses, UNKNOWN_TOPIC_OR_PARTITION, and why the shard could not be asked.
    pub(crate) async fn ask(&self, key: StateKey, request: StateRequest) -> StateReply {
        if !self.exists(&key) {
            let message = format!("there is no partition {} of topic {}", key.partition, key.topic_id);
            return Err(StateError { code: ErrorCode::UnknownTopicOrPartition, message });
        }
        let deadline = self.runtime.now() + SHARD_PATIENCE;
        self.ensure_topic(deadline).await?;
        let index = self.partition_of(&key.coordinator_key());
        loop {
            let answered = match self.shards.get(index) {
                Some(shard) => shard.submit(StateEvent::Request(key.clone(), request.clone())).await,
                None => Err(CoordinatorError::LoadInProgress),
            };
            let error = match answered {
                Ok(reply) => return reply,
                Err(error) => error,
            };
            let is_passing = matches!(
                error,
                CoordinatorError::LoadInProgress | CoordinatorError::NotCoordinator | CoordinatorError::Busy
            );
            if !is_passing || self.runtime.now() >= deadline {
                return Err(StateError { code: error.code(), message: error.to_string() });
            }
            self.runtime.sleep(AGAIN_AFTER).await;
        }
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

    async fn ensure_topic(&self, deadline: Instant) -> Result<(), StateError> {
        // A copy: the controller may publish the next image before `create` returns.
        let image = Arc::clone(&self.images.borrow());
        if image.topic(SHARE_GROUP_STATE).is_some() {
            return Ok(());
        }
        self.topic.create(&image, &self.config()).await.map_err(|failure| StateError {
            code: ErrorCode::CoordinatorNotAvailable,
            message: format!("{SHARE_GROUP_STATE} cannot be created: {failure}"),
        })?;
        self.applied.wait_for_committed(&self.runtime, deadline).await;
        Ok(())
    }
}
