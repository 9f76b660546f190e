//! Which partitions of a share group have a state at the share coordinator, or are about to.

use crate::assignor::Assignment;
use crate::topics::GroupTopics;
use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfTopic {
    pub(crate) name: String,
    pub(crate) partitions: BTreeSet<i32>,
    /// When they were written down, milliseconds since the epoch.
    pub(crate) since_ms: i64,
}

/// States of a group's partitions; one record holds them all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StatePartitions {
    pub(crate) initializing: BTreeMap<Uuid, OfTopic>,
    pub(crate) initialized: BTreeMap<Uuid, OfTopic>,
    /// Topics with their names.
    pub(crate) deleting: BTreeMap<Uuid, String>,
}

impl StatePartitions {
    /// Partitions of these topics that have no state and for which none was asked for within `retry_ms`.
    pub(crate) fn missing(
        &self,
        names: &BTreeSet<String>,
        topics: &GroupTopics,
        now_ms: i64,
        retry_ms: i64,
    ) -> BTreeMap<Uuid, OfTopic> {
        let mut missing = BTreeMap::new();
        for topic in names.iter().filter_map(|name| topics.by_name(name)) {
            let waiting = self.initializing.get(&topic.id).filter(|waiting| now_ms - waiting.since_ms < retry_ms);
            let known = |partition: &i32| {
                [self.initialized.get(&topic.id), waiting]
                    .into_iter()
                    .flatten()
                    .any(|of| of.partitions.contains(partition))
            };
            let partitions: BTreeSet<i32> =
                (0..topic.partition_count()).filter(|partition| !known(partition)).collect();
            if !partitions.is_empty() {
                missing.insert(topic.id, OfTopic { name: topic.name.to_string(), partitions, since_ms: now_ms });
            }
        }
        missing
    }

    /// These are being initialised now.
    pub(crate) fn begin(&mut self, missing: &BTreeMap<Uuid, OfTopic>) {
        for (topic_id, topic) in missing {
            let of = self.initializing.entry(*topic_id).or_insert_with(|| topic.clone());
            of.partitions.extend(&topic.partitions);
            of.since_ms = topic.since_ms;
            self.deleting.remove(topic_id);
        }
    }

    /// These are initialised, or could not be.
    pub(crate) fn end(&mut self, topics: &BTreeMap<Uuid, Vec<i32>>, names: &GroupTopics, is_ok: bool, now_ms: i64) {
        for (topic_id, partitions) in topics {
            if let Some(of) = self.initializing.get_mut(topic_id) {
                of.partitions.retain(|partition| !partitions.contains(partition));
            }
            // A topic that was deleted meanwhile has no state any more.
            let Some(topic) = names.by_id(*topic_id).filter(|_| is_ok) else { continue };
            let new = || OfTopic { name: topic.name.to_string(), partitions: BTreeSet::new(), since_ms: now_ms };
            self.initialized.entry(*topic_id).or_insert_with(new).partitions.extend(partitions);
        }
        self.initializing.retain(|_, of| !of.partitions.is_empty());
    }

    /// The states of a topic are to be deleted; the partitions that may have one.
    pub(crate) fn begin_delete(&mut self, topic_id: Uuid, topics: &GroupTopics) -> Option<Vec<i32>> {
        let known = self.initialized.remove(&topic_id);
        let waiting = self.initializing.remove(&topic_id);
        let mut partitions: BTreeSet<i32> =
            [&known, &waiting].into_iter().flatten().flat_map(|of| of.partitions.iter().copied()).collect();
        let name = match (known.or(waiting), self.deleting.get(&topic_id)) {
            (Some(of), _) => of.name,
            (None, Some(name)) => {
                partitions.extend(0..topics.by_id(topic_id).map_or(0, |topic| topic.partition_count()));
                name.clone()
            }
            (None, None) => return None,
        };
        self.deleting.insert(topic_id, name);
        Some(partitions.into_iter().collect())
    }

    /// All topics that have a state, may have one, or are losing it.
    pub(crate) fn topics(&self) -> BTreeSet<Uuid> {
        self.initialized.keys().chain(self.initializing.keys()).chain(self.deleting.keys()).copied().collect()
    }

    pub(crate) fn knows(&self, topic_id: Uuid) -> bool {
        self.initialized.contains_key(&topic_id)
            || self.initializing.contains_key(&topic_id)
            || self.deleting.contains_key(&topic_id)
    }

    pub(crate) fn forget(&mut self, topic_id: Uuid) {
        self.initialized.remove(&topic_id);
        self.initializing.remove(&topic_id);
        self.deleting.remove(&topic_id);
    }

    /// What may be assigned.
    pub(crate) fn assignable(&self) -> Assignment {
        self.initialized.iter().map(|(topic_id, of)| (*topic_id, of.partitions.clone())).collect()
    }
}
