//! `sticky` and `cooperative-sticky`: balanced first, then as near as possible to what was before.
//!
//! 1. Everybody keeps what he owns and still subscribes to; of two claims the one of the later generation counts.
//! 2. What nobody owns goes to the least loaded subscriber, partitions with the fewest subscribers first.
//! 3. While a member has two more than another one who subscribes to one of his partitions, that partition moves.

use super::{Assignments, Members, PartitionCounts, nothing};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn assign(members: &Members, counts: &PartitionCounts) -> Assignments {
    let mut assignments = nothing(members);
    let claims = claims(members, counts);
    let mut free: Vec<(usize, TopicPartition)> = Vec::new();
    for (topic, count) in counts {
        let subscribers = members.values().filter(|member| member.topics.contains(topic)).count();
        if subscribers == 0 {
            continue;
        }
        for partition in 0..*count {
            let partition = TopicPartition::new(topic.as_str(), partition);
            match claims.get(&partition) {
                Some(id) => {
                    assignments.get_mut(id).expect("every member has an entry").insert(partition);
                }
                None => free.push((subscribers, partition)),
            }
        }
    }
    free.sort();
    for (_, partition) in free {
        let subscribed = members.iter().filter(|(_, member)| member.topics.contains(&*partition.topic));
        let least = subscribed.map(|(id, _)| id).min_by_key(|id| (assignments[*id].len(), *id)).expect("it has one");
        assignments.get_mut(least).expect("every member has an entry").insert(partition);
    }
    while let Some((from, to, partition)) = improvement(&assignments, members) {
        assignments.get_mut(&from).expect("every member has an entry").remove(&partition);
        assignments.get_mut(&to).expect("every member has an entry").insert(partition);
    }
    assignments
}

/// Who owns what, where that still holds.
fn claims(members: &Members, counts: &PartitionCounts) -> BTreeMap<TopicPartition, String> {
    /// Generation and owner; no owner when two claim it for the same one.
    type Claim = (i32, Option<String>);
    let mut claims: BTreeMap<TopicPartition, Claim> = BTreeMap::new();
    for (id, member) in members {
        for partition in &member.owned {
            let exists = counts.get(&*partition.topic).is_some_and(|count| (0..*count).contains(&partition.partition));
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

/// A partition whose move makes the group more even: from the most loaded member possible to the least loaded.
fn improvement(assignments: &Assignments, members: &Members) -> Option<(String, String, TopicPartition)> {
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
                (owned_before.contains(*partition), !members[*to].owned.contains(*partition), (*partition).clone())
            });
            if let Some(partition) = best {
                return Some(((*from).clone(), (*to).clone(), partition.clone()));
            }
        }
    }
    None
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
