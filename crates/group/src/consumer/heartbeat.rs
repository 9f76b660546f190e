//! ConsumerGroupHeartbeat (KIP-848), versions 0 and 1: how a member joins, stays, and gets its partitions.
//!
//! Version 1 added `subscribed_topic_regex`, and member ids that the client makes (KIP-1082); in version 0 the coordinator makes
//! them. Epochs -1 and -2 leave, see [`super::leave`]. Nothing is written by a heartbeat that brings nothing new.

use super::advance::{Advance, RegexBump};
use super::error::GroupError;
use super::group::ConsumerGroup;
use super::member::{LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH, Member, PartitionEpochs};
use super::seat::{Claim, ClaimedEpoch, check_size};
use super::step::Step;
use super::{leave, validate};
use crate::event::{GroupReply, RequestContext};
use crate::group::Group;
use crate::migration::upgrade;
use crate::shard::{GroupDecision, GroupShard};
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_protocol::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_types::ErrorCode;
use std::borrow::Cow;
use std::sync::Arc;

/// ConsumerGroupHeartbeat.
pub(crate) fn handle(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &ConsumerGroupHeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    decide(shard, caller, request, slot, context).unwrap_or_else(|error| {
        let response = ConsumerGroupHeartbeatResponse {
            error_code: error.code.code(),
            error_message: Some(error.message),
            ..ConsumerGroupHeartbeatResponse::default()
        };
        let subject = Arc::from(request.group_id.as_str());
        Decision::about(subject).reply(slot, GroupReply::ConsumerGroupHeartbeat(response))
    })
}

fn decide(
    shard: &GroupShard,
    caller: &RequestContext,
    request: &ConsumerGroupHeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> Result<GroupDecision, GroupError> {
    validate::heartbeat(request, caller.api_version, &shard.config)?;
    let mut step = Step::new(shard, &request.group_id, context);
    let leaves = [LEAVE_GROUP_MEMBER_EPOCH, LEAVE_GROUP_STATIC_MEMBER_EPOCH].contains(&request.member_epoch);
    let response = if leaves { leave::handle(&mut step, request)? } else { stay(&mut step, caller, request)? };
    step.reply(slot, GroupReply::ConsumerGroupHeartbeat(response));
    step.finish()
}

fn stay(
    step: &mut Step<'_>,
    caller: &RequestContext,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<ConsumerGroupHeartbeatResponse, GroupError> {
    let joins = request.member_epoch == 0;
    let shard = step.shard;
    let group = if joins { joined_group(step)? } else { Cow::Borrowed(existing_group(shard, &request.group_id)?) };
    let instance_id = request.instance_id.as_deref();
    check_size(&group, &request.member_id, instance_id, &shard.config)?;
    let made_id = request.member_id.is_empty().then(|| step.random_id().to_string());
    let member_id = made_id.as_deref().unwrap_or(&request.member_id);
    let owned = request.topic_partitions.as_deref();
    let epoch = Some(ClaimedEpoch { member_epoch: request.member_epoch, owned });
    let before = Claim { member_id, instance_id, may_join: joins, epoch }.take(step, &group)?;

    let after = said(&before, request, caller);
    let advance = Advance::subscribe(step, &group, &before, after, RegexBump::WhenResolved, caller)?;
    let target = advance.assign(step)?;
    let member = advance.reconcile(step, target, owned)?;

    step.heard_of(&member.member_id);
    Ok(response(step, request, &before, &member))
}

fn existing_group<'a>(shard: &'a GroupShard, group_id: &str) -> Result<&'a ConsumerGroup, GroupError> {
    match shard.groups.get(group_id) {
        Some(Group::Consumer(group)) => Ok(group),
        Some(_) => Err(not_found(format!("Group {group_id} is not a consumer group."))),
        None => Err(not_found(format!("Consumer group {group_id} not found."))),
    }
}

/// The group of a member that joins: made when there is none, converted when it is a classic one.
fn joined_group<'a>(step: &mut Step<'a>) -> Result<Cow<'a, ConsumerGroup>, GroupError> {
    match step.shard.groups.get(&step.group_id) {
        Some(Group::Consumer(group)) => Ok(Cow::Borrowed(group)),
        Some(Group::Classic(group)) => upgrade::to_consumer_group(step, group).map(Cow::Owned),
        Some(Group::Streams(_)) => Err(not_found(format!("Group {} is not a consumer group.", step.group_id))),
        Some(Group::Share(group)) => Err(not_found(format!("Group {} is not a consumer group.", group.group_id))),
        None => Ok(Cow::Owned(ConsumerGroup::new(step.group_id.clone()))),
    }
}

fn not_found(message: String) -> GroupError {
    GroupError::new(ErrorCode::GroupIdNotFound, message)
}

/// The member with what the request says of it; the same one when it says nothing new.
fn said(before: &Arc<Member>, request: &ConsumerGroupHeartbeatRequest, caller: &RequestContext) -> Arc<Member> {
    if !says_something_new(before, request, caller) {
        return before.clone();
    }
    let mut after = (**before).clone();
    after.instance_id = request.instance_id.clone().or(after.instance_id);
    after.rack_id = request.rack_id.clone().or(after.rack_id);
    if request.rebalance_timeout_ms != -1 {
        after.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    after.server_assignor = request.server_assignor.clone().or(after.server_assignor);
    if let Some(names) = &request.subscribed_topic_names {
        after.subscribed_topic_names = Arc::new(names.iter().cloned().collect());
    }
    if let Some(regex) = &request.subscribed_topic_regex {
        after.subscribed_topic_regex = regex.clone();
    }
    after.client_id = caller.client_id.to_string();
    after.client_host = caller.client_host.to_string();
    after.classic = None;
    Arc::new(after)
}

fn says_something_new(member: &Member, request: &ConsumerGroupHeartbeatRequest, caller: &RequestContext) -> bool {
    let other = |said: &Option<String>, known: &Option<String>| said.is_some() && said != known;
    other(&request.instance_id, &member.instance_id)
        || other(&request.rack_id, &member.rack_id)
        || other(&request.server_assignor, &member.server_assignor)
        || (request.rebalance_timeout_ms != -1 && request.rebalance_timeout_ms != member.rebalance_timeout_ms)
        || request.subscribed_topic_regex.as_ref().is_some_and(|regex| *regex != member.subscribed_topic_regex)
        || request.subscribed_topic_names.as_ref().is_some_and(|names| names_differ(names, member))
        || *member.client_id != *caller.client_id
        || *member.client_host != *caller.client_host
        || member.uses_classic_protocol()
}

fn names_differ(names: &[String], member: &Member) -> bool {
    let known = &member.subscribed_topic_names;
    names.len() < known.len() || names.iter().any(|name| !known.contains(name)) || {
        // More names than topics: some stand twice.
        names.len() > known.len() && names.iter().collect::<std::collections::BTreeSet<_>>().len() != known.len()
    }
}

fn response(
    step: &Step<'_>,
    request: &ConsumerGroupHeartbeatRequest,
    before: &Member,
    member: &Member,
) -> ConsumerGroupHeartbeatResponse {
    // A request that says everything asks for everything: the member joins, or an answer was lost.
    let subscribes = request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some();
    let is_full = request.rebalance_timeout_ms != -1 && subscribes && request.topic_partitions.is_some();
    let changed = before.assigned_partitions != member.assigned_partitions;
    let interval_ms = step.shard.config.heartbeat_interval_ms(&step.group_id);
    ConsumerGroupHeartbeatResponse {
        member_id: Some(member.member_id.to_string()),
        member_epoch: member.member_epoch,
        heartbeat_interval_ms: i32::try_from(interval_ms).unwrap_or(i32::MAX),
        assignment: (request.member_epoch == 0 || is_full || changed).then(|| assignment(&member.assigned_partitions)),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

fn assignment(partitions: &PartitionEpochs) -> Assignment {
    let topics = partitions.iter().map(|(topic_id, partitions)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.keys().copied().collect(),
    });
    Assignment { topic_partitions: topics.collect() }
}
