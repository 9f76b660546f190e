//! All partitions of this node, as the committed metadata says.
//!
//! [`Partitions::apply`] turns each new image into work: new partitions are created, changed ones told, vanished ones
//! deleted. At the start it also pairs the directories that were found with the image: a known topic id is opened (in the
//! background, many at a time), an unknown one is set aside. Creations are awaited, so that an image counts as applied only
//! when what it brought can be used.

use crate::partition::{Leadership, Partition, PartitionError, RETIRED, Shared};
use futures_util::StreamExt;
use futures_util::stream;
use ottla_config::{BrokerConfig, TopicConfig};
use ottla_metadata::{ConfigResource, MetadataImage, Topic};
use ottla_storage::FoundPartition;
use ottla_types::{ErrorCode, TopicPartition, Uuid};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// Logs that are opened or created at the same time.
const OPENINGS_IN_PARALLEL: usize = 16;

/// The partitions of this node.
pub(crate) struct Partitions {
    shared: Arc<Shared>,
    images: watch::Receiver<Arc<MetadataImage>>,
    by_id: RwLock<BTreeMap<(Uuid, i32), Arc<Partition>>>,
}

/// What [`Partitions::apply`] remembers from one image to the next. Owned by the one task that applies images.
pub(crate) struct Applier {
    partitions: Arc<Partitions>,
    applied: Arc<MetadataImage>,
    /// Directories that no image has claimed yet.
    found: BTreeMap<TopicPartition, FoundPartition>,
    /// Whether one of `log.dirs` could not be opened: what is missing may be there.
    has_failed_directory: bool,
}

impl Partitions {
    pub(crate) fn new(shared: Arc<Shared>, images: watch::Receiver<Arc<MetadataImage>>) -> Arc<Partitions> {
        Arc::new(Partitions { shared, images, by_id: RwLock::default() })
    }

    /// The partition of a topic id.
    pub(crate) fn by_id(&self, topic_id: Uuid, index: i32) -> Result<Arc<Partition>, PartitionError> {
        if let Some(partition) = self.local(topic_id, index) {
            return Ok(partition);
        }
        let image = self.images.borrow();
        match image.topic_by_id(topic_id) {
            Some(topic) => Err(self.not_here(topic, index)),
            None => Err(PartitionError::of(ErrorCode::UnknownTopicId, "no topic has this id")),
        }
    }

    /// The partition of a topic's name.
    pub(crate) fn by_name(&self, name: &str, index: i32) -> Result<Arc<Partition>, PartitionError> {
        let image = self.images.borrow();
        let Some(topic) = image.topic(name) else {
            let message = format!("there is no topic '{name}'");
            return Err(PartitionError::of(ErrorCode::UnknownTopicOrPartition, message));
        };
        self.local(topic.id, index).ok_or_else(|| self.not_here(topic, index))
    }

    /// Every partition, by topic id and index.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn local(&self, topic_id: Uuid, index: i32) -> Option<Arc<Partition>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(&(topic_id, index)).cloned()
    }

    fn not_here(&self, topic: &Topic, index: i32) -> PartitionError {
        match topic.partition(index) {
            None => PartitionError::of(
                ErrorCode::UnknownTopicOrPartition,
                format!("topic '{}' has {} partitions, no partition {index}", topic.name, topic.partitions.len()),
            ),
            Some(partition) => PartitionError {
                leader: partition.leader.map(|leader| (leader, partition.leader_epoch)),
                ..PartitionError::of(ErrorCode::NotLeaderOrFollower, "this node does not serve the partition (yet)")
            },
        }
    }

    fn insert(&self, partition: &Arc<Partition>) {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        by_id.insert((partition.topic_id, partition.index), Arc::clone(partition));
        self.shared.metrics.broker.partitions.set(by_id.len() as u64);
    }

    fn take(&self, topic_id: Uuid) -> Vec<Arc<Partition>> {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<_> = by_id.range((topic_id, i32::MIN)..=(topic_id, i32::MAX)).map(|(key, _)| *key).collect();
        let taken = keys.iter().filter_map(|key| by_id.remove(key)).collect();
        self.shared.metrics.broker.partitions.set(by_id.len() as u64);
        taken
    }

    fn leadership(&self, partition: &ottla_metadata::Partition) -> Leadership {
        Leadership {
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            is_local: partition.leader == Some(self.shared.node_id),
        }
    }
}

impl Applier {
    pub(crate) fn new(partitions: Arc<Partitions>, found: Vec<FoundPartition>, has_failed_directory: bool) -> Applier {
        let found = found.into_iter().map(|found| (found.topic_partition.clone(), found)).collect();
        Applier { partitions, applied: Arc::new(MetadataImage::empty()), found, has_failed_directory }
    }

    /// Brings the node's partitions to what `image` says. The first image also opens, in the background, the logs that
    /// were found.
    pub(crate) async fn apply(&mut self, image: &Arc<MetadataImage>, config: &BrokerConfig) {
        let before = Arc::clone(&self.applied);
        self.delete_vanished(&before, image).await;
        let mut creations = Vec::new();
        let mut openings = Vec::new();
        let has_new_broker_configs = has_other_broker_configs(&before, image, config);
        for topic in image.topics() {
            let old = before.topic_by_id(topic.id);
            let resource = ConfigResource::topic(&topic.name);
            let is_as_before = old.is_some_and(|old| Arc::ptr_eq(old, topic))
                && std::ptr::eq(before.configs(&resource), image.configs(&resource))
                && !has_new_broker_configs;
            if !is_as_before {
                let topic_config = Arc::new(image.topic_config(topic, config));
                self.apply_topic(topic, &topic_config, &mut creations, &mut openings);
            }
        }
        self.run_creations(creations).await;
        self.start_openings(openings);
        self.applied = Arc::clone(image);
    }

    /// Sets aside the directories that no topic of the first image claimed.
    pub(crate) async fn set_strays_aside(&mut self) {
        for found in std::mem::take(&mut self.found).into_values() {
            if let Err(error) = self.partitions.shared.log_dirs.set_aside_stray(&found).await {
                tracing::warn!(partition = %found.topic_partition, %error, "a stray partition directory could not be set aside");
            }
        }
    }

    fn apply_topic(
        &mut self,
        topic: &Topic,
        config: &Arc<TopicConfig>,
        creations: &mut Vec<Arc<Partition>>,
        openings: &mut Vec<(Arc<Partition>, FoundPartition)>,
    ) {
        for (index, metadata) in topic.partitions.iter().enumerate() {
            let index = index as i32;
            let leadership = self.partitions.leadership(metadata);
            if !metadata.replicas.contains(&self.partitions.shared.node_id) {
                continue;
            }
            if let Some(partition) = self.partitions.local(topic.id, index) {
                partition.update(leadership, Arc::clone(config));
                continue;
            }
            let name = TopicPartition::new(Arc::clone(&topic.name), index);
            let shared = Arc::clone(&self.partitions.shared);
            let partition = Partition::new(shared, topic.id, &name, leadership, Arc::clone(config));
            self.partitions.insert(&partition);
            match self.claim(&name, topic.id) {
                Some(found) => openings.push((partition, found)),
                None if self.has_failed_directory => partition.on_failed_directory(),
                None => creations.push(partition),
            }
        }
    }

    /// The directory that was found for the partition, if it is that topic's.
    fn claim(&mut self, name: &TopicPartition, topic_id: Uuid) -> Option<FoundPartition> {
        let is_its_own = self.found.get(name)?.topic_id.is_none_or(|found| found == topic_id);
        let mut found = is_its_own.then(|| self.found.remove(name)).flatten()?;
        found.topic_id = Some(topic_id);
        Some(found)
    }

    async fn run_creations(&mut self, creations: Vec<Arc<Partition>>) {
        // A stray directory of the same name, of another topic id, would be in the way.
        for partition in &creations {
            if let Some(found) = self.found.remove(&partition.name())
                && let Err(error) = self.partitions.shared.log_dirs.set_aside_stray(&found).await
            {
                tracing::warn!(partition = %found.topic_partition, %error, "a stray partition directory could not be set aside");
            }
        }
        let log_dirs = &self.partitions.shared.log_dirs;
        let create = |partition: Arc<Partition>| async move { partition.create(log_dirs).await };
        stream::iter(creations).for_each_concurrent(OPENINGS_IN_PARALLEL, create).await;
    }

    fn start_openings(&self, openings: Vec<(Arc<Partition>, FoundPartition)>) {
        let shared = Arc::clone(&self.partitions.shared);
        let is_first = self.applied.cluster_id().is_none();
        if openings.is_empty() && !is_first {
            return;
        }
        self.partitions.shared.runtime.spawn("broker.open-logs", async move {
            let log_dirs = &shared.log_dirs;
            let open = |(partition, found): (Arc<Partition>, FoundPartition)| async move {
                partition.open(log_dirs, &found).await;
                partition.is_online()
            };
            let opened = stream::iter(openings).map(open).buffer_unordered(OPENINGS_IN_PARALLEL);
            let all_opened = opened.fold(true, |all, one| async move { all && one }).await;
            if let Err(error) = log_dirs.finish_recovery(all_opened).await {
                tracing::error!(%error, "the end of recovery could not be recorded; the next start recovers again");
            }
        });
    }

    async fn delete_vanished(&self, before: &MetadataImage, image: &MetadataImage) {
        for topic in before.topics().filter(|topic| image.topic_by_id(topic.id).is_none()) {
            for partition in self.partitions.take(topic.id) {
                let Some(log) = partition.retire(RETIRED) else { continue };
                if let Err(error) = self.partitions.shared.log_dirs.delete_log(log).await {
                    tracing::error!(topic = %partition.topic, partition = partition.index, %error, "a deleted partition's directory could not be removed");
                }
            }
        }
    }
}

/// Whether configs that topics inherit have changed.
fn has_other_broker_configs(before: &MetadataImage, image: &MetadataImage, config: &BrokerConfig) -> bool {
    let own = ConfigResource::broker(config.node_id);
    let resources = [&ConfigResource::DEFAULT_BROKER, &own];
    before.broker_count() != image.broker_count()
        || resources.iter().any(|resource| before.configs(resource) != image.configs(resource))
}
