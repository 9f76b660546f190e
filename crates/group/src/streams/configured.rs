//! A topology with the cluster's topics: how many tasks there are, and what is in their way.

use ottla_protocol::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_protocol::streams_group_heartbeat_response::Status;
use std::collections::{BTreeMap, BTreeSet};

/// Topics and partitions that the controller is asked for at a time. More partitions it refuses in one request.
const CREATED_TOPICS_MAX: usize = 1000;
const CREATED_PARTITIONS_MAX: i64 = 10_000;

/// `status_code` of a heartbeat's answer, as Kafka numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusCode {
    /// The member has an older topology than the group.
    StaleTopology = 0,
    /// Topics that the application reads do not exist.
    MissingSourceTopics = 1,
    /// Topics have numbers of partitions that do not fit together.
    IncorrectlyPartitionedTopics = 2,
    /// Internal topics do not exist yet; they are being created.
    MissingInternalTopics = 3,
    /// A member wants the whole application to shut down.
    ShutdownApplication = 4,
    /// The next assignment waits for its time.
    AssignmentDelayed = 5,
}

/// Why no tasks can be assigned yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicProblem {
    pub(crate) code: StatusCode,
    pub(crate) message: String,
}

/// A repartition or changelog topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InternalTopic {
    pub(crate) partitions: i32,
    /// None is the broker's default.
    pub(crate) replication_factor: Option<i16>,
    pub(crate) configs: BTreeMap<String, String>,
}

/// One subtopology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfiguredSubtopology {
    pub(crate) task_count: i32,
    pub(crate) source_topics: BTreeSet<String>,
    pub(crate) repartition_source_topics: BTreeMap<String, InternalTopic>,
    pub(crate) repartition_sink_topics: BTreeSet<String>,
    pub(crate) state_changelog_topics: BTreeMap<String, InternalTopic>,
}

/// A whole topology.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfiguredTopology {
    /// None when topics are missing or do not fit together.
    pub(crate) subtopologies: Option<BTreeMap<String, ConfiguredSubtopology>>,
    pub(crate) missing_internal_topics: BTreeMap<String, InternalTopic>,
    pub(crate) problem: Option<TopicProblem>,
}

impl StatusCode {
    pub(crate) fn status(self, detail: impl Into<String>) -> Status {
        Status { status_code: self as i8, status_detail: detail.into() }
    }
}

impl ConfiguredTopology {
    /// The subtopologies, when all topics are there.
    pub(crate) fn ready(&self) -> Option<&BTreeMap<String, ConfiguredSubtopology>> {
        if self.problem.is_none() { self.subtopologies.as_ref() } else { None }
    }

    /// The missing internal topics as the controller wants to hear of them; no more than it takes at a time, the others come
    /// when these are there.
    pub(crate) fn topics_to_create(&self) -> Vec<CreatableTopic> {
        let mut partitions = 0_i64;
        let mut fits = |topic: &InternalTopic| {
            let is_first = partitions == 0;
            partitions += i64::from(topic.partitions);
            is_first || partitions <= CREATED_PARTITIONS_MAX
        };
        let missing = self.missing_internal_topics.iter().take(CREATED_TOPICS_MAX);
        let topics = missing.take_while(|(_, topic)| fits(topic)).map(|(name, topic)| CreatableTopic {
            name: name.clone(),
            num_partitions: topic.partitions,
            replication_factor: topic.replication_factor.unwrap_or(-1),
            configs: topic
                .configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig { name: name.clone(), value: Some(value.clone()) })
                .collect(),
            ..CreatableTopic::default()
        });
        topics.collect()
    }
}

impl ConfiguredSubtopology {
    /// Whether its tasks have state that a standby can keep.
    pub(crate) fn is_stateful(&self) -> bool {
        !self.state_changelog_topics.is_empty()
    }

    /// Topics that it reads.
    pub(crate) fn sources(&self) -> BTreeSet<&str> {
        let repartition = self.repartition_source_topics.keys();
        self.source_topics.iter().chain(repartition).map(String::as_str).collect()
    }
}
