//! Shards follow the metadata: one runs wherever this node leads a partition of `__share_group_state`.

use super::states::ShareStates;
use crate::coordination::{PartitionLog, led};
use crate::tasks::{Stopping, Tasks};
use ottla_coordinator::ShardParts;
use ottla_metadata::MetadataImage;
use ottla_metadata::topic_name::SHARE_GROUP_STATE;
use ottla_share::StateShard;
use ottla_share::state::StateEvent;
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long an image may take to reach this node's partitions before its shards are looked at.
const APPLIED_PATIENCE: Duration = Duration::from_secs(30);
/// Pause before a partition that is not there yet is looked for again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

struct Follower {
    states: Arc<ShareStates>,
    /// The topic's id by partition.
    running: BTreeMap<i32, Uuid>,
    before: Arc<MetadataImage>,
}

/// Starts to follow the metadata.
pub(crate) fn follow(tasks: &Tasks, states: &Arc<ShareStates>) {
    let before = Arc::clone(&states.images.borrow());
    let follower = Follower { states: Arc::clone(states), running: BTreeMap::new(), before };
    tasks.spawn("broker.follow-share-states", |stopping| follower.run(stopping));
}

impl Follower {
    async fn run(mut self, mut stopping: Stopping) {
        let mut images = self.states.images.clone();
        loop {
            let image = Arc::clone(&images.borrow_and_update());
            let all_there = tokio::select! {
                biased;
                () = stopping.set() => return,
                all_there = self.follow(&image) => all_there,
            };
            let runtime = self.states.runtime.clone();
            let pause = async {
                match all_there {
                    true => std::future::pending().await,
                    false => runtime.sleep(AGAIN_AFTER).await,
                }
            };
            tokio::select! {
                biased;
                () = stopping.set() => return,
                changed = images.changed() => if changed.is_err() { return },
                () = pause => {}
            }
        }
    }

    /// Whether every partition that this node leads is there and has its shard.
    async fn follow(&mut self, image: &Arc<MetadataImage>) -> bool {
        let deadline = self.states.runtime.now() + APPLIED_PATIENCE;
        self.states.applied.wait_for_committed(&self.states.runtime, deadline).await;
        let led = led(SHARE_GROUP_STATE, image, self.states.partitions.node_id());
        let is_gone = |(index, topic_id): (&i32, &Uuid)| (led.get(index) != Some(topic_id)).then_some(*index);
        let gone: Vec<i32> = self.running.iter().filter_map(is_gone).collect();
        for index in gone {
            self.running.remove(&index);
            self.states.shards.stop(index);
        }
        self.tell_deleted(image).await;
        let missing: Vec<(i32, Uuid)> =
            led.into_iter().filter(|(index, _)| !self.running.contains_key(index)).collect();
        missing.into_iter().fold(true, |all, (index, topic_id)| self.start_shard(index, topic_id) && all)
    }

    /// Topics that are gone take the states of their partitions along.
    async fn tell_deleted(&mut self, image: &Arc<MetadataImage>) {
        let before = std::mem::replace(&mut self.before, Arc::clone(image));
        let gone = before.topics().filter(|topic| image.topic_by_id(topic.id).is_none());
        let gone: Vec<Uuid> = gone.map(|topic| topic.id).collect();
        if gone.is_empty() {
            return;
        }
        for (_, shard) in self.states.shards.all() {
            // A shard that has ended keeps no states.
            let _ = shard.notify(StateEvent::TopicsDeleted(gone.clone())).await;
        }
    }

    fn start_shard(&mut self, index: i32, topic_id: Uuid) -> bool {
        let states = &self.states;
        let Ok(partition) = states.partitions.by_id(topic_id, index) else { return false };
        let config = states.config();
        let number = |name: &str| u64::try_from(config.long(name)).unwrap_or(0);
        let state_config = states.state_config();
        // Weak: a shard that is being stopped keeps nothing alive.
        let executor = Arc::downgrade(states);
        states.shards.start(index, || ShardParts {
            runtime: states.runtime.clone(),
            name: Arc::from(partition.name().to_string()),
            log: Arc::new(PartitionLog::new(partition)),
            make: Arc::new(move || StateShard::new(state_config)),
            first: Arc::new(Vec::new),
            effects: Arc::new(move |effect| {
                if let Some(states) = executor.upgrade() {
                    states.begin(index, effect);
                }
            }),
            write_timeout: Duration::from_millis(number("share.coordinator.write.timeout.ms")),
            load_bytes_max: usize::try_from(number("share.coordinator.load.buffer.size")).unwrap_or(usize::MAX),
            compression: states.compression(),
        });
        self.running.insert(index, topic_id);
        true
    }
}
