//! For interactive queries: which endpoint has the partitions of which topics.

use super::configured::{ConfiguredSubtopology, ConfiguredTopology};
use super::group::StreamsGroup;
use super::member::StreamsMember;
use super::tasks::{Tasks, active_tasks};
use crate::topics::GroupTopics;
use ottla_protocol::streams_group_heartbeat_response::{Endpoint, EndpointToPartitions, TopicPartition};
use std::collections::BTreeMap;

/// One entry per member that has an endpoint, `updated` in place of what the group knows of it.
pub(super) fn of_group(
    group: &StreamsGroup,
    updated: &StreamsMember,
    configured: &ConfiguredTopology,
    topics: &GroupTopics,
) -> Vec<EndpointToPartitions> {
    // While source topics are missing nobody has tasks that mean anything.
    let none = BTreeMap::new();
    let subtopologies = configured.subtopologies.as_ref().unwrap_or(&none);
    let others = group.members().map(|member| &**member).filter(|member| member.member_id != updated.member_id);
    others.chain([updated]).filter_map(|member| of_member(member, subtopologies, topics)).collect()
}

fn of_member(
    member: &StreamsMember,
    subtopologies: &BTreeMap<String, ConfiguredSubtopology>,
    topics: &GroupTopics,
) -> Option<EndpointToPartitions> {
    let (host, port) = member.user_endpoint.as_ref()?;
    Some(EndpointToPartitions {
        user_endpoint: Endpoint { host: host.clone(), port: *port },
        active_partitions: partitions(&active_tasks(&member.assigned_tasks.active), subtopologies, topics),
        standby_partitions: partitions(&member.assigned_tasks.standby, subtopologies, topics),
    })
}

/// A topic with fewer partitions than its subtopology has tasks has none for the last of them.
fn partitions(
    tasks: &Tasks,
    subtopologies: &BTreeMap<String, ConfiguredSubtopology>,
    topics: &GroupTopics,
) -> Vec<TopicPartition> {
    let mut all = Vec::new();
    for (id, task_partitions) in tasks {
        for name in subtopologies.get(id).map(ConfiguredSubtopology::sources).unwrap_or_default() {
            let Some(topic) = topics.by_name(name) else { continue };
            let partitions: Vec<i32> = task_partitions.range(..topic.partition_count()).copied().collect();
            if !partitions.is_empty() {
                all.push(TopicPartition { topic: name.to_string(), partitions });
            }
        }
    }
    all
}
