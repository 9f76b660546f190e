//! In which log directories replicas are, and whether a plan asks for others.

use super::plan::{Assignments, Replica};
use super::stopped::Stopped;
use ottla_client::{Admin, LogDir};
use std::collections::{BTreeMap, BTreeSet};

/// Where a replica is, compared with where it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MoveState {
    /// In no log directory that is online.
    Missing,
    /// There.
    Completed,
    /// On its way to a directory: the one that is wanted or another one.
    Active { current: String, future: String },
    /// In another directory, and it stays there.
    Cancelled { current: String },
}

/// The log directories of brokers, by broker.
pub(super) struct LogDirs(BTreeMap<i32, Vec<LogDir>>);

impl LogDirs {
    /// Asks these brokers.
    pub(super) async fn of(admin: &Admin, brokers: &BTreeSet<i32>) -> Result<LogDirs, Stopped> {
        let mut dirs = BTreeMap::new();
        for broker in brokers {
            dirs.insert(*broker, admin.describe_log_dirs(*broker).await?);
        }
        Ok(LogDirs(dirs))
    }

    fn find(&self, replica: &Replica, is_future: bool) -> Option<&str> {
        let mut online = self.0.get(&replica.broker)?.iter().filter(|dir| dir.error.is_none());
        let has_it = |dir: &&LogDir| dir.replicas.get(&replica.partition).is_some_and(|log| log.is_future == is_future);
        online.find(has_it).map(|dir| dir.path.as_str())
    }

    /// The directories of all replicas that are found.
    pub(super) fn current(&self, assignments: &Assignments) -> BTreeMap<Replica, String> {
        let replicas = assignments.iter().flat_map(|(partition, brokers)| {
            brokers.iter().map(|broker| Replica { broker: *broker, partition: partition.clone() })
        });
        replicas.filter_map(|replica| Some((replica.clone(), self.find(&replica, false)?.to_string()))).collect()
    }

    /// How far the replica is on its way to `target`.
    pub(super) fn state(&self, replica: &Replica, target: &str) -> MoveState {
        match (self.find(replica, false), self.find(replica, true)) {
            (None, _) => MoveState::Missing,
            (Some(current), Some(future)) => {
                MoveState::Active { current: current.to_string(), future: future.to_string() }
            }
            (Some(current), None) if current == target => MoveState::Completed,
            (Some(current), None) => MoveState::Cancelled { current: current.to_string() },
        }
    }

    /// Whether the replica is in `target`, or will be when it comes to its broker, because that has no other directory.
    fn is_there(&self, replica: &Replica, target: &str) -> bool {
        match self.state(replica, target) {
            MoveState::Completed => true,
            MoveState::Active { .. } | MoveState::Cancelled { .. } => false,
            MoveState::Missing => {
                let dirs = self.0.get(&replica.broker).map(Vec::as_slice).unwrap_or_default();
                matches!(dirs, [only] if only.error.is_none() && only.path == target)
            }
        }
    }

    /// Refuses a plan whose replicas would have to be moved between the log directories of a broker.
    pub(super) fn check(&self, targets: &BTreeMap<Replica, String>) -> Result<(), Stopped> {
        match targets.iter().find(|(replica, target)| !self.is_there(replica, target)) {
            None => Ok(()),
            Some((replica, target)) => Err(not_supported(replica, target)),
        }
    }
}

/// Moving a replica between log directories takes AlterReplicaLogDirs, which this tool does not send.
pub(super) fn not_supported(replica: &Replica, target: &str) -> Stopped {
    Stopped::error(format!(
        "Cannot move the replica {replica} to the log directory {target}: moving replicas between the log directories of a \
         broker (AlterReplicaLogDirs) is not supported yet. Use \"any\" in \"log_dirs\", or leave \
         \"log_dirs\" out."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::ReplicaLog;
    use ottla_types::TopicPartition;

    fn dir(path: &str, replicas: &[(&str, bool)]) -> LogDir {
        let log = |is_future| ReplicaLog { size: 0, offset_lag: 0, is_future };
        let replicas = replicas.iter().map(|(topic, is_future)| (TopicPartition::new(*topic, 0), log(*is_future)));
        LogDir {
            path: path.to_string(),
            error: None,
            total_bytes: 0,
            usable_bytes: 0,
            is_cordoned: false,
            replicas: replicas.collect(),
        }
    }

    fn replica(topic: &str, broker: i32) -> Replica {
        Replica { broker, partition: TopicPartition::new(topic, 0) }
    }

    fn dirs() -> LogDirs {
        let first = vec![dir("/a", &[("here", false), ("moving", false)]), dir("/b", &[("moving", true)])];
        LogDirs([(1, first), (2, vec![dir("/c", &[])])].into())
    }

    #[test]
    fn states_of_replicas() {
        let state = |topic, target| dirs().state(&replica(topic, 1), target);
        assert_eq!(state("here", "/a"), MoveState::Completed);
        assert_eq!(state("here", "/b"), MoveState::Cancelled { current: "/a".to_string() });
        let active = MoveState::Active { current: "/a".to_string(), future: "/b".to_string() };
        assert_eq!(state("moving", "/b"), active);
        assert_eq!(state("nowhere", "/b"), MoveState::Missing);
    }

    #[test]
    fn only_plans_that_move_nothing_between_directories_pass() {
        let passes =
            |topic, broker, target: &str| dirs().check(&[(replica(topic, broker), target.to_string())].into()).is_ok();
        assert!(passes("here", 1, "/a") && passes("coming", 2, "/c"));
        assert!(!passes("here", 1, "/b") && !passes("coming", 1, "/a") && !passes("coming", 2, "/a"));
    }

    #[test]
    fn the_current_directories_are_those_that_are_known() {
        let assignments = [(TopicPartition::new("here", 0), vec![1, 2])].into();
        assert_eq!(dirs().current(&assignments), [(replica("here", 1), "/a".to_string())].into());
    }
}
