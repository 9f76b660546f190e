//! DescribeTopicPartitions: the partitions of topics in pages, so that no answer is large (KIP-966).

use super::Admin;
use crate::call::Call;
use crate::error::ClientError;
use crate::metadata::{self, PartitionMetadata, TopicMetadata};
use ottla_protocol::describe_topic_partitions_request::{Cursor, TopicRequest};
use ottla_protocol::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ottla_protocol::metadata_request::MetadataRequestTopic;
use ottla_protocol::{ApiKey, DescribeTopicPartitionsRequest, MetadataRequest};
use ottla_types::Uuid;
use std::collections::BTreeMap;

/// Partitions in a page, as Java's client asks for; a broker may give fewer (`max.request.partition.size.limit`).
const PAGE_PARTITIONS: i32 = 2000;

impl Admin {
    /// These topics with their partitions, which are read in pages; each topic may have an error of its own
    /// (UNKNOWN_TOPIC_OR_PARTITION ...). Brokers before Kafka 3.8 are asked for all at once.
    ///
    /// ```text
    /// for (name, topic) in admin.describe_topics(&["orders", "payments"]).await? {
    ///     println!("{name}: {} partitions", topic.partitions?.len());
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of the connection.
    pub fn describe_topics<'a>(&'a self, names: &'a [&'a str]) -> Call<'a, BTreeMap<String, TopicMetadata>> {
        Box::pin(async move { self.patiently(|| self.describe_once(names)).await })
    }

    /// The topic with this id.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_ID, `NoCommonVersion` with brokers before Kafka 3.1 ... and those of the connection.
    pub fn describe_topic_by_id<'a>(&'a self, topic_id: Uuid) -> Call<'a, TopicMetadata> {
        Box::pin(async move {
            /// Earlier brokers have ids in Metadata and do not look them up.
            const TOPIC_ID_VERSION: i16 = 12;
            let wanted = MetadataRequestTopic { topic_id, name: None };
            let request = MetadataRequest {
                topics: Some(vec![wanted]),
                allow_auto_topic_creation: false,
                ..MetadataRequest::default()
            };
            self.patiently(|| async {
                let broker = self.client.any_broker().await?;
                let newest = broker.version_of::<MetadataRequest>()?;
                let versions = (TOPIC_ID_VERSION, newest.max(TOPIC_ID_VERSION));
                let version = broker.version_within::<MetadataRequest>(versions)?;
                let response = broker.begin(&request, version, &[]).await?.wait().await?;
                let subject = || format!("topic with id {topic_id}");
                let told = response.topics.into_iter().next();
                let told = told.ok_or_else(|| ClientError::missing("Metadata", &subject()))?;
                ClientError::check(told.error_code, None, subject)?;
                Ok(metadata::topic(told))
            })
            .await
        })
    }

    pub(super) async fn describe_once(&self, names: &[&str]) -> Result<BTreeMap<String, TopicMetadata>, ClientError> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let broker = self.client.any_broker().await?;
        if broker.versions().range(ApiKey::DescribeTopicPartitions).is_none() {
            return Ok(self.client.fetch_metadata(Some(names), false).await?.topics);
        }
        let mut topics: BTreeMap<String, TopicMetadata> = BTreeMap::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let from = cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_str());
            let left = names.iter().filter(|name| **name >= from);
            let request = DescribeTopicPartitionsRequest {
                topics: left.map(|name| TopicRequest { name: (*name).to_string() }).collect(),
                response_partition_limit: PAGE_PARTITIONS,
                cursor: cursor.clone(),
            };
            let response = broker.send(&request).await?;
            for told in response.topics {
                add(&mut topics, told);
            }
            let next = response.next_cursor;
            let next = next.map(|next| Cursor { topic_name: next.topic_name, partition_index: next.partition_index });
            match next {
                None => return Ok(topics),
                // Pages that do not go on would never end.
                Some(next) if cursor.as_ref().is_some_and(|before| place(before) >= place(&next)) => {
                    let reason = format!("a page ends at {} {}", next.topic_name, next.partition_index);
                    let address = broker.address().to_string();
                    return Err(ClientError::Unreadable { address, api: "DescribeTopicPartitions", reason });
                }
                next => cursor = next,
            }
        }
    }
}

fn place(cursor: &Cursor) -> (&str, i32) {
    (&cursor.topic_name, cursor.partition_index)
}

/// A topic, or the rest of one that an earlier page began.
fn add(topics: &mut BTreeMap<String, TopicMetadata>, told: DescribeTopicPartitionsResponseTopic) {
    let name = told.name.unwrap_or_else(|| told.topic_id.to_string());
    let checked = ClientError::check(told.error_code, None, || format!("topic '{name}'"));
    let more = told.partitions.into_iter().map(partition);
    let (topic_id, is_internal) = (told.topic_id, told.is_internal);
    let topic = topics.entry(name.clone()).or_insert_with(|| TopicMetadata {
        name,
        topic_id,
        is_internal,
        partitions: Ok(Vec::new()),
    });
    match (checked, &mut topic.partitions) {
        (Err(error), _) => topic.partitions = Err(error),
        (Ok(()), Ok(known)) => known.extend(more),
        (Ok(()), Err(_)) => {}
    }
    if let Ok(partitions) = &mut topic.partitions {
        partitions.sort_by_key(|partition| partition.partition);
        partitions.dedup_by_key(|partition| partition.partition);
    }
}

fn partition(told: DescribeTopicPartitionsResponsePartition) -> PartitionMetadata {
    PartitionMetadata {
        partition: told.partition_index,
        leader: (told.leader_id >= 0).then_some(told.leader_id),
        leader_epoch: told.leader_epoch,
        replicas: told.replica_nodes,
        isr: told.isr_nodes,
        offline_replicas: told.offline_replicas,
        eligible_leader_replicas: told.eligible_leader_replicas,
        last_known_elr: told.last_known_elr,
    }
}
