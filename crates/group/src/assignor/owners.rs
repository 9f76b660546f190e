//! Who owns each partition while an assignment is being made.
//!
//! Starts from the last assignment, without what no longer counts: topics that the member gave up or that are gone, partitions
//! that do not exist, and partitions that two members claim (the first keeps it).

use super::{Assignment, AssignorError, GroupSpec};
use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};

/// Owners of the partitions of all subscribed topics; members are indices into [`GroupSpec::members`].
pub(super) struct Owners {
    by_topic: BTreeMap<Uuid, Vec<Option<usize>>>,
    counts: Vec<usize>,
}

impl Owners {
    /// What of the last assignment still counts.
    pub(super) fn of_last_assignment(group: &GroupSpec) -> Result<Owners, AssignorError> {
        let mut by_topic = BTreeMap::new();
        for topic_id in subscribed_topics(group) {
            by_topic.insert(topic_id, vec![None; group.partition_count(topic_id)?]);
        }
        let mut owners = Owners { by_topic, counts: vec![0; group.members.len()] };
        for (index, member) in group.members.iter().enumerate() {
            for (topic_id, partitions) in member.assignment.iter() {
                if member.subscribed_topic_ids.contains(topic_id) {
                    partitions.iter().for_each(|partition| owners.claim(*topic_id, *partition, index));
                }
            }
        }
        Ok(owners)
    }

    /// Partitions that the member owns.
    pub(super) fn count(&self, member: usize) -> usize {
        self.counts[member]
    }

    /// All partitions of the topic by number, with their owners.
    pub(super) fn of_topic(&self, topic_id: Uuid) -> &[Option<usize>] {
        self.by_topic.get(&topic_id).map_or(&[], Vec::as_slice)
    }

    /// All topics.
    pub(super) fn topics(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.by_topic.keys().copied()
    }

    /// How many partitions there are.
    pub(super) fn partition_count(&self) -> usize {
        self.by_topic.values().map(Vec::len).sum()
    }

    /// Gives the partition to a member, or takes it from its owner.
    pub(super) fn set(&mut self, topic_id: Uuid, partition: usize, owner: Option<usize>) {
        let slot = self.by_topic.get_mut(&topic_id).and_then(|topic| topic.get_mut(partition));
        let slot =
            slot.unwrap_or_else(|| panic!("partition {topic_id}-{partition} is not one of the subscribed topics"));
        if let Some(before) = *slot {
            self.counts[before] -= 1;
        }
        if let Some(after) = owner {
            self.counts[after] += 1;
        }
        *slot = owner;
    }

    /// Partitions that nobody owns, by topic and number.
    pub(super) fn unassigned(&self) -> impl Iterator<Item = (Uuid, usize)> + '_ {
        self.by_topic.iter().flat_map(|(topic_id, topic)| {
            let free = topic.iter().enumerate().filter(|(_, owner)| owner.is_none());
            free.map(|(partition, _)| (*topic_id, partition))
        })
    }

    /// The assignment of every member.
    pub(super) fn into_assignments(self) -> Vec<Assignment> {
        let mut assignments = vec![Assignment::new(); self.counts.len()];
        for (topic_id, topic) in self.by_topic {
            for (partition, owner) in topic.into_iter().enumerate() {
                if let Some(owner) = owner {
                    assignments[owner].entry(topic_id).or_default().insert(partition as i32);
                }
            }
        }
        assignments
    }

    fn claim(&mut self, topic_id: Uuid, partition: i32, member: usize) {
        let Ok(partition) = usize::try_from(partition) else { return };
        if self.of_topic(topic_id).get(partition) == Some(&None) {
            self.set(topic_id, partition, Some(member));
        }
    }
}

fn subscribed_topics(group: &GroupSpec) -> BTreeSet<Uuid> {
    let mut topics = BTreeSet::new();
    let mut last = None;
    for member in &group.members {
        // Members that want the same share one set: it is walked once.
        if last.is_none_or(|last| !std::sync::Arc::ptr_eq(last, &member.subscribed_topic_ids)) {
            topics.extend(member.subscribed_topic_ids.iter().copied());
        }
        last = Some(&member.subscribed_topic_ids);
    }
    topics
}
