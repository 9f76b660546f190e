//! `--describe`: offsets, members or states of groups, in Kafka's columns.

use super::ConsumerGroups;
use crate::group_tools::{Done, Trouble, by_topic, error_line};
use ottla_client::{Admin, GroupDescription, MemberDescription, Offsets};
use ottla_terminal::failure::Failure;
use ottla_terminal::group::offsets::{Position, positions};
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// What stands in a column where nothing is known.
const MISSING: &str = "-";

/// One row of the offsets.
#[derive(Debug, Clone)]
struct Row {
    partition: TopicPartition,
    position: Position,
    consumer_id: String,
    host: String,
    client_id: String,
}

pub(super) async fn run(tool: &ConsumerGroups, admin: &Admin) -> Done<()> {
    let mut described = BTreeMap::new();
    for group in tool.wanted_groups(admin).await? {
        described.insert(group.clone(), admin.describe_group(&group).await?);
    }
    for group in described.values() {
        if tool.details.members {
            let is_sound = say_state(group, group.members.len())?;
            write_out(&members(group, is_sound, tool.details.verbose))?;
        } else if tool.details.state.is_some() {
            if say_state(group, 1)? {
                write_out(&state(group, tool.details.verbose))?;
            }
        } else {
            let committed = admin.list_group_offsets(&group.group_id).await?;
            let rows = rows(admin, group, &committed).await?;
            if say_state(group, rows.len())? {
                write_out(&offsets(&group.group_id, &rows, tool.details.verbose))?;
            }
        }
    }
    Ok(())
}

/// Says what is special about a group's state, and whether there is something to print.
fn say_state(group: &GroupDescription, rows: usize) -> Result<bool, Failure> {
    let name = &group.group_id;
    match group.state.as_str() {
        "Dead" => write_out(&error_line(&format!("Consumer group '{name}' does not exist.")))?,
        "Empty" => eprintln!("\nConsumer group '{name}' has no active members."),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            eprintln!("\nWarning: Consumer group '{name}' is rebalancing.");
        }
        _ => {}
    }
    Ok(group.state != "Dead" && rows > 0)
}

/// Partitions of members, those with the most first; then those that nobody has.
async fn rows(admin: &Admin, group: &GroupDescription, committed: &Offsets) -> Result<Vec<Row>, Trouble> {
    let assigned: BTreeSet<TopicPartition> =
        group.members.iter().flat_map(|member| member.assignment.iter().cloned()).collect();
    let wanted = committed.keys().cloned().chain(assigned.iter().cloned()).collect();
    let positions = positions(admin, committed, &wanted).await?;
    let mut members: Vec<&MemberDescription> =
        group.members.iter().filter(|member| !member.assignment.is_empty()).collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
    let mut rows = Vec::new();
    for member in members {
        rows.extend(member.assignment.iter().map(|partition| Row {
            partition: partition.clone(),
            position: positions[partition].clone(),
            consumer_id: member.member_id.clone(),
            host: member.host.clone(),
            client_id: member.client_id.clone(),
        }));
    }
    rows.extend(committed.keys().filter(|partition| !assigned.contains(partition)).map(|partition| Row {
        partition: partition.clone(),
        position: positions[partition].clone(),
        consumer_id: MISSING.to_string(),
        host: MISSING.to_string(),
        client_id: MISSING.to_string(),
    }));
    Ok(rows)
}

fn offsets(group: &str, rows: &[Row], verbose: bool) -> String {
    let longest = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0).max(15);
    let group_width = group.chars().count().max(15);
    let topic_width = longest(|row| &row.partition.topic);
    let (id_width, host_width) = (longest(|row| &row.consumer_id), longest(|row| &row.host));
    let line = |cells: [&str; 10]| {
        let [group, topic, partition, epoch, current, end, lag, id, host, client] = cells;
        let epoch = if verbose { format!("{epoch:<15} ") } else { String::new() };
        format!(
            "\n{group:<group_width$} {topic:<topic_width$} {partition:<10} {epoch}{current:<15} {end:<15} {lag:<15} \
             {id:<id_width$} {host:<host_width$} {client}"
        )
    };
    let mut text = line([
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]);
    for row in rows {
        let number = |number: Option<i64>| number.map_or(MISSING.to_string(), |number| number.to_string());
        let position = &row.position;
        text += &line([
            group,
            &row.partition.topic,
            &row.partition.partition.to_string(),
            &number(position.leader_epoch.map(i64::from)),
            &number(position.committed),
            &number(position.log_end),
            &number(position.lag()),
            &row.consumer_id,
            &row.host,
            &row.client_id,
        ]);
    }
    text + "\n"
}

fn assignment(partitions: &BTreeSet<TopicPartition>) -> String {
    if partitions.is_empty() { MISSING.to_string() } else { by_topic(partitions) }
}

/// The columns are as wide as what is in them, but only when the group is there to be shown.
fn members(group: &GroupDescription, is_sound: bool, verbose: bool) -> String {
    let measured: &[MemberDescription] = if is_sound { &group.members } else { &[] };
    let longest =
        |of: &dyn Fn(&MemberDescription) -> usize, least: usize| measured.iter().map(of).max().unwrap_or(0).max(least);
    let group_width = if measured.is_empty() { 15 } else { group.group_id.chars().count().max(15) };
    let id_width = longest(&|member| member.member_id.chars().count(), 15);
    let instance = |member: &MemberDescription| member.group_instance_id.clone().unwrap_or_default();
    let instance_width = longest(&|member| instance(member).chars().count(), 17);
    let (host_width, client_width) =
        (longest(&|member| member.host.chars().count(), 15), longest(&|member| member.client_id.chars().count(), 15));
    let current_width = longest(&|member| assignment(&member.assignment).len(), 20);
    let target_width = longest(&|member| assignment(&member.target_assignment).len(), 20);
    let has_instances = measured.iter().any(|member| !instance(member).is_empty());
    let is_mixed = measured.iter().any(|member| member.is_upgraded == Some(true))
        && measured.iter().any(|member| member.is_upgraded == Some(false));
    let line = |cells: [&str; 11]| {
        let [group, id, instance, host, client, count, epoch, current, target_epoch, target, upgraded] = cells;
        let instance = if has_instances { format!("{instance:<instance_width$} ") } else { String::new() };
        let mut line = format!(
            "{group:<group_width$} {id:<id_width$} {instance}{host:<host_width$} {client:<client_width$} {count:<15} "
        );
        if verbose {
            line += &format!("{epoch:<15} {current:<current_width$} {target_epoch:<15} {target:<target_width$}");
            if is_mixed {
                line += &format!(" {upgraded}");
            }
        }
        line + "\n"
    };
    let mut text = "\n".to_string();
    text += &line([
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
        "CURRENT-EPOCH",
        "CURRENT-ASSIGNMENT",
        "TARGET-EPOCH",
        "TARGET-ASSIGNMENT",
        "UPGRADED",
    ]);
    for member in &group.members {
        let epoch = |epoch: i32| if epoch < 0 { MISSING.to_string() } else { epoch.to_string() };
        text += &line([
            &group.group_id,
            &member.member_id,
            &instance(member),
            &member.host,
            &member.client_id,
            &member.assignment.len().to_string(),
            &epoch(member.member_epoch),
            &assignment(&member.assignment),
            &epoch(group.epochs.1),
            &assignment(&member.target_assignment),
            &member.is_upgraded.map_or(MISSING.to_string(), |is_upgraded| is_upgraded.to_string()),
        ]);
    }
    text
}

fn state(group: &GroupDescription, verbose: bool) -> String {
    let coordinator = format!("{}  ({})", group.coordinator, group.coordinator_id);
    let (group_width, coordinator_width) = (group.group_id.chars().count().max(15), coordinator.len().max(25));
    let line = |cells: [&str; 7]| {
        let [group, coordinator, assignor, state, epoch, target_epoch, members] = cells;
        let epochs = if verbose { format!("{epoch:<15} {target_epoch:<25} ") } else { String::new() };
        format!(
            "\n{group:<group_width$} {coordinator:<coordinator_width$} {assignor:<20} {state:<20} {epochs}{members}"
        )
    };
    let head = line([
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "GROUP-EPOCH",
        "TARGET-ASSIGNMENT-EPOCH",
        "#MEMBERS",
    ]);
    let epoch = |epoch: i32| if epoch < 0 { MISSING.to_string() } else { epoch.to_string() };
    let assignor = if group.assignor.is_empty() { MISSING } else { &group.assignor };
    let row = line([
        &group.group_id,
        &coordinator,
        assignor,
        &group.state,
        &epoch(group.epochs.0),
        &epoch(group.epochs.1),
        &group.members.len().to_string(),
    ]);
    format!("{head}{row}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> GroupDescription {
        let member = MemberDescription {
            member_id: "m".to_string(),
            group_instance_id: None,
            client_id: "c".to_string(),
            host: "/127.0.0.1".to_string(),
            topics: BTreeSet::new(),
            assignment: [TopicPartition::new("b", 0), TopicPartition::new("a", 1), TopicPartition::new("a", 0)].into(),
            member_epoch: 3,
            target_assignment: BTreeSet::new(),
            is_upgraded: None,
        };
        GroupDescription {
            group_id: "g".to_string(),
            is_consumer_protocol: true,
            state: "Stable".to_string(),
            assignor: "uniform".to_string(),
            epochs: (4, 3),
            protocol_type: "consumer".to_string(),
            coordinator_id: 1,
            coordinator: "localhost:9092".to_string(),
            members: vec![member],
        }
    }

    #[test]
    fn offsets_stand_in_kafkas_columns() {
        let row = Row {
            partition: TopicPartition::new("t", 0),
            position: Position { committed: Some(12), leader_epoch: None, log_end: Some(30) },
            consumer_id: MISSING.to_string(),
            host: MISSING.to_string(),
            client_id: MISSING.to_string(),
        };
        let text = offsets("g", &[row], true);
        let expected = "
GROUP           TOPIC           PARTITION  LEADER-EPOCH    CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID
g               t               0          -               12              30              18              -               -               -
";
        assert_eq!(text, expected);
    }

    #[test]
    fn members_and_states_stand_in_kafkas_columns() {
        let text = members(&group(), true, true);
        let expected = "
GROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     CURRENT-EPOCH   CURRENT-ASSIGNMENT   TARGET-EPOCH    TARGET-ASSIGNMENT   
g               m               /127.0.0.1      c               3               3               a:0,1;b:0            3               -                   
";
        assert_eq!(text, expected);
        let expected = "
GROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE                #MEMBERS
g               localhost:9092  (1)       uniform              Stable               1
";
        assert_eq!(state(&group(), false), expected);
    }
}
