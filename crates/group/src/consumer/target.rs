//! A new target assignment for the whole group.

use super::advance::Advance;
use super::error::GroupError;
use super::group::ConsumerGroup;
use super::member::Member;
use super::records;
use super::step::Step;
use super::subscriptions::Subscriptions;
use crate::assignor::{Assignment, Assignor, GroupSpec, MemberSpec};
use crate::topics::GroupTopics;
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whether enough time has passed since the last assignment (`consumer.assignment.interval.ms`).
pub(super) fn is_due(step: &Step<'_>, group: &ConsumerGroup) -> bool {
    let interval_ms = step.shard.config.assignment_interval_ms(&group.group_id);
    interval_has_passed(group.target.timestamp_ms, interval_ms, step.context.now_ms)
}

/// Whether the interval has passed since the last assignment was made. When nobody knows when that was, or the interval is zero
/// (the way out when the clock was set back), it has.
pub(crate) fn interval_has_passed(made_ms: i64, interval_ms: u64, now_ms: i64) -> bool {
    let interval_ms = i64::try_from(interval_ms).unwrap_or(i64::MAX);
    made_ms == 0 || interval_ms == 0 || now_ms >= made_ms.saturating_add(interval_ms)
}

/// Computes the target of the advancing group, writes what changed, and answers this member's part.
///
/// # Errors
/// UNKNOWN_SERVER_ERROR when the assignor fails.
pub(super) fn compute(
    step: &mut Step<'_>,
    advance: &Advance<'_>,
    subscriptions: &Subscriptions,
) -> Result<Arc<Assignment>, GroupError> {
    let group = advance.group;
    let spec = group_spec(advance, subscriptions, &step.shard.topics);
    let assignor = assignor(step, advance);
    let assignments = assignor.assign(&spec).map_err(|error| {
        let message = format!("Failed to compute a new target assignment for epoch {}: {error}", advance.group_epoch);
        tracing::error!(group_id = &*group.group_id, %message);
        GroupError::new(ErrorCode::UnknownServerError, message)
    })?;
    let mut own = Arc::default();
    for (member, assignment) in spec.members.iter().zip(assignments) {
        let unchanged = group.target.members.get(member.member_id.as_str()).is_some_and(|last| **last == assignment);
        if !unchanged {
            step.record(records::target_member(&group.group_id, &member.member_id, &assignment));
        }
        if *member.member_id == *advance.after.member_id {
            own = Arc::new(assignment);
        }
    }
    step.record(records::target_epoch(&group.group_id, advance.group_epoch, step.context.now_ms));
    tracing::debug!(
        group_id = &*group.group_id,
        epoch = advance.group_epoch,
        assignor = assignor.name(),
        "new assignment"
    );
    Ok(own)
}

/// The one that most members prefer; the broker's first when nobody does.
fn assignor(step: &Step<'_>, advance: &Advance<'_>) -> Assignor {
    let preferred = advance.group.preferred_assignor(Some(advance.before), Some(&advance.after));
    let default = step.shard.config.consumer_assignors.first();
    let known = |name: &String| Assignor::by_name(name);
    preferred.as_ref().and_then(known).or_else(|| default.and_then(known)).unwrap_or(Assignor::Uniform)
}

fn group_spec(advance: &Advance<'_>, subscriptions: &Subscriptions, topics: &GroupTopics) -> GroupSpec {
    let group = advance.group;
    let after = &advance.after;
    // A static member that comes back under a new id takes the place of the old one.
    let replaced = after.instance_id.as_deref().and_then(|instance_id| group.static_member(instance_id));
    let replaced =
        replaced.filter(|replaced| replaced.member_id != after.member_id).map(|replaced| &replaced.member_id);
    let mut members: BTreeMap<&str, (&Member, Arc<Assignment>)> = BTreeMap::new();
    for member in group.members().filter(|member| Some(&member.member_id) != replaced) {
        members.insert(&member.member_id, (member, group.target_of(&member.member_id)));
    }
    let last = group.target_of(replaced.unwrap_or(&after.member_id));
    members.insert(&after.member_id, (after, last));
    let mut ids = TopicIds::new(topics);
    let specs = members.into_iter().map(|(member_id, (member, assignment))| MemberSpec {
        member_id: member_id.to_string(),
        instance_id: member.instance_id.clone(),
        subscribed_topic_ids: ids.of(&group.subscriptions.topics_of(member)),
        assignment,
    });
    let members: Vec<MemberSpec> = specs.collect();
    let subscription_type = subscriptions.subscription_type(advance.member_count());
    GroupSpec { members, subscription_type, partition_counts: ids.partition_counts }
}

/// Names of topics as ids; members that want the same share one set.
struct TopicIds<'a> {
    topics: &'a GroupTopics,
    known: BTreeMap<Arc<BTreeSet<String>>, Arc<BTreeSet<Uuid>>>,
    partition_counts: BTreeMap<Uuid, i32>,
}

impl<'a> TopicIds<'a> {
    fn new(topics: &'a GroupTopics) -> TopicIds<'a> {
        TopicIds { topics, known: BTreeMap::new(), partition_counts: BTreeMap::new() }
    }

    fn of(&mut self, names: &Arc<BTreeSet<String>>) -> Arc<BTreeSet<Uuid>> {
        if let Some(ids) = self.known.get(names) {
            return ids.clone();
        }
        let mut ids = BTreeSet::new();
        for topic in names.iter().filter_map(|name| self.topics.by_name(name)) {
            self.partition_counts.insert(topic.id, topic.partition_count());
            ids.insert(topic.id);
        }
        let ids = Arc::new(ids);
        self.known.insert(names.clone(), ids.clone());
        ids
    }
}
