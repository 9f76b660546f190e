//! Following the committed metadata: every image is applied to this node's partitions, one after another, and whoever
//! changed something can wait until it is.

use crate::partitions::Applier;
use crate::quotas::ClientQuotas;
use crate::tasks::Stopping;
use ottla_config::BrokerConfig;
use ottla_metadata::{ConfigResource, MetadataImage};
use ottla_runtime::watch;
use ottla_runtime::{Instant, Runtime};
use std::sync::{Arc, PoisonError, RwLock};

/// How far this node has applied the metadata.
#[derive(Clone)]
pub(crate) struct Applied {
    images: watch::Receiver<Arc<MetadataImage>>,
    progress: Arc<watch::Sender<Progress>>,
}

#[derive(Clone)]
struct Progress {
    /// The last image that was applied.
    image: Arc<MetadataImage>,
    /// Rounds that took the newest image of their time and began to apply it, and those that ended.
    begun: u64,
    ended: u64,
}

/// The one task that applies images.
pub(crate) struct Follower {
    images: watch::Receiver<Arc<MetadataImage>>,
    applied: Applied,
    applier: Applier,
    static_config: BrokerConfig,
    config: Arc<RwLock<Arc<BrokerConfig>>>,
    quotas: Arc<ClientQuotas>,
}

impl Applied {
    pub(crate) fn new(images: watch::Receiver<Arc<MetadataImage>>) -> Applied {
        let progress = Progress { image: Arc::new(MetadataImage::empty()), begun: 0, ended: 0 };
        Applied { images, progress: Arc::new(watch::Sender::new(progress)) }
    }

    /// Waits until everything that is committed now is applied to this node's partitions, at most until `deadline`.
    pub(crate) async fn wait_for_committed(&self, runtime: &Runtime, deadline: Instant) {
        let mut progress = self.progress.subscribe();
        let committed = Arc::clone(&self.images.borrow());
        let begun = progress.borrow().begun;
        // A round that begins after this takes an image at least as new, however fast images follow one another.
        let is_there = |progress: &Progress| Arc::ptr_eq(&progress.image, &committed) || progress.ended > begun;
        let left = deadline.saturating_duration_since(runtime.now());
        let _ = runtime.timeout(left, progress.wait_for(is_there)).await;
    }
}

impl Follower {
    pub(crate) fn new(
        images: watch::Receiver<Arc<MetadataImage>>,
        applied: Applied,
        applier: Applier,
        static_config: BrokerConfig,
        config: Arc<RwLock<Arc<BrokerConfig>>>,
        quotas: Arc<ClientQuotas>,
    ) -> Follower {
        Follower { images, applied, applier, static_config, config, quotas }
    }

    /// Applies the image of now.
    pub(crate) async fn apply_first(&mut self) {
        self.apply_newest().await;
        self.applier.set_strays_aside().await;
    }

    /// Applies every later image.
    pub(crate) async fn follow(mut self, mut stopping: Stopping) {
        loop {
            tokio::select! {
                biased;
                () = stopping.set() => return,
                changed = self.images.changed() => if changed.is_err() { return },
            }
            self.apply_newest().await;
        }
    }

    async fn apply_newest(&mut self) {
        self.applied.progress.send_modify(|progress| progress.begun += 1);
        let image = Arc::clone(&self.images.borrow_and_update());
        let before = Arc::clone(&self.applied.progress.borrow().image);
        let config = match has_other_configs(&before, &image, &self.static_config) {
            true => Arc::new(image.broker_config(&self.static_config)),
            false => Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)),
        };
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&config);
        self.quotas.update(&image);
        self.applier.apply(&image, &config).await;
        self.applied.progress.send_modify(|progress| {
            progress.image = image;
            progress.ended += 1;
        });
    }
}

/// Whether the configs that were set for this broker or for all of them have changed.
pub(crate) fn has_other_configs(before: &MetadataImage, image: &MetadataImage, config: &BrokerConfig) -> bool {
    let own = ConfigResource::broker(config.node_id);
    [&ConfigResource::DEFAULT_BROKER, &own]
        .iter()
        .any(|resource| !std::ptr::eq(before.configs(resource), image.configs(resource)))
}
