//! Reassignments: which brokers hold a partition (KIP-455).

use super::Admin;
use crate::call::Call;
use crate::error::ClientError;
use ottla_protocol::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use ottla_protocol::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use ottla_protocol::{AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// A reassignment that is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionReassignment {
    /// All brokers that hold the partition now, those that come and those that go included.
    pub replicas: Vec<i32>,
    /// Those that come.
    pub adding_replicas: Vec<i32>,
    /// Those that go.
    pub removing_replicas: Vec<i32>,
}

impl Admin {
    /// Moves partitions to these brokers, the preferred leader first; `None` cancels the reassignment that is under way. Each
    /// has its result. Unless `allow_replication_factor_change`, a target with more or fewer brokers is refused (KIP-860).
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, REQUEST_TIMED_OUT ... and those of the connection. Of a partition:
    /// UNKNOWN_TOPIC_OR_PARTITION, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR, NO_REASSIGNMENT_IN_PROGRESS.
    pub fn alter_partition_reassignments<'a>(
        &'a self,
        targets: &'a BTreeMap<TopicPartition, Option<Vec<i32>>>,
        allow_replication_factor_change: bool,
    ) -> Call<'a, BTreeMap<TopicPartition, Result<(), ClientError>>> {
        Box::pin(async move {
            let mut topics: BTreeMap<String, Vec<ReassignablePartition>> = BTreeMap::new();
            for (partition, replicas) in targets {
                let wanted = ReassignablePartition { partition_index: partition.partition, replicas: replicas.clone() };
                topics.entry(partition.topic.to_string()).or_default().push(wanted);
            }
            let request = AlterPartitionReassignmentsRequest {
                timeout_ms: self.timeout_ms(),
                allow_replication_factor_change,
                topics: topics.into_iter().map(|(name, partitions)| ReassignableTopic { name, partitions }).collect(),
            };
            self.patiently(|| async {
                let response = self.client.controller().await?.send(&request).await?;
                let message = response.error_message.as_deref();
                ClientError::check(response.error_code, message, || "reassignment".to_string())?;
                let mut results = BTreeMap::new();
                for topic in response.responses {
                    for row in topic.partitions {
                        let partition = TopicPartition::new(topic.name.as_str(), row.partition_index);
                        let message = row.error_message.as_deref();
                        let result = ClientError::check(row.error_code, message, || partition.to_string());
                        results.insert(partition, result);
                    }
                }
                match targets.keys().find(|partition| !results.contains_key(*partition)) {
                    Some(partition) => Err(ClientError::missing("AlterPartitionReassignments", &partition.to_string())),
                    None => Ok(results),
                }
            })
            .await
        })
    }

    /// The reassignments that are under way, of these partitions or of all with `None`. Partitions that stay where they are
    /// or that do not exist are left out.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, REQUEST_TIMED_OUT ... and those of the connection.
    pub fn list_partition_reassignments<'a>(
        &'a self,
        partitions: Option<&'a BTreeSet<TopicPartition>>,
    ) -> Call<'a, BTreeMap<TopicPartition, PartitionReassignment>> {
        Box::pin(async move {
            let by_topic = |partitions: &BTreeSet<TopicPartition>| {
                let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
                for partition in partitions {
                    topics.entry(partition.topic.to_string()).or_default().push(partition.partition);
                }
                let topics = topics.into_iter();
                topics
                    .map(|(name, partition_indexes)| ListPartitionReassignmentsTopics { name, partition_indexes })
                    .collect()
            };
            let request =
                ListPartitionReassignmentsRequest { timeout_ms: self.timeout_ms(), topics: partitions.map(by_topic) };
            self.patiently(|| async {
                let response = self.client.controller().await?.send(&request).await?;
                let message = response.error_message.as_deref();
                ClientError::check(response.error_code, message, || "reassignments".to_string())?;
                let mut found = BTreeMap::new();
                for topic in response.topics {
                    for row in topic.partitions {
                        let reassignment = PartitionReassignment {
                            replicas: row.replicas,
                            adding_replicas: row.adding_replicas,
                            removing_replicas: row.removing_replicas,
                        };
                        found.insert(TopicPartition::new(topic.name.as_str(), row.partition_index), reassignment);
                    }
                }
                Ok(found)
            })
            .await
        })
    }
}
