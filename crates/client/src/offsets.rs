//! ListOffsets: where a partition begins and ends, and which offset belongs to a time.

use crate::call::Call;
use crate::client::Client;
use crate::error::ClientError;
use crate::fetch::Isolation;
use ottla_protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_protocol::{ListOffsetsRequest, ListOffsetsResponse, Message};
use ottla_types::TopicPartition;
use std::collections::BTreeMap;

/// Which offset is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The oldest.
    Earliest,
    /// The end: the offset that the next readable record will have.
    Latest,
    /// The record with the highest timestamp (KIP-734).
    MaxTimestamp,
    /// The oldest on the leader's own disk; with tiered storage older ones may be elsewhere (KIP-405).
    EarliestLocal,
    /// The newest that is in tiered storage (KIP-1005).
    LatestTiered,
    /// The oldest that is to be copied to tiered storage and is not there yet (KIP-1023).
    EarliestPendingUpload,
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
            OffsetSpec::EarliestLocal => -4,
            OffsetSpec::LatestTiered => -5,
            OffsetSpec::EarliestPendingUpload => -6,
            OffsetSpec::AtTimestamp(timestamp) => timestamp,
        }
    }

    /// The first version of ListOffsets that serves it.
    pub(crate) fn least_version(self) -> i16 {
        match self {
            OffsetSpec::Earliest | OffsetSpec::Latest | OffsetSpec::AtTimestamp(_) => ListOffsetsRequest::MIN_VERSION,
            OffsetSpec::MaxTimestamp => 7,
            OffsetSpec::EarliestLocal => 8,
            OffsetSpec::LatestTiered => 9,
            OffsetSpec::EarliestPendingUpload => 11,
        }
    }
}

impl Client {
    /// Asks a partition's leader for one offset, once.
    ///
    /// # Errors
    /// Those of the connection, and the partition's error code.
    pub fn list_offset<'a>(
        &'a self,
        topic: &'a str,
        partition: i32,
        spec: OffsetSpec,
        isolation: Isolation,
    ) -> Call<'a, ListedOffset> {
        Box::pin(async move {
            let (_, metadata, leader) = self.leader(topic, partition).await?;
            let asked = TopicPartition::new(topic, partition);
            let timeout_ms = i32::try_from(self.options().request_timeout.as_millis()).unwrap_or(i32::MAX);
            let request = request([(&asked, metadata.leader_epoch, spec)].into_iter(), isolation, timeout_ms);
            let newest = leader.version_of::<ListOffsetsRequest>()?;
            let least = spec.least_version();
            let version = leader.version_within::<ListOffsetsRequest>((least, newest.max(least)))?;
            let response = leader.begin(&request, version, &[]).await?.wait().await?;
            let found = read(response).into_iter().next().map(|(_, found)| found);
            let found = found.unwrap_or_else(|| Err(ClientError::missing("ListOffsets", &asked.to_string())));
            if found.as_ref().is_err_and(ClientError::is_retriable) {
                self.forget_topic(topic);
            }
            found
        })
    }
}

/// What one leader is asked: for each partition the leader epoch and which offset.
pub(crate) fn request<'a>(
    wanted: impl Iterator<Item = (&'a TopicPartition, i32, OffsetSpec)>,
    isolation: Isolation,
    timeout_ms: i32,
) -> ListOffsetsRequest {
    let mut topics: BTreeMap<String, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for (partition, current_leader_epoch, spec) in wanted {
        let (partition_index, timestamp) = (partition.partition, spec.timestamp());
        let row = ListOffsetsPartition { partition_index, current_leader_epoch, timestamp };
        topics.entry(partition.topic.to_string()).or_default().push(row);
    }
    let topics = topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name, partitions });
    ListOffsetsRequest { replica_id: -1, isolation_level: isolation.code(), topics: topics.collect(), timeout_ms }
}

/// What a leader answered, by partition.
pub(crate) fn read(response: ListOffsetsResponse) -> Vec<(TopicPartition, Result<ListedOffset, ClientError>)> {
    let mut read = Vec::new();
    for topic in response.topics {
        for row in topic.partitions {
            let partition = TopicPartition::new(topic.name.as_str(), row.partition_index);
            let checked = ClientError::check(row.error_code, None, || partition.to_string());
            let found = ListedOffset { offset: row.offset, timestamp: row.timestamp, leader_epoch: row.leader_epoch };
            read.push((partition, checked.map(|()| found)));
        }
    }
    read
}
