//! Committed offsets of a streams group beside the ends of the partitions that its members work on.

use crate::group_tools::{Done, Trouble, nested};
use ottla_client::{Admin, OffsetSpec, Offsets, StreamsGroupDescription};
use ottla_terminal::group::offsets::listed;
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// Where a group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) committed: Option<i64>,
    pub(super) leader_epoch: Option<i32>,
    pub(super) log_end: i64,
    pub(super) lag: i64,
}

/// The positions in all partitions that members have active tasks for.
pub(super) async fn positions(
    admin: &Admin,
    group: &StreamsGroupDescription,
) -> Done<BTreeMap<TopicPartition, Position>> {
    let wanted = assigned(group).map_err(Trouble::Usage)?;
    let earliest = listed(admin, &wanted, OffsetSpec::Earliest).await?;
    let latest = listed(admin, &wanted, OffsetSpec::Latest).await?;
    let committed = admin.list_group_offsets(&group.group_id).await.map_err(|error| nested(&error))?;
    let mut positions = BTreeMap::new();
    for (partition, log_end) in latest {
        let Some(earliest) = earliest.get(&partition) else { continue };
        let offset = committed.get(&partition);
        let position = Position {
            committed: offset.map(|offset| offset.offset),
            leader_epoch: offset.map(|offset| offset.leader_epoch).filter(|epoch| *epoch >= 0),
            log_end,
            lag: log_end - offset.map_or(*earliest, |offset| offset.offset),
        };
        positions.insert(partition, position);
    }
    Ok(positions)
}

/// The partitions that the active tasks of members read. The error is a subtopology that is not described.
fn assigned(group: &StreamsGroupDescription) -> Result<BTreeSet<TopicPartition>, String> {
    let mut assigned = BTreeSet::new();
    let tasks = group.members.iter().flat_map(|member| &member.assignment.active);
    for (subtopology_id, partitions) in tasks {
        let subtopology = group.subtopologies.iter().find(|known| known.subtopology_id == *subtopology_id);
        let subtopology =
            subtopology.ok_or_else(|| format!("Subtopology {subtopology_id} not found in group description!"))?;
        let topics = subtopology.source_topics.iter().chain(&subtopology.repartition_source_topics);
        for topic in topics {
            assigned.extend(partitions.iter().map(|index| TopicPartition::new(topic.as_str(), *index)));
        }
    }
    Ok(assigned)
}

/// What a group has committed for the topics that it reads, with or without those that it made itself.
pub(super) async fn committed(admin: &Admin, group: &str, with_repartition: bool) -> Done<Offsets> {
    let described = super::described(admin, group).await.map_err(|error| nested(&error))?;
    let mut topics = BTreeSet::new();
    for subtopology in &described.subtopologies {
        topics.extend(subtopology.source_topics.iter().map(String::as_str));
        if with_repartition {
            topics.extend(subtopology.repartition_source_topics.iter().map(String::as_str));
        }
    }
    let mut offsets = admin.list_group_offsets(group).await.map_err(|error| nested(&error))?;
    offsets.retain(|partition, _| topics.contains(&*partition.topic));
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::super::describe::tests::group;
    use super::*;

    #[test]
    fn active_tasks_read_sources_and_repartition_topics() {
        let names: Vec<String> = assigned(&group()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["app-x-repartition-0", "app-x-repartition-1", "in-0", "in-1"]);
        let mut strange = group();
        strange.subtopologies.clear();
        assert_eq!(assigned(&strange).unwrap_err(), "Subtopology 0 not found in group description!");
    }
}
