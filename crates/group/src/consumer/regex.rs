//! Subscriptions by regular expression.
//!
//! A member's request only says that it has one; whether it can be read the broker found out before
//! ([`crate::RequestContext::regex_error`]). Matching is an event of its own ([`super::ConsumerEvent::MatchRegexes`]): it hands
//! all expressions of the group out together ([`super::matching`]), so that the group is assigned anew once and not once per
//! expression; at most every ten seconds, and one task at a time. The result comes back as an event.

use super::error::GroupError;
use super::group::ConsumerGroup;
use super::member::Member;
use super::step::Step;
use super::subscriptions::ResolvedRegularExpression;
use super::{ConsumerChange, ConsumerEvent, MatchedRegexes, RegexTask, metadata_hash, records};
use crate::effect::GroupEffect;
use crate::event::RequestContext;
use crate::shard::GroupDecision;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Least time between two refreshes of a group's expressions, milliseconds.
const REFRESH_INTERVAL_MS_MIN: i64 = 10_000;
/// After this long a task that was handed out counts as lost, milliseconds.
const MATCHING_MS_MAX: i64 = 60_000;

/// What became of a member's regular expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegexUpdate {
    /// Nothing.
    Unchanged,
    /// Another one, or none, whose topics are not known yet.
    Changed,
    /// Another one, or none, and it is known which topics that means.
    Resolved,
}

impl RegexUpdate {
    pub(super) fn is_changed(self) -> bool {
        self != RegexUpdate::Unchanged
    }
}

/// Takes note of the member's expression, and asks for a refresh when one is due.
///
/// # Errors
/// INVALID_REGULAR_EXPRESSION.
pub(super) fn update(
    step: &mut Step<'_>,
    group: &ConsumerGroup,
    before: &Member,
    after: &Member,
    caller: &RequestContext,
) -> Result<RegexUpdate, GroupError> {
    let changed = before.subscribed_topic_regex != after.subscribed_topic_regex;
    // Most groups have none.
    if !changed && group.subscriptions.regexes().next().is_none() {
        return Ok(RegexUpdate::Unchanged);
    }
    let mut update = RegexUpdate::Unchanged;
    let mut is_new = false;
    if changed {
        update = RegexUpdate::Changed;
        if let Some(old) = before.regex().filter(|regex| group.subscriptions.regex_members(regex) == 1) {
            step.record(records::regex_tombstone(&group.group_id, old));
        }
        match after.regex() {
            Some(new) if group.subscriptions.regex_members(new) == 0 => {
                check(new, caller)?;
                is_new = true;
            }
            Some(new) if group.subscriptions.resolved(new).is_some() => update = RegexUpdate::Resolved,
            Some(_) => {}
            None => update = RegexUpdate::Resolved,
        }
    }
    if is_refresh_due(step, group, before, after, is_new) {
        step.then(ConsumerEvent::MatchRegexes(group.group_id.clone()));
    }
    Ok(update)
}

fn check(regex: &str, caller: &RequestContext) -> Result<(), GroupError> {
    let Some(reason) = &caller.regex_error else { return Ok(()) };
    let message = format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {reason}.");
    Err(GroupError::new(ErrorCode::InvalidRegularExpression, message))
}

fn is_refresh_due(step: &Step<'_>, group: &ConsumerGroup, before: &Member, after: &Member, is_new: bool) -> bool {
    let subscriptions = &group.subscriptions;
    if !is_new && subscriptions.regexes().next().is_none() {
        return false;
    }
    let now_ms = step.context.now_ms;
    let handed_out_ms = group.volatile.regexes_handed_out_ms;
    if handed_out_ms.is_some_and(|since_ms| now_ms < since_ms.saturating_add(MATCHING_MS_MAX)) {
        return false;
    }
    let Some((refreshed_ms, _)) = subscriptions.last_refresh() else { return true };
    if now_ms <= refreshed_ms.saturating_add(REFRESH_INTERVAL_MS_MIN) {
        return false;
    }
    let changed = before.subscribed_topic_regex != after.subscribed_topic_regex;
    let interval_ms = i64::try_from(step.shard.config.consumer_regex_refresh_interval_ms).unwrap_or(i64::MAX);
    is_new
        || changed
        || !subscriptions.are_all_resolved()
        || !group.volatile.regexes_are_fresh
        || now_ms > refreshed_ms.saturating_add(interval_ms)
}

/// Hands out all expressions of the group, to be matched with the topics that there are now.
///
/// # Errors
/// Never today.
pub(super) fn hand_out(mut step: Step<'_>, group: &ConsumerGroup) -> Result<GroupDecision, GroupError> {
    let expressions: Vec<String> = group.subscriptions.regexes().map(str::to_string).collect();
    if !expressions.is_empty() {
        step.change(ConsumerChange::RegexesAreMatched(step.context.now_ms));
        let task = RegexTask::new(group.group_id.clone(), expressions, step.shard.topics.clone());
        step.decision_mut().effects.push(GroupEffect::MatchRegexes(task));
    }
    step.finish()
}

/// Takes note of what the group's expressions matched; its epoch rises when that changes what it wants.
///
/// # Errors
/// INVALID_REQUEST when an expression is too long for a record.
pub(super) fn matched(
    mut step: Step<'_>,
    group: &ConsumerGroup,
    matched: &MatchedRegexes,
) -> Result<GroupDecision, GroupError> {
    if group.volatile.regexes_handed_out_ms.is_none() {
        // Of a time before the group was loaded.
        return step.finish();
    }
    let mut subscriptions = group.subscriptions.clone();
    let (mut changed, mut is_any) = (false, false);
    for (regex, topics) in &matched.topics {
        // Its members may have left meanwhile.
        if group.subscriptions.regex_members(regex) == 0 {
            continue;
        }
        let resolved = ResolvedRegularExpression {
            topics: Arc::clone(topics),
            // Kafka refreshes what was resolved with an older version of the topics, so this is always old to it. Here
            // `regexes_are_fresh` says so.
            version: 0,
            timestamp_ms: step.context.now_ms,
        };
        let before = group.subscriptions.resolved(regex);
        changed |= before.map_or(!resolved.topics.is_empty(), |before| before.topics != resolved.topics);
        is_any = true;
        step.record(records::regex(&group.group_id, regex, &resolved));
        subscriptions.resolve(regex, Some(resolved));
    }
    let hash = metadata_hash::of_group(&subscriptions, &step.shard.topics);
    if is_any && (changed || hash != group.metadata_hash) {
        step.raise_epoch(group, group.group_epoch + 1, hash);
    }
    step.change(ConsumerChange::RegexesWereMatched);
    // Many expressions may be more than one batch holds. The epoch comes last: if it is lost, the hash shows that.
    step.finish().map(GroupDecision::split)
}
