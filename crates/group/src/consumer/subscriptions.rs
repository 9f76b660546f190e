//! Which topics the members of a group want: by name, and by regular expression.

use super::member::Member;
use crate::assignor::SubscriptionType;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A regular expression and the topics that it matched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ResolvedRegularExpression {
    pub(crate) topics: Arc<BTreeSet<String>>,
    /// Version of the topics that it was matched with.
    pub(crate) version: i64,
    /// When, milliseconds since the epoch.
    pub(crate) timestamp_ms: i64,
}

/// Who wants one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SubscriptionCount {
    /// Members that named it.
    pub(crate) by_name: usize,
    /// Resolved regular expressions that match it.
    pub(crate) by_regex: usize,
}

/// The subscriptions of a whole group, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Subscriptions {
    topics: BTreeMap<String, SubscriptionCount>,
    /// Members of every regular expression.
    regexes: BTreeMap<String, usize>,
    resolved: BTreeMap<String, ResolvedRegularExpression>,
}

impl Subscriptions {
    /// Every topic that somebody wants, whether it exists or not.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// Whether somebody wants the topic.
    pub(crate) fn contains(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// Regular expressions that members are subscribed to.
    pub(crate) fn regexes(&self) -> impl Iterator<Item = &str> {
        self.regexes.keys().map(String::as_str)
    }

    /// Members that are subscribed to the regular expression.
    pub(crate) fn regex_members(&self, regex: &str) -> usize {
        self.regexes.get(regex).copied().unwrap_or(0)
    }

    /// What the regular expression matched.
    pub(crate) fn resolved(&self, regex: &str) -> Option<&ResolvedRegularExpression> {
        self.resolved.get(regex)
    }

    /// Every resolved regular expression.
    pub(crate) fn all_resolved(&self) -> impl Iterator<Item = (&String, &ResolvedRegularExpression)> {
        self.resolved.iter()
    }

    /// Whether every regular expression is resolved, and no other is.
    pub(crate) fn are_all_resolved(&self) -> bool {
        self.regexes.keys().eq(self.resolved.keys())
    }

    /// The last refresh, all are refreshed together: when and with which version of the topics.
    pub(crate) fn last_refresh(&self) -> Option<(i64, i64)> {
        self.resolved.values().next().map(|resolved| (resolved.timestamp_ms, resolved.version))
    }

    /// Whether all members want the same.
    pub(crate) fn subscription_type(&self, members: usize) -> SubscriptionType {
        let homogeneous = match self.regexes.values().next() {
            None => self.topics.values().all(|count| count.by_name == members),
            // One regular expression for all, and no names.
            Some(count) if *count == members => {
                self.topics.values().all(|count| count.by_regex == 1 && count.by_name == 0)
            }
            Some(_) => false,
        };
        if homogeneous { SubscriptionType::Homogeneous } else { SubscriptionType::Heterogeneous }
    }

    /// Counts a member in the place of another, or of none.
    pub(crate) fn replace(&mut self, before: Option<&Member>, after: Option<&Member>) {
        if let (Some(before), Some(after)) = (before, after) {
            let same_names = Arc::ptr_eq(&before.subscribed_topic_names, &after.subscribed_topic_names);
            if same_names && before.subscribed_topic_regex == after.subscribed_topic_regex {
                return;
            }
        }
        if let Some(member) = before {
            member.subscribed_topic_names.iter().for_each(|topic| {
                self.change(topic, |count| {
                    count.by_name = count.by_name.saturating_sub(1);
                })
            });
            if let Some(count) = member.regex().and_then(|regex| self.regexes.get_mut(regex)) {
                *count -= 1;
                if *count == 0 {
                    self.regexes.remove(&member.subscribed_topic_regex);
                }
            }
        }
        if let Some(member) = after {
            member.subscribed_topic_names.iter().for_each(|topic| self.change(topic, |count| count.by_name += 1));
            if let Some(regex) = member.regex() {
                *self.regexes.entry(regex.to_string()).or_default() += 1;
            }
        }
    }

    /// Sets what a regular expression matched; None forgets it.
    pub(crate) fn resolve(&mut self, regex: &str, resolved: Option<ResolvedRegularExpression>) {
        if let Some(before) = self.resolved.remove(regex) {
            before.topics.iter().for_each(|topic| {
                self.change(topic, |count| {
                    count.by_regex = count.by_regex.saturating_sub(1);
                })
            });
        }
        if let Some(resolved) = resolved {
            resolved.topics.iter().for_each(|topic| self.change(topic, |count| count.by_regex += 1));
            self.resolved.insert(regex.to_string(), resolved);
        }
    }

    /// What `member` wants: names, and what its regular expression matched.
    pub(crate) fn topics_of(&self, member: &Member) -> Arc<BTreeSet<String>> {
        let matched = member.regex().and_then(|regex| self.resolved(regex)).map(|resolved| &resolved.topics);
        match matched {
            None => member.subscribed_topic_names.clone(),
            Some(matched) if member.subscribed_topic_names.is_empty() => matched.clone(),
            Some(matched) => Arc::new(member.subscribed_topic_names.union(matched).cloned().collect()),
        }
    }

    fn change(&mut self, topic: &str, change: impl FnOnce(&mut SubscriptionCount)) {
        if let Some(count) = self.topics.get_mut(topic) {
            change(count);
            if *count == SubscriptionCount::default() {
                self.topics.remove(topic);
            }
        } else {
            let mut count = SubscriptionCount::default();
            change(&mut count);
            if count != SubscriptionCount::default() {
                self.topics.insert(topic.to_string(), count);
            }
        }
    }
}
