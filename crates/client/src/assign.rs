//! Assignors: how the leader of a classic group divides partitions among the members. Pure functions.
//!
//! Members speak Kafka's embedded consumer protocol, so groups may be mixed with Java and librdkafka clients.

mod racks;
mod range;
mod round_robin;
mod sticky;
mod wire;

pub(crate) use racks::Racks;
pub(crate) use wire::{decode_assignment, decode_member, encode_assignment, encode_subscription};

use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// An assignor that a consumer offers (`partition.assignment.strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// `range`: of every topic a consecutive range for each member.
    Range,
    /// `roundrobin`: all partitions in a row, dealt to the members in turn.
    RoundRobin,
    /// `sticky`: balanced, and as near to what was before as possible; partitions are given up before a rebalance.
    Sticky,
    /// `cooperative-sticky`: the same, but only partitions that move are given up, in a second round (KIP-429).
    CooperativeSticky,
}

/// A member as its subscription describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupMember {
    pub(crate) group_instance_id: Option<String>,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) owned: BTreeSet<TopicPartition>,
    /// The generation in which `owned` was assigned, or -1.
    pub(crate) generation_id: i32,
    /// `client.rack`.
    pub(crate) rack: Option<String>,
}

/// Members by member id.
pub(crate) type Members = BTreeMap<String, GroupMember>;
/// The partitions of each topic, in order, and where their replicas are.
pub(crate) type Topics = BTreeMap<String, Vec<Racks>>;
/// Partitions by member id; every member has an entry.
pub(crate) type Assignments = BTreeMap<String, BTreeSet<TopicPartition>>;

impl Assignor {
    /// The name that members agree on.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
            Assignor::Sticky => "sticky",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// Whether members keep their partitions while they rejoin.
    pub fn is_cooperative(self) -> bool {
        self == Assignor::CooperativeSticky
    }

    pub(crate) fn by_name(name: &str) -> Option<Assignor> {
        use Assignor::{CooperativeSticky, Range, RoundRobin, Sticky};
        [Range, RoundRobin, Sticky, CooperativeSticky].into_iter().find(|assignor| assignor.name() == name)
    }

    /// Divides the partitions of the topics that exist.
    pub(crate) fn assign(self, members: &Members, topics: &Topics) -> Assignments {
        match self {
            Assignor::Range => range::assign(members, topics),
            Assignor::RoundRobin => round_robin::assign(members, topics),
            Assignor::Sticky => sticky::assign(members, topics),
            Assignor::CooperativeSticky => {
                let mut assignments = sticky::assign(members, topics);
                sticky::hold_back_what_moves(&mut assignments, members);
                assignments
            }
        }
    }
}

/// An empty assignment of every member.
fn nothing(members: &Members) -> Assignments {
    members.keys().map(|id| (id.clone(), BTreeSet::new())).collect()
}

/// Members in Kafka's order: by instance id where there is one, else by member id.
fn in_order(members: &Members) -> Vec<&String> {
    let mut ids: Vec<&String> = members.keys().collect();
    ids.sort_by_key(|id| (members[*id].group_instance_id.is_none(), members[*id].group_instance_id.as_ref(), *id));
    ids
}

#[cfg(test)]
mod tests;
