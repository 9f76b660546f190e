//! What log directories need while the node runs.

use super::LogDirs;
use crate::limits::HOUSEKEEPING_INTERVAL;
use futures_util::future::{join, join_all};

impl LogDirs {
    /// Checkpoints recovery points, watches the free space and removes what was deleted, for as long as it is polled.
    pub async fn housekeeping(&self) {
        let checkpoints = async {
            loop {
                let next = self.rt.now() + HOUSEKEEPING_INTERVAL;
                self.checkpoint().await;
                // Whether the time passed or a log asked for it makes no difference.
                let wait = next.saturating_duration_since(self.rt.now());
                let _ = self.rt.timeout(wait, self.node.housekeeping.notified()).await;
            }
        };
        // On its own: removing a large log may take longer than recovery points may wait.
        let removals = async {
            loop {
                self.rt.sleep(HOUSEKEEPING_INTERVAL).await;
                self.remove_deleted().await;
            }
        };
        join(checkpoints, removals).await;
    }

    /// One round of [`LogDirs::housekeeping`].
    pub async fn housekeeping_round(&self) {
        self.checkpoint().await;
        self.remove_deleted().await;
    }

    async fn checkpoint(&self) {
        join_all(self.dirs.iter().map(async |dir| {
            dir.checkpoint_recovery_points().await;
            dir.probe_space().await;
        }))
        .await;
    }

    async fn remove_deleted(&self) {
        join_all(self.dirs.iter().map(|dir| dir.remove_due())).await;
    }
}
