//! Topics and their partitions.

use ottla_types::{LeaderEpoch, NodeId, Uuid};
use std::sync::Arc;

/// Whether a partition's leader was elected from the ISR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i8)]
pub enum LeaderRecoveryState {
    /// It was, or has recovered since.
    #[default]
    Recovered = 0,
    /// It was not, and has not told the controller yet that it recovered.
    Recovering = 1,
}

/// A partition as the controller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Brokers that hold a replica; the first is the preferred leader.
    pub replicas: Vec<NodeId>,
    /// Log directory of each replica, in the order of `replicas`.
    pub directories: Vec<Uuid>,
    /// In-sync replicas.
    pub isr: Vec<NodeId>,
    /// Replicas that a reassignment takes away.
    pub removing_replicas: Vec<NodeId>,
    /// Replicas that a reassignment adds.
    pub adding_replicas: Vec<NodeId>,
    /// The leader; `None` while there is none.
    pub leader: Option<NodeId>,
    /// Whether the leader came from the ISR.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Raised with every election and every restart of the leader.
    pub leader_epoch: LeaderEpoch,
    /// Raised with every change of the partition.
    pub partition_epoch: i32,
    /// Eligible leader replicas (KIP-966).
    pub eligible_leader_replicas: Vec<NodeId>,
    /// The last known ones, when there are none left.
    pub last_known_elr: Vec<NodeId>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its id; a topic that is deleted and made anew has another one.
    pub id: Uuid,
    /// Its name.
    pub name: Arc<str>,
    /// Its partitions, by index.
    pub partitions: Vec<Arc<Partition>>,
}

impl Topic {
    /// One partition.
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        usize::try_from(index).ok().and_then(|index| self.partitions.get(index)).map(Arc::as_ref)
    }

    /// Replicas of its first partition, which stands for all.
    pub fn replication_factor(&self) -> usize {
        self.partitions.first().map_or(1, |partition| partition.replicas.len())
    }

    /// Whether it belongs to the platform itself.
    pub fn is_internal(&self) -> bool {
        crate::topic_name::is_internal(&self.name)
    }
}
