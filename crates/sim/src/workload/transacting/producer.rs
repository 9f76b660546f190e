//! A transactional producer, request by request, of either transaction version.
//!
//! A request is asked again while its errors pass. In version 1 nothing tells a transaction's late request from one of the next
//! transaction, so a producer that does not know what became of one takes a new epoch before it goes on; in version 2 every
//! transaction has its own.

use crate::oracle::Check;
use crate::planted::TransactionError;
use crate::workload::Actor;
use ottla_client::ClientError;
use ottla_protocol::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ottla_protocol::describe_producers_request::TopicRequest;
use ottla_protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_protocol::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use ottla_protocol::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_protocol::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeProducersRequest, EndTxnRequest, FindCoordinatorRequest,
    InitProducerIdRequest, OffsetCommitRequest, ProduceRequest, Records, Request, TxnOffsetCommitRequest,
    WriteTxnMarkersRequest,
};
use ottla_records::{BatchBuilder, TimestampType};
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Errors that pass by themselves.
pub(super) const PASSING: &[ErrorCode] = &[
    ErrorCode::CoordinatorLoadInProgress,
    ErrorCode::CoordinatorNotAvailable,
    ErrorCode::NotCoordinator,
    ErrorCode::ConcurrentTransactions,
    ErrorCode::UnknownTopicOrPartition,
    ErrorCode::NotEnoughReplicas,
];
/// Those that say that nothing was done.
const NOTHING_DONE: &[ErrorCode] = &[ErrorCode::CoordinatorLoadInProgress, ErrorCode::ConcurrentTransactions];
/// What a producer is told whose transaction cannot commit any more.
const REFUSALS: &[ErrorCode] = &[
    ErrorCode::ProducerFenced,
    ErrorCode::InvalidProducerEpoch,
    ErrorCode::InvalidTxnState,
    ErrorCode::TransactionAbortable,
];
/// How long one request is tried.
const PATIENCE: Duration = Duration::from_secs(10);
/// `transaction.timeout.ms`.
const TIMEOUT_MS: i32 = 3000;
/// For the request types that take one.
const REQUEST_TIMEOUT_MS: i32 = 4000;

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer<T> {
    Done(T),
    /// The transaction cannot commit.
    Refused,
    GaveUp,
}

/// A producer and its transaction.
pub(super) struct Producer {
    actor: Actor,
    transactional_id: String,
    version: i16,
    identity: Option<(i64, i16)>,
    sequences: BTreeMap<(String, i32), i32>,
    added: BTreeSet<(String, i32)>,
    has_added_group: bool,
    /// An attempt of the last request may have been served although nothing said so.
    is_unknown: bool,
    /// So was one of this transaction.
    was_unknown: bool,
}

impl Producer {
    pub(super) fn new(actor: Actor, transactional_id: String, version: i16) -> Producer {
        // A partition can be left out of the transaction in version 1 only.
        let is_old = actor.has(TransactionError::MarkerSkipped);
        Producer {
            actor,
            transactional_id,
            version: if is_old { 1 } else { version },
            identity: None,
            sequences: BTreeMap::new(),
            added: BTreeSet::new(),
            has_added_group: false,
            is_unknown: false,
            was_unknown: false,
        }
    }

    /// Whether it has an epoch.
    pub(super) fn is_ready(&self) -> bool {
        self.identity.is_some()
    }

    /// The next transaction needs a new epoch.
    pub(super) fn forget(&mut self) {
        self.identity = None;
    }

    fn either(&self, version_1: i16, version_2: i16) -> i16 {
        if self.version == 1 { version_1 } else { version_2 }
    }

    /// Takes an epoch; whether it got one.
    pub(super) async fn init(&mut self) -> Check<bool> {
        let key = vec![self.transactional_id.clone()];
        let find = FindCoordinatorRequest { key_type: 1, coordinator_keys: key, ..FindCoordinatorRequest::default() };
        let found = self.ask(6, &find, |answer| first(answer.coordinators.iter().map(|found| found.error_code)));
        if !matches!(found.await?, Answer::Done(_)) {
            return Ok(false);
        }
        let request = InitProducerIdRequest {
            transactional_id: Some(self.transactional_id.clone()),
            transaction_timeout_ms: TIMEOUT_MS,
            ..InitProducerIdRequest::default()
        };
        match self.ask(self.either(4, 5), &request, |answer| answer.error_code).await? {
            Answer::Done(answer) => {
                self.identity = Some((answer.producer_id, answer.producer_epoch));
                self.sequences.clear();
                self.begin();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn begin(&mut self) {
        self.added.clear();
        self.has_added_group = false;
        self.was_unknown = false;
    }

    /// Writes a value under a key of its own; whether it was taken.
    pub(super) async fn write(&mut self, topic: &str, partition: i32, value: &str) -> Check<bool> {
        let Some((producer_id, epoch)) = self.identity else { return Ok(false) };
        let place = (topic.to_string(), partition);
        if self.version == 1 && !self.added.contains(&place) {
            let is_left_out = self.actor.has(TransactionError::MarkerSkipped) && self.actor.chance(30);
            if !is_left_out && !self.add(topic, partition, (producer_id, epoch)).await? {
                return Ok(false);
            }
            self.added.insert(place.clone());
        }
        let sequence = self.sequences.get(&place).copied().unwrap_or(0);
        let builder = BatchBuilder::new(self.actor.compression(), TimestampType::CreateTime);
        let mut builder = builder.producer(ProducerId(producer_id), ProducerEpoch(epoch), sequence).transactional();
        let (timestamp, bytes) = (self.actor.runtime.wall_clock_ms(), value.as_bytes());
        builder.append(timestamp, Some(bytes), Some(bytes), &[]).expect("a small record fits");
        let records = Records::Inline(builder.build().expect("a small batch is built").to_bytes());
        let data = PartitionProduceData { index: partition, records };
        let topic_data =
            TopicProduceData { name: topic.to_string(), partition_data: vec![data], ..TopicProduceData::default() };
        let request = ProduceRequest {
            transactional_id: Some(self.transactional_id.clone()),
            acks: -1,
            timeout_ms: REQUEST_TIMEOUT_MS,
            topic_data: vec![topic_data],
        };
        let answer = self.ask(self.either(11, 12), &request, |answer| {
            first(answer.responses.iter().flat_map(|topic| &topic.partition_responses).map(|row| row.error_code))
        });
        let is_done = matches!(answer.await?, Answer::Done(_));
        if is_done {
            self.sequences.insert(place, sequence + 1);
        }
        Ok(is_done)
    }

    async fn add(&mut self, topic: &str, partition: i32, (producer_id, epoch): (i64, i16)) -> Check<bool> {
        let topics = vec![AddPartitionsToTxnTopic { name: topic.to_string(), partitions: vec![partition] }];
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.transactional_id.clone(),
            v3_and_below_producer_id: producer_id,
            v3_and_below_producer_epoch: epoch,
            v3_and_below_topics: topics,
            ..AddPartitionsToTxnRequest::default()
        };
        let answer = self.ask(3, &request, |answer| {
            let topics = answer.results_by_topic_v3_and_below.iter();
            first(topics.flat_map(|topic| &topic.results_by_partition).map(|row| row.partition_error_code))
        });
        Ok(matches!(answer.await?, Answer::Done(_)))
    }

    /// Commits a group's position within the transaction; whether it was taken.
    pub(super) async fn commit_offset(&mut self, group: &str, topic: &str, partition: i32, to: i64) -> Check<bool> {
        let Some((producer_id, producer_epoch)) = self.identity else { return Ok(false) };
        if self.version == 1 && !self.has_added_group {
            let request = AddOffsetsToTxnRequest {
                transactional_id: self.transactional_id.clone(),
                producer_id,
                producer_epoch,
                group_id: group.to_string(),
            };
            if !matches!(self.ask(3, &request, |answer| answer.error_code).await?, Answer::Done(_)) {
                return Ok(false);
            }
            self.has_added_group = true;
        }
        let row = TxnOffsetCommitRequestPartition {
            partition_index: partition,
            committed_offset: to,
            committed_leader_epoch: -1,
            committed_metadata: Some(String::new()),
        };
        let request = TxnOffsetCommitRequest {
            transactional_id: self.transactional_id.clone(),
            group_id: group.to_string(),
            producer_id,
            producer_epoch,
            generation_id: -1,
            topics: vec![TxnOffsetCommitRequestTopic { name: topic.to_string(), partitions: vec![row] }],
            ..TxnOffsetCommitRequest::default()
        };
        let answer = self.ask(self.either(3, 5), &request, |answer| {
            first(answer.topics.iter().flat_map(|topic| &topic.partitions).map(|row| row.error_code))
        });
        Ok(matches!(answer.await?, Answer::Done(_)))
    }

    /// Ends the transaction. Also says whether it is known how, if it did not end as asked.
    pub(super) async fn end(&mut self, committed: bool) -> Check<(Answer<()>, bool)> {
        let Some((producer_id, producer_epoch)) = self.identity else { return Ok((Answer::Refused, true)) };
        let transactional_id = self.transactional_id.clone();
        let request = EndTxnRequest { transactional_id, producer_id, producer_epoch, committed };
        let answer = self.ask(self.either(4, 5), &request, |answer| answer.error_code).await?;
        let is_known = !self.is_unknown;
        let answer = match answer {
            Answer::Done(answer) => {
                if self.version == 2 {
                    self.identity = Some((answer.producer_id, answer.producer_epoch));
                    self.sequences.clear();
                } else if self.was_unknown {
                    self.forget();
                }
                self.begin();
                Answer::Done(())
            }
            Answer::Refused | Answer::GaveUp => {
                self.forget();
                Answer::Refused
            }
        };
        Ok((answer, is_known))
    }

    // ---- planted errors

    /// Commits the position beside the transaction.
    pub(super) async fn commit_outside(&mut self, group: &str, topic: &str, partition: i32, to: i64) -> Check<bool> {
        let row = OffsetCommitRequestPartition {
            partition_index: partition,
            committed_offset: to,
            committed_leader_epoch: -1,
            committed_metadata: Some(String::new()),
        };
        let name = topic.to_string();
        let request = OffsetCommitRequest {
            group_id: group.to_string(),
            generation_id_or_member_epoch: -1,
            topics: vec![OffsetCommitRequestTopic { name, partitions: vec![row], ..Default::default() }],
            ..OffsetCommitRequest::default()
        };
        let answer = self.ask(9, &request, |answer| {
            first(answer.topics.iter().flat_map(|topic| &topic.partitions).map(|row| row.error_code))
        });
        Ok(matches!(answer.await?, Answer::Done(_)))
    }

    /// Writes a marker of its own; the coordinator's will be the second one.
    pub(super) async fn write_marker(&mut self, topic: &str, partition: i32) -> Check {
        let Some((producer_id, producer_epoch)) = self.identity else { return Ok(()) };
        let marker = WritableTxnMarker {
            producer_id,
            producer_epoch,
            transaction_result: true,
            topics: vec![WritableTxnMarkerTopic { name: topic.to_string(), partition_indexes: vec![partition] }],
            coordinator_epoch: self.coordinator_epoch(topic, partition).await?,
            ..WritableTxnMarker::default()
        };
        let request = WriteTxnMarkersRequest { markers: vec![marker] };
        self.ask(1, &request, |_| 0).await.map(|_| ())
    }

    /// That of the last marker that the partition took from this producer: an older one would be refused.
    async fn coordinator_epoch(&mut self, topic: &str, partition: i32) -> Check<i32> {
        let topics = vec![TopicRequest { name: topic.to_string(), partition_indexes: vec![partition] }];
        let answer = self.ask(0, &DescribeProducersRequest { topics }, |_| 0).await?;
        let Answer::Done(answer) = answer else { return Ok(0) };
        let mut producers =
            answer.topics.iter().flat_map(|topic| &topic.partitions).flat_map(|row| &row.active_producers);
        let own = producers.find(|row| self.identity.is_some_and(|(id, _)| id == row.producer_id));
        Ok(own.map_or(0, |row| row.coordinator_epoch.max(0)))
    }

    // ---- asking

    /// Asks until the answer does not pass; `code` is its first error.
    async fn ask<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        code: impl Fn(&R::Response) -> i16,
    ) -> Check<Answer<R::Response>> {
        let deadline = self.actor.now() + PATIENCE;
        let what = R::KEY.info().name;
        self.is_unknown = false;
        loop {
            let error = match self.try_once(version, request).await {
                Ok(answer) => match ErrorCode::from_code(code(&answer)).unwrap_or(ErrorCode::UnknownServerError) {
                    ErrorCode::None => return Ok(Answer::Done(answer)),
                    code if REFUSALS.contains(&code) => return Ok(Answer::Refused),
                    code => {
                        self.actor.expect_code(what, code, None, PASSING)?;
                        self.is_unknown |= !NOTHING_DONE.contains(&code);
                        None
                    }
                },
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                self.actor.expect(what, &error, PASSING)?;
                self.is_unknown |= error.is_outcome_unknown();
            }
            self.was_unknown |= self.is_unknown;
            if self.actor.now() > deadline {
                return Ok(Answer::GaveUp);
            }
            self.actor.pause(100).await;
        }
    }

    async fn try_once<R: Request>(&self, version: i16, request: &R) -> Result<R::Response, ClientError> {
        let connection = self.actor.client.any_broker().await?;
        connection.begin(request, version, &[]).await?.wait().await
    }
}

/// The first of these that is an error.
fn first(codes: impl Iterator<Item = i16>) -> i16 {
    codes.fold(0, |found, code| if found == 0 { code } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_error_counts() {
        assert_eq!(first([0, 15, 3].into_iter()), 15);
        assert_eq!(first([0, 0].into_iter()), 0);
    }
}
