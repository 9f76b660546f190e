//! `--reset-offsets`, with or without the deletion of internal topics.

use super::remove::internal_topics;
use super::{StreamsGroups, described, offsets};
use crate::group_tools::plan::{Plan, csv};
use crate::group_tools::{Done, Trouble, error_line, nested, say_active, scenario};
use crate::java::{described_error, java_error};
use ottla_client::{Admin, ClientError, OffsetAndMetadata, Offsets};
use ottla_terminal::output::write_out;
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn run(tool: &StreamsGroups, admin: &Admin) -> Done<()> {
    let plan = tool.scenarios.read_plan(&tool.groups)?;
    let mut results = Plan::new();
    for group in tool.wanted_groups(admin).await? {
        let state = match described(admin, &group).await {
            Ok(described) => Some(described.state),
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => None,
            Err(error) => return Err(nested(&error)),
        };
        let of_group = match state.as_deref() {
            None => reset_one(tool, admin, &group, plan.as_ref()).await?,
            Some("Empty" | "Dead") => {
                let of_group = reset_one(tool, admin, &group, plan.as_ref()).await?;
                delete_internal_topics(tool, admin, &group).await?;
                of_group
            }
            Some(state) => {
                say_active(&group, state)?;
                BTreeMap::new()
            }
        };
        results.insert(group, of_group);
    }
    let text = if tool.export { csv(&results, tool.groups.len() == 1) + "\n" } else { table(&results) };
    Ok(write_out(&text)?)
}

async fn reset_one(
    tool: &StreamsGroups,
    admin: &Admin,
    group: &str,
    plan: Option<&Plan>,
) -> Done<BTreeMap<TopicPartition, i64>> {
    let partitions = partitions(tool, admin, group).await?;
    let committed = match tool.scenarios.needs_committed() {
        true => offsets::committed(admin, group, true).await?,
        false => Offsets::new(),
    };
    let Some(target) = tool.scenarios.target(group, plan)? else { return Ok(BTreeMap::new()) };
    let offsets = scenario::new_offsets(admin, &committed, &partitions, &target).await?;
    if tool.execution.execute {
        let wanted = offsets.iter().map(|(partition, offset)| (partition.clone(), OffsetAndMetadata::new(*offset)));
        let altered = admin.alter_group_offsets(group, &wanted.collect()).await;
        altered.map_err(|error| Trouble::Said(described_error(&error)))?;
    }
    Ok(offsets)
}

/// The partitions in the scope of the command; those that are not the group's are told of, and then there are none.
async fn partitions(tool: &StreamsGroups, admin: &Admin, group: &str) -> Done<BTreeSet<TopicPartition>> {
    if tool.all_input_topics {
        return Ok(offsets::committed(admin, group, false).await?.into_keys().collect());
    }
    if tool.input_topics.is_empty() {
        return match tool.scenarios.is_from_file() {
            true => Ok(BTreeSet::new()),
            false => {
                Err(Trouble::Usage("One of the reset scopes should be defined: --all-topics, --topic.".to_string()))
            }
        };
    }
    let named = scenario::partitions(admin, &tool.input_topics).await?;
    scenario::check_exist(admin, &named).await?;
    let committed = admin.list_group_offsets(group).await.map_err(|error| nested(&error))?;
    if named.iter().all(|partition| committed.contains_key(partition)) {
        return Ok(named);
    }
    write_out(&error_line(&format!("One or more topics are not part of the group '{group}'.")))?;
    Ok(BTreeSet::new())
}

async fn delete_internal_topics(tool: &StreamsGroups, admin: &Admin, group: &str) -> Done<()> {
    if !tool.execution.execute {
        return Ok(());
    }
    let topics = match tool.delete_all_internal_topics {
        true => internal_topics(admin, group).await?,
        false => tool.delete_internal_topics.clone(),
    };
    let mut first: Result<(), ClientError> = Ok(());
    for topic in &topics {
        first = first.and(admin.delete_topic(topic).await);
    }
    let Err(error) = first else { return Ok(()) };
    let cause = match error.is_unknown_topic() {
        true => "because the topics do not exist.".to_string(),
        false => format!("due to {}", java_error(&error)),
    };
    Ok(write_out(&error_line(&format!("Deleting internal topics for group '{group}' failed {cause}")))?)
}

/// Kafka's columns for streams groups, which do not grow.
fn table(results: &Plan) -> String {
    let line = |cells: [&str; 4]| {
        let [group, topic, partition, offset] = cells;
        format!("\n{group:<30} {topic:<30} {partition:<10} {offset:<15}")
    };
    let mut text = match results.is_empty() {
        true => String::new(),
        false => line(["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"]),
    };
    for (group, offsets) in results {
        for (partition, offset) in offsets {
            text += &line([group, &partition.topic, &partition.partition.to_string(), &offset.to_string()]);
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_offsets_stand_in_columns_of_one_width() {
        let plan: Plan = [("g".to_string(), [(TopicPartition::new("t", 0), 5)].into())].into();
        let head = format!("\n{:<30} {:<30} {:<10} {:<15}", "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
        assert_eq!(table(&plan), format!("{head}\n{:<30} {:<30} {:<10} {:<15}\n", "g", "t", "0", "5"));
        assert_eq!(table(&Plan::new()), "\n");
    }
}
