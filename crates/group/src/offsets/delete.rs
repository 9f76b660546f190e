//! OffsetDelete, version 0 (KIP-496), and the offsets of topics that are deleted.
//!
//! Errors: of the whole INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP (members that are no consumers); of a
//! partition GROUP_SUBSCRIBED_TO_TOPIC.

use super::record::tombstone;
use super::state::GroupOffsets;
use crate::classic::ClassicGroup;
use crate::effect::{GroupCount, GroupEffect};
use crate::event::{DeletedTopic, GroupEvent, GroupReply};
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use crate::share;
use ottla_coordinator::{Change, Decision, ReplySlot};
use ottla_protocol::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use ottla_protocol::{OffsetDeleteRequest, OffsetDeleteResponse};
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long after a load offsets of topics that do not exist are looked for, milliseconds: by then the metadata has caught up
/// with whatever a coordinator before this one knew.
pub const FORGET_DELETED_AFTER_MS: u64 = 30_000;

/// Decides about an OffsetDelete.
pub fn handle(shard: &GroupShard, request: &OffsetDeleteRequest, slot: ReplySlot) -> GroupDecision {
    let subject = GroupId::from(request.group_id.as_str());
    let mut decision = GroupDecision { is_atomic: false, ..Decision::about(subject) };
    let response = match validate(shard, &request.group_id) {
        Ok(group) => delete(shard, group, request, &mut decision),
        Err(error) => OffsetDeleteResponse { error_code: error.code(), ..OffsetDeleteResponse::default() },
    };
    decision.split().reply(slot, GroupReply::OffsetDelete(response))
}

fn validate<'a>(shard: &'a GroupShard, group_id: &str) -> Result<&'a Group, ErrorCode> {
    if group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let group = shard.groups.get(group_id).ok_or(ErrorCode::GroupIdNotFound)?;
    let is_unknown = |group: &ClassicGroup| !group.is_empty() && !group.uses_consumer_protocol();
    match group {
        Group::Share(_) => Err(ErrorCode::GroupIdNotFound),
        Group::Classic(group) if is_unknown(group) => Err(ErrorCode::NonEmptyGroup),
        _ => Ok(group),
    }
}

fn delete(
    shard: &GroupShard,
    group: &Group,
    request: &OffsetDeleteRequest,
    decision: &mut GroupDecision,
) -> OffsetDeleteResponse {
    let mut response = OffsetDeleteResponse::default();
    for topic in &request.topics {
        let is_subscribed = group.is_subscribed_to_topic(&topic.name);
        let error = if is_subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
        for partition in topic.partitions.iter().filter(|_| !is_subscribed) {
            let (id, index) = (&request.group_id, partition.partition_index);
            let exists = shard.offsets.get(id, &topic.name, index).is_some();
            if exists || shard.offsets.is_pending(id, &topic.name, index) {
                forget(decision, id, &topic.name, index);
            }
        }
        let partitions = topic.partitions.iter().map(|partition| OffsetDeleteResponsePartition {
            partition_index: partition.partition_index,
            error_code: error.code(),
        });
        response.topics.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions: partitions.collect() });
    }
    response
}

/// Tombstones for all offsets of a group, committed and pending.
pub fn all_offsets(shard: &GroupShard, group_id: &str, decision: &mut GroupDecision) {
    for (topic, partitions) in shard.offsets.of_group(group_id).into_iter().flatten() {
        for index in partitions.keys() {
            forget(decision, group_id, topic, *index);
        }
    }
    for (topic, index) in shard.offsets.pending_places(group_id) {
        if shard.offsets.get(group_id, topic, *index).is_none() {
            forget(decision, group_id, topic, *index);
        }
    }
}

fn forget(decision: &mut GroupDecision, group_id: &str, topic: &str, index: i32) {
    if let Some(tombstone) = tombstone(group_id, topic, index) {
        decision.changes.push(Change::Record(tombstone));
        GroupEffect::count(&mut decision.effects, GroupCount::OffsetsDeleted, 1);
    }
}

/// Topics are gone: each group that has offsets of them, committed or pending, forgets them in an event of its own, so that
/// later answers about the group depend on it.
pub fn topics_deleted(shard: &GroupShard, topics: &Arc<[DeletedTopic]>) -> GroupDecision {
    let committed = shard.offsets.committed();
    let pending = shard.offsets.pending().map(|(_, group_id, offsets)| (group_id, offsets));
    let has_any = |offsets: &GroupOffsets| topics.iter().any(|topic| offsets.contains_key(&topic.name));
    let concerned = committed.chain(pending).filter(|(_, offsets)| has_any(offsets));
    let mut group_ids: BTreeSet<&GroupId> = concerned.map(|(group_id, _)| group_id).collect();
    let knows = |group: &Group| matches!(group, Group::Share(group) if share::knows_any(group, topics));
    group_ids.extend(shard.groups.iter().filter(|(_, group)| knows(group)).map(|(group_id, _)| group_id));
    let mut decision = Decision::none();
    decision.next.extend(group_ids.into_iter().map(|id| GroupEvent::ForgetTopics(id.clone(), topics.clone())));
    decision
}

/// Offsets whose topic does not exist any more, by its id: they should have gone with the topic. Those without an id stay
/// until they expire.
pub fn forget_deleted(shard: &GroupShard) -> GroupDecision {
    let committed = shard.offsets.committed().map(|(_, offsets)| offsets);
    let pending = shard.offsets.pending().map(|(_, _, offsets)| offsets);
    let mut gone: BTreeMap<Uuid, Arc<str>> = BTreeMap::new();
    for (topic, partitions) in committed.chain(pending).flatten() {
        let ids = partitions.values().map(|offset| offset.topic_id);
        for id in ids.filter(|id| !id.is_zero() && shard.topics.by_id(*id).is_none()) {
            gone.insert(id, topic.clone());
        }
    }
    if gone.is_empty() {
        return Decision::none();
    }
    let topics: Vec<DeletedTopic> = gone.into_iter().map(|(id, name)| DeletedTopic { name, id }).collect();
    tracing::info!(topics = topics.len(), "offsets of topics that were deleted are forgotten");
    topics_deleted(shard, &Arc::from(topics))
}

/// Tombstones for a group's offsets of topics that are gone. One that was committed for a newer topic of the same name
/// stays.
pub fn forget_topics(shard: &GroupShard, group_id: &GroupId, topics: &[DeletedTopic]) -> GroupDecision {
    let pending = shard.offsets.pending().filter(|(_, id, _)| *id == group_id).map(|(_, _, offsets)| offsets);
    let mut places = BTreeSet::new();
    for offsets in shard.offsets.of_group(group_id).into_iter().chain(pending) {
        for topic in topics {
            let partitions = offsets.get(&topic.name).into_iter().flatten();
            let gone = partitions.filter(|(_, offset)| offset.topic_id.is_zero() || offset.topic_id == topic.id);
            places.extend(gone.map(|(index, _)| (&topic.name, *index)));
        }
    }
    let mut decision = GroupDecision { is_atomic: false, ..Decision::about(group_id.clone()) };
    places.into_iter().for_each(|(topic, index)| forget(&mut decision, group_id, topic, index));
    share::forget_topics(shard, group_id, topics, &mut decision);
    decision
}
