//! `--reset-offsets`: a share group begins elsewhere, and forgets what it has not done.

use super::ShareGroups;
use crate::group_tools::plan::{Plan, table};
use crate::group_tools::{Done, Trouble, conflict, first_refusal, only_one, scenario};
use crate::java::described_error;
use ottla_client::{Admin, ClientError, Offsets};
use ottla_terminal::failure::Failure;
use ottla_terminal::group::reset::Target;
use ottla_terminal::output::write_out;
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(tool: &ShareGroups) -> Result<(), Failure> {
    let scenarios = [tool.to_datetime.is_some(), tool.to_earliest, tool.to_latest];
    let [both, none] = tool.execution.refusals();
    let refusals = [
        both,
        none,
        (tool.groups.is_empty(), "takes the option: [group]"),
        (tool.topics.is_empty() && !tool.all_topics, "takes one of these options: [all-topics], [topic]"),
        (!scenarios.contains(&true), "takes one of these options: [to-datetime], [to-earliest], [to-latest]"),
    ];
    first_refusal(refusals.map(|(is_wrong, cause)| (is_wrong, format!("Option [reset-offsets] {cause}"))))?;
    first_refusal([
        (tool.to_datetime.is_some() && tool.to_earliest, conflict("to-datetime", "to-earliest")),
        (tool.to_datetime.is_some() && tool.to_latest, conflict("to-datetime", "to-latest")),
        (tool.to_earliest && tool.to_latest, conflict("to-earliest", "to-latest")),
    ])
}

pub(super) async fn run(tool: &ShareGroups, admin: &Admin) -> Done<()> {
    let group = only_one(&tool.groups, "group")?;
    match admin.describe_share_groups(&[group]).await.remove(group) {
        Some(Ok(described)) if !["Empty", "Dead"].contains(&described.state.as_str()) => {
            return Err(Failure::new(format!("Share group '{group}' is not empty.")).into());
        }
        // The group may be yet to come.
        Some(Err(error)) if error.code() == Some(ErrorCode::GroupIdNotFound) => {}
        Some(Err(error)) => return Err(Failure::new(described_error(&error)).into()),
        _ => {}
    }
    let partitions = partitions(tool, admin, group).await?;
    let offsets = scenario::new_offsets(admin, &Offsets::new(), &partitions, &target(tool)?).await?;
    if tool.execution.execute {
        alter(admin, group, &offsets).await?;
    }
    let plan: Plan = [(group.to_string(), offsets)].into();
    Ok(write_out(&table(&plan))?)
}

/// As Kafka's client, which says what was refused, and not why.
async fn alter(admin: &Admin, group: &str, offsets: &BTreeMap<TopicPartition, i64>) -> Done<()> {
    let refused: Vec<String> = match admin.alter_share_group_offsets(group, offsets).await {
        Ok(results) => {
            results.iter().filter(|(_, result)| result.is_err()).map(|(place, _)| place.to_string()).collect()
        }
        Err(error) if error.code().is_some() => offsets.keys().map(ToString::to_string).collect(),
        Err(error) => return Err(plain(&error)),
    };
    if refused.is_empty() {
        return Ok(());
    }
    let what = format!("Failed altering group offsets for the following partitions: [{}]", refused.join(", "));
    Err(Trouble::Said(what))
}

async fn partitions(tool: &ShareGroups, admin: &Admin, group: &str) -> Done<BTreeSet<TopicPartition>> {
    if !tool.topics.is_empty() {
        return scenario::partitions(admin, &tool.topics).await;
    }
    let offsets = admin.list_share_group_offsets(group).await.map_err(|error| plain(&error))?;
    Ok(offsets.into_keys().collect())
}

fn target(tool: &ShareGroups) -> Done<Target> {
    match &tool.to_datetime {
        _ if tool.to_earliest => Ok(Target::Earliest),
        Some(text) if !tool.to_latest => scenario::datetime(text),
        _ => Ok(Target::Latest),
    }
}

/// An error that Java prints without the name of its class.
fn plain(error: &ClientError) -> Trouble {
    Trouble::Said(described_error(error))
}
