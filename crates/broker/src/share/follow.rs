//! Shards follow the metadata: one runs wherever this node leads a partition of `__share_group_state`.

use super::coordinator::ShareCoordinator;
use crate::coordination::{APPLIED_PATIENCE, FollowShards, PartitionLog, follow_images, led};
use crate::follow::Applied;
use crate::tasks::Tasks;
use ottla_coordinator::ShardParts;
use ottla_metadata::MetadataImage;
use ottla_metadata::topic_name::SHARE_GROUP_STATE;
use ottla_share::StateShard;
use ottla_share::state::StateEvent;
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The task that follows the metadata.
struct Follower {
    coordinator: Arc<ShareCoordinator>,
    applied: Applied,
    /// The topic's id by partition.
    running: BTreeMap<i32, Uuid>,
    before: Arc<MetadataImage>,
}

/// Starts to follow the metadata.
pub(crate) fn follow(tasks: &Tasks, coordinator: &Arc<ShareCoordinator>, applied: Applied) {
    let (runtime, images) = (coordinator.runtime.clone(), coordinator.images.clone());
    let before = Arc::clone(&images.borrow());
    let follower = Follower { coordinator: Arc::clone(coordinator), applied, running: BTreeMap::new(), before };
    tasks.spawn("broker.follow-share-states", |stopping| follow_images(follower, runtime, images, stopping));
}

impl FollowShards for Follower {
    async fn follow(&mut self, image: &Arc<MetadataImage>) -> bool {
        let deadline = self.coordinator.runtime.now() + APPLIED_PATIENCE;
        self.applied.wait_for_committed(&self.coordinator.runtime, deadline).await;
        let led = led(SHARE_GROUP_STATE, image, self.coordinator.partitions.node_id());
        let is_gone = |(index, topic_id): (&i32, &Uuid)| (led.get(index) != Some(topic_id)).then_some(*index);
        let gone: Vec<i32> = self.running.iter().filter_map(is_gone).collect();
        for index in gone {
            self.running.remove(&index);
            self.coordinator.shards.stop(index);
        }
        self.tell_deleted(image).await;
        let missing: Vec<(i32, Uuid)> =
            led.into_iter().filter(|(index, _)| !self.running.contains_key(index)).collect();
        missing.into_iter().fold(true, |all, (index, topic_id)| self.start_shard(index, topic_id) && all)
    }
}

impl Follower {
    /// Topics that are gone take the states of their partitions along.
    async fn tell_deleted(&mut self, image: &Arc<MetadataImage>) {
        let before = std::mem::replace(&mut self.before, Arc::clone(image));
        let gone = before.topics().filter(|topic| image.topic_by_id(topic.id).is_none());
        let gone: Vec<Uuid> = gone.map(|topic| topic.id).collect();
        if gone.is_empty() {
            return;
        }
        for (_, shard) in self.coordinator.shards.all() {
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
        self.running.insert(index, topic_id);
        true
    }
}
