//! `--reset-offsets`.

use super::ConsumerGroups;
use crate::group_tools::plan::{Plan, csv, table};
use crate::group_tools::{Done, Trouble, say_active, scenario};
use crate::shared::usage;
use ottla_client::{Admin, OffsetAndMetadata, Offsets};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(tool: &ConsumerGroups) -> Result<(), Failure> {
    if !tool.execution.dry_run && !tool.execution.execute {
        eprintln!(
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will \
             require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if \
             you are scripting this command and want to keep the current default behavior without prompting."
        );
    }
    if tool.groups.is_empty() && !tool.all_groups {
        return Err(usage("Option [reset-offsets] takes one of these options: [group], [all-groups]"));
    }
    tool.scenarios.conflict().map_or(Ok(()), |cause| Err(usage(cause)))
}

pub(super) async fn run(tool: &ConsumerGroups, admin: &Admin) -> Done<()> {
    let plan = tool.scenarios.read_plan(&tool.groups)?;
    let mut results = Plan::new();
    for group in tool.wanted_groups(admin).await? {
        let state = match admin.describe_group(&group).await {
            Ok(described) => described.state,
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => "Dead".to_string(),
            Err(error) => return Err(error.into()),
        };
        let offsets = match state.as_str() {
            "Empty" | "Dead" => reset_one(tool, admin, &group, plan.as_ref()).await?,
            _ => {
                say_active(&group, &state)?;
                BTreeMap::new()
            }
        };
        results.insert(group, offsets);
    }
    let text = if tool.export { csv(&results, tool.groups.len() == 1) + "\n" } else { table(&results) };
    Ok(write_out(&text)?)
}

async fn reset_one(
    tool: &ConsumerGroups,
    admin: &Admin,
    group: &str,
    plan: Option<&Plan>,
) -> Done<BTreeMap<TopicPartition, i64>> {
    let committed = admin.list_group_offsets(group).await?;
    let partitions = partitions(tool, admin, &committed).await?;
    let Some(target) = tool.scenarios.target(group, plan)? else { return Ok(BTreeMap::new()) };
    let offsets = scenario::new_offsets(admin, &committed, &partitions, &target).await?;
    if tool.execution.execute {
        let wanted = offsets.iter().map(|(partition, offset)| (partition.clone(), OffsetAndMetadata::new(*offset)));
        admin.alter_group_offsets(group, &wanted.collect()).await?;
    }
    Ok(offsets)
}

async fn partitions(tool: &ConsumerGroups, admin: &Admin, committed: &Offsets) -> Done<BTreeSet<TopicPartition>> {
    if tool.all_topics {
        return Ok(committed.keys().cloned().collect());
    }
    if !tool.topics.is_empty() {
        return scenario::partitions(admin, &tool.topics).await;
    }
    match tool.scenarios.is_from_file() {
        true => Ok(BTreeSet::new()),
        false => Err(Trouble::Usage("One of the reset scopes should be defined: --all-topics, --topic.".to_string())),
    }
}
