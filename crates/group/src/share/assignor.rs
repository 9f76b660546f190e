//! The assignor `simple`: every partition has a member, every member has a partition where it wants any, and no member has many
//! more than another. Partitions are shared only when there are more members than partitions. What a member had it keeps as
//! far as that balance permits.

use crate::assignor::Assignment;
use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the assignor knows of one member.
pub(super) struct Wants {
    /// Topics that it is subscribed to.
    pub(super) topics: BTreeSet<Uuid>,
    /// What it was given last time.
    pub(super) last: Arc<Assignment>,
}

type Place = (Uuid, i32);

/// Who is given what, while it is decided.
struct Shares<'a> {
    members: &'a [Wants],
    given: Vec<BTreeSet<Place>>,
    holders: BTreeMap<Place, usize>,
}

/// An assignment for each member, in their order.
pub(super) fn assign(members: &[Wants], assignable: &Assignment) -> Vec<Assignment> {
    let wanted: BTreeSet<Uuid> = members.iter().flat_map(|member| member.topics.iter().copied()).collect();
    let places = assignable.iter().filter(|(topic_id, _)| wanted.contains(topic_id));
    let holders: BTreeMap<Place, usize> = places
        .flat_map(|(topic_id, partitions)| partitions.iter().map(|partition| ((*topic_id, *partition), 0)))
        .collect();
    let mut shares = Shares { members, given: vec![BTreeSet::new(); members.len()], holders };
    if !shares.holders.is_empty() && !members.is_empty() {
        let sharing = members.len().div_ceil(shares.holders.len());
        shares.keep_last(sharing);
        shares.fill(sharing);
        shares.nobody_is_idle();
    }
    shares.given.iter().map(to_assignment).collect()
}

impl Shares<'_> {
    /// Members keep what they had, up to their fair part.
    fn keep_last(&mut self, sharing: usize) {
        let total = self.holders.len() * sharing;
        let (floor, mut with_one_more) = (total / self.members.len(), total % self.members.len());
        for index in 0..self.members.len() {
            let last = Arc::clone(&self.members[index].last);
            for (topic_id, partitions) in &*last {
                for place in partitions.iter().map(|partition| (*topic_id, *partition)) {
                    let count = self.given[index].len();
                    let has_room = count < floor || count == floor && with_one_more > 0;
                    let is_open = self.holders.get(&place).is_some_and(|holders| *holders < sharing);
                    if has_room && is_open && self.members[index].topics.contains(topic_id) {
                        with_one_more -= usize::from(count == floor);
                        self.give(index, place);
                    }
                }
            }
        }
    }

    /// Every partition gets a member that wants it, the one with the least; and more while some have less than others.
    fn fill(&mut self, sharing: usize) {
        let places: Vec<Place> = self.holders.keys().copied().collect();
        for round in 1..=sharing {
            let most = (self.holders.len() * sharing).div_ceil(self.members.len());
            for place in places.iter().filter(|place| self.holders[*place] < round).copied().collect::<Vec<_>>() {
                let candidates = (0..self.members.len()).filter(|index| {
                    self.members[*index].topics.contains(&place.0) && !self.given[*index].contains(&place)
                });
                let least = candidates.min_by_key(|index| self.given[*index].len());
                if let Some(index) = least.filter(|index| round == 1 || self.given[*index].len() < most) {
                    self.give(index, place);
                }
            }
        }
    }

    /// A member that was left with nothing shares a partition that it wants, one that few have.
    fn nobody_is_idle(&mut self) {
        for index in (0..self.members.len()).filter(|index| self.given[*index].is_empty()).collect::<Vec<_>>() {
            let wanted = self.holders.iter().filter(|(place, _)| self.members[index].topics.contains(&place.0));
            if let Some(place) = wanted.min_by_key(|(_, holders)| **holders).map(|(place, _)| *place) {
                self.give(index, place);
            }
        }
    }

    fn give(&mut self, index: usize, place: Place) {
        if self.given[index].insert(place) {
            *self.holders.entry(place).or_default() += 1;
        }
    }
}

fn to_assignment(places: &BTreeSet<Place>) -> Assignment {
    let mut assignment = Assignment::new();
    for (topic_id, partition) in places {
        assignment.entry(*topic_id).or_default().insert(*partition);
    }
    assignment
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topic(number: u8) -> Uuid {
        Uuid([number; 16])
    }

    proptest! {
        #[test]
        fn everything_is_assigned_and_balance_is_kept(
            counts in prop::collection::vec(0i32..8, 1..4),
            members in prop::collection::vec(prop::collection::btree_set(0u8..4, 1..4), 1..10),
            same in any::<bool>(),
        ) {
            let assignable: Assignment =
                (0u8..).zip(&counts).filter(|(_, count)| **count > 0).map(|(number, count)| (topic(number), (0..*count).collect())).collect();
            let subscribed = |set: &BTreeSet<u8>| set.iter().map(|number| topic(*number)).collect::<BTreeSet<_>>();
            let all: BTreeSet<u8> = (0..4).collect();
            let mut wants: Vec<Wants> = members
                .iter()
                .map(|set| Wants { topics: subscribed(if same { &all } else { set }), last: Arc::default() })
                .collect();
            let first = assign(&wants, &assignable);
            for (wants, given) in wants.iter().zip(&first) {
                prop_assert!(given.keys().all(|topic_id| wants.topics.contains(topic_id)));
                let has_any = assignable.keys().any(|topic_id| wants.topics.contains(topic_id));
                prop_assert_eq!(has_any, !given.is_empty());
            }
            for (topic_id, partitions) in &assignable {
                let is_wanted = wants.iter().any(|wants| wants.topics.contains(topic_id));
                for partition in partitions {
                    let holders = first.iter().filter(|given| given.get(topic_id).is_some_and(|set| set.contains(partition))).count();
                    prop_assert_eq!(holders > 0, is_wanted);
                }
            }
            let sizes: Vec<usize> = first.iter().map(|given| given.values().map(BTreeSet::len).sum()).collect();
            if same {
                prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{:?}", sizes);
                for (wants, given) in wants.iter_mut().zip(&first) {
                    wants.last = Arc::new(given.clone());
                }
                prop_assert_eq!(assign(&wants, &assignable), first, "nothing moves without a reason");
            }
        }
    }
}
