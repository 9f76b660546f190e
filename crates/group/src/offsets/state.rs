//! What the groups of a shard have committed, and what open transactions may commit.
//!
//! Pending offsets of a transaction are kept by producer id until its marker comes; `open` names the same by partition.
//! Maps are never left empty behind a key.

use crate::group::GroupId;
use ottla_protocol::OffsetCommitValue;
use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// Where its record stands in `__consumer_offsets`.
    pub record_offset: i64,
    /// The next record to read.
    pub committed_offset: i64,
    /// Epoch of the leader that the last record before it was read from; -1 when the client does not say.
    pub leader_epoch: i32,
    /// What the client wants to remember.
    pub metadata: Arc<str>,
    /// When it was committed, milliseconds since the epoch.
    pub commit_timestamp_ms: i64,
    /// When it expires, for old clients that said so (`retention_time_ms`).
    pub expire_timestamp_ms: Option<i64>,
    /// The topic's id when it was committed; zero when not known.
    pub topic_id: Uuid,
}

impl OffsetAndMetadata {
    /// As it stands in a record.
    pub fn of_value(record_offset: i64, value: OffsetCommitValue) -> OffsetAndMetadata {
        OffsetAndMetadata {
            record_offset,
            committed_offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: Arc::from(value.metadata),
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
            topic_id: value.topic_id,
        }
    }
}

/// Offsets of one group by topic and partition.
pub type GroupOffsets = BTreeMap<Arc<str>, BTreeMap<i32, OffsetAndMetadata>>;

/// A partition of a group.
type Place = (Arc<str>, i32);

/// The offsets of a shard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Offsets {
    committed: BTreeMap<GroupId, GroupOffsets>,
    /// By producer id: what its open transaction has written.
    pending: BTreeMap<i64, BTreeMap<GroupId, GroupOffsets>>,
    /// By group and partition: the producer ids with open transactions.
    open: BTreeMap<GroupId, BTreeMap<Place, BTreeSet<i64>>>,
}

impl Offsets {
    /// What the group has committed.
    pub fn of_group(&self, group_id: &str) -> Option<&GroupOffsets> {
        self.committed.get(group_id)
    }

    /// One committed offset.
    pub fn get(&self, group_id: &str, topic: &str, partition: i32) -> Option<&OffsetAndMetadata> {
        self.committed.get(group_id)?.get(topic)?.get(&partition)
    }

    /// All committed offsets by group.
    pub fn committed(&self) -> impl Iterator<Item = (&GroupId, &GroupOffsets)> {
        self.committed.iter()
    }

    /// What open transactions have written, by producer id and group.
    pub fn pending(&self) -> impl Iterator<Item = (i64, &GroupId, &GroupOffsets)> {
        self.pending.iter().flat_map(|(id, groups)| groups.iter().map(|(group, offsets)| (*id, group, offsets)))
    }

    /// Whether an open transaction may commit an offset of this partition.
    pub fn is_pending(&self, group_id: &str, topic: &str, partition: i32) -> bool {
        // Groups with open transactions are few, and so are their partitions.
        let places = self.open.get(group_id);
        places.is_some_and(|places| places.keys().any(|place| *place.0 == *topic && place.1 == partition))
    }

    /// The partitions of a group on which transactions are open.
    pub fn pending_places(&self, group_id: &str) -> impl Iterator<Item = &(Arc<str>, i32)> {
        self.open.get(group_id).into_iter().flat_map(BTreeMap::keys)
    }

    /// Whether the group has open transactions.
    pub fn has_pending(&self, group_id: &str) -> bool {
        self.open.contains_key(group_id)
    }

    /// Commits.
    pub fn put(&mut self, group_id: &GroupId, topic: &Arc<str>, partition: i32, offset: OffsetAndMetadata) {
        put(&mut self.committed, group_id, topic, partition, offset);
    }

    /// Keeps an offset until the transaction of `producer_id` ends.
    pub fn put_pending(
        &mut self,
        producer_id: i64,
        group_id: &GroupId,
        topic: &Arc<str>,
        partition: i32,
        offset: OffsetAndMetadata,
    ) {
        put(self.pending.entry(producer_id).or_default(), group_id, topic, partition, offset);
        let places = self.open.entry(group_id.clone()).or_default();
        places.entry((topic.clone(), partition)).or_default().insert(producer_id);
    }

    /// A tombstone: neither the committed offset nor what transactions wrote before it counts.
    pub fn remove(&mut self, group_id: &str, topic: &str, partition: i32) {
        take(&mut self.committed, group_id, topic, partition);
        let Some(places) = self.open.get_mut(group_id) else { return };
        let producers = places.remove(&(Arc::from(topic), partition)).unwrap_or_default();
        if places.is_empty() {
            self.open.remove(group_id);
        }
        for producer_id in producers {
            if let Some(groups) = self.pending.get_mut(&producer_id) {
                take(groups, group_id, topic, partition);
                if groups.is_empty() {
                    self.pending.remove(&producer_id);
                }
            }
        }
    }

    /// The transaction has ended: what it wrote is committed, unless something newer is, or forgotten. Returns the groups
    /// that have offsets of it.
    pub fn end_transaction(&mut self, producer_id: i64, is_commit: bool) -> Vec<GroupId> {
        let Some(groups) = self.pending.remove(&producer_id) else { return Vec::new() };
        let ids = groups.keys().cloned().collect();
        for (group_id, topics) in groups {
            for (topic, partitions) in topics {
                for (partition, offset) in partitions {
                    self.close(producer_id, &group_id, &topic, partition);
                    let newest = self.get(&group_id, &topic, partition).map_or(-1, |committed| committed.record_offset);
                    if is_commit && offset.record_offset > newest {
                        self.put(&group_id, &topic, partition, offset);
                    }
                }
            }
        }
        ids
    }

    fn close(&mut self, producer_id: i64, group_id: &GroupId, topic: &Arc<str>, partition: i32) {
        let Some(places) = self.open.get_mut(group_id) else { return };
        let place = (topic.clone(), partition);
        if let Some(producers) = places.get_mut(&place) {
            producers.remove(&producer_id);
            if producers.is_empty() {
                places.remove(&place);
            }
        }
        if places.is_empty() {
            self.open.remove(group_id);
        }
    }
}

fn put(
    offsets: &mut BTreeMap<GroupId, GroupOffsets>,
    group_id: &GroupId,
    topic: &Arc<str>,
    partition: i32,
    offset: OffsetAndMetadata,
) {
    let topics = offsets.entry(group_id.clone()).or_default();
    topics.entry(topic.clone()).or_default().insert(partition, offset);
}

fn take(offsets: &mut BTreeMap<GroupId, GroupOffsets>, group_id: &str, topic: &str, partition: i32) {
    let Some(topics) = offsets.get_mut(group_id) else { return };
    if let Some(partitions) = topics.get_mut(topic) {
        partitions.remove(&partition);
        if partitions.is_empty() {
            topics.remove(topic);
        }
    }
    if topics.is_empty() {
        offsets.remove(group_id);
    }
}
