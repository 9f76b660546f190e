//! The loop that every coordinator of this node follows the metadata with.

use crate::tasks::Stopping;
use ottla_metadata::MetadataImage;
use ottla_runtime::{Runtime, watch};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long an image may take to reach this node's partitions before a coordinator's shards are looked at.
pub(crate) const APPLIED_PATIENCE: Duration = Duration::from_secs(30);
/// Pause before a partition that is not there yet is looked for again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Starts and ends the shards of one coordinator.
pub(crate) trait FollowShards: Send {
    /// Does what the image asks for. Whether every partition that this node leads is there and has its shard.
    fn follow(&mut self, image: &Arc<MetadataImage>) -> impl Future<Output = bool> + Send;
}

/// Shows `follower` every image, and the same one again while something is missing.
pub(crate) async fn follow_images(
    mut follower: impl FollowShards,
    runtime: Runtime,
    mut images: watch::Receiver<Arc<MetadataImage>>,
    mut stopping: Stopping,
) {
    loop {
        let image = Arc::clone(&images.borrow_and_update());
        let all_there = tokio::select! {
            biased;
            () = stopping.set() => return,
            all_there = follower.follow(&image) => all_there,
        };
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
