//! Server-side assignors of KIP-848: who should own which partition.
//!
//! An assignor sees the members of one group, what each is subscribed to and what each was given last time, and answers with
//! a whole new target assignment. `uniform` balances and keeps as much of the last assignment as balance permits; `range`
//! gives contiguous ranges, the same of every topic where it can. Neither looks at racks: Kafka 4.3's do not either.

mod balance;
mod owners;
mod range;
mod uniform;
mod uniform_heterogeneous;
mod uniform_homogeneous;

#[cfg(test)]
mod tests;

use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Partitions by topic id. Topics without partitions are left out.
pub type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

/// Whether all members of a group want the same topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionType {
    /// Every member is subscribed to the same topics.
    Homogeneous,
    /// At least one is not.
    Heterogeneous,
}

/// What an assignor knows of one member.
#[derive(Debug, Clone)]
pub struct MemberSpec {
    /// The member.
    pub member_id: String,
    /// Set for static members (KIP-345).
    pub instance_id: Option<String>,
    /// Ids of the existing topics that the member wants. Shared between members that want the same.
    pub subscribed_topic_ids: Arc<BTreeSet<Uuid>>,
    /// The last target assignment.
    pub assignment: Arc<Assignment>,
}

/// What an assignor knows of a group.
#[derive(Debug, Clone)]
pub struct GroupSpec {
    /// Ordered by member id.
    pub members: Vec<MemberSpec>,
    /// Whether all members want the same topics.
    pub subscription_type: SubscriptionType,
    /// Partition counts of all topics that somebody wants.
    pub partition_counts: BTreeMap<Uuid, i32>,
}

/// An assignor could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignorError {
    /// A subscribed topic has no partition count: the caller mixed two images.
    #[error("Members are subscribed to topic {0} which doesn't exist in the topic metadata.")]
    UnknownTopic(Uuid),
}

/// The assignors that every broker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// Balanced and sticky.
    Uniform,
    /// Contiguous ranges, co-partitioned where possible.
    Range,
}

impl Assignor {
    /// By its name in requests and configs.
    pub fn by_name(name: &str) -> Option<Assignor> {
        match name {
            "uniform" => Some(Assignor::Uniform),
            "range" => Some(Assignor::Range),
            _ => None,
        }
    }

    /// Its name in requests and configs.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// A new target assignment; the answer has one entry per member, in the order of [`GroupSpec::members`].
    ///
    /// # Errors
    /// When a subscribed topic has no partition count.
    pub fn assign(self, group: &GroupSpec) -> Result<Vec<Assignment>, AssignorError> {
        if group.members.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Assignor::Uniform => uniform::assign(group),
            Assignor::Range => range::assign(group),
        }
    }
}

impl GroupSpec {
    /// Partitions of a subscribed topic.
    fn partition_count(&self, topic_id: Uuid) -> Result<usize, AssignorError> {
        let count = self.partition_counts.get(&topic_id).ok_or(AssignorError::UnknownTopic(topic_id))?;
        Ok(usize::try_from(*count).unwrap_or(0))
    }
}
