//! How many partitions the internal topics of a topology must have.
//!
//! Repartition topics without a count of their own get the largest of what the subtopologies that write to them read, round by
//! round until all are known. Then topics that are joined must agree. Changelogs follow what their subtopology reads.

use super::configured::{StatusCode, TopicProblem};
use super::topology::{StreamsTopology, invalid, sources};
use crate::consumer::error::GroupError;
use crate::topics::GroupTopics;
use ottla_protocol::streams_group_topology_value::{CopartitionGroup, Subtopology};
use std::collections::{BTreeMap, BTreeSet};

/// Why counts could not be decided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CountError {
    /// The topology makes no sense, whatever topics there are.
    Topology(GroupError),
    /// The topics do not fit to it.
    Topics(TopicProblem),
}

/// Counts of topics: of those that exist, and what was decided for others.
pub(crate) struct PartitionCounts<'a> {
    topics: &'a GroupTopics,
    pub(crate) decided: BTreeMap<String, i32>,
}

impl From<GroupError> for CountError {
    fn from(error: GroupError) -> CountError {
        CountError::Topology(error)
    }
}

impl<'a> PartitionCounts<'a> {
    /// Decides about every internal topic. All topics that are not internal must exist.
    ///
    /// # Errors
    /// See [`CountError`].
    pub(crate) fn decide(
        topology: &StreamsTopology,
        topics: &'a GroupTopics,
    ) -> Result<PartitionCounts<'a>, CountError> {
        let mut counts = PartitionCounts { topics, decided: BTreeMap::new() };
        counts.repartition_topics(topology)?;
        let is_fixed = repartition_topics(topology);
        for subtopology in topology.subtopologies.values() {
            for group in &subtopology.copartition_groups {
                counts.copartition(subtopology, group, &is_fixed)?;
            }
        }
        for subtopology in topology.subtopologies.values() {
            let largest = counts.largest_source(subtopology)?;
            let changelogs = subtopology.state_changelog_topics.iter();
            counts.decided.extend(changelogs.map(|changelog| (changelog.name.clone(), largest)));
        }
        Ok(counts)
    }

    /// How many partitions a topic has, or will have.
    pub(crate) fn of(&self, topic: &str) -> Option<i32> {
        let existing = self.topics.by_name(topic).map(|topic| topic.partition_count());
        existing.or_else(|| self.decided.get(topic).copied())
    }

    /// The most partitions of what a subtopology reads.
    ///
    /// # Errors
    /// STREAMS_INVALID_TOPOLOGY when it reads nothing.
    pub(crate) fn largest_source(&self, subtopology: &Subtopology) -> Result<i32, GroupError> {
        sources(subtopology)
            .filter_map(|topic| self.of(topic))
            .max()
            .ok_or_else(|| invalid(format!("No source topics found for subtopology {}", subtopology.subtopology_id)))
    }

    fn repartition_topics(&mut self, topology: &StreamsTopology) -> Result<(), GroupError> {
        let repartition = || topology.subtopologies.values().flat_map(|each| &each.repartition_source_topics);
        let mut known: BTreeMap<String, i32> = BTreeMap::new();
        known.extend(
            repartition().filter(|topic| topic.partitions != 0).map(|topic| (topic.name.clone(), topic.partitions)),
        );
        self.spread(topology, &mut known);
        let mut sinks = topology.subtopologies.values().flat_map(|each| &each.repartition_sink_topics);
        if sinks.any(|sink| !known.contains_key(sink)) {
            return Err(invalid(
                "Failed to compute number of partitions for all repartition topics. There may be loops in the topology that cannot be resolved.",
            ));
        }
        if let Some(topic) = repartition().find(|topic| !known.contains_key(&topic.name)) {
            return Err(invalid(format!(
                "Failed to compute number of partitions for all repartition topics, because a repartition source topic is never used as a sink topic: {}",
                topic.name
            )));
        }
        self.decided = known;
        Ok(())
    }

    /// Gives counts to the topics that subtopologies write to. What a subtopology reads may be known in parts when its turn
    /// comes, so the turns are Kafka's: round by round, by id; but only those that a new count concerns get one.
    fn spread(&self, topology: &StreamsTopology, known: &mut BTreeMap<String, i32>) {
        let all: Vec<&Subtopology> = topology.subtopologies.values().collect();
        let mut readers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        // By round and place.
        let mut due: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (place, subtopology) in all.iter().enumerate() {
            if self.read_count(subtopology, known).is_some() {
                due.insert((0, place));
                continue;
            }
            for topic in &subtopology.repartition_source_topics {
                readers.entry(&topic.name).or_default().push(place);
            }
        }
        let mut had_turn = vec![false; all.len()];
        while let Some((round, place)) = due.pop_first() {
            if std::mem::replace(&mut had_turn[place], true) {
                continue;
            }
            let Some(count) = self.read_count(all[place], known) else { continue };
            for sink in &all[place].repartition_sink_topics {
                if known.contains_key(sink) {
                    continue;
                }
                known.insert(sink.clone(), count);
                for reader in readers.remove(sink.as_str()).unwrap_or_default() {
                    due.insert((round + usize::from(reader <= place), reader));
                }
            }
        }
    }

    /// The largest count of what a subtopology reads, as far as it is known.
    fn read_count(&self, subtopology: &Subtopology, known: &BTreeMap<String, i32>) -> Option<i32> {
        let repartition = subtopology.repartition_source_topics.iter().filter_map(|topic| known.get(&topic.name));
        let external = subtopology.source_topics.iter().filter_map(|topic| self.of(topic));
        repartition.copied().chain(external).max()
    }

    /// Topics that are joined must have the same number of partitions. Those of others, and repartition topics with a count of
    /// their own, say how many.
    fn copartition(
        &mut self,
        subtopology: &Subtopology,
        group: &CopartitionGroup,
        is_fixed: &BTreeMap<&str, bool>,
    ) -> Result<(), CountError> {
        let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
        for topic in members(subtopology, group) {
            let count = self.of(topic);
            counts.insert(
                topic,
                count.ok_or_else(|| invalid(format!("Number of partitions is not set for topic: {topic}")))?,
            );
        }
        let (repartition, external): (BTreeMap<&str, i32>, BTreeMap<&str, i32>) =
            counts.into_iter().partition(|(name, _)| is_fixed.contains_key(name));
        let fixed: BTreeMap<&str, i32> =
            repartition.iter().filter(|(name, _)| is_fixed[*name]).map(|(name, count)| (*name, *count)).collect();
        let count = match (same(&external)?, same(&fixed)?) {
            (Some(count), _) | (None, Some(count)) => count,
            (None, None) => match repartition.values().max() {
                Some(count) => *count,
                None => return Ok(()),
            },
        };
        for (name, own) in &repartition {
            if is_fixed[name] && *own != count {
                return Err(incorrect(format!(
                    "Number of partitions [{own}] of repartition topic [{name}] doesn't match number of partitions [{count}] of the source topic."
                )));
            }
        }
        self.decided.extend(repartition.keys().map(|name| ((*name).to_string(), count)));
        Ok(())
    }
}

/// INCORRECTLY_PARTITIONED_TOPICS.
pub(crate) fn incorrect(message: String) -> CountError {
    CountError::Topics(TopicProblem { code: StatusCode::IncorrectlyPartitionedTopics, message })
}

/// Every repartition topic, and whether it has a count of its own.
fn repartition_topics(topology: &StreamsTopology) -> BTreeMap<&str, bool> {
    let mut is_fixed = BTreeMap::new();
    for topic in topology.subtopologies.values().flat_map(|each| &each.repartition_source_topics) {
        *is_fixed.entry(topic.name.as_str()).or_default() |= topic.partitions != 0;
    }
    is_fixed
}

/// The topics of a copartition group; its indexes were checked when the topology came.
fn members<'a>(subtopology: &'a Subtopology, group: &'a CopartitionGroup) -> BTreeSet<&'a str> {
    let at = |index: &i16| usize::try_from(*index).ok();
    let external = group.source_topics.iter().filter_map(move |index| subtopology.source_topics.get(at(index)?));
    let repartition = group.repartition_source_topics.iter();
    let repartition = repartition.filter_map(move |index| subtopology.repartition_source_topics.get(at(index)?));
    external.map(String::as_str).chain(repartition.map(|topic| topic.name.as_str())).collect()
}

/// The one count of all; None when there are no topics.
fn same(counts: &BTreeMap<&str, i32>) -> Result<Option<i32>, CountError> {
    let first = counts.values().next().copied();
    if counts.values().any(|count| Some(*count) != first) {
        let listed: Vec<String> = counts.iter().map(|(name, count)| format!("{name}={count}")).collect();
        let listed = listed.join(", ");
        return Err(incorrect(format!("Following topics do not have the same number of partitions: [{{{listed}}}]")));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::StreamsGroupTopologyValue;
    use ottla_protocol::streams_group_topology_value::TopicInfo;

    fn topic(name: String, partitions: i32) -> TopicInfo {
        TopicInfo { name, partitions, ..TopicInfo::default() }
    }

    /// A chain whose ids run against its direction: each round of a walk over all of them would decide about one.
    fn chain(length: usize, first: i32) -> StreamsTopology {
        let subtopology = |place: usize| Subtopology {
            subtopology_id: format!("{:05}", length - place),
            repartition_source_topics: vec![topic(format!("r{place}"), if place == 0 { first } else { 0 })],
            repartition_sink_topics: (0..20).map(|_| format!("r{}", (place + 1) % length)).collect(),
            ..Subtopology::default()
        };
        let subtopologies = (0..length).map(subtopology).collect();
        StreamsTopology::new(StreamsGroupTopologyValue { epoch: 0, subtopologies })
    }

    #[test]
    fn a_count_goes_through_a_long_chain_without_walking_all_of_it_each_time() {
        let topics = GroupTopics::default();
        // 20,000 rounds over 20,000 subtopologies would not end.
        let counts = PartitionCounts::decide(&chain(20_000, 7), &topics);
        assert_eq!(counts.map(|counts| counts.decided.get("r19999").copied()).ok(), Some(Some(7)));
        assert!(matches!(PartitionCounts::decide(&chain(20_000, 0), &topics), Err(CountError::Topology(_))));
    }
}
