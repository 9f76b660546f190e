//! Shards follow the metadata: one runs wherever this node leads a partition of `__transaction_state`.

use super::TxnCoordinator;
use crate::coordination::{APPLIED_PATIENCE, FollowShards, PartitionLog, follow_images, led};
use crate::follow::Applied;
use crate::tasks::Tasks;
use ottla_config::BrokerConfig;
use ottla_coordinator::ShardParts;
use ottla_metadata::{MetadataImage, features, topic_name};
use ottla_records::Compression;
use ottla_txn::{TxnConfig, TxnEvent, TxnShard};
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

/// The task that follows the metadata.
struct Follower {
    coordinator: Arc<TxnCoordinator>,
    applied: Applied,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
    /// The topic's id by partition.
    running: BTreeMap<i32, Uuid>,
}

/// Starts to follow the metadata.
pub(crate) fn start(
    tasks: &Tasks,
    coordinator: &Arc<TxnCoordinator>,
    applied: Applied,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
) {
    let coordinator = Arc::clone(coordinator);
    let follower = Follower { coordinator, applied, config, running: BTreeMap::new() };
    let (runtime, images) = (follower.coordinator.runtime.clone(), follower.coordinator.images.clone());
    tasks.spawn("broker.follow-transactions", |stopping| follow_images(follower, runtime, images, stopping));
}

impl FollowShards for Follower {
    async fn follow(&mut self, image: &Arc<MetadataImage>) -> bool {
        let deadline = self.coordinator.runtime.now() + APPLIED_PATIENCE;
        self.applied.wait_for_committed(&self.coordinator.runtime, deadline).await;
        self.tell_config(image).await;
        let led = led(topic_name::TRANSACTION_STATE, image, self.coordinator.partitions.node_id());
        let is_gone = |(index, topic_id): (&i32, &Uuid)| (led.get(index) != Some(topic_id)).then_some(*index);
        let gone: Vec<i32> = self.running.iter().filter_map(is_gone).collect();
        for index in gone {
            self.running.remove(&index);
            self.coordinator.shards.stop(index);
        }
        let missing = led.into_iter().filter(|(index, _)| !self.running.contains_key(index));
        let missing: Vec<(i32, Uuid)> = missing.collect();
        missing.into_iter().fold(true, |all, (index, topic_id)| self.start_shard(index, topic_id) && all)
    }
}

impl Follower {
    /// Tells every shard what has changed; those that start later are made with it.
    async fn tell_config(&self, image: &MetadataImage) {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let config = Arc::new(TxnConfig::new(&config, image.feature_level(features::TRANSACTION_VERSION)));
        if self.coordinator.config() == config {
            return;
        }
        *self.coordinator.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&config);
        for (_, shard) in self.coordinator.shards.all() {
            // A shard that has ended needs no news.
            let _ = shard.notify(TxnEvent::ConfigChanged(Arc::clone(&config))).await;
        }
    }

    fn start_shard(&mut self, index: i32, topic_id: Uuid) -> bool {
        let coordinator = &self.coordinator;
        let Ok(partition) = coordinator.partitions.by_id(topic_id, index) else { return false };
        // Weak: a shard that is being stopped keeps nothing alive.
        let (made_of, executor) = (Arc::downgrade(coordinator), Arc::downgrade(coordinator));
        let first_config = coordinator.config();
        coordinator.shards.start(index, || ShardParts {
            runtime: coordinator.runtime.clone(),
            name: Arc::from(partition.name().to_string()),
            log: Arc::new(PartitionLog::new(partition)),
            make: Arc::new(move || TxnShard::new(newest_config(&made_of, &first_config))),
            first: Arc::new(Vec::new),
            effects: Arc::new(move |effect| {
                if let Some(coordinator) = executor.upgrade() {
                    coordinator.begin(index, effect);
                }
            }),
            write_timeout: super::WRITE_TIMEOUT,
            load_bytes_max: coordinator.load_bytes_max,
            compression: Compression::None.into(),
            metrics: coordinator.metrics.coordinator(),
        });
        self.running.insert(index, topic_id);
        true
    }
}

fn newest_config(coordinator: &Weak<TxnCoordinator>, otherwise: &Arc<TxnConfig>) -> Arc<TxnConfig> {
    coordinator.upgrade().map_or_else(|| Arc::clone(otherwise), |coordinator| coordinator.config())
}
