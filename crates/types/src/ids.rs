//! Identifiers and epochs.

use crate::Uuid;
use std::fmt;
use std::sync::Arc;

macro_rules! number_newtype {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_newtype! {
    /// `node.id` of a broker or controller; 0 is legal.
    NodeId(i32)
}
number_newtype! {
    /// Epoch of a partition's leader, raised at every election and at every restart of the leader.
    LeaderEpoch(i32)
}
number_newtype! {
    /// Id of an idempotent or transactional producer; never handed out twice.
    ProducerId(i64)
}
number_newtype! {
    /// Epoch of a producer id; a higher one fences the lower ones.
    ProducerEpoch(i16)
}

impl LeaderEpoch {
    /// Kafka's "no epoch".
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);
}

impl ProducerId {
    /// Kafka's "no producer id".
    pub const NONE: ProducerId = ProducerId(-1);
}

impl ProducerEpoch {
    /// Kafka's "no producer epoch".
    pub const NONE: ProducerEpoch = ProducerEpoch(-1);
}

/// A partition by topic name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition index, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A partition by topic id (KIP-516): a topic that is deleted and made anew has another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIdPartition {
    /// Topic id.
    pub topic_id: Uuid,
    /// Partition index, from 0.
    pub partition: i32,
}
