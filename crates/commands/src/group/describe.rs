//! `ottla group describe`.

use super::explain_unknown_group;
use ottla_client::{Admin, GroupDescription, MemberDescription};
use ottla_terminal::failure::Failure;
use ottla_terminal::group::offsets::{Position, positions};
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use ottla_types::TopicPartition;
use serde::Serialize;
use std::collections::BTreeMap;

/// A group in detail.
#[derive(Debug, Serialize)]
struct Described {
    group: String,
    state: String,
    /// `consumer` for KIP-848, else `classic`.
    protocol: &'static str,
    assignor: String,
    coordinator: String,
    /// Records that are still to be read, of all partitions.
    lag: i64,
    members: Vec<Member>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Member {
    member: String,
    instance: Option<String>,
    client: String,
    host: String,
    partitions: usize,
}

#[derive(Debug, Serialize)]
struct Partition {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    end: Option<i64>,
    lag: Option<i64>,
    member: Option<String>,
}

pub(super) async fn run(admin: &Admin, groups: &[String], output: OutputArgs) -> Result<(), Failure> {
    let all: Vec<String>;
    let groups = match groups {
        [] => {
            let is_of_consumers = |protocol: &str| ["", "consumer"].contains(&protocol);
            let listed = admin.list_groups(&[], &[]).await?.into_iter();
            all = listed.filter(|group| is_of_consumers(&group.protocol_type)).map(|group| group.group_id).collect();
            all.as_slice()
        }
        groups => groups,
    };
    let mut described = Vec::new();
    for group in groups {
        let found = explain_unknown_group(admin, group, admin.describe_group(group).await).await?;
        let committed = admin.list_group_offsets(group).await?;
        let assigned = found.members.iter().flat_map(|member| member.assignment.iter());
        let wanted = committed.keys().chain(assigned).cloned().collect();
        let positions = positions(admin, &committed, &wanted).await?;
        described.push(Described::of(&found, &positions));
    }
    output.print(&described, |described| described.iter().map(render).collect::<Vec<_>>().join("\n"))
}

impl Described {
    fn of(group: &GroupDescription, positions: &BTreeMap<TopicPartition, Position>) -> Described {
        let owner = |partition: &TopicPartition| {
            let owner = group.members.iter().find(|member| member.assignment.contains(partition));
            owner.map(|member| member.member_id.clone())
        };
        let partition = |(partition, position): (&TopicPartition, &Position)| Partition {
            topic: partition.topic.to_string(),
            partition: partition.partition,
            committed: position.committed,
            end: position.log_end,
            lag: position.lag(),
            member: owner(partition),
        };
        let member = |member: &MemberDescription| Member {
            member: member.member_id.clone(),
            instance: member.group_instance_id.clone(),
            client: member.client_id.clone(),
            host: member.host.trim_start_matches('/').to_string(),
            partitions: member.assignment.len(),
        };
        Described {
            group: group.group_id.clone(),
            state: group.state.clone(),
            protocol: if group.is_consumer_protocol { "consumer" } else { "classic" },
            assignor: group.assignor.clone(),
            coordinator: format!("{} ({})", group.coordinator, group.coordinator_id),
            lag: positions.values().filter_map(Position::lag).sum(),
            members: group.members.iter().map(member).collect(),
            partitions: positions.iter().map(partition).collect(),
        }
    }
}

fn render(group: &Described) -> String {
    let dash = |number: Option<i64>| number.map_or("-".to_string(), |number| number.to_string());
    let assignor = if group.assignor.is_empty() { "-" } else { &group.assignor };
    let mut text = format!(
        "Group {}: {}, {} protocol, assignor {assignor}, coordinator {}, lag {}\n",
        group.group, group.state, group.protocol, group.coordinator, group.lag
    );
    if !group.members.is_empty() {
        let row = |member: &Member| {
            let instance = member.instance.clone().unwrap_or_else(|| "-".to_string());
            vec![
                member.member.clone(),
                instance,
                member.client.clone(),
                member.host.clone(),
                member.partitions.to_string(),
            ]
        };
        let headings = ["MEMBER", "INSTANCE", "CLIENT", "HOST", "#PARTITIONS"];
        text += &table::render(&headings, group.members.iter().map(row));
    }
    if !group.partitions.is_empty() {
        let row = |partition: &Partition| {
            vec![
                partition.topic.clone(),
                partition.partition.to_string(),
                dash(partition.committed),
                dash(partition.end),
                dash(partition.lag),
                partition.member.clone().unwrap_or_else(|| "-".to_string()),
            ]
        };
        let headings = ["TOPIC", "#PARTITION", "#COMMITTED", "#END", "#LAG", "MEMBER"];
        text += &table::render(&headings, group.partitions.iter().map(row));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_shown_with_members_and_lag() {
        let partition = TopicPartition::new("orders", 0);
        let member = MemberDescription {
            member_id: "m-1".to_string(),
            group_instance_id: None,
            client_id: "app".to_string(),
            host: "/10.0.0.1".to_string(),
            topics: ["orders".to_string()].into(),
            assignment: [partition.clone()].into(),
            member_epoch: -1,
            target_assignment: [].into(),
            is_upgraded: None,
        };
        let group = GroupDescription {
            group_id: "g".to_string(),
            is_consumer_protocol: false,
            state: "Stable".to_string(),
            assignor: "range".to_string(),
            epochs: (-1, -1),
            protocol_type: "consumer".to_string(),
            coordinator_id: 1,
            coordinator: "h:9092".to_string(),
            members: vec![member],
        };
        let position = |committed, log_end| Position { committed, leader_epoch: None, log_end };
        let positions =
            [(partition, position(Some(3), Some(10))), (TopicPartition::new("orders", 1), position(None, Some(4)))];
        let expected = "\
Group g: Stable, classic protocol, assignor range, coordinator h:9092 (1), lag 7
MEMBER  INSTANCE  CLIENT  HOST      PARTITIONS
m-1     -         app     10.0.0.1           1
TOPIC   PARTITION  COMMITTED  END  LAG  MEMBER
orders          0          3   10    7  m-1
orders          1          -    4    -  -
";
        assert_eq!(render(&Described::of(&group, &positions.into())), expected);
    }
}
