//! What a consumer hands out, and what it commits.

use bytes::Bytes;
use ottla_records::TimestampType;
use ottla_types::TopicPartition;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition index.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since the epoch, or -1.
    pub timestamp: i64,
    /// Whose time that is.
    pub timestamp_type: TimestampType,
    /// Leader epoch of its batch, or -1.
    pub leader_epoch: i32,
    /// How often it was delivered to a share group, this time included; `None` outside of one.
    pub delivery_count: Option<i16>,
    /// Key; `None` is null.
    pub key: Option<Bytes>,
    /// Value; `None` is null.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl ConsumerRecord {
    /// Its partition.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic.clone(), self.partition)
    }
}

/// An offset to commit, or that was committed: the next record to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next record.
    pub offset: i64,
    /// Leader epoch of the record before, or -1.
    pub leader_epoch: i32,
    /// A text of the application's.
    pub metadata: String,
}

/// Who commits for a group within a transaction
/// ([`Producer::send_offsets_to_transaction`](crate::Producer::send_offsets_to_transaction)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupMetadata {
    /// `group.id`.
    pub group_id: String,
    /// Generation or member epoch; -1 for who is no member.
    pub generation_id: i32,
    /// Member id; empty for who is no member.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
}

impl ConsumerGroupMetadata {
    /// Somebody who is no member of the group: nothing is checked but the group's name.
    pub fn of_group(group_id: impl Into<String>) -> ConsumerGroupMetadata {
        let (generation_id, member_id, group_instance_id) = (-1, String::new(), None);
        ConsumerGroupMetadata { group_id: group_id.into(), generation_id, member_id, group_instance_id }
    }
}

/// Offsets by partition.
pub type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

impl OffsetAndMetadata {
    /// This offset, without leader epoch and text.
    pub fn new(offset: i64) -> OffsetAndMetadata {
        OffsetAndMetadata { offset, leader_epoch: -1, metadata: String::new() }
    }
}
