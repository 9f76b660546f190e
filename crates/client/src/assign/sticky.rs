//! `sticky` and `cooperative-sticky`: balanced first, then as near as possible to what was before.
//!
//! 1. Everybody keeps what he owns and still subscribes to; of two claims the one of the later generation counts.
//! 2. What nobody owns goes to the least loaded subscriber, partitions with the fewest subscribers first.
//! 3. While a member has two more than another one who subscribes to one of his partitions, that partition moves.
//!
//! Where racks matter, a partition far from its owner counts as nobody's. What is nobody's goes near a member with room, those
//! with the fewest members near first; what is left goes back to its owner, if he has room, or to the least loaded. Room is what
//! balance allows, when all subscribe to the same topics.

use super::racks::Nearness;
use super::{Assignments, Members, Topics, nothing};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// How far the partitions are dealt.
struct Deal<'a> {
    members: &'a Members,
    nearness: Option<Nearness<'a>>,
    quota: Option<Quota>,
    assignments: Assignments,
}

/// What members may get where all subscribe to the same topics.
struct Quota {
    /// What everybody gets.
    least: usize,
    /// How many members may still get one more.
    extra: usize,
}

/// A partition that nobody has yet.
struct Free {
    partition: TopicPartition,
    subscribers: usize,
}

pub(super) fn assign(members: &Members, topics: &Topics) -> Assignments {
    let nearness = Nearness::new(members, topics);
    let quota = nearness.as_ref().and_then(|_| Quota::new(members, topics));
    let mut deal = Deal { members, nearness, quota, assignments: nothing(members) };
    let claims = claims(members, topics);
    let mut free: Vec<Free> = Vec::new();
    for (topic, partitions) in topics {
        let subscribers = members.values().filter(|member| member.topics.contains(topic)).count();
        if subscribers == 0 {
            continue;
        }
        for partition in (0..).take(partitions.len()) {
            let partition = TopicPartition::new(topic.as_str(), partition);
            match claims.get(&partition) {
                Some(id) if deal.keeps(id, &partition) => deal.give(id, partition),
                _ => free.push(Free { partition, subscribers }),
            }
        }
    }
    free.sort_by(|one, other| (one.subscribers, &one.partition).cmp(&(other.subscribers, &other.partition)));
    if deal.nearness.is_some() {
        free = deal.near(free);
        free = deal.back(free, &claims);
    }
    for Free { partition, .. } in free {
        let least =
            deal.least_loaded(|id| members[id].topics.contains(&*partition.topic)).expect("it has a subscriber");
        deal.give(&least, partition);
    }
    deal.balance();
    deal.assignments
}

impl Quota {
    /// `None` unless all subscribe to the same topics.
    fn new(members: &Members, topics: &Topics) -> Option<Quota> {
        let subscribed = &members.values().next()?.topics;
        let is_same = members.values().all(|member| member.topics == *subscribed);
        let partitions: usize = topics
            .iter()
            .filter(|(topic, _)| subscribed.contains(*topic))
            .map(|(_, partitions)| partitions.len())
            .sum();
        is_same.then_some(Quota { least: partitions / members.len(), extra: partitions % members.len() })
    }
}

impl Deal<'_> {
    fn is_far(&self, id: &str, partition: &TopicPartition) -> bool {
        self.nearness.as_ref().is_some_and(|nearness| nearness.is_far(id, partition))
    }

    fn keeps(&self, id: &str, partition: &TopicPartition) -> bool {
        !self.is_far(id, partition) && self.has_room(id)
    }

    fn has_room(&self, id: &str) -> bool {
        let load = self.assignments[id].len();
        self.quota.as_ref().is_none_or(|quota| load < quota.least || (load == quota.least && quota.extra > 0))
    }

    fn give(&mut self, id: &str, partition: TopicPartition) {
        let owned = self.assignments.get_mut(id).expect("every member has an entry");
        owned.insert(partition);
        if let Some(quota) = self.quota.as_mut().filter(|quota| owned.len() == quota.least + 1) {
            quota.extra = quota.extra.saturating_sub(1);
        }
    }

    fn least_loaded(&self, may_have: impl Fn(&str) -> bool) -> Option<String> {
        let fitting = self.assignments.iter().filter(|(id, _)| may_have(id));
        fitting.min_by_key(|(id, owned)| (owned.len(), *id)).map(|(id, _)| id.clone())
    }

    /// Gives what it can to members near it; returns the others.
    fn near(&mut self, free: Vec<Free>) -> Vec<Free> {
        let members = self.members;
        let wants = |id: &str, partition: &TopicPartition| members[id].topics.contains(&*partition.topic);
        let near = |deal: &Self, id: &str, partition: &TopicPartition| {
            deal.nearness.as_ref().is_some_and(|nearness| nearness.is_near(id, partition))
        };
        let mut free: Vec<(usize, Free)> = free
            .into_iter()
            .map(|free| {
                let wanted = members.keys().filter(|id| wants(id, &free.partition));
                (wanted.filter(|id| near(self, id, &free.partition)).count(), free)
            })
            .collect();
        free.sort_by_key(|(members_near, _)| *members_near);
        let mut left = Vec::new();
        for (_, free) in free {
            let partition = &free.partition;
            let has_quota = self.quota.is_some();
            let suits = |id: &str| {
                // Without quotas also who has no rack: nobody is far from him.
                let is_good = if has_quota { near(self, id, partition) } else { !self.is_far(id, partition) };
                is_good && wants(id, partition) && self.has_room(id)
            };
            match self.least_loaded(suits) {
                Some(id) => self.give(&id, free.partition),
                None => left.push(free),
            }
        }
        left
    }

    /// Gives back what its owner has room for; returns the others.
    fn back(&mut self, free: Vec<Free>, claims: &BTreeMap<TopicPartition, String>) -> Vec<Free> {
        let mut left = Vec::new();
        for free in free {
            match claims.get(&free.partition).filter(|owner| self.has_room(owner)) {
                Some(owner) => self.give(owner, free.partition),
                None => left.push(free),
            }
        }
        left
    }

    fn balance(&mut self) {
        while let Some((from, to, partition)) = self.improvement() {
            self.assignments.get_mut(&from).expect("every member has an entry").remove(&partition);
            self.assignments.get_mut(&to).expect("every member has an entry").insert(partition);
        }
    }

    /// A partition whose move makes the group more even: from the most loaded member possible to the least loaded.
    fn improvement(&self) -> Option<(String, String, TopicPartition)> {
        let (assignments, members) = (&self.assignments, self.members);
        let mut by_load: Vec<(usize, &String)> = assignments.iter().map(|(id, owned)| (owned.len(), id)).collect();
        by_load.sort();
        for (load, from) in by_load.iter().rev() {
            for (other_load, to) in &by_load {
                if *load < other_load + 2 {
                    break;
                }
                // What came last in this round moves first, so that owned partitions stay.
                let owned_before = &members[*from].owned;
                let moves = |partition: &&TopicPartition| members[*to].topics.contains(&*partition.topic);
                let movable = assignments[*from].iter().filter(moves);
                let best = movable.min_by_key(|partition| {
                    let comes_back = members[*to].owned.contains(*partition);
                    let stays_away = (owned_before.contains(*partition), !comes_back);
                    (self.is_far(to, partition), stays_away, (*partition).clone())
                });
                if let Some(partition) = best {
                    return Some(((*from).clone(), (*to).clone(), partition.clone()));
                }
            }
        }
        None
    }
}

/// Who owns what, where that still holds.
fn claims(members: &Members, topics: &Topics) -> BTreeMap<TopicPartition, String> {
    /// Generation and owner; no owner when two claim it for the same one.
    type Claim = (i32, Option<String>);
    let mut claims: BTreeMap<TopicPartition, Claim> = BTreeMap::new();
    for (id, member) in members {
        for partition in &member.owned {
            let count = topics.get(&*partition.topic).map_or(0, Vec::len);
            let exists = usize::try_from(partition.partition).is_ok_and(|index| index < count);
            if !exists || !member.topics.contains(&*partition.topic) {
                continue;
            }
            let claim = (member.generation_id, Some(id.clone()));
            match claims.get_mut(partition) {
                None => {
                    claims.insert(partition.clone(), claim);
                }
                Some(other) if other.0 < claim.0 => *other = claim,
                Some(other) if other.0 == claim.0 => other.1 = None,
                Some(_) => {}
            }
        }
    }
    claims.into_iter().filter_map(|(partition, (_, owner))| Some((partition, owner?))).collect()
}

/// Takes out what another member still owns: it gives it up first, and gets told in the next round.
pub(super) fn hold_back_what_moves(assignments: &mut Assignments, members: &Members) {
    let mut owners: BTreeMap<&TopicPartition, BTreeSet<&String>> = BTreeMap::new();
    for (id, member) in members {
        for partition in &member.owned {
            owners.entry(partition).or_default().insert(id);
        }
    }
    for (id, assigned) in assignments {
        assigned.retain(|partition| owners.get(partition).is_none_or(|owners| owners.iter().all(|owner| *owner == id)));
    }
}
