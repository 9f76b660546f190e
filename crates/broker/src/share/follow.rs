//! Shards follow the metadata: one runs wherever this node leads a partition of `__share_group_state`.

use super::coordinator::ShareCoordinator;
use crate::coordination::{FollowShards, Followed, PartitionLog, follow_images};
use crate::follow::Applied;
use crate::tasks::Tasks;
use ottla_coordinator::ShardParts;
use ottla_metadata::MetadataImage;
use ottla_metadata::topic_name::SHARE_GROUP_STATE;
use ottla_share::StateShard;
use ottla_share::state::StateEvent;
use ottla_types::Uuid;
use std::sync::Arc;
use std::time::Duration;

/// The task that follows the metadata.
struct Follower {
    coordinator: Arc<ShareCoordinator>,
    before: Arc<MetadataImage>,
}

/// Starts to follow the metadata.
pub(crate) fn follow(tasks: &Tasks, coordinator: &Arc<ShareCoordinator>, applied: Applied) {
    let followed = Followed {
        runtime: coordinator.runtime.clone(),
        node_id: coordinator.partitions.node_id(),
        images: coordinator.images.clone(),
        applied,
    };
    let before = Arc::clone(&followed.images.borrow());
    let follower = Follower { coordinator: Arc::clone(coordinator), before };
    tasks.spawn("broker.follow-share-states", |stopping| follow_images(follower, followed, stopping));
}

impl FollowShards for Follower {
    const TOPIC: &'static str = SHARE_GROUP_STATE;

    fn stop_shard(&mut self, index: i32) {
        self.coordinator.shards.stop(index);
    }

    /// Topics that are gone take the states of their partitions along.
    async fn tell(&mut self, image: &Arc<MetadataImage>) {
        let before = std::mem::replace(&mut self.before, Arc::clone(image));
        let shards = self.coordinator.shards.all();
        if shards.is_empty() {
            return;
        }
        let gone = before.topics().filter(|topic| image.topic_by_id(topic.id).is_none());
        let gone: Vec<Uuid> = gone.map(|topic| topic.id).collect();
        if gone.is_empty() {
            return;
        }
        for (_, shard) in shards {
            // A shard that has ended keeps no states.
            let _ = shard.notify(StateEvent::TopicsDeleted(gone.clone())).await;
        }
    }

    fn start_shard(&mut self, index: i32, topic_id: Uuid) -> bool {
        let coordinator = &self.coordinator;
        let Ok(partition) = coordinator.partitions.by_id(topic_id, index) else { return false };
        let config = coordinator.config();
        let number = |name: &str| u64::try_from(config.long(name)).unwrap_or(0);
        let state_config = coordinator.state_config();
        // Weak: a shard that is being stopped keeps nothing alive.
        let executor = Arc::downgrade(coordinator);
        coordinator.shards.start(index, || ShardParts {
            runtime: coordinator.runtime.clone(),
            name: Arc::from(partition.name().to_string()),
            log: Arc::new(PartitionLog::new(partition)),
            make: Arc::new(move || StateShard::new(state_config)),
            first: Arc::new(Vec::new),
            effects: Arc::new(move |effect| {
                if let Some(coordinator) = executor.upgrade() {
                    coordinator.begin(index, effect);
                }
            }),
            write_timeout: Duration::from_millis(number("share.coordinator.write.timeout.ms")),
            load_bytes_max: usize::try_from(number("share.coordinator.load.buffer.size")).unwrap_or(usize::MAX),
            compression: coordinator.compression(),
            metrics: coordinator.metrics.coordinator(),
        });
        true
    }
}
