//! `ottla share describe`.

use super::{explain_unknown, names};
use ottla_client::{Admin, ShareGroupDescription, ShareMemberDescription, ShareOffsets};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use ottla_types::ErrorCode;
use serde::Serialize;

/// A share group in detail.
#[derive(Debug, Serialize)]
struct Described {
    group: String,
    state: String,
    assignor: String,
    coordinator: String,
    /// Records that are not done with, of all partitions where that is known.
    lag: i64,
    members: Vec<Member>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Member {
    member: String,
    client: String,
    host: String,
    partitions: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Partition {
    topic: String,
    partition: i32,
    /// The first offset that is not done with.
    start: Option<i64>,
    lag: Option<i64>,
    /// How many members read it.
    members: usize,
}

pub(super) async fn run(admin: &Admin, groups: &[String], output: OutputArgs) -> Result<(), Failure> {
    let all: Vec<String>;
    let is_of_all = groups.is_empty();
    let groups = match groups {
        [] => {
            all = names(admin, &[]).await?.into_iter().map(|(name, _)| name).collect();
            all.as_slice()
        }
        groups => groups,
    };
    let mut described = Vec::new();
    for group in groups {
        let Some(found) = admin.describe_share_groups(&[group]).await.remove(group) else { continue };
        let found = match found {
            Ok(found) => admin.list_share_group_offsets(group).await.map(|offsets| Described::of(&found, &offsets)),
            Err(error) => Err(error),
        };
        match found {
            // Deleted since it was listed.
            Err(error) if is_of_all && error.code() == Some(ErrorCode::GroupIdNotFound) => {}
            found => described.push(explain_unknown(admin, group, found).await?),
        }
    }
    output.print(&described, |described| described.iter().map(render).collect::<Vec<_>>().join("\n"))
}

impl Described {
    fn of(group: &ShareGroupDescription, offsets: &ShareOffsets) -> Described {
        let assigned = group.members.iter().flat_map(|member| member.assignment.iter());
        let mut all: Vec<_> = offsets.keys().chain(assigned).collect();
        all.sort();
        all.dedup();
        let partition = |partition: &ottla_types::TopicPartition| {
            let offset = offsets.get(partition).and_then(Option::as_ref);
            let readers = group.members.iter().filter(|member| member.assignment.contains(partition));
            Partition {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                start: offset.map(|offset| offset.start_offset),
                lag: offset.and_then(|offset| offset.lag),
                members: readers.count(),
            }
        };
        let partitions: Vec<Partition> = all.into_iter().map(partition).collect();
        let member = |member: &ShareMemberDescription| Member {
            member: member.member_id.clone(),
            client: member.client_id.clone(),
            host: member.host.trim_start_matches('/').to_string(),
            partitions: member.assignment.iter().map(ToString::to_string).collect(),
        };
        Described {
            group: group.group_id.clone(),
            state: group.state.clone(),
            assignor: group.assignor.clone(),
            coordinator: format!("{} ({})", group.coordinator, group.coordinator_id),
            lag: partitions.iter().filter_map(|partition| partition.lag).sum(),
            members: group.members.iter().map(member).collect(),
            partitions,
        }
    }
}

fn render(group: &Described) -> String {
    let dash = |number: Option<i64>| number.map_or("-".to_string(), |number| number.to_string());
    let assignor = if group.assignor.is_empty() { "-" } else { &group.assignor };
    let mut text = format!(
        "Share group {}: {}, assignor {assignor}, coordinator {}, lag {}\n",
        group.group, group.state, group.coordinator, group.lag
    );
    if !group.members.is_empty() {
        let row = |member: &Member| {
            let count = member.partitions.len().to_string();
            vec![member.member.clone(), member.client.clone(), member.host.clone(), count]
        };
        text += &table::render(&["MEMBER", "CLIENT", "HOST", "#PARTITIONS"], group.members.iter().map(row));
    }
    if !group.partitions.is_empty() {
        let row = |partition: &Partition| {
            vec![
                partition.topic.clone(),
                partition.partition.to_string(),
                dash(partition.start),
                dash(partition.lag),
                partition.members.to_string(),
            ]
        };
        let headings = ["TOPIC", "#PARTITION", "#START", "#LAG", "#MEMBERS"];
        text += &table::render(&headings, group.partitions.iter().map(row));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::SharePartitionOffset;
    use ottla_types::TopicPartition;

    #[test]
    fn a_share_group_is_shown_with_members_and_lag() {
        let partition = |index| TopicPartition::new("jobs", index);
        let member = ShareMemberDescription {
            member_id: "m-1".to_string(),
            rack_id: None,
            member_epoch: 3,
            client_id: "app".to_string(),
            host: "/10.0.0.1".to_string(),
            topics: ["jobs".to_string()].into(),
            assignment: [partition(0), partition(1)].into(),
        };
        let group = ShareGroupDescription {
            group_id: "g".to_string(),
            state: "Stable".to_string(),
            assignor: "simple".to_string(),
            group_epoch: 3,
            assignment_epoch: 3,
            coordinator_id: 1,
            coordinator: "h:9092".to_string(),
            members: vec![member],
        };
        let offset = SharePartitionOffset { start_offset: 3, leader_epoch: None, lag: Some(7) };
        let offsets = [(partition(0), Some(offset)), (partition(2), None)].into();
        let expected = "\
Share group g: Stable, assignor simple, coordinator h:9092 (1), lag 7
MEMBER  CLIENT  HOST      PARTITIONS
m-1     app     10.0.0.1           2
TOPIC  PARTITION  START  LAG  MEMBERS
jobs           0      3    7        1
jobs           1      -    -        1
jobs           2      -    -        0
";
        assert_eq!(render(&Described::of(&group, &offsets)), expected);
    }
}
