//! Elections of leaders (KIP-460).

use super::Admin;
use crate::call::Call;
use crate::error::ClientError;
use ottla_protocol::ElectLeadersRequest;
use ottla_protocol::elect_leaders_request::TopicPartitions;
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// What kind of election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Election {
    /// The first replica of the list becomes the leader again, if it is in sync.
    Preferred,
    /// A replica that is not in sync may become the leader where there is none: records may be lost.
    Unclean,
}

impl Election {
    /// `ElectionType`.
    fn code(self) -> i8 {
        match self {
            Election::Preferred => 0,
            Election::Unclean => 1,
        }
    }
}

impl Admin {
    /// Elects leaders of these partitions, or of all with `None`; each has its result.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, REQUEST_TIMED_OUT ... and those of the connection. A partition whose leader is the right
    /// one already has ELECTION_NOT_NEEDED as its result.
    pub fn elect_leaders<'a>(
        &'a self,
        election: Election,
        partitions: Option<&'a BTreeSet<TopicPartition>>,
    ) -> Call<'a, BTreeMap<TopicPartition, Result<(), ClientError>>> {
        Box::pin(async move {
            let by_topic = |partitions: &BTreeSet<TopicPartition>| {
                let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
                for partition in partitions {
                    topics.entry(partition.topic.to_string()).or_default().push(partition.partition);
                }
                topics.into_iter().map(|(topic, partitions)| TopicPartitions { topic, partitions }).collect()
            };
            let request = ElectLeadersRequest {
                election_type: election.code(),
                topic_partitions: partitions.map(by_topic),
                timeout_ms: self.timeout_ms(),
            };
            self.patiently(|| async {
                let response = self.client.controller().await?.send(&request).await?;
                ClientError::check(response.error_code, None, || "election".to_string())?;
                let mut results = BTreeMap::new();
                for topic in response.replica_election_results {
                    for row in topic.partition_result {
                        let partition = TopicPartition::new(topic.topic.as_str(), row.partition_id);
                        let message = row.error_message.as_deref();
                        let result = ClientError::check(row.error_code, message, || partition.to_string());
                        results.insert(partition, result);
                    }
                }
                Ok(results)
            })
            .await
        })
    }
}
