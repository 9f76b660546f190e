//! Creating, listing, describing, enlarging and deleting topics.

use super::{Admin, ConfigEntry};
use crate::call::Call;
use crate::error::ClientError;
use crate::metadata::{ClusterMetadata, TopicMetadata};
use ottla_protocol::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use ottla_protocol::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use ottla_protocol::delete_topics_request::DeleteTopicState;
use ottla_protocol::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DeleteTopicsResponse, Message,
};
use ottla_types::{ErrorCode, Uuid};

/// From this version on, DeleteTopics has a structure for each topic (KIP-516).
const DELETE_BY_STATE_VERSION: i16 = 6;

/// A topic to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Name.
    pub name: String,
    /// Number of partitions; `None` leaves it to the broker (`num.partitions`).
    pub partitions: Option<i32>,
    /// Replicas of each partition; `None` leaves it to the broker (`default.replication.factor`).
    pub replication_factor: Option<i16>,
    /// Configs that differ from the defaults.
    pub configs: Vec<(String, String)>,
    /// Brokers of each partition, the preferred leader first; empty leaves it to the broker. Goes without `partitions` and
    /// `replication_factor`.
    pub assignments: Vec<Vec<i32>>,
}

impl NewTopic {
    /// A topic with this many partitions, and the broker's defaults.
    pub fn new(name: impl Into<String>, partitions: i32) -> NewTopic {
        NewTopic { name: name.into(), partitions: Some(partitions), ..NewTopic::default() }
    }

    /// The same with one more config.
    pub fn config(mut self, name: impl Into<String>, value: impl ToString) -> NewTopic {
        self.configs.push((name.into(), value.to_string()));
        self
    }
}

/// What a topic's partitions are to become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewPartitions {
    /// How many there are to be in all.
    pub total: i32,
    /// Brokers of each partition that comes, the preferred leader first; `None` leaves it to the broker.
    pub assignments: Option<Vec<Vec<i32>>>,
}

impl NewPartitions {
    /// So many in all, wherever the broker puts those that come.
    ///
    /// ```text
    /// NewPartitions::increase_to(6)                      // where the broker likes
    /// NewPartitions::increase_to(6).on(vec![vec![2, 3]]) // the sixth on brokers 2 and 3
    /// ```
    pub fn increase_to(total: i32) -> NewPartitions {
        NewPartitions { total, assignments: None }
    }

    /// The same with those that come on these brokers.
    pub fn on(self, assignments: Vec<Vec<i32>>) -> NewPartitions {
        NewPartitions { assignments: Some(assignments), ..self }
    }
}

/// A topic that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Name.
    pub name: String,
    /// Topic id; zero from brokers that do not tell.
    pub topic_id: Uuid,
    /// Number of partitions; -1 from brokers that do not tell.
    pub partitions: i32,
    /// Replicas of each partition; -1 from brokers that do not tell.
    pub replication_factor: i16,
}

/// A topic in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Partitions, leaders and replicas.
    pub metadata: TopicMetadata,
    /// Its configs, all of them.
    pub configs: Vec<ConfigEntry>,
}

impl Admin {
    /// Makes a topic; with `validate_only` only says whether it could be made.
    ///
    /// # Errors
    /// TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_CONFIG ... and those of the connection.
    pub fn create_topic<'a>(&'a self, topic: &'a NewTopic, validate_only: bool) -> Call<'a, CreatedTopic> {
        Box::pin(async move {
            let configs = topic.configs.iter();
            let configs =
                configs.map(|(name, value)| CreatableTopicConfig { name: name.clone(), value: Some(value.clone()) });
            let assignments = topic.assignments.iter().zip(0..).map(|(brokers, partition)| {
                CreatableReplicaAssignment { partition_index: partition, broker_ids: brokers.clone() }
            });
            let wanted = CreatableTopic {
                name: topic.name.clone(),
                num_partitions: topic.partitions.unwrap_or(-1),
                replication_factor: topic.replication_factor.unwrap_or(-1),
                assignments: assignments.collect(),
                configs: configs.collect(),
            };
            let request = CreateTopicsRequest { topics: vec![wanted], timeout_ms: self.timeout_ms(), validate_only };
            self.patiently(|| async {
                let response = self.client.controller().await?.send(&request).await?;
                let made = response.topics.into_iter().next();
                let made = made.ok_or_else(|| ClientError::missing("CreateTopics", &topic.name))?;
                ClientError::check(made.error_code, made.error_message.as_deref(), || subject(&topic.name))?;
                Ok(CreatedTopic {
                    name: made.name,
                    topic_id: made.topic_id,
                    partitions: made.num_partitions,
                    replication_factor: made.replication_factor,
                })
            })
            .await
        })
    }

    /// Every topic that this client may see, and the brokers.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn list_topics<'a>(&'a self) -> Call<'a, ClusterMetadata> {
        Box::pin(async move { self.patiently(|| self.client.fetch_metadata(None, false)).await })
    }

    /// One topic in detail.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub fn describe_topic<'a>(&'a self, name: &'a str) -> Call<'a, TopicDescription> {
        Box::pin(async move {
            let metadata = self
                .patiently(|| async {
                    let topic = self.describe_once(&[name]).await?.remove(name);
                    let topic = topic.ok_or_else(|| ClientError::missing("DescribeTopicPartitions", name))?;
                    topic.partitions.clone()?;
                    Ok(topic)
                })
                .await?;
            let configs = self.describe_topic_configs(name).await?;
            Ok(TopicDescription { metadata, configs })
        })
    }

    /// Raises the number of partitions; with `validate_only` only says whether it could be done.
    ///
    /// # Errors
    /// INVALID_PARTITIONS when that is not more than now, INVALID_REPLICA_ASSIGNMENT ... and those of the connection.
    pub fn create_partitions<'a>(
        &'a self,
        name: &'a str,
        wanted: &'a NewPartitions,
        validate_only: bool,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            let assignment = |broker_ids: &Vec<i32>| CreatePartitionsAssignment { broker_ids: broker_ids.clone() };
            let assignments = wanted.assignments.as_ref().map(|rows| rows.iter().map(assignment).collect());
            let wanted = CreatePartitionsTopic { name: name.to_string(), count: wanted.total, assignments };
            let request =
                CreatePartitionsRequest { topics: vec![wanted], timeout_ms: self.timeout_ms(), validate_only };
            self.patiently(|| async {
                let response = self.client.controller().await?.send(&request).await?;
                let result = response.results.into_iter().next();
                let result = result.ok_or_else(|| ClientError::missing("CreatePartitions", name))?;
                ClientError::check(result.error_code, result.error_message.as_deref(), || subject(name))
            })
            .await?;
            self.client.forget_topic(name);
            Ok(())
        })
    }

    /// Deletes a topic and its records.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION, TOPIC_DELETION_DISABLED ... and those of the connection.
    pub fn delete_topic<'a>(&'a self, name: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            self.patiently(|| async {
                let controller = self.client.controller().await?;
                let by_state = controller.version_of::<DeleteTopicsRequest>()? >= DELETE_BY_STATE_VERSION;
                let state = DeleteTopicState { name: Some(name.to_string()), topic_id: Uuid::ZERO };
                let request = DeleteTopicsRequest {
                    topics: if by_state { vec![state] } else { Vec::new() },
                    topic_names: if by_state { Vec::new() } else { vec![name.to_string()] },
                    timeout_ms: self.timeout_ms(),
                };
                deleted(controller.send(&request).await?, &subject(name)).map(|_| ())
            })
            .await?;
            self.client.forget_topic(name);
            Ok(())
        })
    }

    /// Deletes the topic with this id and its records: no other one that got the name meanwhile.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_ID, TOPIC_DELETION_DISABLED, `NoCommonVersion` with brokers before Kafka 2.8 ... and those of the
    /// connection.
    pub fn delete_topic_by_id<'a>(&'a self, topic_id: Uuid) -> Call<'a, ()> {
        Box::pin(async move {
            let topics = vec![DeleteTopicState { name: None, topic_id }];
            let request = DeleteTopicsRequest { topics, topic_names: Vec::new(), timeout_ms: self.timeout_ms() };
            let name = self
                .patiently(|| async {
                    let controller = self.client.controller().await?;
                    let versions = (DELETE_BY_STATE_VERSION, DeleteTopicsRequest::MAX_VERSION);
                    let version = controller.version_within::<DeleteTopicsRequest>(versions)?;
                    let response = controller.begin(&request, version, &[]).await?.wait().await?;
                    deleted(response, &format!("topic with id {topic_id}"))
                })
                .await?;
            name.iter().for_each(|name| self.client.forget_topic(name));
            Ok(())
        })
    }
}

/// The name of the topic that was deleted, where it is told.
fn deleted(response: DeleteTopicsResponse, subject: &str) -> Result<Option<String>, ClientError> {
    let result = response.responses.into_iter().next();
    let result = result.ok_or_else(|| ClientError::missing("DeleteTopics", subject))?;
    ClientError::check(result.error_code, result.error_message.as_deref(), || subject.to_string())?;
    Ok(result.name)
}

impl ClientError {
    /// Whether this says that a topic does not exist.
    pub fn is_unknown_topic(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId))
    }
}

fn subject(name: &str) -> String {
    format!("topic '{name}'")
}
