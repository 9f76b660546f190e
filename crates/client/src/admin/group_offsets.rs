//! Committed offsets of a group: list, alter, delete.

use super::Admin;
use crate::call::Call;
use crate::consumer::Offsets;
use crate::consumer::offsets::{Committer, commit_once, fetch_once};
use crate::error::ClientError;
use ottla_protocol::OffsetDeleteRequest;
use ottla_protocol::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use ottla_types::TopicPartition;
use std::collections::BTreeMap;

/// Who is no member of the group.
fn nobody() -> Committer {
    Committer { epoch: -1, ..Committer::default() }
}

impl Admin {
    /// What a group has committed, for all its partitions.
    ///
    /// # Errors
    /// GROUP_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn list_group_offsets<'a>(&'a self, group_id: &'a str) -> Call<'a, Offsets> {
        Box::pin(async move {
            self.group_operation(group_id, || async { fetch_once(&self.client, group_id, &nobody(), None).await }).await
        })
    }

    /// Sets committed offsets of a group that has no members.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID when the group has members ... and those of the connection.
    pub fn alter_group_offsets<'a>(&'a self, group_id: &'a str, offsets: &'a Offsets) -> Call<'a, ()> {
        Box::pin(async move {
            self.group_operation(group_id, || async { commit_once(&self.client, group_id, &nobody(), offsets).await })
                .await
        })
    }

    /// Deletes committed offsets of partitions that no member subscribes to; says for each partition how that went.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND ... and those of the connection; a partition's own may be GROUP_SUBSCRIBED_TO_TOPIC.
    pub fn delete_group_offsets<'a>(
        &'a self,
        group_id: &'a str,
        partitions: &'a [TopicPartition],
    ) -> Call<'a, BTreeMap<TopicPartition, Result<(), ClientError>>> {
        Box::pin(async move {
            let mut topics: Vec<OffsetDeleteRequestTopic> = Vec::new();
            for partition in partitions {
                let row = OffsetDeleteRequestPartition { partition_index: partition.partition };
                match topics.iter_mut().find(|topic| *topic.name == *partition.topic) {
                    Some(topic) => topic.partitions.push(row),
                    None => {
                        let name = partition.topic.to_string();
                        topics.push(OffsetDeleteRequestTopic { name, partitions: vec![row] });
                    }
                }
            }
            let request = OffsetDeleteRequest { group_id: group_id.to_string(), topics };
            self.group_operation(group_id, || async {
                let response = self.client.group_coordinator(group_id).await?.send(&request).await?;
                ClientError::check(response.error_code, None, || format!("group '{group_id}'"))?;
                let mut results = BTreeMap::new();
                for topic in response.topics {
                    for row in topic.partitions {
                        let partition = TopicPartition::new(topic.name.as_str(), row.partition_index);
                        let subject = || format!("offset of {partition} in group '{group_id}'");
                        let result = ClientError::check(row.error_code, None, subject);
                        results.insert(partition, result);
                    }
                }
                Ok(results)
            })
            .await
        })
    }
}
