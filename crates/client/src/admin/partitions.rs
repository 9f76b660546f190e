//! What is asked of a partition's leader: deleting records, listing offsets, its producers.

use super::Admin;
use crate::error::ClientError;
use crate::fetch::Isolation;
use crate::offsets::{ListedOffset, OffsetSpec};
use ottla_protocol::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_protocol::describe_producers_request::TopicRequest;
use ottla_protocol::{DeleteRecordsRequest, DescribeProducersRequest};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeMap;

/// Deletes up to the high watermark.
const TO_THE_END: i64 = -1;

/// A producer that a partition remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// When it wrote last, in milliseconds since the epoch.
    pub last_timestamp: i64,
    /// Epoch of its transaction coordinator; -1 when it has none.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction; `None` when there is none.
    pub current_txn_start_offset: Option<i64>,
}

impl Admin {
    /// Deletes the records before an offset, or all of them with `None`; returns the new log start offset.
    ///
    /// # Errors
    /// OFFSET_OUT_OF_RANGE, POLICY_VIOLATION on compacted topics ... and those of the connection.
    pub async fn delete_records(&self, partition: &TopicPartition, before: Option<i64>) -> Result<i64, ClientError> {
        let row = DeleteRecordsPartition { partition_index: partition.partition, offset: before.unwrap_or(TO_THE_END) };
        let topic = DeleteRecordsTopic { name: partition.topic.to_string(), partitions: vec![row] };
        let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: self.timeout_ms() };
        self.at_leader(partition, |leader| {
            let request = &request;
            async move {
                let response = leader.send(request).await?;
                let result = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
                let result = result.ok_or_else(|| ClientError::missing("DeleteRecords", &partition.to_string()))?;
                ClientError::check(result.error_code, None, || partition.to_string())?;
                Ok(result.low_watermark)
            }
        })
        .await
    }

    /// One offset of each partition; offset -1 where nothing was found.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        isolation: Isolation,
    ) -> Result<BTreeMap<TopicPartition, ListedOffset>, ClientError> {
        let is_worth_it = |error: &ClientError| may_move(error) || self.outlasts(error);
        let mut listed = BTreeMap::new();
        for (partition, spec) in wanted {
            let ask = || self.client.list_offset(&partition.topic, partition.partition, *spec, isolation);
            listed.insert(partition.clone(), crate::backoff::patiently(&self.client, is_worth_it, ask).await?);
        }
        Ok(listed)
    }

    /// The idempotent and transactional producers that a partition remembers: its leader, or the replica on a broker.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub async fn describe_producers(
        &self,
        partition: &TopicPartition,
        node_id: Option<i32>,
    ) -> Result<Vec<ActiveProducer>, ClientError> {
        let (name, partition_indexes) = (partition.topic.to_string(), vec![partition.partition]);
        let request = DescribeProducersRequest { topics: vec![TopicRequest { name, partition_indexes }] };
        let ask = |broker: crate::Connection| {
            let request = &request;
            async move {
                let response = broker.send(request).await?;
                let found = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
                let found = found.ok_or_else(|| ClientError::missing("DescribeProducers", &partition.to_string()))?;
                ClientError::check(found.error_code, found.error_message.as_deref(), || partition.to_string())?;
                let producers = found.active_producers.into_iter().map(|producer| ActiveProducer {
                    producer_id: producer.producer_id,
                    producer_epoch: producer.producer_epoch,
                    last_sequence: producer.last_sequence,
                    last_timestamp: producer.last_timestamp,
                    coordinator_epoch: producer.coordinator_epoch,
                    current_txn_start_offset: Some(producer.current_txn_start_offset).filter(|offset| *offset >= 0),
                });
                Ok(producers.collect())
            }
        };
        match node_id {
            Some(node_id) => ask(self.client.broker(node_id).await?).await,
            None => self.at_leader(partition, ask).await,
        }
    }

    /// Repeats `operation` at the leader, with fresh metadata, while leaders move.
    pub(super) async fn at_leader<T, F>(
        &self,
        partition: &TopicPartition,
        operation: impl Fn(crate::Connection) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let ask = || async {
            let (_, _, leader) = self.client.leader(&partition.topic, partition.partition).await?;
            let done = operation(leader).await;
            if done.as_ref().is_err_and(may_move) {
                self.client.forget_topic(&partition.topic);
            }
            done
        };
        let is_worth_it = |error: &ClientError| may_move(error) || self.outlasts(error);
        crate::backoff::patiently(&self.client, is_worth_it, ask).await
    }
}

/// Errors that mean: the leader is another one, or not there yet.
fn may_move(error: &ClientError) -> bool {
    use ErrorCode::{FencedLeaderEpoch, LeaderNotAvailable, NotLeaderOrFollower, UnknownLeaderEpoch};
    let codes = [NotLeaderOrFollower, LeaderNotAvailable, FencedLeaderEpoch, UnknownLeaderEpoch];
    error.code().is_some_and(|code| codes.contains(&code))
}
