//! Racks (KIP-881): which partitions have a replica near a member, and whether that is to be looked at.
//!
//! All replicas count, also those that are not in sync: they will be again.

use super::{Members, Topics};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// Racks of the replicas of one partition.
pub(crate) type Racks = BTreeSet<String>;

/// Members with racks among partitions with racks.
pub(super) struct Nearness<'a> {
    of_members: BTreeMap<&'a str, &'a str>,
    topics: &'a Topics,
}

impl<'a> Nearness<'a> {
    /// `None` where racks make no difference.
    pub(super) fn new(members: &'a Members, topics: &'a Topics) -> Option<Nearness<'a>> {
        let of_members: BTreeMap<&str, &str> =
            members.iter().filter_map(|(id, member)| Some((id.as_str(), member.rack.as_deref()?))).collect();
        let partitions = || topics.values().flatten();
        matters(of_members.values().copied(), partitions).then_some(Nearness { of_members, topics })
    }

    /// Whether the member has a rack, and the partition a replica in it.
    pub(super) fn is_near(&self, member: &str, partition: &TopicPartition) -> bool {
        self.of_members.get(member).is_some_and(|rack| self.racks(partition).is_some_and(|racks| racks.contains(*rack)))
    }

    /// Whether the member has a rack, and the partition no replica in it.
    pub(super) fn is_far(&self, member: &str, partition: &TopicPartition) -> bool {
        self.of_members.contains_key(member) && !self.is_near(member, partition)
    }

    fn racks(&self, partition: &TopicPartition) -> Option<&'a Racks> {
        self.topics.get(&*partition.topic)?.get(usize::try_from(partition.partition).ok()?)
    }
}

/// Whether these members should get partitions by rack: some members and replicas have one in common, and it is not so that
/// every partition has replicas in every rack.
pub(super) fn matters<'a, I: Iterator<Item = &'a Racks>>(
    of_members: impl Iterator<Item = &'a str>,
    of_partitions: impl Fn() -> I,
) -> bool {
    let all: BTreeSet<&str> = of_partitions().flatten().map(String::as_str).collect();
    let in_common = of_members.into_iter().any(|rack| all.contains(rack));
    in_common && of_partitions().any(|racks| racks.len() < all.len())
}
