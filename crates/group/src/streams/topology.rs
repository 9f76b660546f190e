//! The topology of an application as its members describe it: subtopologies, and the topics between them.

use crate::consumer::error::GroupError;
use ottla_protocol::StreamsGroupTopologyValue;
use ottla_protocol::streams_group_heartbeat_request as request;
use ottla_protocol::streams_group_topology_value::{CopartitionGroup, Subtopology, TopicConfig, TopicInfo};
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};

/// Most subtopologies. Other groups wait while they are looked at.
const SUBTOPOLOGIES_MAX: usize = 1_000;

/// A topology.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StreamsTopology {
    /// Which version of the application it is of.
    pub(crate) epoch: i32,
    /// By id.
    pub(crate) subtopologies: BTreeMap<String, Subtopology>,
    /// The subtopology that reads each topic; where several do, the last by id.
    readers: BTreeMap<String, String>,
    /// Every topic that must exist before tasks can run.
    required: BTreeSet<String>,
}

impl StreamsTopology {
    pub(crate) fn new(value: StreamsGroupTopologyValue) -> StreamsTopology {
        let subtopologies: BTreeMap<String, Subtopology> = value
            .subtopologies
            .into_iter()
            .map(|subtopology| (subtopology.subtopology_id.clone(), subtopology))
            .collect();
        let (mut readers, mut required) = (BTreeMap::new(), BTreeSet::new());
        for (id, subtopology) in &subtopologies {
            readers.extend(sources(subtopology).map(|topic| (topic.to_string(), id.clone())));
            required.extend(sources(subtopology).map(str::to_string));
            required.extend(subtopology.state_changelog_topics.iter().map(|topic| topic.name.clone()));
        }
        StreamsTopology { epoch: value.epoch, subtopologies, readers, required }
    }

    /// The subtopology that reads the topic.
    pub(crate) fn subtopology_of(&self, topic: &str) -> Option<&str> {
        self.readers.get(topic).map(String::as_str)
    }

    /// Every topic that must exist before tasks can run, by name.
    pub(crate) fn required_topics(&self) -> impl Iterator<Item = &str> {
        self.required.iter().map(String::as_str)
    }

    /// Whether the topic is required.
    pub(crate) fn requires(&self, topic: &str) -> bool {
        self.required.contains(topic)
    }
}

/// Topics that a subtopology reads: those of others, and repartition topics.
pub(crate) fn sources(subtopology: &Subtopology) -> impl Iterator<Item = &str> {
    let repartition = subtopology.repartition_source_topics.iter().map(|topic| topic.name.as_str());
    subtopology.source_topics.iter().map(String::as_str).chain(repartition)
}

/// The topology of a request as the log keeps it.
///
/// # Errors
/// STREAMS_INVALID_TOPOLOGY when its parts do not fit together, STREAMS_INVALID_TOPOLOGY_EPOCH.
pub(crate) fn of_request(topology: &request::Topology) -> Result<StreamsGroupTopologyValue, GroupError> {
    if topology.epoch < 0 {
        let message = format!("The topology epoch is {}, but must not be negative.", topology.epoch);
        return Err(GroupError::new(ErrorCode::StreamsInvalidTopologyEpoch, message));
    }
    let count = topology.subtopologies.len();
    if count > SUBTOPOLOGIES_MAX {
        return Err(invalid(format!(
            "The topology has {count} subtopologies, but may have at most {SUBTOPOLOGIES_MAX}."
        )));
    }
    let mut ids = BTreeSet::new();
    for subtopology in &topology.subtopologies {
        if !ids.insert(subtopology.subtopology_id.as_str()) {
            return Err(invalid(format!("Subtopology {} is described twice.", subtopology.subtopology_id)));
        }
        check(subtopology)?;
    }
    let subtopologies = topology.subtopologies.iter().map(of_subtopology).collect();
    Ok(StreamsGroupTopologyValue { epoch: topology.epoch, subtopologies })
}

/// STREAMS_INVALID_TOPOLOGY.
pub(crate) fn invalid(message: impl Into<String>) -> GroupError {
    GroupError::new(ErrorCode::StreamsInvalidTopology, message)
}

fn check(subtopology: &request::Subtopology) -> Result<(), GroupError> {
    if let Some(topic) = subtopology.repartition_source_topics.iter().find(|topic| topic.partitions < 0) {
        let (name, partitions) = (&topic.name, topic.partitions);
        return Err(invalid(format!("Repartition topic {name} has the partition count {partitions}.")));
    }
    for group in &subtopology.copartition_groups {
        let within = |indexes: &[i16], len: usize| {
            indexes.iter().all(|index| usize::try_from(*index).is_ok_and(|index| index < len))
        };
        let fits = within(&group.source_topics, subtopology.source_topics.len())
            && within(&group.repartition_source_topics, subtopology.repartition_source_topics.len());
        if !fits {
            let id = &subtopology.subtopology_id;
            return Err(invalid(format!("A copartition group of subtopology {id} names a topic that is not there.")));
        }
    }
    Ok(())
}

fn of_subtopology(subtopology: &request::Subtopology) -> Subtopology {
    let topics = |topics: &[request::TopicInfo]| topics.iter().map(of_topic).collect();
    let copartition_groups = subtopology.copartition_groups.iter().map(|group| CopartitionGroup {
        source_topics: group.source_topics.clone(),
        source_topic_regex: group.source_topic_regex.clone(),
        repartition_source_topics: group.repartition_source_topics.clone(),
    });
    Subtopology {
        subtopology_id: subtopology.subtopology_id.clone(),
        source_topics: subtopology.source_topics.clone(),
        source_topic_regex: subtopology.source_topic_regex.clone(),
        state_changelog_topics: topics(&subtopology.state_changelog_topics),
        repartition_sink_topics: subtopology.repartition_sink_topics.clone(),
        repartition_source_topics: topics(&subtopology.repartition_source_topics),
        copartition_groups: copartition_groups.collect(),
    }
}

fn of_topic(topic: &request::TopicInfo) -> TopicInfo {
    let config = |config: &request::KeyValue| TopicConfig { key: config.key.clone(), value: config.value.clone() };
    TopicInfo {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        topic_configs: topic.topic_configs.iter().map(config).collect(),
    }
}
