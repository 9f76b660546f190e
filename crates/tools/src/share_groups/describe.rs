//! `--describe`: offsets, members or states of share groups, in Kafka's columns.

use super::ShareGroups;
use crate::group_tools::{Done, by_topic, error_line, nested};
use ottla_client::{Admin, ShareGroupDescription, ShareMemberDescription, ShareOffsets};
use ottla_terminal::output::write_out;
use std::collections::BTreeMap;

/// What stands in a column where nothing is known.
const MISSING: &str = "-";

pub(super) async fn run(tool: &ShareGroups, admin: &Admin) -> Done<()> {
    let wanted = tool.wanted_groups(admin).await?;
    let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let described = admin.describe_share_groups(&names).await;
    let groups = described.into_values().collect::<Result<Vec<ShareGroupDescription>, _>>()?;
    if tool.details.members {
        for group in &groups {
            if say_state(group)? && !group.members.is_empty() {
                write_out(&members(group, tool.details.verbose))?;
            }
        }
        return Ok(());
    }
    if tool.details.state.is_some() {
        for group in &groups {
            say_state(group)?;
            write_out(&state(group, tool.details.verbose))?;
        }
        return Ok(());
    }
    let mut of_groups = BTreeMap::new();
    for group in &groups {
        let listed = admin.list_share_group_offsets(&group.group_id).await.map_err(|error| nested(&error))?;
        of_groups.insert(&group.group_id, listed);
    }
    for (group, listed) in &of_groups {
        write_out(&offsets(group, listed, tool.details.verbose))?;
    }
    Ok(())
}

/// Says what is special about a group's state, and whether the group exists.
fn say_state(group: &ShareGroupDescription) -> Done<bool> {
    let name = &group.group_id;
    match group.state.as_str() {
        "Dead" => write_out(&error_line(&format!("Share group '{name}' does not exist.")))?,
        "Empty" => eprintln!("\nShare group '{name}' has no active members."),
        _ => {}
    }
    Ok(group.state != "Dead")
}

fn offsets(group: &str, offsets: &ShareOffsets, verbose: bool) -> String {
    if offsets.is_empty() {
        return format!("\nShare group '{group}' has no offset information.\n");
    }
    let group_width = group.chars().count().max(15);
    let topic_width = offsets.keys().map(|partition| partition.topic.chars().count()).max().unwrap_or(0).max(15);
    let line = |cells: [&str; 6]| {
        let [group, topic, partition, epoch, start, lag] = cells;
        let epoch = if verbose { format!("{epoch:<13} ") } else { String::new() };
        format!("\n{group:<group_width$} {topic:<topic_width$} {partition:<10} {epoch}{start:<13} {lag}")
    };
    let mut text = line(["GROUP", "TOPIC", "PARTITION", "LEADER-EPOCH", "START-OFFSET", "LAG"]);
    for (partition, offset) in offsets {
        let cell = |number: Option<i64>| number.map_or(MISSING.to_string(), |number| number.to_string());
        text += &line([
            group,
            &partition.topic,
            &partition.partition.to_string(),
            &cell(offset.as_ref().and_then(|offset| offset.leader_epoch).map(i64::from)),
            &cell(offset.as_ref().map(|offset| offset.start_offset)),
            &cell(offset.as_ref().and_then(|offset| offset.lag)),
        ]);
    }
    text + "\n"
}

fn state(group: &ShareGroupDescription, verbose: bool) -> String {
    let coordinator = format!("{}  ({})", group.coordinator, group.coordinator_id);
    let (group_width, coordinator_width) = (group.group_id.chars().count().max(15), coordinator.len().max(25));
    let line = |cells: [&str; 6]| {
        let [group, coordinator, state, epoch, assignment_epoch, members] = cells;
        let epochs = if verbose { format!("{epoch:<12} {assignment_epoch:<17} ") } else { String::new() };
        format!("\n{group:<group_width$} {coordinator:<coordinator_width$} {state:<15} {epochs}{members}")
    };
    let head = line(["GROUP", "COORDINATOR (ID)", "STATE", "GROUP-EPOCH", "ASSIGNMENT-EPOCH", "#MEMBERS"]);
    let row = line([
        &group.group_id,
        &coordinator,
        &group.state,
        &group.group_epoch.to_string(),
        &group.assignment_epoch.to_string(),
        &group.members.len().to_string(),
    ]);
    format!("{head}{row}\n")
}

fn members(group: &ShareGroupDescription, verbose: bool) -> String {
    let mut members: Vec<&ShareMemberDescription> = group.members.iter().collect();
    members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
    let longest = |of: fn(&ShareMemberDescription) -> &str| {
        members.iter().map(|member| of(member).chars().count()).max().unwrap_or(0).max(15)
    };
    let group_width = group.group_id.chars().count().max(15);
    let (id_width, host_width) = (longest(|member| &member.member_id), longest(|member| &member.host));
    let client_width = longest(|member| &member.client_id);
    let line = |cells: [&str; 7]| {
        let [group, id, host, client, count, epoch, assignment] = cells;
        let epoch = if verbose { format!("{epoch:<13} ") } else { String::new() };
        format!(
            "\n{group:<group_width$} {id:<id_width$} {host:<host_width$} {client:<client_width$} {count:<12} \
             {epoch}{assignment}"
        )
    };
    let mut text = line(["GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS", "MEMBER-EPOCH", "ASSIGNMENT"]);
    for member in &members {
        text += &line([
            &group.group_id,
            &member.member_id,
            &member.host,
            &member.client_id,
            &member.assignment.len().to_string(),
            &member.member_epoch.to_string(),
            &by_topic(&member.assignment),
        ]);
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::SharePartitionOffset;
    use ottla_types::TopicPartition;
    use std::collections::BTreeSet;

    fn group() -> ShareGroupDescription {
        let member = ShareMemberDescription {
            member_id: "m".to_string(),
            rack_id: None,
            member_epoch: 3,
            client_id: "c".to_string(),
            host: "/127.0.0.1".to_string(),
            topics: BTreeSet::new(),
            assignment: [TopicPartition::new("b", 0), TopicPartition::new("a", 1), TopicPartition::new("a", 0)].into(),
        };
        ShareGroupDescription {
            group_id: "g".to_string(),
            state: "Stable".to_string(),
            assignor: "simple".to_string(),
            group_epoch: 4,
            assignment_epoch: 3,
            coordinator_id: 1,
            coordinator: "localhost:9092".to_string(),
            members: vec![member],
        }
    }

    #[test]
    fn offsets_stand_in_kafkas_columns() {
        let known = SharePartitionOffset { start_offset: 12, leader_epoch: Some(0), lag: Some(8) };
        let listed = [(TopicPartition::new("t", 0), Some(known)), (TopicPartition::new("t", 1), None)].into();
        let expected = "
GROUP           TOPIC           PARTITION  LEADER-EPOCH  START-OFFSET  LAG
g               t               0          0             12            8
g               t               1          -             -             -
";
        assert_eq!(offsets("g", &listed, true), expected);
        assert_eq!(offsets("g", &ShareOffsets::new(), false), "\nShare group 'g' has no offset information.\n");
    }

    #[test]
    fn members_and_states_stand_in_kafkas_columns() {
        let expected = "
GROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS  MEMBER-EPOCH  ASSIGNMENT
g               m               /127.0.0.1      c               3            3             a:0,1;b:0
";
        assert_eq!(members(&group(), true), expected);
        let expected = "
GROUP           COORDINATOR (ID)          STATE           #MEMBERS
g               localhost:9092  (1)       Stable          1
";
        assert_eq!(state(&group(), false), expected);
    }
}
