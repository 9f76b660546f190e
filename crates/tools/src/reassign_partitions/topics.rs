//! Which brokers hold the partitions of topics, and which brokers there are.

use super::plan::Assignments;
use super::stopped::Stopped;
use ottla_client::{Admin, BrokerAddress, Client, PartitionMetadata};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// Kafka's exception for what does not exist.
const UNKNOWN: &str = "org.apache.kafka.common.errors.UnknownTopicOrPartitionException";

/// The brokers that take part; fenced ones do not.
pub(super) async fn brokers(admin: &Admin) -> Result<BTreeMap<i32, BrokerAddress>, Stopped> {
    let mut cluster = admin.describe_cluster().await?;
    cluster.brokers.retain(|id, _| !cluster.fenced.contains(id));
    Ok(cluster.brokers)
}

/// Partitions of these topics; `None` for a topic that does not exist.
pub(super) async fn describe(
    client: &Client,
    topics: &BTreeSet<String>,
) -> Result<BTreeMap<String, Option<Vec<PartitionMetadata>>>, Stopped> {
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let found = client.fetch_metadata(Some(&names), false).await?;
    let mut described = BTreeMap::new();
    for topic in topics {
        let partitions = match found.topics.get(topic).map(|topic| topic.partitions.clone()) {
            None => None,
            Some(Err(error)) if error.is_unknown_topic() => None,
            Some(partitions) => Some(partitions?),
        };
        described.insert(topic.clone(), partitions);
    }
    Ok(described)
}

/// Who holds every partition of these topics.
pub(super) async fn assignments(client: &Client, topics: &BTreeSet<String>) -> Result<Assignments, Stopped> {
    let mut assignments = Assignments::new();
    for (topic, partitions) in describe(client, topics).await? {
        let partitions = partitions.ok_or_else(|| Stopped::error(format!("{UNKNOWN}: Topic {topic} not found.")))?;
        for found in partitions {
            assignments.insert(TopicPartition::new(topic.as_str(), found.partition), found.replicas);
        }
    }
    Ok(assignments)
}

/// Who holds the partitions that are named in `wanted`.
pub(super) async fn assignments_of(client: &Client, wanted: &Assignments) -> Result<Assignments, Stopped> {
    let topics = wanted.keys().map(|partition| partition.topic.to_string()).collect();
    let mut found = assignments(client, &topics).await?;
    let missing: Vec<String> =
        wanted.keys().filter(|partition| !found.contains_key(*partition)).map(ToString::to_string).collect();
    if !missing.is_empty() {
        return Err(Stopped::error(format!("{UNKNOWN}: Unable to find partition: {}", missing.join(", "))));
    }
    found.retain(|partition, _| wanted.contains_key(partition));
    Ok(found)
}
