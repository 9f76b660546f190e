//! All partitions of this node, and how a request finds one.

use crate::partition::{Leadership, Partition, PartitionError, Shared};
use ottla_metadata::{MetadataImage, Topic};
use ottla_runtime::watch;
use ottla_types::{ErrorCode, NodeId, Uuid};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

mod applier;

pub(crate) use applier::Applier;

/// The partitions of this node.
pub(crate) struct Partitions {
    shared: Arc<Shared>,
    images: watch::Receiver<Arc<MetadataImage>>,
    by_id: RwLock<BTreeMap<(Uuid, i32), Arc<Partition>>>,
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

    /// This node.
    pub(crate) fn node_id(&self) -> NodeId {
        self.shared.node_id
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

    fn take(&self, topic_id: Uuid, index: i32) -> Option<Arc<Partition>> {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        let taken = by_id.remove(&(topic_id, index));
        self.shared.metrics.broker.partitions.set(by_id.len() as u64);
        taken
    }

    fn leadership(&self, partition: &ottla_metadata::Partition) -> Leadership {
        let node_id = self.shared.node_id;
        Leadership {
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            is_local: partition.leader == Some(node_id)
                && partition.replicas.contains(&node_id)
                && partition.isr.contains(&node_id),
        }
    }
}
