//! What a member sees of the topics that it subscribes to: which there are, with how many partitions, and when it looks again.
//!
//! A topic that is missing is asked for again soon, as Java's consumer does, and made by a broker that makes topics
//! (`allow.auto.create.topics`); one that is there is looked at once in `metadata.max.age.ms`.

use super::Member;
use crate::assign::{Racks, Topics};
use crate::backoff::{Backoff, later};
use crate::consumer::Shared;
use crate::consumer::subscription::Wanted;
use crate::error::ClientError;
use crate::metadata::PartitionMetadata;
use ottla_runtime::Instant;
use std::collections::BTreeSet;

/// So often a topic that is being made may be missing without a word.
const TRIES_UNTOLD: u32 = 3;

/// When a member looks at its topics again.
#[derive(Debug)]
pub(super) struct Lookout {
    /// The moment of the next look.
    pub(super) due: Instant,
    /// Looks in a row that found something missing.
    tries: u32,
}

/// What a look has shown.
#[derive(Debug)]
pub(super) struct Seen {
    /// The topics that are there.
    pub(super) topics: Topics,
    /// Those that may come soon.
    pub(super) missing: Vec<String>,
}

impl Lookout {
    /// The first look is due at once.
    pub(super) fn at_once(shared: &Shared) -> Lookout {
        Lookout { due: shared.runtime().now(), tries: 0 }
    }

    /// A look was made.
    pub(super) fn looked(&mut self, shared: &Shared, missing: &[String]) {
        let now = shared.runtime().now();
        if self.tries == TRIES_UNTOLD && !missing.is_empty() {
            tracing::warn!("waiting for topics that do not exist: {}", missing.join(", "));
        }
        if missing.is_empty() {
            *self = Lookout { due: later(now, shared.options.metadata_age_max), tries: 0 };
        } else {
            self.failed(shared);
        }
    }

    /// A look failed; the next one comes soon.
    pub(super) fn failed(&mut self, shared: &Shared) {
        self.due = shared.runtime().now() + Backoff::nth(shared.client.options(), self.tries, shared.runtime());
        self.tries = self.tries.saturating_add(1);
    }
}

impl Member {
    /// The topics that are subscribed to now; a pattern is matched with all topics of the cluster.
    pub(super) async fn topics_now(&self) -> Result<BTreeSet<String>, ClientError> {
        let wanted = self.wanted.borrow().clone();
        match wanted {
            Wanted::Topics(topics) => Ok(topics),
            Wanted::Pattern(pattern) => Ok(pattern.matching(&self.shared.client.fetch_metadata(None, false).await?)),
        }
    }

    /// Whether asking for a missing topic may make it: never for those that a pattern matched once.
    pub(super) fn may_create(&self) -> bool {
        self.shared.options.allow_auto_create_topics && matches!(*self.wanted.borrow(), Wanted::Topics(_))
    }

    /// Looks at these topics.
    ///
    /// # Errors
    /// Those of the connection; also when a topic that this member names can never be read (INVALID_TOPIC_EXCEPTION,
    /// TOPIC_AUTHORIZATION_FAILED).
    pub(super) async fn look_at(&self, topics: &BTreeSet<String>) -> Result<Seen, ClientError> {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let mut seen = Seen { topics: Topics::default(), missing: Vec::new() };
        if names.is_empty() {
            return Ok(seen);
        }
        let metadata = self.shared.client.fetch_metadata(Some(&names), self.may_create()).await?;
        let own = match &*self.wanted.borrow() {
            Wanted::Topics(own) => own.clone(),
            Wanted::Pattern(_) => BTreeSet::new(),
        };
        for (name, topic) in metadata.topics {
            match topic.partitions {
                Ok(partitions) => {
                    let rack = |broker: &i32| metadata.brokers.get(broker)?.rack.clone();
                    let racks = |partition: &PartitionMetadata| partition.replicas.iter().filter_map(rack).collect();
                    seen.topics.insert(name, partitions.iter().map(racks).collect::<Vec<Racks>>());
                }
                Err(error) if error.is_transient() => seen.missing.push(name),
                Err(error) if own.contains(&name) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(seen)
    }
}
