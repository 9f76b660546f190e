//! Where the replicas of new partitions go: Kafka's striped placement.
//!
//! Brokers are grouped by rack. Each partition starts one rack further than the one before it, and within a rack each
//! list of brokers is read from one place further; so leaders and followers spread over racks and brokers. Only the
//! starting places are random. The first replica, the preferred leader, never is a fenced broker; fenced ones are taken
//! for the others when a rack has no unfenced one left.

use crate::random::Random;
use ottla_types::NodeId;
use std::collections::BTreeMap;

/// A broker that may get replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsableBroker {
    /// Its id.
    pub id: NodeId,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether it is fenced: it may get replicas, but no leadership.
    pub fenced: bool,
}

/// Chooses `replication_factor` brokers for each of `partitions` partitions; the first of each is its preferred leader.
/// Equal arguments give equal placements.
///
/// # Errors
/// Kafka's text for INVALID_REPLICATION_FACTOR when there are too few brokers.
pub fn place(
    brokers: &[UsableBroker],
    partitions: usize,
    replication_factor: usize,
    seed: u64,
) -> Result<Vec<Vec<NodeId>>, String> {
    let unfenced = brokers.iter().filter(|broker| !broker.fenced).count();
    if replication_factor == 0 {
        return Err("Invalid replication factor 0: the replication factor must be positive.".to_string());
    }
    if unfenced == 0 {
        return Err("All brokers are currently fenced, or have all their log directories cordoned.".to_string());
    }
    if replication_factor > brokers.len() {
        return Err(format!(
            "The target replication factor of {replication_factor} cannot be reached because only {} broker(s) are \
             registered or some brokers have all their log directories cordoned.",
            brokers.len()
        ));
    }
    let mut racks = Racks::new(brokers, unfenced, Random::new(seed));
    Ok((0..partitions).map(|_| racks.place(replication_factor)).collect())
}

/// Brokers of one kind in one rack, read round and round from a place that moves on with every partition.
struct BrokerList {
    brokers: Vec<NodeId>,
    /// The partition that is being placed, so that the list moves on once for each.
    epoch: usize,
    offset: usize,
    taken: usize,
}

impl BrokerList {
    fn new(brokers: Vec<NodeId>, random: &mut Random) -> BrokerList {
        let offset = if brokers.is_empty() { 0 } else { random.below(brokers.len()) };
        BrokerList { brokers, epoch: 0, offset, taken: 0 }
    }

    /// The next broker that this partition does not have yet.
    fn next(&mut self, epoch: usize) -> Option<NodeId> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.epoch != epoch {
            self.epoch = epoch;
            self.taken = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.taken == self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.taken + self.offset) % self.brokers.len()];
        self.taken += 1;
        Some(broker)
    }

    fn shuffle(&mut self, random: &mut Random) {
        random.shuffle(&mut self.brokers);
    }
}

struct Rack {
    unfenced: BrokerList,
    fenced: BrokerList,
}

struct Racks {
    racks: Vec<Rack>,
    unfenced: usize,
    random: Random,
    /// Counts placed partitions from 1, the initial state of every list being 0.
    epoch: usize,
    /// The rack that the next partition starts with.
    offset: usize,
    /// Partitions placed since the last shuffle.
    since_shuffle: usize,
}

impl Racks {
    fn new(brokers: &[UsableBroker], unfenced: usize, mut random: Random) -> Racks {
        let mut by_rack: BTreeMap<Option<&str>, (Vec<NodeId>, Vec<NodeId>)> = BTreeMap::new();
        for broker in brokers {
            let (unfenced, fenced) = by_rack.entry(broker.rack.as_deref()).or_default();
            if broker.fenced { fenced } else { unfenced }.push(broker.id);
        }
        let racks: Vec<Rack> = by_rack
            .into_values()
            .map(|(unfenced, fenced)| Rack {
                unfenced: BrokerList::new(unfenced, &mut random),
                fenced: BrokerList::new(fenced, &mut random),
            })
            .collect();
        let offset = random.below(racks.len());
        Racks { racks, unfenced, random, epoch: 0, offset, since_shuffle: 0 }
    }

    /// The brokers of the next partition. There are enough of them, one unfenced; so both searches end.
    fn place(&mut self, replication_factor: usize) -> Vec<NodeId> {
        if self.since_shuffle == self.unfenced && self.unfenced > 1 {
            self.shuffle();
        }
        self.since_shuffle += 1;
        self.epoch += 1;
        let epoch = self.epoch;
        let mut brokers = Vec::with_capacity(replication_factor);
        let mut leader_rack = self.offset;
        while brokers.is_empty() {
            match self.racks[leader_rack].unfenced.next(epoch) {
                Some(leader) => brokers.push(leader),
                None => leader_rack = (leader_rack + 1) % self.racks.len(),
            }
        }
        // The first round skips the leader's rack, so that the followers come from others where there are any.
        let mut skipped = false;
        let mut index = self.offset;
        while brokers.len() < replication_factor {
            if index == leader_rack && !skipped {
                skipped = true;
            } else {
                let rack = &mut self.racks[index];
                brokers.extend(rack.unfenced.next(epoch).or_else(|| rack.fenced.next(epoch)));
            }
            index = (index + 1) % self.racks.len();
        }
        self.offset = (self.offset + 1) % self.racks.len();
        brokers
    }

    /// Once every unfenced broker has been a leader the same pattern would come again; another order avoids that.
    fn shuffle(&mut self) {
        self.since_shuffle = 0;
        self.random.shuffle(&mut self.racks);
        for rack in &mut self.racks {
            rack.unfenced.shuffle(&mut self.random);
            rack.fenced.shuffle(&mut self.random);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Brokers 0, 1, ... in the racks `racks`; a rack in upper case means fenced.
    fn brokers(racks: &[&str]) -> Vec<UsableBroker> {
        let broker = |(id, rack): (i32, &&str)| UsableBroker {
            id: NodeId(id),
            rack: (!rack.is_empty()).then(|| rack.to_lowercase()),
            fenced: rack.chars().any(char::is_uppercase),
        };
        (0..).zip(racks).map(broker).collect()
    }

    #[test]
    fn every_partition_gets_distinct_brokers() {
        for seed in 0..50 {
            for partition in place(&brokers(&["a", "a", "b", "c", "c"]), 40, 4, seed).unwrap() {
                assert_eq!(partition.iter().collect::<BTreeSet<_>>().len(), 4);
            }
        }
    }

    #[test]
    fn replicas_are_spread_over_racks() {
        let rack = |id: NodeId| id.0 / 2;
        for seed in 0..50 {
            for partition in place(&brokers(&["a", "a", "b", "b", "c", "c"]), 30, 3, seed).unwrap() {
                assert_eq!(partition.iter().map(|id| rack(*id)).collect::<BTreeSet<_>>().len(), 3, "{partition:?}");
            }
        }
    }

    #[test]
    fn leaders_are_spread_evenly() {
        for seed in 0..50 {
            let placed = place(&brokers(&["", "", "", ""]), 8, 2, seed).unwrap();
            let mut leaders = [0; 4];
            placed.iter().for_each(|partition| leaders[partition[0].0 as usize] += 1);
            assert_eq!(leaders, [2; 4]);
        }
    }

    #[test]
    fn a_fenced_broker_never_leads_but_may_follow() {
        for seed in 0..50 {
            for partition in place(&brokers(&["a", "B", "a"]), 10, 3, seed).unwrap() {
                assert_ne!(partition[0], NodeId(1));
                assert!(partition.contains(&NodeId(1)));
            }
        }
    }

    #[test]
    fn equal_seeds_give_equal_placements() {
        let brokers = brokers(&["a", "b", "c", "a"]);
        assert_eq!(place(&brokers, 9, 2, 7), place(&brokers, 9, 2, 7));
        let all: BTreeSet<_> = (0..20).map(|seed| place(&brokers, 1, 1, seed).unwrap()).collect();
        assert!(all.len() > 1, "the start is not random");
    }

    #[test]
    fn too_few_brokers_are_told_in_kafkas_words() {
        let error = |racks: &[&str], factor| place(&brokers(racks), 1, factor, 0).unwrap_err();
        assert!(
            error(&["a", "b"], 3).starts_with("The target replication factor of 3 cannot be reached because only 2")
        );
        assert!(error(&["A"], 1).starts_with("All brokers are currently fenced"));
        assert!(error(&[], 1).starts_with("All brokers are currently fenced"));
        assert!(error(&["a"], 0).contains("must be positive"));
    }
}
