//! How every coordinator of this node follows the metadata: a shard runs wherever the node leads a partition of its topic.

use crate::follow::Applied;
use crate::tasks::Stopping;
use ottla_metadata::MetadataImage;
use ottla_runtime::{Runtime, watch};
use ottla_types::{NodeId, Uuid};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long an image may take to reach this node's partitions before a coordinator's shards are looked at.
const APPLIED_PATIENCE: Duration = Duration::from_secs(30);
/// Pause before a partition that is not there yet is looked for again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The shards of one coordinator.
pub(crate) trait FollowShards: Send {
    /// The coordinator's topic.
    const TOPIC: &'static str;

    /// Ends the shard of a partition.
    fn stop_shard(&mut self, index: i32);

    /// Tells the shards that run what is new in an image; those that start later are made with it.
    fn tell(&mut self, image: &Arc<MetadataImage>) -> impl Future<Output = ()> + Send;

    /// Starts the shard of a partition; `false` if the partition is not there yet.
    fn start_shard(&mut self, index: i32, topic_id: Uuid) -> bool;
}

/// What a follower looks at.
pub(crate) struct Followed {
    pub(crate) runtime: Runtime,
    pub(crate) node_id: NodeId,
    pub(crate) images: watch::Receiver<Arc<MetadataImage>>,
    pub(crate) applied: Applied,
}

/// Brings the shards in line with every image, and with the same one again while a partition is missing.
pub(crate) async fn follow_images<F: FollowShards>(mut shards: F, mut followed: Followed, mut stopping: Stopping) {
    let mut running = BTreeMap::new();
    loop {
        let image = Arc::clone(&followed.images.borrow_and_update());
        let all_there = tokio::select! {
            biased;
            () = stopping.set() => return,
            all_there = follow(&mut shards, &mut running, &followed, &image) => all_there,
        };
        let runtime = followed.runtime.clone();
        let pause = async {
            match all_there {
                true => std::future::pending().await,
                false => runtime.sleep(AGAIN_AFTER).await,
            }
        };
        tokio::select! {
            biased;
            () = stopping.set() => return,
            changed = followed.images.changed() => if changed.is_err() { return },
            () = pause => {}
        }
    }
}

/// Whether every partition that this node leads is there and has its shard. `running` has the topic's id by partition.
async fn follow<F: FollowShards>(
    shards: &mut F,
    running: &mut BTreeMap<i32, Uuid>,
    followed: &Followed,
    image: &Arc<MetadataImage>,
) -> bool {
    let deadline = followed.runtime.now() + APPLIED_PATIENCE;
    followed.applied.wait_for_committed(&followed.runtime, deadline).await;
    let led = led(F::TOPIC, image, followed.node_id);
    for (index, _) in running.extract_if(.., |index, topic_id| led.get(index) != Some(topic_id)) {
        shards.stop_shard(index);
    }
    shards.tell(image).await;
    let mut all_there = true;
    for (index, topic_id) in led {
        if running.contains_key(&index) {
            continue;
        }
        match shards.start_shard(index, topic_id) {
            true => drop(running.insert(index, topic_id)),
            false => all_there = false,
        }
    }
    all_there
}

/// Partitions of a coordinator's topic that the node leads, with the topic's id.
fn led(topic: &str, image: &MetadataImage, node_id: NodeId) -> BTreeMap<i32, Uuid> {
    let Some(topic) = image.topic(topic) else { return BTreeMap::new() };
    let partitions = (0..).zip(&topic.partitions);
    partitions.filter(|(_, partition)| partition.leader == Some(node_id)).map(|(index, _)| (index, topic.id)).collect()
}
