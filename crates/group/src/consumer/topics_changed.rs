//! Topics that appear, grow or disappear make the groups that want them look again, at the next heartbeat of a member.

use super::ConsumerChange;
use crate::group::Group;
use crate::shard::{GroupDecision, GroupShard, GroupVolatile};
use crate::share::ShareChange;
use crate::topics::{GroupTopics, TopicInfo};
use ottla_coordinator::Decision;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the new topics mean to the groups; the shard still has the old ones.
pub(crate) fn handle(shard: &GroupShard, topics: &GroupTopics) -> GroupDecision {
    let difference = Difference::between(&shard.topics, topics);
    let mut decision = Decision::none();
    if difference.changed.is_empty() && !difference.has_new {
        return decision;
    }
    for (group_id, group) in shard.groups.iter() {
        if let Group::Share(group) = group {
            if difference.changed.iter().any(|topic| group.is_subscribed_to_topic(topic)) {
                let change = ShareChange::TopicsChanged(true);
                decision = decision.volatile(GroupVolatile::Share(group_id.clone(), change));
            }
        }
        let Group::Consumer(group) = group else { continue };
        // New topics may match expressions; what is named and did not exist is in `changed`.
        if difference.has_new && group.subscriptions.regexes().next().is_some() {
            decision = decision.volatile(GroupVolatile::Consumer(group_id.clone(), ConsumerChange::RegexesAreStale));
        }
        if difference.changed.iter().any(|topic| group.subscriptions.contains(topic)) {
            decision =
                decision.volatile(GroupVolatile::Consumer(group_id.clone(), ConsumerChange::RefreshMetadataAt(0)));
        }
    }
    decision
}

struct Difference {
    /// Names of topics that are new, gone, or have other partitions or racks.
    changed: BTreeSet<Arc<str>>,
    has_new: bool,
}

impl Difference {
    fn between(before: &GroupTopics, after: &GroupTopics) -> Difference {
        let mut difference = Difference { changed: BTreeSet::new(), has_new: false };
        let mut old = before.iter().peekable();
        let mut new = after.iter().peekable();
        // Both come ordered by name.
        loop {
            match (old.peek(), new.peek()) {
                (Some(left), Some(right)) if left.name == right.name => {
                    difference.same_name(left, right);
                    old.next();
                    new.next();
                }
                (Some(left), right) if right.is_none_or(|right| left.name < right.name) => {
                    difference.changed.insert(left.name.clone());
                    old.next();
                }
                (_, Some(right)) => {
                    difference.changed.insert(right.name.clone());
                    difference.has_new = true;
                    new.next();
                }
                _ => return difference,
            }
        }
    }

    fn same_name(&mut self, before: &Arc<TopicInfo>, after: &Arc<TopicInfo>) {
        if !Arc::ptr_eq(before, after) && before != after {
            self.changed.insert(after.name.clone());
            self.has_new |= before.id != after.id;
        }
    }
}
