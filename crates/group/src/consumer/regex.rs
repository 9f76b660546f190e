//! Subscriptions by regular expression.
//!
//! A member's request only says that it has one. Matching it against all topics is an event of its own
//! ([`super::ConsumerEvent::ResolveRegexes`]) which refreshes all expressions of the group together, so that the group is
//! assigned anew once and not once per expression; at most every ten seconds.

use super::error::GroupError;
use super::group::ConsumerGroup;
use super::member::Member;
use super::step::Step;
use super::subscriptions::ResolvedRegularExpression;
use super::{ConsumerChange, ConsumerEvent, metadata_hash, re2, records};
use crate::shard::GroupDecision;
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Least time between two refreshes of a group's expressions, milliseconds.
const REFRESH_INTERVAL_MS_MIN: i64 = 10_000;

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
                check(new)?;
                is_new = true;
            }
            Some(new) if group.subscriptions.resolved(new).is_some() => update = RegexUpdate::Resolved,
            Some(_) => {}
            None => update = RegexUpdate::Resolved,
        }
    }
    if is_refresh_due(step, group, before, after, is_new) {
        step.then(ConsumerEvent::ResolveRegexes(group.group_id.clone()));
    }
    Ok(update)
}

fn check(regex: &str) -> Result<(), GroupError> {
    re2::compile(regex).map(|_| ()).map_err(|reason| {
        let message = format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {reason}.");
        GroupError::new(ErrorCode::InvalidRegularExpression, message)
    })
}

fn is_refresh_due(step: &Step<'_>, group: &ConsumerGroup, before: &Member, after: &Member, is_new: bool) -> bool {
    let subscriptions = &group.subscriptions;
    if !is_new && subscriptions.regexes().next().is_none() {
        return false;
    }
    let now_ms = step.context.now_ms;
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

/// Matches all expressions of the group with the topics that there are now; the group's epoch rises when that changes what it
/// wants.
///
/// # Errors
/// INVALID_REQUEST when an expression is too long for a record.
pub(super) fn resolve(mut step: Step<'_>, group: &ConsumerGroup) -> Result<GroupDecision, GroupError> {
    let mut subscriptions = group.subscriptions.clone();
    let mut changed = false;
    let regexes: Vec<&str> = group.subscriptions.regexes().collect();
    for regex in &regexes {
        let resolved = ResolvedRegularExpression {
            topics: Arc::new(matching_topics(&step, regex)),
            // Kafka refreshes what was resolved with an older version of the topics, so this is always old to it. Here
            // `regexes_are_fresh` says so.
            version: 0,
            timestamp_ms: step.context.now_ms,
        };
        let before = group.subscriptions.resolved(regex);
        changed |= before.map_or(!resolved.topics.is_empty(), |before| before.topics != resolved.topics);
        step.record(records::regex(&group.group_id, regex, &resolved));
        subscriptions.resolve(regex, Some(resolved));
    }
    let hash = metadata_hash::of_group(&subscriptions, &step.shard.topics);
    if !regexes.is_empty() && (changed || hash != group.metadata_hash) {
        step.record(records::epoch(&group.group_id, group.group_epoch + 1, hash));
    }
    step.change(ConsumerChange::RegexesAreFresh);
    step.finish()
}

fn matching_topics(step: &Step<'_>, regex: &str) -> BTreeSet<String> {
    match re2::compile(regex) {
        Ok(regex) => {
            let names = step.shard.topics.iter().map(|topic| &topic.name).filter(|name| regex.is_match(name));
            names.map(|name| name.to_string()).collect()
        }
        Err(reason) => {
            // It was valid when its member joined: perhaps to a Kafka that reads more than this.
            tracing::error!(group_id = &*step.group_id, regex, %reason, "cannot read a regular expression, it matches nothing");
            BTreeSet::new()
        }
    }
}
