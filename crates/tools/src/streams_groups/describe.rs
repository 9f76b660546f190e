//! `--describe`: lag, members or states of streams groups, in Kafka's columns.

use super::offsets::{Position, positions};
use super::{StreamsGroups, described};
use crate::group_tools::{Done, error_line};
use ottla_client::{Admin, StreamsGroupDescription, StreamsMemberDescription, StreamsTasks};
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::BTreeMap;

pub(super) async fn run(tool: &StreamsGroups, admin: &Admin) -> Done<()> {
    for name in tool.wanted_groups(admin).await? {
        let group = described(admin, &name).await?;
        let has_rows = group.state != "Dead" && !group.members.is_empty();
        let text = if tool.details.members {
            if has_rows { special(&group) + &members(&group, tool.details.verbose) } else { String::new() }
        } else if tool.details.state.is_some() {
            special(&group) + &state(&group, tool.details.verbose)
        } else {
            let positions = positions(admin, &group).await?;
            if has_rows { special(&group) + &offsets(&name, &positions, tool.details.verbose) } else { String::new() }
        };
        write_out(&text)?;
    }
    Ok(())
}

/// What is special about a group's state.
fn special(group: &StreamsGroupDescription) -> String {
    let name = &group.group_id;
    match group.state.as_str() {
        "Dead" => error_line(&format!("Streams group '{name}' does not exist.")),
        "Empty" => error_line(&format!("Streams group '{name}' has no active members.")),
        _ => String::new(),
    }
}

fn offsets(group: &str, positions: &BTreeMap<TopicPartition, Position>, verbose: bool) -> String {
    let group_width = group.chars().count().max(15);
    let topic_width = positions.keys().map(|partition| partition.topic.chars().count()).max().unwrap_or(0).max(15);
    let line = |cells: [&str; 7]| {
        let [group, topic, partition, current, epoch, end, lag] = cells;
        let start = format!("{group:<group_width$} {topic:<topic_width$} {partition:<10}");
        match verbose {
            true => format!("{start} {current:<15} {epoch:<15} {end:<15} {lag:<15}\n"),
            false => format!("{start} {lag}\n"),
        }
    };
    let mut text =
        line(["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LEADER-EPOCH", "LOG-END-OFFSET", "OFFSET-LAG"]);
    for (partition, position) in positions {
        let cell = |number: Option<i64>| number.map_or("-".to_string(), |number| number.to_string());
        text += &line([
            group,
            &partition.topic,
            &partition.partition.to_string(),
            &cell(position.committed),
            &cell(position.leader_epoch.map(i64::from)),
            &position.log_end.to_string(),
            &position.lag.to_string(),
        ]);
    }
    text
}

fn state(group: &StreamsGroupDescription, verbose: bool) -> String {
    let coordinator = format!("{} ({})", group.coordinator, group.coordinator_id);
    let (group_width, coordinator_width) = (group.group_id.chars().count().max(15), coordinator.len().max(25));
    let line = |cells: [&str; 6]| {
        let [group, coordinator, state, epoch, target_epoch, members] = cells;
        let epochs = if verbose { format!("{epoch:<15} {target_epoch:<25} ") } else { String::new() };
        format!("{group:<group_width$} {coordinator:<coordinator_width$} {state:<25} {epochs}{members}\n")
    };
    line(["GROUP", "COORDINATOR (ID)", "STATE", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH", "#MEMBERS"])
        + &line([
            &group.group_id,
            &coordinator,
            &group.state,
            &group.group_epoch.to_string(),
            &group.assignment_epoch.to_string(),
            &group.members.len().to_string(),
        ])
}

fn members(group: &StreamsGroupDescription, verbose: bool) -> String {
    let longest = |of: fn(&StreamsMemberDescription) -> &str| {
        group.members.iter().map(|member| of(member).chars().count()).max().unwrap_or(0).max(15)
    };
    let group_width = group.group_id.chars().count().max(15);
    let (id_width, process_width) = (longest(|member| &member.member_id), longest(|member| &member.process_id));
    let client_width = longest(|member| &member.client_id);
    let line = |cells: [&str; 9]| {
        let [group, target_epoch, topology_epoch, id, protocol, epoch, process, client, tasks] = cells;
        let end = format!("{process:<process_width$} {client:<client_width$} {tasks}\n");
        match verbose {
            // Kafka has no space behind the epoch of the topology.
            true => format!(
                "{group:<group_width$} {target_epoch:<25} {topology_epoch:<15}{id:<id_width$} {protocol:<15} \
                 {epoch:<15} {end}"
            ),
            false => format!("{group:<group_width$} {id:<id_width$} {end}"),
        }
    };
    let mut text = line([
        "GROUP",
        "TARGET-ASSIGNMENT-EPOCH",
        "TOPOLOGY-EPOCH",
        "MEMBER",
        "MEMBER-PROTOCOL",
        "MEMBER-EPOCH",
        "PROCESS",
        "CLIENT-ID",
        "ASSIGNMENTS",
    ]);
    for member in &group.members {
        let target = if verbose { tasks("TARGET-", &member.target_assignment) } else { String::new() };
        text += &line([
            &group.group_id,
            &group.assignment_epoch.to_string(),
            &group.topology_epoch.to_string(),
            &member.member_id,
            if member.is_classic { "classic" } else { "streams" },
            &member.member_epoch.to_string(),
            &member.process_id,
            &member.client_id,
            &(tasks("", &member.assignment) + &target),
        ]);
    }
    text
}

/// `ACTIVE: 0:[0,1]; STANDBY: 1:[2]; `, with a space at the end, as Kafka has it.
fn tasks(prefix: &str, tasks: &StreamsTasks) -> String {
    let roles = [("ACTIVE", &tasks.active), ("STANDBY", &tasks.standby), ("WARMUP", &tasks.warmup)];
    let mut text = String::new();
    for (role, of_role) in roles.into_iter().filter(|(_, of_role)| !of_role.is_empty()) {
        text += &format!("{prefix}{role}: ");
        for (subtopology_id, partitions) in of_role {
            let indexes: Vec<String> = partitions.iter().map(ToString::to_string).collect();
            text += &format!("{subtopology_id}:[{}]; ", indexes.join(","));
        }
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ottla_client::Subtopology;

    pub(in super::super) fn group() -> StreamsGroupDescription {
        let tasks = StreamsTasks { active: vec![("0".to_string(), vec![0, 1])], ..StreamsTasks::default() };
        let member = StreamsMemberDescription {
            member_id: "m".to_string(),
            member_epoch: 3,
            group_instance_id: None,
            rack_id: None,
            client_id: "c".to_string(),
            host: "/127.0.0.1".to_string(),
            topology_epoch: 0,
            process_id: "p".to_string(),
            user_endpoint: None,
            assignment: tasks.clone(),
            target_assignment: StreamsTasks { standby: vec![("1".to_string(), vec![2])], ..tasks },
            is_classic: false,
        };
        StreamsGroupDescription {
            group_id: "app".to_string(),
            state: "Stable".to_string(),
            group_epoch: 4,
            assignment_epoch: 3,
            topology_epoch: 0,
            subtopologies: vec![Subtopology {
                subtopology_id: "0".to_string(),
                source_topics: vec!["in".to_string()],
                repartition_source_topics: vec!["app-x-repartition".to_string()],
                state_changelog_topics: vec!["app-y-changelog".to_string(), "other".to_string()],
                ..Subtopology::default()
            }],
            coordinator_id: 1,
            coordinator: "localhost:9092".to_string(),
            members: vec![member],
        }
    }

    #[test]
    fn lag_stands_in_kafkas_columns() {
        let position = Position { committed: None, leader_epoch: None, log_end: 30, lag: 25 };
        let positions = [(TopicPartition::new("t", 0), position)].into();
        let expected = "GROUP           TOPIC           PARTITION  OFFSET-LAG
app             t               0          25
";
        assert_eq!(offsets("app", &positions, false), expected);
        let expected =
            "GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LEADER-EPOCH    LOG-END-OFFSET  OFFSET-LAG     
app             t               0          -               -               30              25             
";
        assert_eq!(offsets("app", &positions, true), expected);
    }

    #[test]
    fn members_and_states_stand_in_kafkas_columns() {
        let expected = "GROUP           MEMBER          PROCESS         CLIENT-ID       ASSIGNMENTS
app             m               p               c               ACTIVE: 0:[0,1]; \n";
        assert_eq!(members(&group(), false), expected);
        let last = "c               ACTIVE: 0:[0,1]; TARGET-ACTIVE: 0:[0,1]; TARGET-STANDBY: 1:[2]; \n";
        assert!(members(&group(), true).ends_with(last));
        let expected = "GROUP           COORDINATOR (ID)          STATE                     #MEMBERS
app             localhost:9092 (1)        Stable                    1
";
        assert_eq!(state(&group(), false), expected);
    }
}
