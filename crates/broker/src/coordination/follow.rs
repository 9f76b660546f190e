//! Shards follow the metadata: one runs wherever this node leads a partition of `__consumer_offsets`.

use super::partition_log::PartitionLog;
use super::shard_following::{FollowShards, Followed, follow_images};
use super::{Feed, GroupCoordinator, effects};
use crate::follow::Applied;
use crate::tasks::Tasks;
use ottla_config::BrokerConfig;
use ottla_coordinator::ShardParts;
use ottla_group::{GroupEvent, GroupShard};
use ottla_metadata::{MetadataImage, topic_name};
use ottla_runtime::AbortOnDrop;
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A shard that runs, and what feeds it.
struct Running {
    feed: Arc<Feed>,
    _pump: AbortOnDrop<()>,
}

/// The task that follows the metadata.
struct Follower {
    coordinator: Arc<GroupCoordinator>,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
    running: BTreeMap<i32, Running>,
}

/// Starts to follow the metadata.
pub(crate) fn start(
    tasks: &Tasks,
    coordinator: &Arc<GroupCoordinator>,
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
    let follower = Follower { coordinator, config, running: BTreeMap::new() };
    tasks.spawn("broker.follow-groups", |stopping| follow_images(follower, followed, stopping));
}

impl FollowShards for Follower {
    const TOPIC: &'static str = topic_name::GROUP_METADATA;

    fn stop_shard(&mut self, index: i32) {
        self.running.remove(&index);
        self.coordinator.shards.stop(index);
    }

    async fn tell(&mut self, image: &Arc<MetadataImage>) {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let news = self.coordinator.told.update(image, &config);
        self.running.values().for_each(|running| running.feed.add(&news));
    }

    fn start_shard(&mut self, index: i32, topic_id: Uuid) -> bool {
        let coordinator = &self.coordinator;
        let Ok(partition) = coordinator.partitions.by_id(topic_id, index) else { return false };
        let (made_of, first) = (Arc::clone(&coordinator.told), Arc::clone(&coordinator.told));
        // The shards belong to the coordinator.
        let begun_by = Arc::downgrade(coordinator);
        coordinator.shards.start(index, || ShardParts {
            runtime: coordinator.runtime.clone(),
            name: Arc::from(partition.name().to_string()),
            log: Arc::new(PartitionLog::new(partition)),
            make: Arc::new(move || GroupShard::new(made_of.config(), made_of.topics())),
            first: Arc::new(move || vec![GroupEvent::MetadataChanged(first.topics())]),
            effects: Arc::new(move |effect| {
                if let Some(coordinator) = begun_by.upgrade() {
                    effects::begin(&coordinator, index, effect);
                }
            }),
            write_timeout: coordinator.write_timeout,
            load_bytes_max: coordinator.load_bytes_max,
            compression: coordinator.compression,
            metrics: coordinator.metrics.coordinator(),
        });
        let Some(shard) = coordinator.shards.get(index) else { return false };
        let feed: Arc<Feed> = Arc::default();
        let pumped = Arc::clone(&feed);
        let pump = coordinator.runtime.spawn("broker.feed-groups", async move { pumped.pump(shard).await });
        self.running.insert(index, Running { feed, _pump: pump.abort_on_drop() });
        true
    }
}
