//! ShareGroupHeartbeat (KIP-932), version 1: how a member joins, stays, and gets its partitions.
//!
//! Epoch 0 joins, -1 leaves. Nothing is written by a heartbeat that brings nothing new. Errors: INVALID_REQUEST,
//! GROUP_ID_NOT_FOUND (also for a group of another kind), UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, GROUP_MAX_SIZE_REACHED.

use super::group::{ShareGroup, ShareMember};
use super::request::{ShareReply, StateCall};
use super::{ShareChange, answer, leave, records, target};
use crate::assignor::Assignment as Partitions;
use crate::consumer::error::GroupError;
use crate::consumer::metadata_hash;
use crate::consumer::step::Step;
use crate::event::{GroupReply, RequestContext};
use crate::group::Group;
use crate::shard::{GroupDecision, GroupShard, GroupVolatile};
use crate::timer::TimerKind;
use ottla_coordinator::{Change, Context, ReplySlot};
use ottla_protocol::share_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_protocol::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_types::ErrorCode;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The epoch with which a member leaves.
pub(super) const LEAVE_EPOCH: i32 = -1;
/// Longest member id: a UUID as people read it.
const MEMBER_ID_CHARS_MAX: usize = 36;

/// ShareGroupHeartbeat.
pub(super) fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &ShareGroupHeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    decide(shard, caller, request, slot, context).unwrap_or_else(|error| {
        let response = ShareGroupHeartbeatResponse {
            error_code: error.code.code(),
            error_message: Some(error.message),
            ..ShareGroupHeartbeatResponse::default()
        };
        answer(&request.group_id, slot, ShareReply::Heartbeat(response, None))
    })
}

fn decide(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &ShareGroupHeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> Result<GroupDecision, GroupError> {
    validate(request)?;
    let mut step = Step::new(shard, &request.group_id, context);
    let (response, call) = match request.member_epoch {
        LEAVE_EPOCH => (leave::handle(&mut step, request)?, None),
        _ => stay(&mut step, caller, request)?,
    };
    step.reply(slot, GroupReply::Share(ShareReply::Heartbeat(response, call)));
    step.finish()
}

fn validate(request: &ShareGroupHeartbeatRequest) -> Result<(), GroupError> {
    let require = |holds: bool, message: &str| match holds {
        true => Ok(()),
        false => Err(GroupError::new(ErrorCode::InvalidRequest, message)),
    };
    require(!request.member_id.trim().is_empty(), "MemberId can't be empty.")?;
    require(request.member_id.chars().count() <= MEMBER_ID_CHARS_MAX, "MemberId is longer than 36 characters.")?;
    require(!request.group_id.trim().is_empty(), "GroupId can't be empty.")?;
    require(request.rack_id.as_ref().is_none_or(|rack| !rack.trim().is_empty()), "RackId can't be empty.")?;
    if request.member_epoch == 0 {
        let subscribes = request.subscribed_topic_names.as_ref().is_some_and(|names| !names.is_empty());
        require(subscribes, "SubscribedTopicNames must be set in first request.")?;
    }
    require(request.member_epoch >= LEAVE_EPOCH, "MemberEpoch is invalid.")
}

fn stay(
    step: &mut Step<'_>,
    caller: &RequestContext,
    request: &ShareGroupHeartbeatRequest,
) -> Result<(ShareGroupHeartbeatResponse, Option<StateCall>), GroupError> {
    let group = find_group(step.shard, step, request)?;
    let before = find_member(step.shard, &group, request)?;
    let after = said(&before, request, caller);
    let subscription_changed = after.subscribed_topic_names != before.subscribed_topic_names;
    if after != before || !group.members.contains_key(&after.member_id) {
        step.record(records::member(&group.group_id, &after));
    }
    let names = group.subscribed_topics(&after.member_id, Some(&after));
    let (group_epoch, raised) = raise_epoch(step, &group, &names, subscription_changed);
    let (target_epoch, assignment) = target::update(step, &group, &after, group_epoch);
    let member = reconcile(step, &group, after, target_epoch, &assignment, raised);
    let timeout_ms = step.shard.config.share_session_timeout_ms(&group.group_id);
    step.schedule(TimerKind::ShareSession, &member.member_id, timeout_ms);
    let call = initialize(step, &group, &names, group_epoch);
    let is_full = request.member_epoch == 0 || request.subscribed_topic_names.is_some();
    let interval_ms = step.shard.config.share_heartbeat_interval_ms(&group.group_id);
    let response = ShareGroupHeartbeatResponse {
        member_id: Some(member.member_id.to_string()),
        member_epoch: member.member_epoch,
        heartbeat_interval_ms: i32::try_from(interval_ms).unwrap_or(i32::MAX),
        assignment: (is_full || member.assigned != before.assigned).then(|| assigned(&member.assigned)),
        ..ShareGroupHeartbeatResponse::default()
    };
    Ok((response, call))
}

fn find_group<'a>(
    shard: &'a GroupShard,
    step: &Step<'_>,
    request: &ShareGroupHeartbeatRequest,
) -> Result<Cow<'a, ShareGroup>, GroupError> {
    let not_found = |message: String| Err(GroupError::new(ErrorCode::GroupIdNotFound, message));
    match shard.groups.get(&request.group_id) {
        Some(Group::Share(group)) => Ok(Cow::Borrowed(group)),
        Some(_) => not_found(format!("Group {} is not a share group.", request.group_id)),
        None if request.member_epoch == 0 => Ok(Cow::Owned(ShareGroup::new(step.group_id.clone()))),
        None => not_found(format!("Share group {} not found.", request.group_id)),
    }
}

fn find_member(
    shard: &GroupShard,
    group: &ShareGroup,
    request: &ShareGroupHeartbeatRequest,
) -> Result<ShareMember, GroupError> {
    let joins = request.member_epoch == 0;
    let Some(member) = group.members.get(request.member_id.as_str()) else {
        if !joins {
            return Err(GroupError::unknown_member(&request.member_id, &request.group_id));
        }
        let size_max = shard.config.share_max_size;
        if group.members.len() >= size_max {
            let message = format!("The share group has reached its maximum capacity of {size_max} members.");
            return Err(GroupError::new(ErrorCode::GroupMaxSizeReached, message));
        }
        return Ok(ShareMember::new(&request.member_id));
    };
    // The answer with the newer epoch may have been lost.
    let epochs = [0, member.member_epoch, member.previous_member_epoch];
    if epochs.contains(&request.member_epoch) {
        return Ok((**member).clone());
    }
    let message = format!(
        "The share group member is at epoch {}, the request at {}. The member must abandon all its partitions and rejoin.",
        member.member_epoch, request.member_epoch
    );
    Err(GroupError::new(ErrorCode::FencedMemberEpoch, message))
}

/// The member with what the request says of it.
fn said(before: &ShareMember, request: &ShareGroupHeartbeatRequest, caller: &RequestContext) -> ShareMember {
    let names = request.subscribed_topic_names.as_ref().map(|names| Arc::new(names.iter().cloned().collect()));
    ShareMember {
        rack_id: request.rack_id.clone().or_else(|| before.rack_id.clone()),
        subscribed_topic_names: names.unwrap_or_else(|| before.subscribed_topic_names.clone()),
        client_id: caller.client_id.to_string(),
        client_host: caller.client_host.to_string(),
        ..before.clone()
    }
}

/// The group epoch, raised when subscriptions or topics changed, or partitions became assignable.
fn raise_epoch(
    step: &mut Step<'_>,
    group: &ShareGroup,
    names: &BTreeSet<String>,
    subscription_changed: bool,
) -> (i32, bool) {
    let is_pending = group.target_epoch >= group.group_epoch && target::leaves_out_any(group);
    let must_raise = subscription_changed || is_pending;
    if !must_raise && !group.topics_have_changed {
        return (group.group_epoch, false);
    }
    let hash = metadata_hash::of_topics(names.iter().map(String::as_str), &step.shard.topics);
    let change = GroupVolatile::Share(group.group_id.clone(), ShareChange::TopicsChanged(false));
    if !must_raise && hash == group.metadata_hash {
        step.decision_mut().changes.push(Change::Volatile(change));
        return (group.group_epoch, false);
    }
    let epoch = group.group_epoch + 1;
    tracing::info!(group_id = &*group.group_id, epoch, "raised the epoch of a share group");
    step.record(records::epoch(&group.group_id, epoch, hash));
    step.decision_mut().changes.push(Change::Volatile(change));
    (epoch, true)
}

/// The member takes its target at once; partitions of topics that it does not want (any more) are left out.
fn reconcile(
    step: &mut Step<'_>,
    group: &ShareGroup,
    member: ShareMember,
    target_epoch: i32,
    target: &Partitions,
    subscription_changed: bool,
) -> ShareMember {
    if member.member_epoch == target_epoch && !subscription_changed {
        return member;
    }
    let topics = &step.shard.topics;
    let is_wanted = |topic_id: &ottla_types::Uuid| {
        topics.by_id(*topic_id).is_some_and(|topic| member.subscribed_topic_names.contains(&*topic.name))
    };
    let wanted = target.iter().filter(|(topic_id, _)| is_wanted(topic_id));
    let assigned: Partitions = wanted.map(|(topic_id, partitions)| (*topic_id, partitions.clone())).collect();
    let mut next = ShareMember { assigned: Arc::new(assigned), ..member.clone() };
    if member.member_epoch != target_epoch {
        (next.member_epoch, next.previous_member_epoch) = (target_epoch, member.member_epoch);
    }
    if next != member {
        step.record(records::current(&group.group_id, &next));
    }
    next
}

/// Partitions that have no state yet are written down; the call that makes them one.
fn initialize(
    step: &mut Step<'_>,
    group: &ShareGroup,
    names: &BTreeSet<String>,
    state_epoch: i32,
) -> Option<StateCall> {
    let (now_ms, retry_ms) = (step.context.now_ms, step.shard.config.share_initialize_retry_interval_ms);
    let missing = group.partitions.missing(names, &step.shard.topics, now_ms, retry_ms);
    if missing.is_empty() {
        return None;
    }
    let mut partitions = group.partitions.clone();
    partitions.begin(&missing);
    step.record(records::partitions(&group.group_id, &partitions));
    let unknown = |partitions: &BTreeSet<i32>| partitions.iter().map(|partition| (*partition, -1)).collect();
    let topics = missing.iter().map(|(topic_id, of)| (*topic_id, unknown(&of.partitions))).collect();
    Some(StateCall { state_epoch, topics })
}

fn assigned(partitions: &Partitions) -> Assignment {
    let topics = partitions.iter().map(|(topic_id, partitions)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    Assignment { topic_partitions: topics.collect() }
}
