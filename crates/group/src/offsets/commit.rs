//! OffsetCommit, versions 2-10.
//!
//! v2-4: `retention_time_ms`. v6: leader epoch. v7: static members (KIP-345). v9: member epochs (KIP-848), GROUP_ID_NOT_FOUND
//! and STALE_MEMBER_EPOCH. v10: topic ids (KIP-848).
//!
//! A commit without member and generation is accepted while the group has no members; a group that does not exist begins
//! with it (a simple consumer). The empty group id is accepted, as it always was.
//!
//! Errors: of the whole (on every partition) UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION,
//! REBALANCE_IN_PROGRESS, GROUP_ID_NOT_FOUND, STALE_MEMBER_EPOCH, UNSUPPORTED_VERSION, INVALID_GROUP_ID (too long);
//! of a partition OFFSET_METADATA_TOO_LARGE.

use super::record;
use super::state::OffsetAndMetadata;
use crate::classic::{ClassicGroup, ClassicState};
use crate::event::{GroupReply, RequestContext};
use crate::failed;
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::{GroupTimer, TimerKind};
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_protocol::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use ottla_protocol::{OffsetCommitRequest, OffsetCommitResponse};
use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;

/// Decides about an OffsetCommit.
pub fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &OffsetCommitRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    let group_id = GroupId::from(request.group_id.as_str());
    let mut decision = Decision::about(group_id.clone());
    let result = validate(shard, caller, request).and_then(|()| commit(shard, request, context, &mut decision));
    match result {
        Ok(response) => {
            decision.timers.extend(session_timer(shard, &group_id, &request.member_id));
            decision.reply(slot, GroupReply::OffsetCommit(response))
        }
        Err(error) => {
            let response = failed::offset_commit(request, error);
            Decision::about(group_id).reply(slot, GroupReply::OffsetCommit(response))
        }
    }
}

fn validate(shard: &GroupShard, caller: &RequestContext, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
    let epoch = request.generation_id_or_member_epoch;
    let instance_id = request.group_instance_id.as_deref();
    match shard.groups.get(&request.group_id) {
        None if epoch < 0 => Ok(()),
        Some(Group::Share(_)) => Err(ErrorCode::GroupIdNotFound),
        None if caller.api_version >= 9 => Err(ErrorCode::GroupIdNotFound),
        None => Err(ErrorCode::IllegalGeneration),
        Some(Group::Classic(group)) => validate_classic(group, &request.member_id, instance_id, epoch, false),
        Some(Group::Consumer(group)) => {
            group.validate_offset_commit(&request.member_id, instance_id, epoch, false, caller.api_version)
        }
        Some(Group::Streams(group)) => {
            group.validate_offset_commit(&request.member_id, instance_id, epoch, false, caller.api_version)
        }
    }
}

/// Whether a member of a classic group may commit.
///
/// # Errors
/// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS.
pub fn validate_classic(
    group: &ClassicGroup,
    member_id: &str,
    group_instance_id: Option<&str>,
    generation_id: i32,
    is_transactional: bool,
) -> Result<(), ErrorCode> {
    if generation_id < 0 && group.is_empty() {
        return Ok(());
    }
    if generation_id >= 0 || !member_id.is_empty() || group_instance_id.is_some() {
        group.validate_member(member_id, group_instance_id)?;
        if generation_id != group.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
    } else if !is_transactional {
        return Err(ErrorCode::UnknownMemberId);
    }
    if !is_transactional && group.state == ClassicState::CompletingRebalance {
        // It has this generation's id, so it has its JoinGroup's answer and will sync.
        return Err(ErrorCode::RebalanceInProgress);
    }
    Ok(())
}

/// Whether a member may commit a partition (topic, its id, index) in an epoch that its group as a whole accepted.
///
/// # Errors
/// STALE_MEMBER_EPOCH, or ILLEGAL_GENERATION for a classic member.
pub(super) fn validate_partition(
    group: Option<&Group>,
    member_id: &str,
    epoch: i32,
    (topic, topic_id, index): (&str, Uuid, i32),
) -> Result<(), ErrorCode> {
    match group {
        Some(Group::Consumer(group)) => group.validate_commit_of_partition(member_id, epoch, topic_id, index),
        Some(Group::Streams(group)) => group.validate_commit_of_partition(member_id, epoch, topic, index),
        Some(Group::Classic(_) | Group::Share(_)) | None => Ok(()),
    }
}

/// The topic's id, by its name where the request has none.
pub(super) fn topic_id(shard: &GroupShard, id: Uuid, name: &str) -> Uuid {
    if !id.is_zero() {
        return id;
    }
    shard.topics.by_name(name).map_or(Uuid::ZERO, |topic| topic.id)
}

fn commit(
    shard: &GroupShard,
    request: &OffsetCommitRequest,
    context: &Context,
    decision: &mut GroupDecision,
) -> Result<OffsetCommitResponse, ErrorCode> {
    let retention_ms = (request.retention_time_ms != -1).then_some(request.retention_time_ms);
    let group = shard.groups.get(&request.group_id);
    let mut response = OffsetCommitResponse::default();
    for topic in &request.topics {
        let mut answered = OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: Vec::with_capacity(topic.partitions.len()),
        };
        let topic_id = topic_id(shard, topic.topic_id, &topic.name);
        for partition in &topic.partitions {
            let metadata = partition.committed_metadata.as_deref().unwrap_or("");
            let mut error = ErrorCode::None;
            if is_too_large(shard, metadata) {
                error = ErrorCode::OffsetMetadataTooLarge;
            } else {
                let (member_id, epoch) = (&request.member_id, request.generation_id_or_member_epoch);
                validate_partition(group, member_id, epoch, (&topic.name, topic_id, partition.partition_index))?;
                let offset = OffsetAndMetadata {
                    record_offset: -1,
                    committed_offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: Arc::from(metadata),
                    commit_timestamp_ms: context.now_ms,
                    expire_timestamp_ms: retention_ms.map(|retention_ms| context.now_ms.saturating_add(retention_ms)),
                    topic_id,
                };
                let index = partition.partition_index;
                let record = record::offset_commit(&request.group_id, &topic.name, index, &offset);
                let record = record.map_err(|_| ErrorCode::InvalidGroupId)?;
                decision.changes.push(ottla_coordinator::Change::Record(record));
            }
            answered.partitions.push(OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: error.code(),
            });
        }
        response.topics.push(answered);
    }
    Ok(response)
}

/// Whether a client wants to remember more than it may. Counted as Java counts a string's length, in UTF-16 units.
pub(super) fn is_too_large(shard: &GroupShard, metadata: &str) -> bool {
    let max = shard.config.offset_metadata_max_bytes;
    metadata.len() > max && metadata.encode_utf16().count() > max
}

/// In a classic group, a commit is a sign of life.
fn session_timer(
    shard: &GroupShard,
    group_id: &GroupId,
    member_id: &str,
) -> Option<ottla_coordinator::TimerChange<GroupTimer>> {
    let group = shard.groups.classic(group_id)?;
    let (member_id, member) = group.members.get_key_value(member_id)?;
    if !matches!(group.state, ClassicState::Stable | ClassicState::PreparingRebalance) {
        return None;
    }
    Some(ottla_coordinator::TimerChange::Schedule {
        key: GroupTimer::of_member(TimerKind::ClassicHeartbeat, group_id, member_id.clone()),
        after_ms: u64::try_from(member.session_timeout_ms).unwrap_or(0),
    })
}
