//! A new target assignment for the whole share group.

use super::assignor::{Wants, assign};
use super::group::{ShareGroup, ShareMember};
use super::records;
use crate::assignor::Assignment;
use crate::consumer::step::Step;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whether a partition that may be assigned, of a topic that somebody wants, is in nobody's target, or one in a target is not
/// assignable (any more).
pub(super) fn leaves_out_any(group: &ShareGroup) -> bool {
    if group.is_empty() {
        return false;
    }
    let mut assigned = Assignment::new();
    for target in group.target.values() {
        for (topic_id, partitions) in &**target {
            assigned.entry(*topic_id).or_default().extend(partitions);
        }
    }
    let none = BTreeSet::new();
    let mut known = group.partitions.initialized.iter().filter(|(_, of)| group.is_subscribed_to_topic(&of.name));
    known.any(|(topic_id, of)| assigned.get(topic_id).unwrap_or(&none) != &of.partitions)
}

/// The target's epoch and the member's part of it: a new one when the group epoch is ahead and enough time has passed.
pub(super) fn update(
    step: &mut Step<'_>,
    group: &ShareGroup,
    member: &ShareMember,
    group_epoch: i32,
) -> (i32, Arc<Assignment>) {
    if group.target_epoch >= group_epoch || !is_due(step, group) {
        return (group.target_epoch, group.target_of(&member.member_id));
    }
    let others = group.members.values().filter(|other| other.member_id != member.member_id);
    let members: Vec<&ShareMember> = others.map(|other| &**other).chain([member]).collect();
    let wants: Vec<Wants> = members.iter().map(|member| wants(step, group, member)).collect();
    let assignments = assign(&wants, &group.partitions.assignable());
    let mut own = Arc::default();
    for (of, assignment) in members.iter().zip(assignments) {
        if group.target.get(&of.member_id).is_none_or(|last| **last != assignment) {
            step.record(records::target_member(&group.group_id, &of.member_id, &assignment));
        }
        if of.member_id == member.member_id {
            own = Arc::new(assignment);
        }
    }
    let now_ms = step.context.now_ms;
    step.record(records::target_epoch(&group.group_id, group_epoch, now_ms));
    (group_epoch, own)
}

/// Whether `share.assignment.interval.ms` has passed since the last assignment.
fn is_due(step: &Step<'_>, group: &ShareGroup) -> bool {
    let interval_ms = step.shard.config.share_assignment_interval_ms(&group.group_id);
    let interval_ms = i64::try_from(interval_ms).unwrap_or(i64::MAX);
    let made_ms = group.target_timestamp_ms;
    made_ms == 0 || interval_ms == 0 || step.context.now_ms >= made_ms.saturating_add(interval_ms)
}

fn wants(step: &Step<'_>, group: &ShareGroup, member: &ShareMember) -> Wants {
    let names = member.subscribed_topic_names.iter();
    let topics = names.filter_map(|name| step.shard.topics.by_name(name)).map(|topic| topic.id).collect();
    Wants { topics, last: group.target_of(&member.member_id) }
}
