//! Throttles of a reassignment: configs of the topics that name the replicas, and rates of the brokers.

use super::plan::{Assignments, Plan, Replica, joined};
use super::stopped::Stopped;
use super::topics;
use ottla_client::{Admin, ConfigChange, ConfigResource, PartitionReassignment};
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LOG_DIRS_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// From where to where a partition moves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Move {
    sources: BTreeSet<i32>,
    destinations: BTreeSet<i32>,
}

/// All moves, those that are under way and those that are wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moves(BTreeMap<TopicPartition, Move>);

impl Moves {
    /// `current` are the replicas of the partitions that `proposed` moves.
    pub(super) fn new(
        ongoing: &BTreeMap<TopicPartition, PartitionReassignment>,
        proposed: &Assignments,
        current: &Assignments,
    ) -> Moves {
        let mut moves = BTreeMap::new();
        for (partition, reassignment) in ongoing {
            let destinations: BTreeSet<i32> = reassignment.adding_replicas.iter().copied().collect();
            let sources = reassignment.replicas.iter().copied().filter(|broker| !destinations.contains(broker));
            moves.insert(partition.clone(), Move { sources: sources.collect(), destinations });
        }
        for (partition, replicas) in proposed {
            // Who moves already still moves from where it was.
            let sources: BTreeSet<i32> = match moves.get(partition) {
                Some(ongoing) => ongoing.sources.clone(),
                None => current.get(partition).into_iter().flatten().copied().collect(),
            };
            let destinations = replicas.iter().copied().filter(|broker| !sources.contains(broker)).collect();
            moves.insert(partition.clone(), Move { sources, destinations });
        }
        Moves(moves)
    }

    /// `partition:broker` of one side of all moves, by topic; sorted as texts.
    fn throttled(&self, side: impl Fn(&Move) -> &BTreeSet<i32>) -> BTreeMap<String, String> {
        let mut replicas: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (partition, one) in &self.0 {
            let of_topic = replicas.entry(partition.topic.to_string()).or_default();
            of_topic.extend(side(one).iter().map(|broker| format!("{}:{broker}", partition.partition)));
        }
        replicas.into_iter().map(|(topic, replicas)| (topic, joined(replicas, ","))).collect()
    }

    fn brokers(&self) -> BTreeSet<i32> {
        self.0.values().flat_map(|one| one.sources.iter().chain(&one.destinations)).copied().collect()
    }
}

/// Throttles the moves between brokers to so many bytes per second.
pub(super) async fn between_brokers(admin: &Admin, moves: &Moves, rate: i64) -> Result<(), Stopped> {
    let followers = moves.throttled(|one| &one.destinations);
    for (topic, leaders) in moves.throttled(|one| &one.sources) {
        let followers = followers.get(&topic).cloned().unwrap_or_default();
        let changes = [set(LEADER_REPLICAS, leaders), set(FOLLOWER_REPLICAS, followers)];
        admin.alter_configs(&ConfigResource::Topic(topic), &changes, false).await?;
    }
    for broker in moves.brokers() {
        let changes = [set(LEADER_RATE, rate), set(FOLLOWER_RATE, rate)];
        admin.alter_configs(&ConfigResource::Broker(Some(broker)), &changes, false).await?;
    }
    Ok(write_out(&format!("The inter-broker throttle limit was set to {rate} B/s\n"))?)
}

/// Throttles the moves between log directories to so many bytes per second, on the brokers of these replicas.
pub(super) async fn between_log_dirs(
    admin: &Admin,
    replicas: &BTreeMap<Replica, String>,
    rate: i64,
) -> Result<(), Stopped> {
    let brokers: BTreeSet<i32> = replicas.keys().map(|replica| replica.broker).collect();
    for broker in brokers {
        let changes = [set(LOG_DIRS_RATE, rate)];
        admin.alter_configs(&ConfigResource::Broker(Some(broker)), &changes, false).await?;
    }
    Ok(write_out(&format!("The replica-alter-dir throttle limit was set to {rate} B/s\n"))?)
}

/// Takes away the throttles of all brokers and of the topics of the plan: nobody knows any more who was involved.
pub(super) async fn clear(admin: &Admin, plan: &Plan) -> Result<(), Stopped> {
    let mut brokers: BTreeSet<i32> = topics::brokers(admin).await?.into_keys().collect();
    brokers.extend(plan.partitions.iter().flat_map(|(_, replicas)| replicas));
    let (plural, names) = (if brokers.len() == 1 { "" } else { "s" }, joined(&brokers, ","));
    write_out(&format!("Clearing broker-level throttles on broker{plural} {names}\n"))?;
    let changes = [LEADER_RATE, FOLLOWER_RATE, LOG_DIRS_RATE].map(delete);
    for broker in brokers {
        admin.alter_configs(&ConfigResource::Broker(Some(broker)), &changes, false).await?;
    }
    let topics = plan.topics();
    let (plural, names) = (if topics.len() == 1 { "" } else { "s" }, joined(&topics, ","));
    write_out(&format!("Clearing topic-level throttles on topic{plural} {names}\n"))?;
    let changes = [LEADER_REPLICAS, FOLLOWER_REPLICAS].map(delete);
    for topic in topics {
        admin.alter_configs(&ConfigResource::Topic(topic), &changes, false).await?;
    }
    Ok(())
}

fn set(name: &str, value: impl ToString) -> ConfigChange {
    ConfigChange::Set { name: name.to_string(), value: value.to_string() }
}

fn delete(name: &str) -> ConfigChange {
    ConfigChange::Delete { name: name.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(index: i32) -> TopicPartition {
        TopicPartition::new("t", index)
    }

    #[test]
    fn leaders_are_where_replicas_are_and_followers_where_they_come() {
        let reassignment =
            PartitionReassignment { replicas: vec![4, 1, 2], adding_replicas: vec![4], removing_replicas: vec![1] };
        let ongoing = [(partition(10), reassignment.clone()), (partition(2), reassignment)].into();
        let proposed = [(partition(0), vec![2, 3]), (partition(2), vec![5])].into();
        let current = [(partition(0), vec![1, 2]), (partition(2), vec![4, 1, 2])].into();
        let moves = Moves::new(&ongoing, &proposed, &current);
        assert_eq!(moves.throttled(|one| &one.sources)["t"], "0:1,0:2,10:1,10:2,2:1,2:2");
        assert_eq!(moves.throttled(|one| &one.destinations)["t"], "0:3,10:4,2:5");
        assert_eq!(moves.brokers(), [1, 2, 3, 4, 5].into());
    }

    #[test]
    fn a_reassignment_that_only_reorders_has_no_followers() {
        let (proposed, current) = ([(partition(0), vec![2, 1])].into(), [(partition(0), vec![1, 2])].into());
        let moves = Moves::new(&BTreeMap::new(), &proposed, &current);
        assert_eq!(moves.throttled(|one| &one.destinations)["t"], "");
    }
}
