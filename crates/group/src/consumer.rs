//! Groups of KIP-848: the coordinator assigns partitions.
//!
//! A member says in every heartbeat what is new about it. Three epochs tell how far everybody is: the group epoch rises when
//! members or topics change; the assignment epoch is the group epoch for which the target assignment was made; the member epoch
//! is the assignment epoch that a member has arrived at. A partition goes to its new owner when the old one has confirmed that
//! it stopped ([`current_assignment`]), so that no two members ever own it at once.
//!
//! One file per concern: [`heartbeat`] and [`leave`] are what members ask; [`advance`] is what every request goes through,
//! with [`target`] and [`current_assignment`] as its two halves; [`regex`] and [`matching`] find the topics of expressions; [`timers`] removes silent members;
//! [`replay`] is the only place that changes the durable state ([`group`], [`member`], [`subscriptions`]). Members that speak
//! the classic protocol are served by [`crate::migration`].

pub(crate) mod advance;
pub(crate) mod current_assignment;
mod describe;
pub(crate) mod error;
pub(crate) mod group;
mod heartbeat;
pub(crate) mod leave;
mod matching;
pub(crate) mod member;
pub(crate) mod metadata_hash;
mod offsets;
pub(crate) mod records;
mod regex;
mod replay;
pub(crate) mod seat;
pub(crate) mod step;
pub(crate) mod subscriptions;
pub(crate) mod target;
mod timers;
mod topics_changed;
mod validate;

#[cfg(test)]
pub(crate) mod tests;

pub use group::ConsumerGroup;
pub use matching::{MatchedRegexes, Matching, RegexTask};
pub(crate) use offsets::EPOCH_COMMIT_VERSION;

use crate::event::RequestContext;
use crate::group::{Group, GroupId, Groups};
use crate::migration;
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::GroupTimer;
use crate::topics::GroupTopics;
use ottla_coordinator::{Context, Decision, Position, ReplySlot};
use ottla_protocol::{
    ConsumerGroupHeartbeatRequest, GroupRecordKey, GroupRecordValue, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, SyncGroupRequest, consumer_group_describe_response::DescribedGroup,
};
use std::sync::Arc;

/// An event that follows from another one.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// Have the group's regular expressions matched with the topics that there are.
    MatchRegexes(GroupId),
    /// That was done.
    RegexesMatched(MatchedRegexes),
}

/// A change of a consumer group that is not in the log.
#[derive(Debug)]
pub enum ConsumerChange {
    /// The group's topics are looked at again at this time, milliseconds since the epoch; 0 is at the next request.
    RefreshMetadataAt(i64),
    /// The regular expressions were handed out at this time, to be matched with the topics that there are.
    RegexesAreMatched(i64),
    /// They were matched.
    RegexesWereMatched,
    /// There are new topics that they are not matched with.
    RegexesAreStale,
    /// A classic member was told to rejoin.
    AwaitJoin(Arc<str>),
    /// It did.
    Joined(Arc<str>),
}

/// ConsumerGroupHeartbeat.
pub fn heartbeat(
    shard: &GroupShard,
    caller: &RequestContext,
    request: ConsumerGroupHeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    heartbeat::handle(shard, caller, &request, slot, context)
}

/// ConsumerGroupDescribe of one group.
pub fn describe(shard: &GroupShard, group_id: &str) -> DescribedGroup {
    describe::describe(shard, group_id)
}

/// An event that a decision of this module asked for.
pub fn event(shard: &GroupShard, event: ConsumerEvent, context: &Context) -> GroupDecision {
    let group_id = match &event {
        ConsumerEvent::MatchRegexes(group_id) => group_id.clone(),
        ConsumerEvent::RegexesMatched(matched) => matched.group_id.clone(),
    };
    let Some(group) = shard.groups.consumer(&group_id) else { return Decision::none() };
    let step = step::Step::new(shard, &group_id, context);
    let decision = match &event {
        ConsumerEvent::MatchRegexes(_) => regex::hand_out(step, group),
        ConsumerEvent::RegexesMatched(matched) => regex::matched(step, group, matched),
    };
    decision.unwrap_or_else(|error| {
        tracing::error!(group_id = &*group_id, %error, "cannot resolve the regular expressions of a consumer group");
        Decision::none()
    })
}

/// A timer of one of the `Consumer` kinds.
pub fn expired(shard: &GroupShard, timer: GroupTimer, context: &Context) -> GroupDecision {
    timers::expired(shard, &timer, context)
}

/// The topics are now `topics` (the shard still has the old ones; the caller replaces them).
pub fn metadata_changed(shard: &GroupShard, topics: &GroupTopics, _context: &Context) -> GroupDecision {
    topics_changed::handle(shard, topics)
}

/// The log is replayed: timers of this group.
pub fn loaded(
    shard: &GroupShard,
    group_id: &GroupId,
    group: &ConsumerGroup,
    _context: &Context,
    decision: &mut GroupDecision,
) {
    timers::loaded(shard, group_id, group, decision);
}

/// Replays a record of a KIP-848 group; other types are skipped.
///
/// # Errors
/// Never today: what does not fit together is set right.
pub fn replay(
    groups: &mut Groups,
    key: GroupRecordKey,
    value: Option<GroupRecordValue>,
    _position: Position,
) -> Result<(), String> {
    replay::replay(groups, key, value);
    Ok(())
}

/// Applies a change that is not in the log; the group may be gone.
pub fn apply(groups: &mut Groups, group_id: &str, change: ConsumerChange) {
    let Some(Group::Consumer(group)) = groups.get_mut(group_id) else { return };
    match change {
        ConsumerChange::RefreshMetadataAt(at_ms) => group.volatile.metadata_refresh_ms = at_ms,
        ConsumerChange::RegexesAreMatched(now_ms) => {
            group.volatile.regexes_are_fresh = true;
            group.volatile.regexes_handed_out_ms = Some(now_ms);
        }
        ConsumerChange::RegexesWereMatched => group.volatile.regexes_handed_out_ms = None,
        ConsumerChange::RegexesAreStale => group.volatile.regexes_are_fresh = false,
        ConsumerChange::AwaitJoin(member_id) => drop(group.volatile.awaited_joins.insert(member_id)),
        ConsumerChange::Joined(member_id) => drop(group.volatile.awaited_joins.remove(&member_id)),
    }
}

/// JoinGroup of a classic member to a KIP-848 group (the group id is one of a consumer group).
pub fn classic_join(
    shard: &GroupShard,
    caller: &RequestContext,
    request: JoinGroupRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    migration::join::handle(shard, caller, &request, slot, context)
}

/// SyncGroup of a classic member of a KIP-848 group.
pub fn classic_sync(
    shard: &GroupShard,
    _caller: &RequestContext,
    request: SyncGroupRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    migration::sync::handle(shard, &request, slot, context)
}

/// Heartbeat of a classic member of a KIP-848 group.
pub fn classic_heartbeat(
    shard: &GroupShard,
    _caller: &RequestContext,
    request: &HeartbeatRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    migration::heartbeat::handle(shard, request, slot, context)
}

/// LeaveGroup of classic members of a KIP-848 group; `request.members` is filled in for all versions.
pub fn classic_leave(
    shard: &GroupShard,
    _caller: &RequestContext,
    request: LeaveGroupRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    migration::leave::handle(shard, &request, slot, context)
}
