//! `uniform` when members want different topics.
//!
//! Members keep what they had; partitions without owner go to the least loaded subscriber, the most contested topics first.
//! Then, topic by topic, partitions move from the most to the least loaded subscriber until they differ by at most one, round
//! after round until a round moves nothing or the rounds are used up. The result is balanced within each topic's subscribers;
//! over chains of overlapping subscriptions it is nearly so, as Kafka's is.

use super::balance::TopicBalance;
use super::owners::Owners;
use super::{Assignment, AssignorError, GroupSpec};
use ottla_types::Uuid;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Subscription patterns that people use converge in two rounds; each round roughly halves the imbalance of others.
const ROUNDS_MAX: usize = 16;

pub(super) fn assign(group: &GroupSpec) -> Result<Vec<Assignment>, AssignorError> {
    let mut owners = Owners::of_last_assignment(group)?;
    let subscribers = subscribers_by_topic(group);
    let topics = ordered_topics(&owners, &subscribers);
    for topic_id in &topics {
        assign_unowned(&mut owners, *topic_id, &subscribers[topic_id]);
    }
    let contested: Vec<Uuid> = topics.into_iter().filter(|topic_id| subscribers[topic_id].len() >= 2).collect();
    balance(&mut owners, &contested, &subscribers);
    Ok(owners.into_assignments())
}

fn subscribers_by_topic(group: &GroupSpec) -> BTreeMap<Uuid, Vec<usize>> {
    let mut subscribers: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
    for (index, member) in group.members.iter().enumerate() {
        for topic_id in member.subscribed_topic_ids.iter() {
            subscribers.entry(*topic_id).or_default().push(index);
        }
    }
    subscribers
}

/// Most partitions per subscriber first, then fewest subscribers, then by id.
fn ordered_topics(owners: &Owners, subscribers: &BTreeMap<Uuid, Vec<usize>>) -> Vec<Uuid> {
    let mut topics: Vec<Uuid> = owners.topics().collect();
    let measure = |topic_id: &Uuid| (owners.of_topic(*topic_id).len() as u64, subscribers[topic_id].len() as u64);
    topics.sort_by(|left, right| {
        let (partitions_left, members_left) = measure(left);
        let (partitions_right, members_right) = measure(right);
        // a / b against c / d without division.
        let density = (partitions_right * members_left).cmp(&(partitions_left * members_right));
        density.then(members_left.cmp(&members_right)).then_with(|| left.cmp(right))
    });
    topics
}

fn assign_unowned(owners: &mut Owners, topic_id: Uuid, subscribers: &[usize]) {
    let free: Vec<usize> = (0..owners.of_topic(topic_id).len())
        .filter(|partition| owners.of_topic(topic_id)[*partition].is_none())
        .collect();
    if free.is_empty() {
        return;
    }
    let mut by_load: std::collections::BTreeSet<(usize, usize)> =
        subscribers.iter().map(|member| (owners.count(*member), *member)).collect();
    for partition in free {
        if let Some((load, member)) = by_load.pop_first() {
            owners.set(topic_id, partition, Some(member));
            by_load.insert((load + 1, member));
        }
    }
}

fn balance(owners: &mut Owners, topics: &[Uuid], subscribers: &BTreeMap<Uuid, Vec<usize>>) {
    let mut unmoved = 0;
    for _ in 0..ROUNDS_MAX {
        for topic_id in topics {
            let moved = TopicBalance::new(owners, *topic_id, &subscribers[topic_id]).run(owners);
            unmoved = match moved.cmp(&0) {
                Ordering::Greater => 0,
                _ => unmoved + 1,
            };
            // All topics in a row are balanced.
            if unmoved == topics.len() {
                return;
            }
        }
    }
}
