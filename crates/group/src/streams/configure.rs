//! Puts a topology and the cluster's topics together.

use super::configured::{ConfiguredSubtopology, ConfiguredTopology, InternalTopic, StatusCode, TopicProblem};
use super::partition_counts::{CountError, PartitionCounts, incorrect};
use super::topology::{StreamsTopology, invalid};
use crate::consumer::error::GroupError;
use crate::topics::GroupTopics;
use ottla_protocol::streams_group_topology_value::{Subtopology, TopicInfo};
use std::collections::{BTreeMap, BTreeSet};

/// Most tasks of one group: more are not even assigned. Whether the records of fewer fit is seen when they are made
/// ([`Step::check_fits`](crate::consumer::step::Step)).
const TASKS_MAX: i64 = 100_000;

/// Names that a text shows before it only counts them.
const NAMES_MAX: usize = 3;

/// What the topology means with these topics.
///
/// # Errors
/// STREAMS_INVALID_TOPOLOGY when it makes no sense, whatever topics there are.
pub(crate) fn configure(topology: &StreamsTopology, topics: &GroupTopics) -> Result<ConfiguredTopology, GroupError> {
    match with_topics(topology, topics) {
        Ok(configured) => Ok(configured),
        Err(CountError::Topology(error)) => Err(error),
        Err(CountError::Topics(problem)) => {
            Ok(ConfiguredTopology { problem: Some(problem), ..ConfiguredTopology::default() })
        }
    }
}

fn with_topics(topology: &StreamsTopology, topics: &GroupTopics) -> Result<ConfiguredTopology, CountError> {
    require_source_topics(topology, topics)?;
    let counts = PartitionCounts::decide(topology, topics)?;
    let mut subtopologies = BTreeMap::new();
    for (id, subtopology) in &topology.subtopologies {
        subtopologies.insert(id.clone(), configure_one(subtopology, &counts)?);
    }
    let tasks: i64 = subtopologies.values().map(|subtopology| i64::from(subtopology.task_count)).sum();
    if tasks > TASKS_MAX {
        return Err(CountError::Topology(invalid(format!(
            "The topology has {tasks} tasks, but a group may have at most {TASKS_MAX}. Split the application, or use topics with fewer partitions."
        ))));
    }
    let missing_internal_topics = missing(&subtopologies, topics)?;
    let problem = (!missing_internal_topics.is_empty()).then(|| TopicProblem {
        code: StatusCode::MissingInternalTopics,
        message: format!("Internal topics are missing: {}", summary(missing_internal_topics.keys())),
    });
    Ok(ConfiguredTopology { subtopologies: Some(subtopologies), missing_internal_topics, problem })
}

fn require_source_topics(topology: &StreamsTopology, topics: &GroupTopics) -> Result<(), CountError> {
    let sources = topology.subtopologies.values().flat_map(|subtopology| &subtopology.source_topics);
    let missing: BTreeSet<&String> = sources.filter(|topic| topics.by_name(topic).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("Source topics {} are missing.", summary(missing.into_iter()));
    Err(CountError::Topics(TopicProblem { code: StatusCode::MissingSourceTopics, message }))
}

fn configure_one(subtopology: &Subtopology, counts: &PartitionCounts<'_>) -> Result<ConfiguredSubtopology, GroupError> {
    let internal = |topics: &[TopicInfo]| -> BTreeMap<String, InternalTopic> {
        topics.iter().map(|topic| (topic.name.clone(), internal_topic(topic, counts))).collect()
    };
    Ok(ConfiguredSubtopology {
        task_count: counts.largest_source(subtopology)?,
        source_topics: subtopology.source_topics.iter().cloned().collect(),
        repartition_source_topics: internal(&subtopology.repartition_source_topics),
        repartition_sink_topics: subtopology.repartition_sink_topics.iter().cloned().collect(),
        state_changelog_topics: internal(&subtopology.state_changelog_topics),
    })
}

fn internal_topic(topic: &TopicInfo, counts: &PartitionCounts<'_>) -> InternalTopic {
    let decided = counts.decided.get(&topic.name).copied();
    InternalTopic {
        partitions: if topic.partitions == 0 { decided.unwrap_or_default() } else { topic.partitions },
        replication_factor: (topic.replication_factor != 0).then_some(topic.replication_factor),
        configs: topic.topic_configs.iter().map(|config| (config.key.clone(), config.value.clone())).collect(),
    }
}

/// Internal topics that do not exist. One that exists must have as many partitions as it should.
fn missing(
    subtopologies: &BTreeMap<String, ConfiguredSubtopology>,
    topics: &GroupTopics,
) -> Result<BTreeMap<String, InternalTopic>, CountError> {
    let mut missing = BTreeMap::new();
    for subtopology in subtopologies.values() {
        for (name, topic) in subtopology.repartition_source_topics.iter().chain(&subtopology.state_changelog_topics) {
            match topics.by_name(name).map(|existing| existing.partition_count()) {
                None => drop(missing.insert(name.clone(), topic.clone())),
                Some(count) if count != topic.partitions => {
                    let expected = topic.partitions;
                    return Err(incorrect(format!(
                        "Existing topic {name} has different number of partitions: expected {expected}, found {count}"
                    )));
                }
                Some(_) => {}
            }
        }
    }
    Ok(missing)
}

fn summary<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown: Vec<&str> = names.take(NAMES_MAX).map(String::as_str).collect();
    let shown = shown.join(", ");
    if more > 0 { format!("{shown} and {more} additional topics") } else { shown }
}
