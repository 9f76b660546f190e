//! `range`: of every topic each member gets a consecutive range; the first members get one more when it does not divide.
//!
//! Where racks matter, partitions near a member come first, as many as the member gets anyway, and what is left is dealt in
//! ranges. Topics with the same members and as many partitions stay together: partition n of all of them goes to one member.

use super::racks::{self, Racks};
use super::{Assignments, Members, Topics, in_order, nothing};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// The subscribers of a topic in order, and their racks.
type Subscribers<'a> = Vec<(&'a str, Option<&'a str>)>;

/// How far one topic is dealt.
struct Deal<'a> {
    topic: &'a str,
    partitions: &'a [Racks],
    members: Subscribers<'a>,
    left: BTreeSet<usize>,
    dealt: BTreeMap<&'a str, usize>,
    /// What everybody gets at least.
    quota: usize,
    /// How many members may still get one more.
    extra: usize,
    racks_matter: bool,
}

pub(super) fn assign(members: &Members, topics: &Topics) -> Assignments {
    let mut assignments = nothing(members);
    let order = in_order(members);
    let mut deals: Vec<Deal<'_>> =
        topics.iter().filter_map(|(topic, partitions)| Deal::new(topic, partitions, &order, members)).collect();
    if deals.iter().any(|deal| deal.racks_matter) {
        let mut together: BTreeMap<(Subscribers<'_>, usize), Vec<&mut Deal<'_>>> = BTreeMap::new();
        for deal in &mut deals {
            together.entry((deal.members.clone(), deal.partitions.len())).or_default().push(deal);
        }
        for ((_, partitions), mut deals) in together {
            match deals.as_mut_slice() {
                [alone] if alone.racks_matter => alone.deal_ranges(Deal::suits, &mut assignments),
                [_] => {}
                deals => deal_together(deals, partitions, &mut assignments),
            }
        }
    }
    for deal in &mut deals {
        deal.deal_ranges(|_, _, _| true, &mut assignments);
    }
    assignments
}

/// Gives partition n of all these topics to a member to which all of them are near, while there is one with room.
fn deal_together(deals: &mut [&mut Deal<'_>], partitions: usize, assignments: &mut Assignments) {
    let members = deals[0].members.clone();
    if members.iter().all(|(_, rack)| rack.is_none()) {
        return;
    }
    for partition in 0..partitions {
        let suits = |(member, rack): &&(&str, Option<&str>)| {
            deals.iter().all(|deal| deal.suits(*rack, partition) && deal.room(member) > 0)
        };
        if let Some((member, _)) = members.iter().find(suits) {
            deals.iter_mut().for_each(|deal| deal.give(member, &[partition], assignments));
        }
    }
}

impl<'a> Deal<'a> {
    /// `None` when nobody wants it.
    fn new(topic: &'a str, partitions: &'a [Racks], order: &[&'a String], members: &'a Members) -> Option<Deal<'a>> {
        let subscribed = order.iter().filter(|id| members[**id].topics.contains(topic));
        let subscribers: Vec<_> = subscribed.map(|id| (id.as_str(), members[*id].rack.as_deref())).collect();
        let racks_matter = racks::matters(subscribers.iter().filter_map(|(_, rack)| *rack), || partitions.iter());
        let quota = partitions.len().checked_div(subscribers.len())?;
        Some(Deal {
            topic,
            partitions,
            left: (0..partitions.len()).collect(),
            dealt: BTreeMap::new(),
            quota,
            extra: partitions.len() % subscribers.len(),
            racks_matter,
            members: subscribers,
        })
    }

    /// Whether the partition has a replica in the member's rack; a member without one is as near everywhere.
    fn suits(&self, rack: Option<&str>, partition: usize) -> bool {
        rack.is_none_or(|rack| self.partitions[partition].contains(rack))
    }

    /// How many more the member may get.
    fn room(&self, member: &str) -> usize {
        let dealt = self.dealt.get(member).copied().unwrap_or(0);
        (self.quota + usize::from(self.extra > 0)).saturating_sub(dealt)
    }

    fn deal_ranges(&mut self, suits: impl Fn(&Self, Option<&str>, usize) -> bool, assignments: &mut Assignments) {
        for (member, rack) in self.members.clone() {
            let fitting = self.left.iter().copied().filter(|partition| suits(self, rack, *partition));
            let range: Vec<usize> = fitting.take(self.room(member)).collect();
            self.give(member, &range, assignments);
        }
    }

    fn give(&mut self, member: &'a str, partitions: &[usize], assignments: &mut Assignments) {
        if partitions.is_empty() {
            return;
        }
        let dealt = self.dealt.entry(member).or_default();
        *dealt += partitions.len();
        if *dealt > self.quota {
            self.extra -= 1;
        }
        let owned = assignments.get_mut(member).expect("every member has an entry");
        for partition in partitions {
            self.left.remove(partition);
            let index = i32::try_from(*partition).expect("partitions are numbered by i32");
            owned.insert(TopicPartition::new(self.topic, index));
        }
    }
}
