//! In which log directories replicas are, and how they are moved to others.

use super::plan::{Assignments, Replica, joined};
use super::stopped::Stopped;
use ottla_client::{Admin, LogDir};
use ottla_terminal::output::write_out;
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Pause before a replica that is not on its broker yet is asked for again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

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
}

/// Has the brokers begin to move replicas to these directories. A replica that is not on its broker yet is asked for again
/// until `timeout`.
pub(super) async fn begin_moves(
    admin: &Admin,
    mut pending: BTreeMap<Replica, String>,
    timeout: Duration,
) -> Result<(), Stopped> {
    let began = Instant::now();
    while !pending.is_empty() {
        for broker in pending.keys().map(|replica| replica.broker).collect::<BTreeSet<i32>>() {
            let of_broker = pending.iter().filter(|(replica, _)| replica.broker == broker);
            let targets = of_broker.map(|(replica, target)| (replica.partition.clone(), target.clone())).collect();
            for (partition, result) in admin.alter_replica_log_dirs(broker, &targets).await? {
                let replica = Replica { broker, partition };
                match result {
                    Ok(()) => {
                        let target = pending.remove(&replica).unwrap_or_default();
                        write_out(&started(&replica, &target))?;
                    }
                    Err(error) if error.code() == Some(ErrorCode::ReplicaNotAvailable) => {}
                    Err(_) => return Err(Stopped::error(format!("Failed to alter dir for {replica}"))),
                }
            }
        }
        if !pending.is_empty() {
            if began.elapsed() >= timeout {
                return Err(Stopped::Said(timed_out(&pending)));
            }
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
        }
    }
    Ok(())
}

fn started(replica: &Replica, target: &str) -> String {
    let Replica { broker, partition } = replica;
    format!("Successfully started moving log directory to {target} for replica {partition} with broker {broker} \n")
}

fn timed_out(pending: &BTreeMap<Replica, String>) -> String {
    let plural = if pending.len() == 1 { "" } else { "s" };
    format!("Timed out before log directory move{plural} could be started for: {}", joined(pending.keys(), ","))
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
    fn moves_are_told_in_kafkas_words() {
        assert_eq!(
            started(&replica("t", 1), "/b"),
            "Successfully started moving log directory to /b for replica t-0 with broker 1 \n"
        );
        let pending = [(replica("t", 1), "/b".to_string()), (replica("u", 2), "/b".to_string())].into();
        assert_eq!(timed_out(&pending), "Timed out before log directory moves could be started for: t-0-1,u-0-2");
    }

    #[test]
    fn the_current_directories_are_those_that_are_known() {
        let assignments = [(TopicPartition::new("here", 0), vec![1, 2])].into();
        assert_eq!(dirs().current(&assignments), [(replica("here", 1), "/a".to_string())].into());
    }
}
