//! Shards follow the metadata: one runs wherever this node leads a partition of `__transaction_state`.

use super::TxnCoordinator;
use crate::coordination::{FollowShards, Followed, PartitionLog, follow_images};
use crate::follow::Applied;
use crate::tasks::Tasks;
use ottla_config::BrokerConfig;
use ottla_coordinator::ShardParts;
use ottla_metadata::{MetadataImage, features, topic_name};
use ottla_records::Compression;
use ottla_txn::{TxnConfig, TxnEvent, TxnShard};
use ottla_types::Uuid;
use std::sync::{Arc, PoisonError, RwLock, Weak};

/// The task that follows the metadata.
struct Follower {
    coordinator: Arc<TxnCoordinator>,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
}

/// Starts to follow the metadata.
pub(crate) fn start(
    tasks: &Tasks,
    coordinator: &Arc<TxnCoordinator>,
    applied: Applied,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
) {
    let coordinator = Arc::clone(coordinator);
    let followed = Followed {
        runtime: coordinator.runtime.clone(),
        node_id: coordinator.partitions.node_id(),
        images: coordinator.images.clone(),
        applied,
    };
    let follower = Follower { coordinator, config };
    tasks.spawn("broker.follow-transactions", |stopping| follow_images(follower, followed, stopping));
}

impl FollowShards for Follower {
    const TOPIC: &'static str = topic_name::TRANSACTION_STATE;

    fn stop_shard(&mut self, index: i32) {
        self.coordinator.shards.stop(index);
    }

    async fn tell(&mut self, image: &Arc<MetadataImage>) {
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
        true
    }
}

fn newest_config(coordinator: &Weak<TxnCoordinator>, otherwise: &Arc<TxnConfig>) -> Arc<TxnConfig> {
    coordinator.upgrade().map_or_else(|| Arc::clone(otherwise), |coordinator| coordinator.config())
}
