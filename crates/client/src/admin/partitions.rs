//! What is asked of a partition's leader: deleting records, listing offsets, its producers.

use super::Admin;
use super::leaders::{Led, may_move};
use crate::call::Call;
use crate::error::ClientError;
use crate::fetch::Isolation;
use crate::offsets::{self, ListedOffset, OffsetSpec};
use ottla_protocol::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_protocol::describe_producers_request::TopicRequest;
use ottla_protocol::{DeleteRecordsRequest, DescribeProducersRequest, DescribeProducersResponse};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

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
    pub fn delete_records<'a>(&'a self, partition: &'a TopicPartition, before: Option<i64>) -> Call<'a, i64> {
        Box::pin(async move {
            let row =
                DeleteRecordsPartition { partition_index: partition.partition, offset: before.unwrap_or(TO_THE_END) };
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
        })
    }

    /// One offset of each partition; offset -1 where nothing was found. Each leader gets one request.
    ///
    /// # Errors
    /// The first of [`Admin::list_offsets_each`].
    pub fn list_offsets<'a>(
        &'a self,
        wanted: &'a BTreeMap<TopicPartition, OffsetSpec>,
        isolation: Isolation,
    ) -> Call<'a, BTreeMap<TopicPartition, ListedOffset>> {
        Box::pin(async move {
            let listed = self.list_offsets_each(wanted, isolation).await;
            listed.into_iter().map(|(partition, found)| Ok((partition, found?))).collect()
        })
    }

    /// The same, with an outcome for each partition: UNKNOWN_TOPIC_OR_PARTITION, `NoCommonVersion` where a leader does not
    /// serve what is wanted ... and the errors of the connections.
    pub async fn list_offsets_each(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        isolation: Isolation,
    ) -> BTreeMap<TopicPartition, Result<ListedOffset, ClientError>> {
        // Where a leader is too old for some of them, the others are still answered.
        let mut by_version: BTreeMap<i16, BTreeSet<TopicPartition>> = BTreeMap::new();
        for (partition, spec) in wanted {
            by_version.entry(spec.least_version()).or_default().insert(partition.clone());
        }
        let mut listed = BTreeMap::new();
        for (least_version, partitions) in by_version {
            let request = |led: &[Led]| {
                let rows = led.iter().map(|led| (&led.partition, led.leader_epoch, wanted[&led.partition]));
                offsets::request(rows, isolation, self.timeout_ms())
            };
            listed.extend(self.at_leaders(partitions, least_version, request, offsets::read).await);
        }
        listed
    }

    /// The idempotent and transactional producers that partitions remember: of their leaders, which get one request each, or
    /// of the replicas on one broker. Each partition has its outcome: UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER where
    /// that broker has no replica ... and the errors of the connections.
    pub async fn describe_producers(
        &self,
        partitions: &BTreeSet<TopicPartition>,
        node_id: Option<i32>,
    ) -> BTreeMap<TopicPartition, Result<Vec<ActiveProducer>, ClientError>> {
        let Some(node_id) = node_id else {
            let request = |led: &[Led]| producers_request(led.iter().map(|led| &led.partition));
            return self.at_leaders(partitions.clone(), 0, request, read_producers).await;
        };
        let asked = async { self.client.broker(node_id).await?.send(&producers_request(partitions)).await }.await;
        let (mut told, otherwise) = match asked {
            Ok(response) => (read_producers(response).into_iter().collect(), None),
            Err(error) => (BTreeMap::new(), Some(error)),
        };
        let outcome = |partition: &TopicPartition| {
            let missing = || ClientError::missing("DescribeProducers", &partition.to_string());
            let found = told.remove(partition);
            (partition.clone(), found.unwrap_or_else(|| Err(otherwise.clone().unwrap_or_else(missing))))
        };
        partitions.iter().map(outcome).collect()
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

fn producers_request<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> DescribeProducersRequest {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(partition.topic.to_string()).or_default().push(partition.partition);
    }
    let topics = topics.into_iter().map(|(name, partition_indexes)| TopicRequest { name, partition_indexes });
    DescribeProducersRequest { topics: topics.collect() }
}

fn read_producers(
    response: DescribeProducersResponse,
) -> Vec<(TopicPartition, Result<Vec<ActiveProducer>, ClientError>)> {
    let mut read = Vec::new();
    for topic in response.topics {
        for row in topic.partitions {
            let partition = TopicPartition::new(topic.name.as_str(), row.partition_index);
            let checked = ClientError::check(row.error_code, row.error_message.as_deref(), || partition.to_string());
            let producers = row.active_producers.into_iter().map(|producer| ActiveProducer {
                producer_id: producer.producer_id,
                producer_epoch: producer.producer_epoch,
                last_sequence: producer.last_sequence,
                last_timestamp: producer.last_timestamp,
                coordinator_epoch: producer.coordinator_epoch,
                current_txn_start_offset: Some(producer.current_txn_start_offset).filter(|offset| *offset >= 0),
            });
            read.push((partition, checked.map(|()| producers.collect())));
        }
    }
    read
}
