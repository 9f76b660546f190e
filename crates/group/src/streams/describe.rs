//! StreamsGroupDescribe (KIP-1071) of one group; the broker splits the request and adds authorized operations.

use super::configured::{ConfiguredSubtopology, InternalTopic};
use super::group::StreamsGroup;
use super::member::StreamsMember;
use super::tasks::{TaskSets, Tasks, active_tasks, lists};
use super::topology::StreamsTopology;
use crate::shard::GroupShard;
use ottla_protocol::streams_group_describe_response::{
    Assignment, DescribedGroup, Endpoint, KeyValue, Member, Subtopology, TaskIds, TopicInfo, Topology,
};
use ottla_protocol::streams_group_topology_value as value;
use ottla_types::ErrorCode;
use std::collections::BTreeMap;

/// The group, or GROUP_ID_NOT_FOUND.
pub(super) fn describe(shard: &GroupShard, group_id: &str) -> DescribedGroup {
    let described = DescribedGroup { group_id: group_id.to_string(), ..DescribedGroup::default() };
    match shard.groups.streams(group_id) {
        Some(group) => of_group(group, described),
        None => {
            let message = match shard.groups.get(group_id) {
                Some(_) => format!("Group {group_id} is not a streams group."),
                None => format!("Group {group_id} not found."),
            };
            DescribedGroup { error_code: ErrorCode::GroupIdNotFound.code(), error_message: Some(message), ..described }
        }
    }
}

fn of_group(group: &StreamsGroup, described: DescribedGroup) -> DescribedGroup {
    DescribedGroup {
        group_state: group.state_name().to_string(),
        group_epoch: group.group_epoch,
        assignment_epoch: group.target.epoch,
        topology: group.topology.as_ref().map(|topology| of_topology(group, topology)),
        members: group.members().map(|member| of_member(group, member)).collect(),
        ..described
    }
}

/// With the partitions that internal topics have when they are known, as the application described it otherwise.
fn of_topology(group: &StreamsGroup, topology: &StreamsTopology) -> Topology {
    let ready = group.volatile.configured.as_ref().and_then(|configured| configured.ready());
    let subtopologies = match ready {
        Some(configured) => configured.iter().map(|(id, subtopology)| of_configured(id, subtopology)).collect(),
        None => topology.subtopologies.values().map(of_subtopology).collect(),
    };
    Topology { epoch: topology.epoch, subtopologies: Some(subtopologies) }
}

fn of_configured(id: &str, subtopology: &ConfiguredSubtopology) -> Subtopology {
    Subtopology {
        subtopology_id: id.to_string(),
        source_topics: subtopology.source_topics.iter().cloned().collect(),
        repartition_sink_topics: subtopology.repartition_sink_topics.iter().cloned().collect(),
        state_changelog_topics: internal_topics(&subtopology.state_changelog_topics),
        repartition_source_topics: internal_topics(&subtopology.repartition_source_topics),
    }
}

fn internal_topics(topics: &BTreeMap<String, InternalTopic>) -> Vec<TopicInfo> {
    let topics = topics.iter().map(|(name, topic)| TopicInfo {
        name: name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor.unwrap_or(0),
        topic_configs: key_values(&topic.configs),
    });
    topics.collect()
}

fn of_subtopology(subtopology: &value::Subtopology) -> Subtopology {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    Subtopology {
        subtopology_id: subtopology.subtopology_id.clone(),
        source_topics: sorted(&subtopology.source_topics),
        repartition_sink_topics: sorted(&subtopology.repartition_sink_topics),
        state_changelog_topics: described_topics(&subtopology.state_changelog_topics),
        repartition_source_topics: described_topics(&subtopology.repartition_source_topics),
    }
}

fn described_topics(topics: &[value::TopicInfo]) -> Vec<TopicInfo> {
    let config = |config: &value::TopicConfig| KeyValue { key: config.key.clone(), value: config.value.clone() };
    let described = topics.iter().map(|topic| TopicInfo {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        topic_configs: topic.topic_configs.iter().map(config).collect(),
    });
    let mut described: Vec<TopicInfo> = described.collect();
    described.sort_by(|left, right| left.name.cmp(&right.name));
    described
}

fn of_member(group: &StreamsGroup, member: &StreamsMember) -> Member {
    let assigned = &member.assigned_tasks;
    let assigned = TaskSets {
        active: active_tasks(&assigned.active),
        standby: assigned.standby.clone(),
        warmup: assigned.warmup.clone(),
    };
    let endpoint = member.user_endpoint.as_ref();
    Member {
        member_id: member.member_id.to_string(),
        member_epoch: member.member_epoch,
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topology_epoch: member.topology_epoch,
        process_id: member.process_id.to_string(),
        user_endpoint: endpoint.map(|(host, port)| Endpoint { host: host.clone(), port: *port }),
        client_tags: key_values(&member.client_tags),
        assignment: assignment(&assigned),
        target_assignment: assignment(&group.target_of(&member.member_id)),
        ..Member::default()
    }
}

fn assignment(tasks: &TaskSets) -> Assignment {
    let task_ids = |tasks: &Tasks| {
        lists(tasks).map(|(subtopology_id, partitions)| TaskIds { subtopology_id, partitions }).collect()
    };
    Assignment {
        active_tasks: task_ids(&tasks.active),
        standby_tasks: task_ids(&tasks.standby),
        warmup_tasks: task_ids(&tasks.warmup),
    }
}

fn key_values(pairs: &BTreeMap<String, String>) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() }).collect()
}
