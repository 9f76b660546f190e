//! [`Controller`]: the role as the node sees it.

use crate::channel::LocalChannel;
use crate::limits;
use crate::machine::{Committed, MetadataMachine};
use crate::task::ControllerTask;
use futures_util::future::BoxFuture;
use ottla_config::BrokerConfig;
use ottla_metadata::{ControllerChannel, ControllerError, MetadataImage};
use ottla_quorum::{OpenError, Quorum, QuorumConfig, QuorumHandle, QuorumStatus, Role, StorageState, Transport};
use ottla_runtime::watch;
use ottla_runtime::{AbortOnDrop, Runtime};
use ottla_types::Uuid;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a controller is opened with.
pub struct ControllerConfig {
    /// Where the metadata directory is, and the quorum's limits.
    pub quorum: QuorumConfig,
    /// The node's configs, which decisions take defaults from.
    pub broker: Arc<BrokerConfig>,
    /// The id that a new cluster shall have, for example that of a `meta.properties` which is there already; random if
    /// `None`.
    pub cluster_id: Option<Uuid>,
}

/// The controller role of one node. Dropping it ends it as a crash would.
pub struct Controller {
    quorum: Quorum,
    channel: Arc<LocalChannel>,
    status: watch::Receiver<QuorumStatus>,
    committed: watch::Receiver<Committed>,
    images: watch::Receiver<Arc<MetadataImage>>,
    task: AbortOnDrop<()>,
}

impl Controller {
    /// Opens the metadata directory (an empty one becomes a cluster of its own) and starts the role.
    ///
    /// # Errors
    /// See [`OpenError`]; the node must not start.
    pub fn open(
        runtime: &Runtime,
        config: ControllerConfig,
        transport: Arc<dyn Transport>,
    ) -> BoxFuture<'_, Result<Controller, OpenError>> {
        // Boxed: compiled here, not again in every crate that awaits it.
        Box::pin(Controller::open_here(runtime, config, transport))
    }

    async fn open_here(
        runtime: &Runtime,
        config: ControllerConfig,
        transport: Arc<dyn Transport>,
    ) -> Result<Controller, OpenError> {
        let (machine, committed, images) = MetadataMachine::new();
        let quorum = Quorum::open(runtime, config.quorum, Box::new(machine), transport).await?;
        let (sender, requests) = mpsc::channel(limits::REQUESTS_QUEUED_MAX);
        let status = quorum.handle().status();
        let task = ControllerTask {
            runtime: runtime.clone(),
            config: config.broker,
            wanted_cluster_id: config.cluster_id,
            quorum: quorum.handle().clone(),
            status: status.clone(),
            committed: committed.clone(),
            requests,
        };
        let task = runtime.spawn("controller", task.run()).abort_on_drop();
        Ok(Controller { quorum, channel: Arc::new(LocalChannel { requests: sender }), status, committed, images, task })
    }

    /// The way to this controller.
    pub fn channel(&self) -> Arc<dyn ControllerChannel> {
        self.channel.clone()
    }

    /// The metadata, as it is and as it changes: a new image after every committed entry.
    pub fn images(&self) -> watch::Receiver<Arc<MetadataImage>> {
        self.images.clone()
    }

    /// The quorum, for its status and for messages from peers.
    pub fn quorum(&self) -> &QuorumHandle {
        self.quorum.handle()
    }

    /// Metadata records committed since the cluster was formed: what Kafka's tools call the offset of the metadata log.
    pub fn metadata_offset(&self) -> i64 {
        self.committed.borrow().records
    }

    /// Waits until the quorum has a leader and the cluster its id, and returns that.
    ///
    /// # Errors
    /// The metadata log failed; the node must not start.
    pub async fn ready(&self) -> Result<Uuid, ControllerError> {
        let (mut status, mut images) = (self.status.clone(), self.images.clone());
        loop {
            let has_leader = {
                let status = status.borrow_and_update();
                if let StorageState::Failed(reason) = &status.storage {
                    return Err(ControllerError::Storage(reason.to_string()));
                }
                !matches!(status.role, Role::Follower { leader: None })
            };
            let cluster_id = images.borrow_and_update().cluster_id();
            if let Some(cluster_id) = cluster_id.filter(|_| has_leader) {
                return Ok(cluster_id);
            }
            let changed = tokio::select! {
                biased;
                changed = status.changed() => changed,
                changed = images.changed() => changed,
            };
            // The quorum publishes its reason before it ends.
            let ended_silently = changed.is_err() && !matches!(self.status.borrow().storage, StorageState::Failed(_));
            if ended_silently {
                return Err(ControllerError::NotController { leader: None });
            }
        }
    }

    /// Ends the role: what is being committed is finished, requests that wait are refused.
    pub async fn shutdown(self) {
        self.quorum.shutdown().await;
        // The task ends when the quorum has; if that had failed before, it would answer with the reason for ever.
        let failed = matches!(self.status.borrow().storage, StorageState::Failed(_));
        if !failed {
            let _ = self.task.await;
        }
    }
}
