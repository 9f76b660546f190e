//! Moves partitions of one topic from its most loaded subscribers to its least loaded ones.

use super::owners::Owners;
use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};

/// The subscribers of one topic, ordered by load.
pub(super) struct TopicBalance {
    topic_id: Uuid,
    /// (partitions of all topics, member) of every subscriber.
    by_load: BTreeSet<(usize, usize)>,
    /// The same for those that own partitions of this topic.
    givers: BTreeSet<(usize, usize)>,
    /// This topic's partitions of each giver, ascending.
    owned: BTreeMap<usize, Vec<usize>>,
}

impl TopicBalance {
    pub(super) fn new(owners: &Owners, topic_id: Uuid, subscribers: &[usize]) -> TopicBalance {
        let by_load = subscribers.iter().map(|member| (owners.count(*member), *member)).collect();
        let mut balance = TopicBalance { topic_id, by_load, givers: BTreeSet::new(), owned: BTreeMap::new() };
        if balance.spread() > 1 {
            for (partition, owner) in owners.of_topic(topic_id).iter().enumerate() {
                if let Some(owner) = owner {
                    balance.owned.entry(*owner).or_default().push(partition);
                }
            }
            balance.givers = balance.owned.keys().map(|member| (owners.count(*member), *member)).collect();
        }
        balance
    }

    /// Moves until no move makes it better; answers how many partitions moved.
    pub(super) fn run(mut self, owners: &mut Owners) -> usize {
        let mut moved = 0;
        while let (Some(giver), Some(taker)) = (self.givers.last().copied(), self.by_load.first().copied()) {
            if giver.0 <= taker.0 + 1 {
                break;
            }
            let partition = self.owned.get_mut(&giver.1).and_then(Vec::pop);
            let partition =
                partition.unwrap_or_else(|| panic!("a giver of {} owns none of its partitions", self.topic_id));
            owners.set(self.topic_id, partition, Some(taker.1));
            self.move_one(giver, taker, partition);
            moved += 1;
        }
        moved
    }

    fn move_one(&mut self, giver: (usize, usize), taker: (usize, usize), partition: usize) {
        self.by_load.remove(&giver);
        self.givers.remove(&giver);
        self.by_load.insert((giver.0 - 1, giver.1));
        if self.owned.get(&giver.1).is_some_and(|partitions| !partitions.is_empty()) {
            self.givers.insert((giver.0 - 1, giver.1));
        }
        self.by_load.remove(&taker);
        self.givers.remove(&taker);
        self.by_load.insert((taker.0 + 1, taker.1));
        self.givers.insert((taker.0 + 1, taker.1));
        self.owned.entry(taker.1).or_default().push(partition);
    }

    fn spread(&self) -> usize {
        match (self.by_load.first(), self.by_load.last()) {
            (Some(least), Some(most)) => most.0 - least.0,
            _ => 0,
        }
    }
}
