//! Share groups (KIP-932): members share the partitions, and no partition belongs to one of them alone.
//!
//! Epochs are those of KIP-848, but a member moves to its target assignment at once: nothing has to be revoked first. What
//! is new is the state of each partition at the share coordinator. Before a partition is assigned its state is initialised:
//! a heartbeat that finds partitions without one writes them down as *initializing* and answers with the call to make
//! ([`StateCall`]); the broker makes it and says how it went ([`ShareRequest::StateInitialized`]), and the partitions are
//! *initialized* and assigned with the next heartbeat. What was never answered is tried again after
//! `group.share.initialize.retry.interval.ms`. A topic whose state is being deleted is *deleting* until that is done.
//!
//! `heartbeat` and `leave` are what members ask, `offsets` and `delete` what administrators ask; `assignor` is Kafka's
//! `simple`; `replay` is the only place that changes the durable state (`group`, `partitions`).

mod assignor;
mod delete;
mod describe;
mod group;
mod heartbeat;
mod leave;
mod offsets;
mod partitions;
mod records;
mod replay;
mod request;
mod target;

#[cfg(test)]
mod tests;

pub use group::ShareGroup;
pub use request::{ShareReply, ShareRequest, StateCall};

use crate::event::RequestContext;
use crate::group::{Group, GroupId, Groups};
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::{GroupTimer, TimerKind};
use ottla_coordinator::{Context, Decision, ReplySlot, TimerChange};

pub(crate) use delete::tombstones;
pub(crate) use replay::replay;

/// A change of a share group that is not in the log.
#[derive(Debug)]
pub enum ShareChange {
    /// The group's topics are looked at again at the next heartbeat, or no longer need to be.
    TopicsChanged(bool),
}

/// Decides about a request.
pub fn request(
    shard: &GroupShard,
    caller: &RequestContext,
    request: ShareRequest,
    slot: ReplySlot,
    context: &Context,
) -> GroupDecision {
    match request {
        ShareRequest::Heartbeat(request) => heartbeat::handle(shard, caller, &request, slot, context),
        ShareRequest::Describe(group_id) => describe::handle(shard, &group_id, slot),
        ShareRequest::Partitions(group_id) => offsets::partitions(shard, &group_id, slot),
        ShareRequest::AlterOffsets(request) => offsets::alter(shard, &request, slot, context),
        ShareRequest::DeleteOffsets(request) => offsets::delete(shard, &request, slot, context),
        ShareRequest::BeginDelete(group_id) => delete::begin(shard, &group_id, slot, context),
        ShareRequest::StateInitialized { group_id, topics, is_ok } => {
            offsets::initialized(shard, &group_id, &topics, is_ok, slot, context)
        }
        ShareRequest::StateDeleted { group_id, topics } => offsets::deleted(shard, &group_id, &topics, slot, context),
    }
}

/// A member was not heard of for its session timeout.
pub fn expired(shard: &GroupShard, timer: &GroupTimer, context: &Context) -> GroupDecision {
    leave::expired(shard, timer, context)
}

/// Every member of a loaded group has a whole session timeout to be heard of.
pub fn loaded(shard: &GroupShard, group_id: &GroupId, group: &ShareGroup, decision: &mut GroupDecision) {
    let after_ms = shard.config.share_session_timeout_ms(group_id);
    for member in group.members.values() {
        let key = GroupTimer::of_member(TimerKind::ShareSession, group_id, member.member_id.clone());
        decision.timers.push(TimerChange::Schedule { key, after_ms });
    }
}

/// Topics are gone: what their partitions had at the share coordinator goes by itself, the group forgets it here.
pub fn forget_topics(
    shard: &GroupShard,
    group_id: &GroupId,
    topics: &[crate::event::DeletedTopic],
    decision: &mut GroupDecision,
) {
    let Some(group) = shard.groups.share(group_id) else { return };
    let mut partitions = group.partitions.clone();
    topics.iter().for_each(|topic| partitions.forget(topic.id));
    if partitions != group.partitions {
        let record = records::partitions(group_id, &partitions).ok();
        decision.changes.extend(record.map(ottla_coordinator::Change::Record));
    }
}

/// Whether the group knows any of these topics.
pub fn knows_any(group: &ShareGroup, topics: &[crate::event::DeletedTopic]) -> bool {
    topics.iter().any(|topic| group.partitions.knows(topic.id))
}

/// Applies a change that is not in the log; the group may be gone.
pub fn apply(groups: &mut Groups, group_id: &str, change: &ShareChange) {
    let Some(Group::Share(group)) = groups.get_mut(group_id) else { return };
    match change {
        ShareChange::TopicsChanged(have_changed) => group.topics_have_changed = *have_changed,
    }
}

/// An answer about a group.
fn answer(group_id: &str, slot: ReplySlot, reply: ShareReply) -> GroupDecision {
    Decision::about(GroupId::from(group_id)).reply(slot, crate::event::GroupReply::Share(reply))
}
