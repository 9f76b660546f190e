//! Offsets that nobody needs any more, and groups that are empty (KIP-211).
//!
//! An offset expires `offsets.retention.minutes` after
//! - the group became empty, in a classic group with a protocol type that has no members;
//! - it was committed, in a group that only commits offsets, a KIP-848 group, or a stable group of consumers.
//!
//! Topics that members read keep their offsets, and partitions with open transactions too. Commits of versions 2-4 may
//! say themselves when they expire. A group without members and offsets is deleted.

use super::record::tombstone;
use super::state::OffsetAndMetadata;
use crate::admin;
use crate::classic::{ClassicGroup, ClassicState};
use crate::effect::{GroupCount, GroupEffect};
use crate::event::GroupEvent;
use crate::group::{Group, GroupId};
use crate::shard::{GroupDecision, GroupShard};
use crate::timer::GroupTimer;
use ottla_coordinator::{Change, Context, Decision};

/// The check is due: first this one, then the next.
pub fn expired(shard: &GroupShard) -> GroupDecision {
    Decision::none()
        .schedule(GroupTimer::expire_offsets(), shard.config.offsets_retention_check_interval_ms)
        .then(GroupEvent::ExpireOffsets)
}

/// Looks at every group; those that have something to lose do so in an event of their own, so that later answers about the
/// group depend on it.
pub fn handle(shard: &GroupShard, context: &Context) -> GroupDecision {
    let mut decision = Decision::none();
    for (group_id, _) in shard.groups.iter() {
        if !expire_group(shard, group_id, context).changes.is_empty() {
            decision.next.push(GroupEvent::ExpireGroup(group_id.clone()));
        }
    }
    decision
}

/// Tombstones for the offsets of a group that have expired, and for the group if it is left empty.
pub fn expire_group(shard: &GroupShard, group_id: &GroupId, context: &Context) -> GroupDecision {
    let mut decision = GroupDecision { is_atomic: false, ..Decision::about(group_id.clone()) };
    let Some(group) = shard.groups.get(group_id) else { return decision };
    // A share group has no offsets here, and stays until it is deleted.
    if matches!(group, Group::Share(_)) {
        return decision;
    }
    let all_expired = expire_offsets(shard, group_id, group, context, &mut decision);
    let has_pending_members = matches!(group, Group::Classic(group) if !group.pending_join.is_empty());
    if all_expired && group.is_empty() && !has_pending_members {
        decision.changes.extend(admin::delete::tombstones(group_id, group).into_iter().map(Change::Record));
    }
    decision
}

/// Returns whether the group has no offsets left.
fn expire_offsets(
    shard: &GroupShard,
    group_id: &GroupId,
    group: &Group,
    context: &Context,
    decision: &mut GroupDecision,
) -> bool {
    let Some(offsets) = shard.offsets.of_group(group_id) else {
        return !shard.offsets.has_pending(group_id);
    };
    let Some(since) = base_timestamp(group) else { return false };
    let mut all_expired = !shard.offsets.has_pending(group_id);
    for (topic, partitions) in offsets {
        if group.is_subscribed_to_topic(topic) {
            all_expired = false;
            continue;
        }
        for (index, offset) in partitions {
            let has_expired = match offset.expire_timestamp_ms {
                Some(expire_ms) => context.now_ms >= expire_ms,
                None => context.now_ms.saturating_sub(since.of(offset)) >= shard.config.offsets_retention_ms,
            };
            if has_expired && !shard.offsets.is_pending(group_id, topic, *index) {
                decision.changes.extend(tombstone(group_id, topic, *index).map(Change::Record));
                GroupEffect::count(&mut decision.effects, GroupCount::OffsetsExpired, 1);
            } else {
                all_expired = false;
            }
        }
    }
    all_expired
}

/// From when on an offset is kept.
enum Since {
    Commit,
    EmptySince(i64),
}

impl Since {
    fn of(&self, offset: &OffsetAndMetadata) -> i64 {
        match self {
            Since::Commit => offset.commit_timestamp_ms,
            Since::EmptySince(timestamp_ms) => *timestamp_ms,
        }
    }
}

/// None keeps all offsets.
fn base_timestamp(group: &Group) -> Option<Since> {
    let Group::Classic(group) = group else { return Some(Since::Commit) };
    if group.protocol_type.is_none() {
        return Some(Since::Commit);
    }
    if group.is_empty() {
        return Some(group.state_timestamp_ms.map_or(Since::Commit, Since::EmptySince));
    }
    let knows_topics = |group: &ClassicGroup| group.uses_consumer_protocol() && group.subscribed_topics.is_some();
    (knows_topics(group) && group.state == ClassicState::Stable).then_some(Since::Commit)
}
