//! ShareGroupDescribe of one group, version 1. GROUP_ID_NOT_FOUND also for groups of other kinds.

use super::answer;
use super::group::{ShareGroup, ShareMember};
use super::request::ShareReply;
use crate::shard::{GroupDecision, GroupShard};
use crate::topics::GroupTopics;
use ottla_coordinator::ReplySlot;
use ottla_protocol::share_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
use ottla_types::ErrorCode;

/// Describes a group.
pub(super) fn handle(shard: &GroupShard, group_id: &str, slot: ReplySlot) -> GroupDecision {
    let described =
        DescribedGroup { group_id: group_id.to_string(), authorized_operations: i32::MIN, ..DescribedGroup::default() };
    let described = match shard.groups.share(group_id) {
        Some(group) => of_group(group, &shard.topics, described),
        None => {
            let message = match shard.groups.get(group_id) {
                Some(_) => format!("Group {group_id} is not a share group."),
                None => format!("Group {group_id} not found."),
            };
            DescribedGroup { error_code: ErrorCode::GroupIdNotFound.code(), error_message: Some(message), ..described }
        }
    };
    answer(group_id, slot, ShareReply::Describe(described))
}

fn of_group(group: &ShareGroup, topics: &GroupTopics, described: DescribedGroup) -> DescribedGroup {
    DescribedGroup {
        group_state: group.state_name().to_string(),
        group_epoch: group.group_epoch,
        assignment_epoch: group.target_epoch,
        assignor_name: "simple".to_string(),
        members: group.members.values().map(|member| of_member(member, topics)).collect(),
        ..described
    }
}

fn of_member(member: &ShareMember, topics: &GroupTopics) -> Member {
    // Topics that are gone are left out.
    let known = member.assigned.iter().filter_map(|(topic_id, partitions)| {
        let topic = topics.by_id(*topic_id)?;
        let partitions = partitions.iter().copied().collect();
        Some(TopicPartitions { topic_id: *topic_id, topic_name: topic.name.to_string(), partitions })
    });
    Member {
        member_id: member.member_id.to_string(),
        rack_id: member.rack_id.clone(),
        member_epoch: member.member_epoch,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.subscribed_topic_names.iter().cloned().collect(),
        assignment: Assignment { topic_partitions: known.collect() },
    }
}
