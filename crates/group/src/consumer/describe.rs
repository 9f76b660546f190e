//! ConsumerGroupDescribe (KIP-848) of one group; the broker splits the request and adds authorized operations.

use super::group::ConsumerGroup;
use super::member::{Member, PartitionEpochs};
use crate::assignor::Assignment as Partitions;
use crate::config::GroupConfig;
use crate::shard::GroupShard;
use crate::topics::GroupTopics;
use ottla_protocol::consumer_group_describe_response as response;
use ottla_protocol::consumer_group_describe_response::{Assignment, DescribedGroup, TopicPartitions};
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// The value of `authorized_operations` when nobody asked for them.
const OPERATIONS_NOT_ASKED_FOR: i32 = i32::MIN;

/// The group, or GROUP_ID_NOT_FOUND.
pub(crate) fn describe(shard: &GroupShard, group_id: &str) -> DescribedGroup {
    let described = DescribedGroup {
        group_id: group_id.to_string(),
        authorized_operations: OPERATIONS_NOT_ASKED_FOR,
        ..DescribedGroup::default()
    };
    match shard.groups.consumer(group_id) {
        Some(group) => of_group(group, &shard.config, &shard.topics, described),
        None => {
            let message = match shard.groups.get(group_id) {
                Some(_) => format!("Group {group_id} is not a consumer group."),
                None => format!("Group {group_id} not found."),
            };
            DescribedGroup { error_code: ErrorCode::GroupIdNotFound.code(), error_message: Some(message), ..described }
        }
    }
}

fn of_group(
    group: &ConsumerGroup,
    config: &GroupConfig,
    topics: &GroupTopics,
    described: DescribedGroup,
) -> DescribedGroup {
    let preferred = group.preferred_assignor(None, None);
    let assignor = preferred.or_else(|| config.consumer_assignors.first().cloned());
    DescribedGroup {
        group_state: group.state_name().to_string(),
        group_epoch: group.group_epoch,
        assignment_epoch: group.target.epoch,
        assignor_name: assignor.unwrap_or_default(),
        members: group.members().map(|member| of_member(group, member, topics)).collect(),
        ..described
    }
}

fn of_member(group: &ConsumerGroup, member: &Member, topics: &GroupTopics) -> response::Member {
    response::Member {
        member_id: member.member_id.to_string(),
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        member_epoch: member.member_epoch,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.subscribed_topic_names.iter().cloned().collect(),
        subscribed_topic_regex: Some(member.subscribed_topic_regex.clone()),
        assignment: assignment(&owned(member), topics),
        target_assignment: assignment(&group.target_of(&member.member_id), topics),
        member_type: i8::from(!member.uses_classic_protocol()),
    }
}

/// What the member is responsible for: also what it is still revoking.
fn owned(member: &Member) -> Partitions {
    let mut owned: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
    let mut add = |partitions: &PartitionEpochs| {
        for (topic_id, partitions) in partitions {
            owned.entry(*topic_id).or_default().extend(partitions.keys());
        }
    };
    add(&member.assigned_partitions);
    add(&member.partitions_pending_revocation);
    owned
}

/// Topics that are gone are left out.
fn assignment(partitions: &Partitions, topics: &GroupTopics) -> Assignment {
    let known = partitions.iter().filter_map(|(topic_id, partitions)| {
        let topic = topics.by_id(*topic_id)?;
        let partitions = partitions.iter().copied().collect();
        Some(TopicPartitions { topic_id: *topic_id, topic_name: topic.name.to_string(), partitions })
    });
    Assignment { topic_partitions: known.collect() }
}
