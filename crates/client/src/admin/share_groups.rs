//! Share groups (KIP-932): describe them, and list, alter and delete where they begin to read.
//!
//! Their listing and deletion are those of all groups: [`Admin::list_groups`] with the type `Share`, [`Admin::delete_group`].

use super::Admin;
use crate::call::Call;
use crate::error::ClientError;
use ottla_protocol::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use ottla_protocol::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use ottla_protocol::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use ottla_protocol::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use ottla_protocol::describe_share_group_offsets_response::DescribeShareGroupOffsetsResponsePartition;
use ottla_protocol::{
    AlterShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequest,
    ShareGroupDescribeRequest, share_group_describe_response,
};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// A share group in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareGroupDescription {
    /// Group id.
    pub group_id: String,
    /// `Stable`, `Empty` or `Dead`.
    pub state: String,
    /// The assignor in use.
    pub assignor: String,
    /// Counts changes of members and of what they subscribe to.
    pub group_epoch: i32,
    /// The group epoch that the assignment was made for.
    pub assignment_epoch: i32,
    /// Node id of its coordinator.
    pub coordinator_id: i32,
    /// Address of its coordinator, `host:port`.
    pub coordinator: String,
    /// Its members.
    pub members: Vec<ShareMemberDescription>,
}

/// A member of a share group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareMemberDescription {
    /// Member id.
    pub member_id: String,
    /// `client.rack`.
    pub rack_id: Option<String>,
    /// Member epoch.
    pub member_epoch: i32,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Topics that it subscribes to.
    pub topics: BTreeSet<String>,
    /// Its partitions, which it may share with other members.
    pub assignment: BTreeSet<TopicPartition>,
}

/// Where a share group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharePartitionOffset {
    /// The first offset that is not done with.
    pub start_offset: i64,
    /// Leader epoch of the partition when that was decided.
    pub leader_epoch: Option<i32>,
    /// Records between start offset and end that are not done with (KIP-1226); `None` from brokers that do not tell, and where
    /// nothing was read yet.
    pub lag: Option<i64>,
}

/// Start offsets by partition; `None` where the group has not decided on one.
pub type ShareOffsets = BTreeMap<TopicPartition, Option<SharePartitionOffset>>;

impl Admin {
    /// Share groups in detail, each from its coordinator.
    ///
    /// # Errors
    /// Of each group: GROUP_ID_NOT_FOUND (also for a group of another type), GROUP_AUTHORIZATION_FAILED ... and those of the
    /// connection.
    pub async fn describe_share_groups(
        &self,
        group_ids: &[&str],
    ) -> BTreeMap<String, Result<ShareGroupDescription, ClientError>> {
        let mut described = BTreeMap::new();
        for group_id in group_ids {
            let result = self.group_operation(group_id, || self.describe_share_group(group_id)).await;
            described.insert((*group_id).to_string(), result);
        }
        described
    }

    async fn describe_share_group(&self, group_id: &str) -> Result<ShareGroupDescription, ClientError> {
        let coordinator = self.client.group_coordinator(group_id).await?;
        let group_ids = vec![group_id.to_string()];
        let request = ShareGroupDescribeRequest { group_ids, include_authorized_operations: false };
        let response = coordinator.send(&request).await?;
        let found = response.groups.into_iter().next();
        let found = found.ok_or_else(|| ClientError::missing("ShareGroupDescribe", group_id))?;
        ClientError::check(found.error_code, found.error_message.as_deref(), || subject(group_id))?;
        Ok(ShareGroupDescription {
            group_id: found.group_id,
            state: found.group_state,
            assignor: found.assignor_name,
            group_epoch: found.group_epoch,
            assignment_epoch: found.assignment_epoch,
            coordinator_id: self.client.known_coordinator(group_id).unwrap_or(-1),
            coordinator: coordinator.address().to_string(),
            members: found.members.into_iter().map(member).collect(),
        })
    }

    /// Where a share group stands in all its partitions (DescribeShareGroupOffsets). Partitions whose state cannot be read are
    /// left out.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn list_share_group_offsets<'a>(&'a self, group_id: &'a str) -> Call<'a, ShareOffsets> {
        Box::pin(async move {
            let group = DescribeShareGroupOffsetsRequestGroup { group_id: group_id.to_string(), topics: None };
            let request = DescribeShareGroupOffsetsRequest { groups: vec![group] };
            self.group_operation(group_id, || async {
                let response = self.client.group_coordinator(group_id).await?.send(&request).await?;
                let found = response.groups.into_iter().next();
                let found = found.ok_or_else(|| ClientError::missing("DescribeShareGroupOffsets", group_id))?;
                ClientError::check(found.error_code, found.error_message.as_deref(), || subject(group_id))?;
                let mut offsets = ShareOffsets::new();
                for topic in found.topics {
                    for row in topic.partitions.into_iter().filter(|row| row.error_code == 0) {
                        let partition = TopicPartition::new(topic.topic_name.as_str(), row.partition_index);
                        offsets.insert(partition, share_offset(&row));
                    }
                }
                Ok(offsets)
            })
            .await
        })
    }

    /// Sets start offsets of a share group without members, which comes to be if it does not exist; says for each partition how
    /// that went.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND (a group of another type) ... and those of the connection; a partition's own may be
    /// UNKNOWN_TOPIC_OR_PARTITION.
    pub fn alter_share_group_offsets<'a>(
        &'a self,
        group_id: &'a str,
        offsets: &'a BTreeMap<TopicPartition, i64>,
    ) -> Call<'a, BTreeMap<TopicPartition, Result<(), ClientError>>> {
        Box::pin(async move {
            let mut topics: BTreeMap<&str, Vec<AlterShareGroupOffsetsRequestPartition>> = BTreeMap::new();
            for (partition, offset) in offsets {
                let row = AlterShareGroupOffsetsRequestPartition {
                    partition_index: partition.partition,
                    start_offset: *offset,
                };
                topics.entry(&partition.topic).or_default().push(row);
            }
            let topic = |(name, partitions): (&str, _)| AlterShareGroupOffsetsRequestTopic {
                topic_name: name.to_string(),
                partitions,
            };
            let topics = topics.into_iter().map(topic).collect();
            let request = AlterShareGroupOffsetsRequest { group_id: group_id.to_string(), topics };
            self.group_operation(group_id, || async {
                let response = self.client.group_coordinator(group_id).await?.send(&request).await?;
                ClientError::check(response.error_code, response.error_message.as_deref(), || subject(group_id))?;
                let mut results = BTreeMap::new();
                for topic in response.responses {
                    for row in topic.partitions {
                        let partition = TopicPartition::new(topic.topic_name.as_str(), row.partition_index);
                        let subject = || format!("offset of {partition} in {}", subject(group_id));
                        let result = ClientError::check(row.error_code, row.error_message.as_deref(), subject);
                        results.insert(partition, result);
                    }
                }
                Ok(results)
            })
            .await
        })
    }

    /// Deletes the start offsets of whole topics from a share group without members; says for each topic how that went.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND ... and those of the connection; a topic's own may be UNKNOWN_TOPIC_OR_PARTITION.
    pub fn delete_share_group_offsets<'a>(
        &'a self,
        group_id: &'a str,
        topics: &'a BTreeSet<String>,
    ) -> Call<'a, BTreeMap<String, Result<(), ClientError>>> {
        Box::pin(async move {
            let topic = |name: &String| DeleteShareGroupOffsetsRequestTopic { topic_name: name.clone() };
            let topics = topics.iter().map(topic).collect();
            let request = DeleteShareGroupOffsetsRequest { group_id: group_id.to_string(), topics };
            self.group_operation(group_id, || async {
                let response = self.client.group_coordinator(group_id).await?.send(&request).await?;
                ClientError::check(response.error_code, response.error_message.as_deref(), || subject(group_id))?;
                let result = |topic: DeleteShareGroupOffsetsResponseTopic| {
                    let subject = || format!("offsets of topic '{}' in {}", topic.topic_name, subject(group_id));
                    let result = ClientError::check(topic.error_code, topic.error_message.as_deref(), subject);
                    (topic.topic_name, result)
                };
                Ok(response.responses.into_iter().map(result).collect())
            })
            .await
        })
    }
}

fn share_offset(row: &DescribeShareGroupOffsetsResponsePartition) -> Option<SharePartitionOffset> {
    (row.start_offset >= 0).then(|| SharePartitionOffset {
        start_offset: row.start_offset,
        leader_epoch: Some(row.leader_epoch).filter(|epoch| *epoch >= 0),
        lag: Some(row.lag).filter(|lag| *lag >= 0),
    })
}

fn member(member: share_group_describe_response::Member) -> ShareMemberDescription {
    let pairs = |topic: share_group_describe_response::TopicPartitions| {
        let name = topic.topic_name;
        topic.partitions.into_iter().map(move |index| TopicPartition::new(name.as_str(), index))
    };
    ShareMemberDescription {
        member_id: member.member_id,
        rack_id: member.rack_id,
        member_epoch: member.member_epoch,
        client_id: member.client_id,
        host: member.client_host,
        topics: member.subscribed_topic_names.into_iter().collect(),
        assignment: member.assignment.topic_partitions.into_iter().flat_map(pairs).collect(),
    }
}

fn subject(group_id: &str) -> String {
    format!("share group '{group_id}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_negative_is_not_known() {
        let row = |start_offset, leader_epoch, lag| DescribeShareGroupOffsetsResponsePartition {
            start_offset,
            leader_epoch,
            lag,
            ..Default::default()
        };
        assert_eq!(share_offset(&row(-1, 0, -1)), None);
        let known = SharePartitionOffset { start_offset: 5, leader_epoch: Some(0), lag: Some(2) };
        assert_eq!(share_offset(&row(5, 0, 2)), Some(known.clone()));
        let vague = SharePartitionOffset { leader_epoch: None, lag: None, ..known };
        assert_eq!(share_offset(&row(5, -1, -1)), Some(vague));
    }
}
