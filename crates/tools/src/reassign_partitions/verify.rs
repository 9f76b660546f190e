//! `--verify` and `--list`: how far reassignments are.

use super::log_dirs::{LogDirs, MoveState};
use super::plan::{Plan, Replica, joined};
use super::stopped::Stopped;
use super::{throttle, topics};
use ottla_client::{Admin, Client, PartitionReassignment};
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::BTreeMap;

/// Says how far the plan is. When nothing moves any more the throttles are taken away.
pub(super) async fn verify(client: &Client, text: &str, preserve_throttles: bool) -> Result<(), Stopped> {
    let (admin, plan) = (Admin::new(client), Plan::parse(text)?);
    let ongoing = admin.list_partition_reassignments(None).await?;
    let is_settled = |partition: &TopicPartition| !ongoing.contains_key(partition);
    let topics = plan.partitions.iter().filter(|(partition, _)| is_settled(partition));
    let topics = topics.map(|(partition, _)| partition.topic.to_string()).collect();
    let described = topics::describe(client, &topics).await?;
    let mut lines = BTreeMap::new();
    for (partition, target) in &plan.partitions {
        let found = described.get(&*partition.topic).and_then(Option::as_ref);
        let found = found.and_then(|all| all.iter().find(|found| found.partition == partition.partition));
        let current = found.map(|found| found.replicas.as_slice()).unwrap_or_default();
        let current = Some(current).filter(|_| is_settled(partition));
        lines.insert(partition.clone(), progress(partition, current, target));
    }
    let lines: String = lines.into_values().collect();
    write_out(&format!("Status of partition reassignment:\n{lines}"))?;

    let brokers = plan.log_dirs.keys().map(|replica| replica.broker).collect();
    let log_dirs = LogDirs::of(&admin, &brokers).await?;
    let states: Vec<(&Replica, &String, MoveState)> =
        plan.log_dirs.iter().map(|(replica, target)| (replica, target, log_dirs.state(replica, target))).collect();
    let lines: Vec<String> =
        states.iter().map(|(replica, target, state)| described_move(replica, target, state)).collect();
    write_out(&format!("{}\n", lines.join("\n")))?;
    let is_moving = |state: &MoveState| matches!(state, MoveState::Missing | MoveState::Active { .. });
    let is_done = ongoing.is_empty() && !states.iter().any(|(_, _, state)| is_moving(state));
    match is_done && !preserve_throttles {
        true => throttle::clear(&admin, &plan).await,
        false => Ok(()),
    }
}

/// `current` is `None` while the partition moves.
fn progress(partition: &TopicPartition, current: Option<&[i32]>, target: &[i32]) -> String {
    match current {
        None => format!("Reassignment of partition {partition} is still in progress.\n"),
        Some(current) if current == target => format!("Reassignment of partition {partition} is completed.\n"),
        Some(current) => format!(
            "There is no active reassignment of partition {partition}, but replica set is {} rather than {}.\n",
            joined(current, ","),
            joined(target, ",")
        ),
    }
}

fn described_move(replica: &Replica, target: &str, state: &MoveState) -> String {
    let Replica { broker, partition } = replica;
    match state {
        MoveState::Missing => format!(
            "Partition {partition} is not found in any live log dir on broker {broker}. There is likely an offline log \
             directory on the broker."
        ),
        MoveState::Completed => format!("Reassignment of replica {replica} completed successfully."),
        MoveState::Active { future, .. } if future == target => {
            format!("Reassignment of replica {replica} is still in progress.")
        }
        MoveState::Active { future, .. } => {
            format!("Partition {partition} on broker {broker} is being moved to log dir {future} instead of {target}.")
        }
        MoveState::Cancelled { current } => {
            format!("Partition {partition} on broker {broker} is not being moved from log dir {current} to {target}.")
        }
    }
}

/// Lists the reassignments that are under way.
pub(super) async fn list(client: &Client) -> Result<(), Stopped> {
    let ongoing = Admin::new(client).list_partition_reassignments(None).await?;
    Ok(write_out(&listed(&ongoing))?)
}

fn listed(ongoing: &BTreeMap<TopicPartition, PartitionReassignment>) -> String {
    if ongoing.is_empty() {
        return "No partition reassignments found.\n".to_string();
    }
    let some = |what: &str, brokers: &[i32]| match brokers {
        [] => String::new(),
        brokers => format!(" {what}: {}.", joined(brokers, ",")),
    };
    let lines = ongoing.iter().map(|(partition, reassignment)| {
        let PartitionReassignment { replicas, adding_replicas, removing_replicas } = reassignment;
        let (replicas, adding) = (some("replicas", replicas), some("adding", adding_replicas));
        format!("{partition}:{replicas}{adding}{}\n", some("removing", removing_replicas))
    });
    format!("Current partition reassignments:\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reassignments_under_way_are_listed() {
        let partition = TopicPartition::new("t", 0);
        let reassignment =
            PartitionReassignment { replicas: vec![2, 1], adding_replicas: vec![2], removing_replicas: vec![1] };
        let expected = "Current partition reassignments:\nt-0: replicas: 2,1. adding: 2. removing: 1.\n";
        assert_eq!(listed(&[(partition, reassignment)].into()), expected);
        assert_eq!(listed(&BTreeMap::new()), "No partition reassignments found.\n");
    }

    #[test]
    fn progress_is_told_in_kafkas_words() {
        let partition = TopicPartition::new("t", 0);
        let line = |current: Option<&[i32]>| progress(&partition, current, &[1, 2]);
        assert_eq!(line(None), "Reassignment of partition t-0 is still in progress.\n");
        assert_eq!(line(Some(&[1, 2])), "Reassignment of partition t-0 is completed.\n");
        let expected = "There is no active reassignment of partition t-0, but replica set is 2,1 rather than 1,2.\n";
        assert_eq!(line(Some(&[2, 1])), expected);
    }
}
