//! What is known of topics: which exist, with how many partitions and which configs.
//!
//! Each topic is changed by one client task at a time, which repeats a change until its outcome is known. In between
//! both outcomes are possible.

use super::{Check, broken};
use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whether a topic exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existence {
    No,
    /// A creation or deletion is under way.
    Maybe,
    Yes,
}

/// One topic name.
#[derive(Debug, Clone)]
pub(super) struct TopicHistory {
    pub(super) existence: Existence,
    /// Counts the creations under this name.
    pub(super) incarnation: u32,
    pub(super) topic_id: Option<Uuid>,
    /// As many partitions are there at least, and at most.
    pub(super) partitions: (i32, i32),
    /// The values that a config may have.
    pub(super) configs: BTreeMap<String, BTreeSet<String>>,
    /// Rises with every change, so that an answer is only judged if nothing changed meanwhile.
    pub(super) changes: u64,
    /// Ids that this name had before.
    former_ids: BTreeSet<[u8; 16]>,
    /// Whether the workloads may use it at any time: it is never deleted.
    pub(super) is_permanent: bool,
}

/// All topics by name.
#[derive(Debug, Default)]
pub(super) struct Topics {
    pub(super) by_name: BTreeMap<Arc<str>, TopicHistory>,
}

/// What an answer says about a topic that exists.
#[derive(Debug, Clone)]
pub(crate) struct FoundTopic {
    pub(crate) topic_id: Uuid,
    pub(crate) partitions: i32,
}

impl Topics {
    pub(super) fn get(&self, name: &str) -> Option<&TopicHistory> {
        self.by_name.get(name)
    }

    fn changing(&mut self, name: &str) -> &mut TopicHistory {
        let topic = self.by_name.get_mut(name).expect("the topic was begun");
        topic.changes += 1;
        topic
    }

    /// A creation under this name begins.
    pub(super) fn create(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(String, String)],
        is_permanent: bool,
    ) -> u32 {
        let former = self.by_name.remove(name);
        let incarnation = former.as_ref().map_or(0, |former| former.incarnation + 1);
        let mut former_ids = former.as_ref().map(|former| former.former_ids.clone()).unwrap_or_default();
        former_ids.extend(former.as_ref().and_then(|former| former.topic_id).map(|id| id.0));
        let configs = configs.iter().map(|(name, value)| (name.clone(), BTreeSet::from([value.clone()])));
        let topic = TopicHistory {
            existence: Existence::Maybe,
            incarnation,
            topic_id: None,
            partitions: (partitions, partitions),
            configs: configs.collect(),
            changes: former.map_or(0, |former| former.changes + 1),
            former_ids,
            is_permanent,
        };
        self.by_name.insert(name.into(), topic);
        incarnation
    }

    pub(super) fn created(&mut self, name: &str) {
        self.changing(name).existence = Existence::Yes;
    }

    pub(super) fn deleting(&mut self, name: &str) {
        self.changing(name).existence = Existence::Maybe;
    }

    pub(super) fn deleted(&mut self, name: &str) {
        self.changing(name).existence = Existence::No;
    }

    pub(super) fn growing(&mut self, name: &str, total: i32) {
        self.changing(name).partitions.1 = total;
    }

    pub(super) fn grown(&mut self, name: &str) {
        let topic = self.changing(name);
        topic.partitions.0 = topic.partitions.1;
    }

    pub(super) fn altering(&mut self, name: &str, config: &str, value: &str) {
        self.changing(name).configs.entry(config.to_string()).or_default().insert(value.to_string());
    }

    pub(super) fn altered(&mut self, name: &str, config: &str, value: &str) {
        self.changing(name).configs.insert(config.to_string(), BTreeSet::from([value.to_string()]));
    }

    /// Compares an answer with what is known; `changes` is the topic's count when the question was sent.
    pub(super) fn check(&mut self, name: &str, changes: u64, found: Option<&FoundTopic>) -> Check {
        let Some(topic) = self.by_name.get_mut(name).filter(|topic| topic.changes == changes) else { return Ok(()) };
        match (topic.existence, found) {
            (Existence::Yes, None) => broken(format!("topic {name} was created, and does not exist")),
            (Existence::No, Some(_)) => broken(format!("topic {name} was deleted, and exists")),
            (_, None) => Ok(()),
            (_, Some(found)) => topic.check_found(name, found),
        }
    }

    /// Compares a config with what was set.
    pub(super) fn check_config(&self, name: &str, changes: u64, config: &str, found: Option<&str>) -> Check {
        let Some(topic) = self.get(name).filter(|topic| topic.changes == changes) else { return Ok(()) };
        let Some(possible) = topic.configs.get(config).filter(|_| topic.existence == Existence::Yes) else {
            return Ok(());
        };
        if found.is_none_or(|found| !possible.contains(found)) {
            return broken(format!("config {config} of topic {name} was set to {possible:?}, and is {found:?}"));
        }
        Ok(())
    }
}

impl TopicHistory {
    fn check_found(&mut self, name: &str, found: &FoundTopic) -> Check {
        let FoundTopic { topic_id, partitions } = *found;
        if self.former_ids.contains(&topic_id.0) {
            // A deletion of the former topic of this name may still be under way.
            return match self.existence {
                Existence::Yes => broken(format!("topic {name} was created anew, and has its old id {topic_id}")),
                Existence::Maybe | Existence::No => Ok(()),
            };
        }
        let known = *self.topic_id.get_or_insert(topic_id);
        if known != topic_id {
            return broken(format!("topic {name} had id {known}, and has {topic_id}"));
        }
        let (least, most) = self.partitions;
        if !(least..=most).contains(&partitions) {
            return broken(format!("topic {name} has {partitions} partitions instead of {least} to {most}"));
        }
        Ok(())
    }
}
