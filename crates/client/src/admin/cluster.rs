//! The cluster itself: its brokers and their log directories.

use super::Admin;
use crate::call::Call;
use crate::error::ClientError;
use crate::nodes::{self, ClusterDescription, EndpointType};
use ottla_protocol::generated::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};
use ottla_protocol::{ApiKey, DescribeLogDirsRequest, UnregisterBrokerRequest};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// A log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Its path.
    pub path: String,
    /// Why it is offline, if it is.
    pub error: Option<ClientError>,
    /// Bytes of its file system; -1 from brokers that do not tell.
    pub total_bytes: i64,
    /// Bytes of it that are free; -1 from brokers that do not tell.
    pub usable_bytes: i64,
    /// Whether nothing new is put there.
    pub is_cordoned: bool,
    /// What is in it, by partition.
    pub replicas: BTreeMap<TopicPartition, ReplicaLog>,
}

/// A replica's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaLog {
    /// Bytes of its segments.
    pub size: i64,
    /// How far it is behind: records.
    pub offset_lag: i64,
    /// Whether it is being moved here from another directory.
    pub is_future: bool,
}

impl Admin {
    /// The cluster id, the controller and the brokers; of a client of controllers, the controllers.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn describe_cluster<'a>(&'a self) -> Call<'a, ClusterDescription> {
        Box::pin(async move {
            let kind = match self.client.options().of_controllers {
                true => EndpointType::Controllers,
                false => EndpointType::Brokers,
            };
            self.patiently(|| async {
                let broker = self.client.any_broker().await?;
                if broker.versions().range(ApiKey::DescribeCluster).is_none() {
                    let metadata = self.client.fetch_metadata(Some(&[]), false).await?;
                    let (cluster_id, fenced) = (metadata.cluster_id.unwrap_or_default(), BTreeSet::new());
                    let (controller_id, brokers) = (metadata.controller_id, metadata.brokers);
                    return Ok(ClusterDescription { cluster_id, controller_id, brokers, fenced });
                }
                nodes::describe(&broker, kind).await
            })
            .await
        })
    }

    /// Takes a broker that is gone for good out of the cluster.
    ///
    /// # Errors
    /// BROKER_ID_NOT_REGISTERED, `NoCommonVersion` where brokers cannot be unregistered ... and those of the connection.
    pub fn unregister_broker<'a>(&'a self, node_id: i32) -> Call<'a, ()> {
        Box::pin(async move {
            self.patiently(|| async {
                let request = UnregisterBrokerRequest { broker_id: node_id };
                let response = self.client.controller().await?.send(&request).await?;
                let message = response.error_message.as_deref();
                ClientError::check(response.error_code, message, || format!("broker {node_id}"))
            })
            .await
        })
    }

    /// The log directories of a broker and what is in them.
    ///
    /// # Errors
    /// BROKER_NOT_AVAILABLE, CLUSTER_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn describe_log_dirs<'a>(&'a self, node_id: i32) -> Call<'a, Vec<LogDir>> {
        Box::pin(async move {
            let request = DescribeLogDirsRequest { topics: None };
            let response = self.client.broker(node_id).await?.send(&request).await?;
            ClientError::check(response.error_code, None, || format!("log directories of broker {node_id}"))?;
            let dirs = response.results.into_iter().map(|dir| {
                let error = ClientError::check(dir.error_code, None, || format!("log directory {}", dir.log_dir)).err();
                let mut replicas = BTreeMap::new();
                for topic in dir.topics {
                    for found in topic.partitions {
                        let log = ReplicaLog {
                            size: found.partition_size,
                            offset_lag: found.offset_lag,
                            is_future: found.is_future_key,
                        };
                        replicas.insert(TopicPartition::new(topic.name.as_str(), found.partition_index), log);
                    }
                }
                LogDir {
                    path: dir.log_dir,
                    error,
                    total_bytes: dir.total_bytes,
                    usable_bytes: dir.usable_bytes,
                    is_cordoned: dir.is_cordoned,
                    replicas,
                }
            });
            Ok(dirs.collect())
        })
    }

    /// Moves partitions of a broker to the log directories with these paths; the broker copies them in the background. Each has
    /// its result. The path of the directory where a partition is already stops a move.
    ///
    /// # Errors
    /// BROKER_NOT_AVAILABLE, CLUSTER_AUTHORIZATION_FAILED ... and those of the connection. Of a partition: LOG_DIR_NOT_FOUND,
    /// KAFKA_STORAGE_ERROR, REPLICA_NOT_AVAILABLE (it is not there yet), UNKNOWN_TOPIC_OR_PARTITION.
    pub fn alter_replica_log_dirs<'a>(
        &'a self,
        node_id: i32,
        targets: &'a BTreeMap<TopicPartition, String>,
    ) -> Call<'a, BTreeMap<TopicPartition, Result<(), ClientError>>> {
        Box::pin(async move {
            let mut dirs: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
            for (partition, path) in targets {
                let topics = dirs.entry(path.as_str()).or_default();
                topics.entry(&*partition.topic).or_default().push(partition.partition);
            }
            let topic =
                |(name, partitions): (&str, Vec<i32>)| AlterReplicaLogDirTopic { name: name.to_string(), partitions };
            let dir = |(path, topics): (&str, BTreeMap<&str, Vec<i32>>)| AlterReplicaLogDir {
                path: path.to_string(),
                topics: topics.into_iter().map(topic).collect(),
            };
            let request = AlterReplicaLogDirsRequest { dirs: dirs.into_iter().map(dir).collect() };
            let response = self.client.broker(node_id).await?.send(&request).await?;
            let mut results = BTreeMap::new();
            for topic in response.results {
                for row in topic.partitions {
                    let partition = TopicPartition::new(topic.topic_name.as_str(), row.partition_index);
                    let result = ClientError::check(row.error_code, None, || partition.to_string());
                    results.insert(partition, result);
                }
            }
            match targets.keys().find(|partition| !results.contains_key(*partition)) {
                Some(partition) => Err(ClientError::missing("AlterReplicaLogDirs", &partition.to_string())),
                None => Ok(results),
            }
        })
    }
}
