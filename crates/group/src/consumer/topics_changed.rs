//! Topics that appear, grow or disappear make the groups that want them look again, at the next heartbeat of a member.

use super::ConsumerChange;
use crate::group::Group;
use crate::shard::{GroupDecision, GroupShard, GroupVolatile};
use crate::share::ShareChange;
use crate::topics::GroupTopics;
use ottla_coordinator::Decision;

/// What the new topics mean to the groups; the shard still has the old ones.
pub(crate) fn handle(shard: &GroupShard, topics: &GroupTopics) -> GroupDecision {
    let (changed, has_new) = topics.changed_since(&shard.topics);
    let mut decision = Decision::none();
    if changed.is_empty() {
        return decision;
    }
    for (group_id, group) in shard.groups.iter() {
        if let Group::Share(group) = group
            && changed.iter().any(|topic| group.is_subscribed_to_topic(topic))
        {
            let change = ShareChange::TopicsChanged(true);
            decision = decision.volatile(GroupVolatile::Share(group_id.clone(), change));
        }
        let Group::Consumer(group) = group else { continue };
        // New topics may match expressions; what is named and did not exist is in `changed`.
        if has_new && group.subscriptions.regexes().next().is_some() {
            decision = decision.volatile(GroupVolatile::Consumer(group_id.clone(), ConsumerChange::RegexesAreStale));
        }
        if changed.iter().any(|topic| group.subscriptions.contains(topic)) {
            decision =
                decision.volatile(GroupVolatile::Consumer(group_id.clone(), ConsumerChange::RefreshMetadataAt(0)));
        }
    }
    decision
}
