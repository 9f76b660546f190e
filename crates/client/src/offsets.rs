//! ListOffsets: where a partition begins and ends, and which offset belongs to a time.

use crate::client::Client;
use crate::error::ClientError;
use crate::fetch::Isolation;
use ottla_protocol::ListOffsetsRequest;
use ottla_protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};

/// Which offset is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The oldest.
    Earliest,
    /// The end: the offset that the next readable record will have.
    Latest,
    /// The record with the highest timestamp (KIP-734).
    MaxTimestamp,
    /// The first record at or after this time, in milliseconds since the epoch.
    AtTimestamp(i64),
}

/// What was found; offset -1 when nothing was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset, or -1.
    pub offset: i64,
    /// The record's timestamp, or -1 for earliest and latest.
    pub timestamp: i64,
    /// The record's leader epoch, or -1.
    pub leader_epoch: i32,
}

impl OffsetSpec {
    /// Kafka's special timestamps.
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::AtTimestamp(timestamp) => timestamp,
        }
    }
}

impl Client {
    /// Asks a partition's leader for one offset, once.
    ///
    /// # Errors
    /// Those of the connection, and the partition's error code.
    pub async fn list_offset(
        &self,
        topic: &str,
        partition: i32,
        spec: OffsetSpec,
        isolation: Isolation,
    ) -> Result<ListedOffset, ClientError> {
        let (_, metadata, leader) = self.leader(topic, partition).await?;
        let wanted = ListOffsetsPartition {
            partition_index: partition,
            current_leader_epoch: metadata.leader_epoch,
            timestamp: spec.timestamp(),
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: isolation.code(),
            topics: vec![ListOffsetsTopic { name: topic.to_string(), partitions: vec![wanted] }],
            ..Default::default()
        };
        let response = leader.send(&request).await?;
        let found = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let found = found.ok_or_else(|| ClientError::missing("ListOffsets", &format!("{topic}-{partition}")))?;
        let checked = ClientError::check(found.error_code, None, || format!("{topic}-{partition}"));
        if checked.as_ref().is_err_and(ClientError::is_retriable) {
            self.forget_topic(topic);
        }
        checked?;
        Ok(ListedOffset { offset: found.offset, timestamp: found.timestamp, leader_epoch: found.leader_epoch })
    }
}
