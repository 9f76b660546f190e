//! `--cancel`: takes back the reassignments of a plan that are under way.

use super::log_dirs::{self, LogDirs, MoveState};
use super::plan::{Plan, Replica, joined};
use super::stopped::Stopped;
use super::throttle;
use crate::java::described_error;
use ottla_client::{Admin, Client};
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) async fn cancel(
    client: &Client,
    text: &str,
    preserve_throttles: bool,
    timeout: Duration,
) -> Result<(), Stopped> {
    let (admin, plan) = (Admin::new(client), Plan::parse(text)?);
    let named: BTreeSet<TopicPartition> = plan.partitions.iter().map(|(partition, _)| partition.clone()).collect();
    let ongoing = admin.list_partition_reassignments(Some(&named)).await?;
    let is_moving = |reassignment: &ottla_client::PartitionReassignment| {
        !reassignment.adding_replicas.is_empty() || !reassignment.removing_replicas.is_empty()
    };
    let moving: BTreeMap<TopicPartition, Option<Vec<i32>>> = ongoing
        .iter()
        .filter(|(_, reassignment)| is_moving(reassignment))
        .map(|(partition, _)| (partition.clone(), None))
        .collect();
    match moving.is_empty() {
        true => write_out("None of the specified partition reassignments are active.\n")?,
        false => take_back(&admin, &moving).await?,
    }
    let brokers = plan.log_dirs.keys().map(|replica| replica.broker).collect();
    let found = LogDirs::of(&admin, &brokers).await?;
    let back = plan.log_dirs.iter().filter_map(|(replica, target)| match found.state(replica, target) {
        MoveState::Active { current, .. } => Some((replica.clone(), current)),
        MoveState::Missing | MoveState::Completed | MoveState::Cancelled { .. } => None,
    });
    let back: BTreeMap<Replica, String> = back.collect();
    match back.is_empty() {
        // Kafka's tool ends no line here.
        true => write_out("None of the specified partition moves are active.")?,
        false => log_dirs::begin_moves(&admin, back, timeout).await?,
    }
    match preserve_throttles {
        true => Ok(()),
        false => throttle::clear(&admin, &plan).await,
    }
}

async fn take_back(admin: &Admin, moving: &BTreeMap<TopicPartition, Option<Vec<i32>>>) -> Result<(), Stopped> {
    let results = admin.alter_partition_reassignments(moving, true).await?;
    let errors = results.iter().filter_map(|(partition, result)| {
        result.as_ref().err().map(|error| format!("{partition}: {}", described_error(error)))
    });
    let errors: Vec<String> = errors.collect();
    if !errors.is_empty() {
        let plural = if errors.len() == 1 { "" } else { "s" };
        let text = format!("Error cancelling partition reassignment{plural} for:\n{}", errors.join("\n"));
        return Err(Stopped::Said(text));
    }
    let plural = if moving.len() == 1 { "" } else { "s" };
    let names = joined(moving.keys(), ",");
    Ok(write_out(&format!("Successfully cancelled partition reassignment{plural} for: {names}\n"))?)
}
