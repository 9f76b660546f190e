//! Start offsets of share groups: what the group coordinator writes down before and after the share coordinator is asked.
//!
//! AlterShareGroupOffsets and DeleteShareGroupOffsets (KIP-932) of groups without members. Errors: NON_EMPTY_GROUP,
//! GROUP_ID_NOT_FOUND, and by topic or partition UNKNOWN_TOPIC_OR_PARTITION.

use super::group::ShareGroup;
use super::partitions::{OfTopic, StatePartitions};
use super::request::{ShareReply, StateCall};
use super::{answer, records};
use crate::consumer::step::Step;
use crate::event::GroupReply;
use crate::group::Group;
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Context, ReplySlot};
use ottla_protocol::alter_share_group_offsets_request::AlterShareGroupOffsetsRequestTopic;
use ottla_protocol::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use ottla_protocol::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use ottla_protocol::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse,
};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;

/// Kafka's text of UNKNOWN_TOPIC_OR_PARTITION.
const UNKNOWN_PARTITION: &str = "This server does not host this topic-partition.";

/// Partitions that have a state.
pub(super) fn partitions(shard: &GroupShard, group_id: &str, slot: ReplySlot) -> GroupDecision {
    let known = shard.groups.share(group_id).map(|group| group.partitions.assignable()).unwrap_or_default();
    let known = known.into_iter().map(|(topic_id, partitions)| (topic_id, partitions.into_iter().collect()));
    answer(group_id, slot, ShareReply::Partitions(known.collect()))
}

/// AlterShareGroupOffsets. The group is made when there is none. A start offset of -1 leaves it to `share.auto.offset.reset`.
pub(super) fn alter(
    shard: &GroupShard,
    request: &AlterShareGroupOffsetsRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let refuse = |error: ErrorCode, message: String| {
        let response = AlterShareGroupOffsetsResponse {
            error_code: error.code(),
            error_message: Some(message),
            ..AlterShareGroupOffsetsResponse::default()
        };
        answer(&request.group_id, slot, ShareReply::AlterOffsets(response, None))
    };
    let mut step = Step::new(shard, &request.group_id, context);
    let (group, is_new) = match shard.groups.get(&request.group_id) {
        Some(Group::Share(group)) if !group.is_empty() => {
            return refuse(ErrorCode::NonEmptyGroup, "The group is not empty.".to_string());
        }
        Some(Group::Share(group)) => (group.clone(), false),
        Some(_) => {
            let message = format!("Group {} is not a share group.", request.group_id);
            return refuse(ErrorCode::GroupIdNotFound, message);
        }
        None => (ShareGroup::new(step.group_id.clone()), true),
    };
    let mut begun = BTreeMap::new();
    let mut call = StateCall { state_epoch: group.group_epoch, topics: BTreeMap::new() };
    let topics = request.topics.iter().map(|topic| alter_topic(shard, topic, context, &mut begun, &mut call));
    let responses: Vec<AlterShareGroupOffsetsResponseTopic> = topics.collect();
    if !begun.is_empty() {
        if is_new {
            step.record(records::epoch(&request.group_id, group.group_epoch, group.metadata_hash));
        }
        let mut partitions = group.partitions.clone();
        partitions.begin(&begun);
        step.record(records::partitions(&request.group_id, &partitions));
    }
    let response = AlterShareGroupOffsetsResponse { responses, ..AlterShareGroupOffsetsResponse::default() };
    let call = (!call.topics.is_empty()).then_some(call);
    step.reply(slot, GroupReply::Share(ShareReply::AlterOffsets(response, call)));
    step.finish().unwrap_or_else(|error| refuse(error.code, error.message))
}

fn alter_topic(
    shard: &GroupShard,
    asked: &AlterShareGroupOffsetsRequestTopic,
    context: &Context,
    begun: &mut BTreeMap<Uuid, OfTopic>,
    call: &mut StateCall,
) -> AlterShareGroupOffsetsResponseTopic {
    let topic = shard.topics.by_name(&asked.topic_name);
    let count = topic.map_or(0, |topic| topic.partition_count());
    let partitions = asked.partitions.iter().map(|partition| {
        let index = partition.partition_index;
        let error = match topic.filter(|_| (0..count).contains(&index)) {
            None => ErrorCode::UnknownTopicOrPartition,
            Some(topic) => {
                let new = || OfTopic {
                    name: asked.topic_name.clone(),
                    partitions: Default::default(),
                    since_ms: context.now_ms,
                };
                begun.entry(topic.id).or_insert_with(new).partitions.insert(index);
                call.topics.entry(topic.id).or_default().push((index, partition.start_offset));
                ErrorCode::None
            }
        };
        AlterShareGroupOffsetsResponsePartition {
            partition_index: index,
            error_code: error.code(),
            error_message: (error != ErrorCode::None).then(|| UNKNOWN_PARTITION.to_string()),
        }
    });
    AlterShareGroupOffsetsResponseTopic {
        partitions: partitions.collect(),
        topic_name: asked.topic_name.clone(),
        topic_id: topic.map_or(Uuid::ZERO, |topic| topic.id),
    }
}

/// DeleteShareGroupOffsets.
pub(super) fn delete(
    shard: &GroupShard,
    request: &DeleteShareGroupOffsetsRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let refuse = |error: ErrorCode, message: String| {
        let response = DeleteShareGroupOffsetsResponse {
            error_code: error.code(),
            error_message: Some(message),
            ..DeleteShareGroupOffsetsResponse::default()
        };
        answer(&request.group_id, slot, ShareReply::DeleteOffsets(response, None))
    };
    let group = match shard.groups.share(&request.group_id) {
        None => {
            let message = match shard.groups.get(&request.group_id) {
                Some(_) => format!("Group {} is not a share group.", request.group_id),
                None => format!("Group {} not found.", request.group_id),
            };
            return refuse(ErrorCode::GroupIdNotFound, message);
        }
        Some(group) if !group.is_empty() => {
            return refuse(ErrorCode::NonEmptyGroup, "The group is not empty.".to_string());
        }
        Some(group) => group,
    };
    let mut partitions = group.partitions.clone();
    let mut call = StateCall { state_epoch: group.group_epoch, topics: BTreeMap::new() };
    let mut responses = Vec::new();
    for topic_name in request.topics.iter().map(|topic| &topic.topic_name) {
        let topic = shard.topics.by_name(topic_name);
        let deleting = topic.and_then(|topic| Some((topic.id, partitions.begin_delete(topic.id, &shard.topics)?)));
        let (error, message) = match (topic, &deleting) {
            (_, Some(_)) => (ErrorCode::None, None),
            (Some(_), None) => (ErrorCode::UnknownTopicOrPartition, Some("There is no offset information to delete.")),
            (None, None) => (ErrorCode::UnknownTopicOrPartition, Some(UNKNOWN_PARTITION)),
        };
        responses.push(DeleteShareGroupOffsetsResponseTopic {
            topic_name: topic_name.clone(),
            topic_id: topic.map_or(Uuid::ZERO, |topic| topic.id),
            error_code: error.code(),
            error_message: message.map(str::to_string),
        });
        if let Some((topic_id, deleted)) = deleting {
            call.topics.insert(topic_id, deleted.into_iter().map(|partition| (partition, -1)).collect());
        }
    }
    let mut step = Step::new(shard, &request.group_id, context);
    if partitions != group.partitions {
        step.record(records::partitions(&request.group_id, &partitions));
    }
    let response = DeleteShareGroupOffsetsResponse { responses, ..DeleteShareGroupOffsetsResponse::default() };
    let call = (!call.topics.is_empty()).then_some(call);
    step.reply(slot, GroupReply::Share(ShareReply::DeleteOffsets(response, call)));
    step.finish().unwrap_or_else(|error| refuse(error.code, error.message))
}

/// States were initialised, or could not be.
pub(super) fn initialized(
    shard: &GroupShard,
    group_id: &str,
    topics: &BTreeMap<Uuid, Vec<i32>>,
    is_ok: bool,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    change(shard, group_id, slot, context, |partitions| partitions.end(topics, &shard.topics, is_ok, context.now_ms))
}

/// States were deleted.
pub(super) fn deleted(
    shard: &GroupShard,
    group_id: &str,
    topics: &[Uuid],
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    change(shard, group_id, slot, context, |partitions| {
        for topic_id in topics {
            partitions.deleting.remove(topic_id);
        }
    })
}

fn change(
    shard: &GroupShard,
    group_id: &str,
    slot: ReplySlot,
    context: &Context,
    change: impl FnOnce(&mut StatePartitions),
) -> GroupDecision {
    let done = |error: ErrorCode| ShareReply::Done(error);
    let Some(group) = shard.groups.share(group_id) else {
        return answer(group_id, slot, done(ErrorCode::GroupIdNotFound));
    };
    let mut partitions = group.partitions.clone();
    change(&mut partitions);
    let mut step = Step::new(shard, group_id, context);
    if partitions != group.partitions {
        step.record(records::partitions(group_id, &partitions));
    }
    step.reply(slot, GroupReply::Share(done(ErrorCode::None)));
    step.finish().unwrap_or_else(|error| answer(group_id, slot, done(error.code)))
}
