//! The way to the share coordinators: whoever leads a share partition's part of `__share_group_state` is asked, through
//! `Peers`, and asked again for a while when it is not ready.

use super::coordinator::ShareCoordinator;
use crate::coordination::InternalTopic;
use crate::follow::Applied;
use crate::partitions::Partitions;
use crate::peers::Peers;
use ottla_config::BrokerConfig;
use ottla_metadata::MetadataImage;
use ottla_metadata::topic_name::SHARE_GROUP_STATE;
use ottla_runtime::{Instant, Runtime, watch};
use ottla_share::state::{StateError, StateKey, StateReply, StateRequest};
use ottla_types::{ErrorCode, NodeId};
use std::sync::Arc;
use std::time::Duration;

/// How long a call waits for a coordinator that is being created, loaded or moved.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before a coordinator that could not answer is asked again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The states of all share partitions.
pub(crate) struct ShareStates {
    pub(super) runtime: Runtime,
    pub(super) images: watch::Receiver<Arc<MetadataImage>>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) coordinator: Arc<ShareCoordinator>,
    applied: Applied,
    topic: InternalTopic,
    pub(super) peers: Arc<dyn Peers>,
}

impl ShareStates {
    pub(crate) fn new(
        coordinator: &Arc<ShareCoordinator>,
        topic: InternalTopic,
        applied: Applied,
        peers: Arc<dyn Peers>,
    ) -> Arc<ShareStates> {
        Arc::new(ShareStates {
            runtime: coordinator.runtime.clone(),
            images: coordinator.images.clone(),
            partitions: Arc::clone(&coordinator.partitions),
            coordinator: Arc::clone(coordinator),
            applied,
            topic,
            peers,
        })
    }

    pub(crate) fn topic(&self) -> &InternalTopic {
        &self.topic
    }

    pub(super) fn config(&self) -> Arc<BrokerConfig> {
        self.coordinator.config()
    }

    /// Waits until everything that is committed now is applied to this node's partitions.
    pub(super) async fn wait_until_applied(&self, patience: Duration) {
        let deadline = self.runtime.now() + patience;
        self.applied.wait_for_committed(&self.runtime, deadline).await;
    }

    /// Asks the coordinator of a share partition; creates the topic if it is not there.
    ///
    /// # Errors
    /// What the coordinator refuses, and why it could not be asked.
    pub(crate) async fn ask(&self, key: StateKey, request: StateRequest) -> StateReply {
        let deadline = self.runtime.now() + PATIENCE;
        self.ensure_topic(deadline).await?;
        loop {
            let answered = match self.coordinator_of(&key) {
                Some(node) => self.peers.share_group_state(node, key.clone(), request.clone()).await.ok(),
                None => None,
            };
            let reply = answered.unwrap_or_else(|| {
                let message = "the share coordinator cannot be reached".to_string();
                Err(StateError { code: ErrorCode::NotCoordinator, message })
            });
            let is_passing = matches!(
                reply.as_ref().map_err(|error| error.code),
                Err(ErrorCode::NotCoordinator | ErrorCode::CoordinatorLoadInProgress)
            );
            if !is_passing || self.runtime.now() >= deadline {
                return reply;
            }
            self.runtime.sleep(AGAIN_AFTER).await;
        }
    }

    fn coordinator_of(&self, key: &StateKey) -> Option<NodeId> {
        let index = self.coordinator.partition_of(&key.coordinator_key());
        self.images.borrow().partition(SHARE_GROUP_STATE, index)?.leader
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
