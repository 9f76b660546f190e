//! What a client knows of a cluster, in plain structures.

use crate::error::ClientError;
use ottla_protocol::MetadataResponse;
use ottla_protocol::metadata_response::MetadataResponseTopic;
use ottla_types::Uuid;
use std::collections::BTreeMap;

/// A cluster as one broker described it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// The cluster's id, when the broker tells.
    pub cluster_id: Option<String>,
    /// The broker to send changes to.
    pub controller_id: Option<i32>,
    /// Live brokers by node id.
    pub brokers: BTreeMap<i32, BrokerAddress>,
    /// The topics that were asked for, by name.
    pub topics: BTreeMap<String, TopicMetadata>,
}

/// Where a broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: i32,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Name.
    pub name: String,
    /// Topic id; zero from brokers before Kafka 2.8.
    pub topic_id: Uuid,
    /// Whether it belongs to the cluster itself.
    pub is_internal: bool,
    /// Its partitions, ascending; or why they cannot be told.
    pub partitions: Result<Vec<PartitionMetadata>, ClientError>,
}

/// One partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Partition index.
    pub partition: i32,
    /// The leader's node id; `None` while there is none.
    pub leader: Option<i32>,
    /// The leader's epoch, or -1.
    pub leader_epoch: i32,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Replicas in sync.
    pub isr: Vec<i32>,
    /// Replicas that are offline.
    pub offline_replicas: Vec<i32>,
    /// Replicas that have everything committed although they are not in sync (KIP-966); `None` where that is not told.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// Replicas that were in sync or eligible when the last of these was lost; `None` where that is not told.
    pub last_known_elr: Option<Vec<i32>>,
}

impl BrokerAddress {
    /// `host:port`, as [`crate::Connection::connect`] takes it.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }
}

impl ClusterMetadata {
    pub(crate) fn from_response(response: MetadataResponse) -> ClusterMetadata {
        let brokers = response
            .brokers
            .into_iter()
            .map(|broker| (broker.node_id, BrokerAddress { host: broker.host, port: broker.port, rack: broker.rack }));
        let topics = response.topics.into_iter().map(topic).map(|topic| (topic.name.clone(), topic));
        ClusterMetadata {
            cluster_id: response.cluster_id,
            controller_id: (response.controller_id >= 0).then_some(response.controller_id),
            brokers: brokers.collect(),
            topics: topics.collect(),
        }
    }
}

impl TopicMetadata {
    /// The partition with this index.
    pub fn partition(&self, partition: i32) -> Option<&PartitionMetadata> {
        self.partitions.as_ref().ok()?.iter().find(|found| found.partition == partition)
    }
}

pub(crate) fn topic(topic: MetadataResponseTopic) -> TopicMetadata {
    let name = topic.name.unwrap_or_else(|| topic.topic_id.to_string());
    let mut partitions: Vec<PartitionMetadata> = topic
        .partitions
        .into_iter()
        .map(|partition| PartitionMetadata {
            partition: partition.partition_index,
            leader: (partition.leader_id >= 0).then_some(partition.leader_id),
            leader_epoch: partition.leader_epoch,
            replicas: partition.replica_nodes,
            isr: partition.isr_nodes,
            offline_replicas: partition.offline_replicas,
            ..PartitionMetadata::default()
        })
        .collect();
    partitions.sort_by_key(|partition| partition.partition);
    let checked = ClientError::check(topic.error_code, None, || format!("topic '{name}'"));
    let partitions = checked.map(|()| partitions);
    TopicMetadata { name, topic_id: topic.topic_id, is_internal: topic.is_internal, partitions }
}
