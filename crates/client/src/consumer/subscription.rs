//! What a consumer subscribes to: topics by name, or all whose name matches a pattern.

use crate::error::ClientError;
use crate::metadata::ClusterMetadata;
use ottla_re2::Re2Pattern;
use std::collections::BTreeSet;

/// A subscription, without the member that has it.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// These topics.
    Topics(BTreeSet<String>),
    /// All topics that match, now and later; those of the cluster itself are left out.
    Pattern(Pattern),
}

/// A regular expression that the whole name matches, in the syntax of RE2.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// As it was given: what KIP-848 sends.
    pub(super) text: String,
    compiled: Re2Pattern,
}

impl Pattern {
    /// # Errors
    /// `Invalid` with what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Pattern, ClientError> {
        let invalid = |reason| ClientError::Invalid(format!("topic pattern '{text}': {reason}"));
        Ok(Pattern { text: text.to_string(), compiled: Re2Pattern::compile(text).map_err(invalid)? })
    }

    /// The topics that match.
    pub(super) fn matching(&self, cluster: &ClusterMetadata) -> BTreeSet<String> {
        let topics = cluster.topics.values().filter(|topic| !topic.is_internal && topic.partitions.is_ok());
        topics.filter(|topic| self.compiled.matches(&topic.name)).map(|topic| topic.name.clone()).collect()
    }
}

impl PartialEq for Wanted {
    fn eq(&self, other: &Wanted) -> bool {
        match (self, other) {
            (Wanted::Topics(one), Wanted::Topics(two)) => one == two,
            (Wanted::Pattern(one), Wanted::Pattern(two)) => one.text == two.text,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::TopicMetadata;
    use ottla_types::Uuid;

    #[test]
    fn a_pattern_matches_whole_names_and_leaves_internal_topics_out() {
        let topic = |name: &str, is_internal| {
            let (topic_id, partitions) = (Uuid::ZERO, Ok(Vec::new()));
            (name.to_string(), TopicMetadata { name: name.to_string(), topic_id, is_internal, partitions })
        };
        let topics = [topic("orders-a", false), topic("orders-b", false), topic("my-orders-a", false)];
        let internal = topic("orders-c", true);
        let cluster = ClusterMetadata { topics: topics.into_iter().chain([internal]).collect(), ..Default::default() };
        let matching = |text: &str| Pattern::new(text).unwrap().matching(&cluster).into_iter().collect::<Vec<_>>();
        assert_eq!(matching("orders-.*"), ["orders-a", "orders-b"]);
        assert_eq!(matching("orders-a|my.*"), ["my-orders-a", "orders-a"]);
        assert!(matching("orders").is_empty());
    }

    #[test]
    fn a_broken_pattern_is_told_with_what_is_wrong() {
        for (broken, reason) in [("orders-(", "unclosed group"), ("a)|(?:b", "unopened group"), ("*", "repetition")] {
            let error = Pattern::new(broken).unwrap_err().to_string();
            assert!(error.contains(broken) && error.contains(reason), "{error}");
        }
        assert!(Pattern::new("(a{1000}){1000}").is_err(), "bounded");
    }
}
