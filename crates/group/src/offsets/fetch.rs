//! OffsetFetch of one group, versions 1-10.
//!
//! v2: all partitions of the group. v7: `require_stable`, UNSTABLE_OFFSET_COMMIT (KIP-447). v8: several groups, split by the
//! broker. v9: member id and epoch (KIP-848). v10: topic ids, which the broker translates; an offset that was committed
//! for another topic of the same name does not count.
//!
//! A group or partition that is not known has offset -1, which is no error. A share group has no offsets, whichever member
//! asks. Errors: of the group UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH; of a partition UNSTABLE_OFFSET_COMMIT.

use super::commit;
use super::state::OffsetAndMetadata;
use crate::event::{GroupReply, OffsetFetch};
use crate::failed;
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Decision, ReplySlot};
use ottla_protocol::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use ottla_types::{ErrorCode, Uuid};

/// Decides about an OffsetFetch.
pub fn handle(shard: &GroupShard, request: &OffsetFetch, slot: ReplySlot) -> GroupDecision {
    let asked = &request.group;
    let (member_id, epoch) = (asked.member_id.as_deref(), asked.member_epoch);
    let validated = match shard.groups.get(&asked.group_id) {
        Some(Group::Consumer(group)) => group.validate_offset_fetch(member_id, epoch),
        Some(Group::Streams(group)) => group.validate_offset_fetch(member_id, epoch),
        Some(Group::Classic(_) | Group::Share(_)) | None => Ok(()),
    };
    let response = match validated {
        Ok(()) => fetch(shard, request),
        Err(error) => failed::offset_fetch(request, error),
    };
    let subject = GroupId::from(asked.group_id.as_str());
    Decision::about(subject).reply(slot, GroupReply::OffsetFetch(response))
}

fn fetch(shard: &GroupShard, request: &OffsetFetch) -> OffsetFetchResponseGroup {
    let asked = &request.group;
    let has_offsets = shard.groups.share(&asked.group_id).is_none();
    let is_unstable =
        |topic: &str, partition| request.require_stable && shard.offsets.is_pending(&asked.group_id, topic, partition);
    let topics = match &asked.topics {
        Some(topics) => topics
            .iter()
            .map(|topic| (topic, commit::topic_id(shard, topic.topic_id, &topic.name)))
            .map(|(topic, id)| OffsetFetchResponseTopics {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions: topic
                    .partition_indexes
                    .iter()
                    .map(|index| {
                        let offset = shard.offsets.get(&asked.group_id, &topic.name, *index);
                        let offset = offset.filter(|offset| has_offsets && is_same_topic(offset.topic_id, id));
                        partition(*index, offset, is_unstable(&topic.name, *index))
                    })
                    .collect(),
            })
            .collect(),
        None if !has_offsets => Vec::new(),
        None => all_topics(shard, &asked.group_id, is_unstable),
    };
    OffsetFetchResponseGroup { group_id: asked.group_id.clone(), topics, error_code: 0 }
}

fn all_topics(
    shard: &GroupShard,
    group_id: &str,
    is_unstable: impl Fn(&str, i32) -> bool,
) -> Vec<OffsetFetchResponseTopics> {
    let topics = shard.offsets.of_group(group_id).into_iter().flatten().map(|(topic, partitions)| {
        let id = commit::topic_id(shard, Uuid::ZERO, topic);
        let partitions = partitions
            .iter()
            .filter(|(_, offset)| is_same_topic(offset.topic_id, id))
            .map(|(index, offset)| partition(*index, Some(offset), is_unstable(topic, *index)));
        OffsetFetchResponseTopics { name: topic.to_string(), topic_id: Uuid::ZERO, partitions: partitions.collect() }
    });
    topics.collect()
}

/// Where one side does not know the topic's id, its name decides.
fn is_same_topic(committed: Uuid, asked: Uuid) -> bool {
    committed.is_zero() || asked.is_zero() || committed == asked
}

fn partition(index: i32, offset: Option<&OffsetAndMetadata>, is_unstable: bool) -> OffsetFetchResponsePartitions {
    let error = if is_unstable { ErrorCode::UnstableOffsetCommit } else { ErrorCode::None };
    let offset = offset.filter(|_| !is_unstable);
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: offset.map_or(-1, |offset| offset.committed_offset),
        committed_leader_epoch: offset.map_or(-1, |offset| offset.leader_epoch),
        metadata: Some(offset.map(|offset| offset.metadata.to_string()).unwrap_or_default()),
        error_code: error.code(),
    }
}
