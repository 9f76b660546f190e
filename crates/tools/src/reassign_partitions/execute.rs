//! `--execute`: begins a reassignment, and says how it can be undone.

use super::log_dirs::{self, LogDirs};
use super::plan::{Assignments, Plan, document, joined};
use super::stopped::Stopped;
use super::{throttle, topics};
use crate::java::described_error;
use ottla_client::{Admin, Client};
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What may be said beside the plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// Whether other reassignments may be under way.
    pub(super) is_additional: bool,
    /// Bytes per second between brokers.
    pub(super) throttle: Option<i64>,
    /// Bytes per second between log directories.
    pub(super) log_dirs_throttle: Option<i64>,
    /// Whether the number of replicas may change.
    pub(super) may_change_factor: bool,
    /// How long moves between log directories may take to begin.
    pub(super) timeout: Duration,
}

pub(super) async fn execute(client: &Client, text: &str, options: Options) -> Result<(), Stopped> {
    let plan = Plan::parse(text)?;
    let (admin, proposed) = (Admin::new(client), plan.assignments()?);
    let ongoing = admin.list_partition_reassignments(None).await?;
    if !options.is_additional && !ongoing.is_empty() {
        return Err(Stopped::Said(
            "Cannot execute because there is an existing partition assignment.  Use --additional to override this and \
             create a new partition assignment in addition to the existing one. The --additional flag can also be used to \
             change the throttle by resubmitting the current reassignment."
                .to_string(),
        ));
    }
    let brokers: BTreeSet<i32> = topics::brokers(&admin).await?.into_keys().collect();
    let wanted: BTreeSet<i32> = proposed.values().flatten().copied().collect();
    if let Some(unknown) = wanted.difference(&brokers).next() {
        return Err(Stopped::error(format!("Unknown broker id {unknown}")));
    }
    let current = topics::assignments_of(client, &proposed).await?;
    let holders = current.values().flatten().copied().filter(|broker| brokers.contains(broker));
    let log_dirs = LogDirs::of(&admin, &holders.collect()).await?;
    let rollback = document(&current, &log_dirs.current(&current))?;
    write_out(&format!(
        "Current partition replica assignment\n\n{rollback}\n\nSave this to use as the --reassignment-json-file option \
         during rollback\n"
    ))?;
    if options.throttle.is_some() || options.log_dirs_throttle.is_some() {
        write_out(
            "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is \
             removed.\n",
        )?;
    }
    if let Some(rate) = options.throttle {
        throttle::between_brokers(&admin, &throttle::Moves::new(&ongoing, &proposed, &current), rate).await?;
    }
    if let Some(rate) = options.log_dirs_throttle {
        throttle::between_log_dirs(&admin, &plan.log_dirs, rate).await?;
    }
    begin(&admin, &proposed, options.may_change_factor).await?;
    log_dirs::begin_moves(&admin, plan.log_dirs, options.timeout).await
}

async fn begin(admin: &Admin, proposed: &Assignments, may_change_factor: bool) -> Result<(), Stopped> {
    let targets: BTreeMap<TopicPartition, Option<Vec<i32>>> =
        proposed.iter().map(|(partition, replicas)| (partition.clone(), Some(replicas.clone()))).collect();
    let results = admin.alter_partition_reassignments(&targets, may_change_factor).await?;
    let errors = results.iter().filter_map(|(partition, result)| {
        result.as_ref().err().map(|error| format!("{partition}: {}", described_error(error)))
    });
    let errors: Vec<String> = errors.collect();
    if !errors.is_empty() {
        return Err(Stopped::Said(format!("Error reassigning partition(s):\n{}", errors.join("\n"))));
    }
    let plural = if proposed.len() == 1 { "" } else { "s" };
    let names = joined(proposed.keys(), ",");
    Ok(write_out(&format!("Successfully started partition reassignment{plural} for {names}\n"))?)
}
