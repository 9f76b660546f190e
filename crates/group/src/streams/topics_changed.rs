//! Topics that appear, grow or disappear make the groups that need them look again, at the next heartbeat of a member.

use super::StreamsChange;
use crate::group::Group;
use crate::shard::{GroupDecision, GroupShard, GroupVolatile};
use crate::topics::GroupTopics;
use ottla_coordinator::Change;

/// What the new topics mean to the groups; the shard still has the old ones.
pub(super) fn handle(shard: &GroupShard, topics: &GroupTopics, decision: &mut GroupDecision) {
    let (changed, _) = topics.changed_since(&shard.topics);
    if changed.is_empty() {
        return;
    }
    for (group_id, group) in shard.groups.iter() {
        let Group::Streams(group) = group else { continue };
        let Some(topology) = &group.topology else { continue };
        if changed.iter().any(|topic| topology.requires(topic)) {
            let change = GroupVolatile::Streams(group_id.clone(), StreamsChange::RefreshMetadataAt(0));
            decision.changes.push(Change::Volatile(change));
        }
    }
}
