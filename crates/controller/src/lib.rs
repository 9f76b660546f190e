//! The controller role: decides about the cluster's metadata, through the quorum.
//!
//! [`Controller::open`] opens the metadata quorum with [`machine`] as its state machine: committed entries replay into a
//! [`MetadataImage`], which is published to the whole node. `service` is the one owner of decisions: requests that arrive
//! while an entry is under way are decided one after another on the committed image plus what is pending, and go into the
//! next entry; their replies leave when it is committed and applied.

mod error;
mod machine;
mod service;
#[cfg(test)]
mod tests;

pub use error::ControllerOpenError;

use machine::MetadataMachine;
use ottla_config::BrokerConfig;
use ottla_metadata::{ControllerChannel, ControllerError, MetadataImage};
use ottla_quorum::{NoPeers, Quorum, QuorumConfig, QuorumStatus, Role, StorageState};
use ottla_runtime::{AbortOnDrop, Runtime};
use ottla_types::Uuid;
use service::{LocalChannel, Service};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How a controller is opened.
#[derive(Debug, Clone)]
pub struct ControllerOptions {
    /// The node's configs.
    pub config: BrokerConfig,
    /// The quorum's directory, below `metadata.log.dir`.
    pub metadata_dir: PathBuf,
    /// The id that a new cluster shall have; random if none.
    pub cluster_id: Option<Uuid>,
}

/// The controller role of a node.
pub struct Controller {
    quorum: Quorum,
    channel: Arc<LocalChannel>,
    images: watch::Receiver<Arc<MetadataImage>>,
    _service: AbortOnDrop<()>,
}

impl Controller {
    /// Opens the metadata directory, makes it when missing, and starts the role.
    ///
    /// # Errors
    /// See [`ControllerOpenError`].
    pub async fn open(runtime: &Runtime, options: ControllerOptions) -> Result<Controller, ControllerOpenError> {
        let image = Arc::new(MetadataImage::empty());
        let (publisher, images) = watch::channel(image);
        let (roles, role) = watch::channel(Role::Follower { leader: None });
        let machine = MetadataMachine::new(publisher, roles);
        let config = quorum_config(&options);
        let quorum = Quorum::open(runtime, config, Box::new(machine), Arc::new(NoPeers)).await?;
        let (channel, requests) = LocalChannel::new();
        let service = Service {
            runtime: runtime.clone(),
            config: options.config,
            wanted_cluster_id: options.cluster_id,
            quorum: quorum.handle().clone(),
            images: images.clone(),
            role,
            metadata_index: 0,
        };
        let task = runtime.spawn("controller.service", service.run(requests)).abort_on_drop();
        Ok(Controller { quorum, channel: Arc::new(channel), images, _service: task })
    }

    /// The cluster's id, once there is one. Waits for the first leader of a new cluster to commit it.
    ///
    /// # Errors
    /// When the metadata log fails before that.
    pub async fn bootstrapped(&self) -> Result<Uuid, ControllerError> {
        let mut images = self.images.clone();
        let mut status = self.status();
        loop {
            if let Some(id) = images.borrow_and_update().cluster_id() {
                return Ok(id);
            }
            if let StorageState::Failed(reason) = &status.borrow_and_update().storage {
                return Err(ControllerError::Storage(reason.to_string()));
            }
            let changed = tokio::select! {
                biased;
                changed = images.changed() => changed.is_ok(),
                changed = status.changed() => changed.is_ok(),
            };
            if !changed {
                return Err(ControllerError::Unknown("the metadata quorum has ended".to_string()));
            }
        }
    }

    /// The way to this controller.
    pub fn channel(&self) -> Arc<dyn ControllerChannel> {
        Arc::clone(&self.channel) as Arc<dyn ControllerChannel>
    }

    /// The committed metadata, as it is and as it changes.
    pub fn images(&self) -> watch::Receiver<Arc<MetadataImage>> {
        self.images.clone()
    }

    /// How the quorum is.
    pub fn status(&self) -> watch::Receiver<QuorumStatus> {
        self.quorum.handle().status()
    }

    /// Ends the role after what it is doing.
    pub async fn shutdown(self) {
        self.quorum.shutdown().await;
    }
}

fn quorum_config(options: &ControllerOptions) -> QuorumConfig {
    let config = &options.config;
    let snapshot_interval_ms = config.long("metadata.log.max.snapshot.interval.ms");
    QuorumConfig {
        snapshot_after_bytes: config.quorum.snapshot_bytes.max(1) as u64,
        // Kafka's 0 switches time-based snapshots off.
        snapshot_after: match snapshot_interval_ms {
            interval if interval > 0 => Duration::from_millis(interval as u64),
            _ => Duration::MAX,
        },
        ..QuorumConfig::new(&options.metadata_dir)
    }
}
