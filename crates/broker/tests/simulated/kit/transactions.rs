//! A transactional producer from one line of test code, of either transaction version.

use super::{Node, error, fetch_request, find_group, passes, produce_request, the_fetched, the_partition};
use ottla_protocol::Request;
use ottla_protocol::generated::add_offsets_to_txn_request::AddOffsetsToTxnRequest;
use ottla_protocol::generated::add_partitions_to_txn_request::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use ottla_protocol::generated::describe_transactions_request::DescribeTransactionsRequest;
use ottla_protocol::generated::describe_transactions_response::TransactionState;
use ottla_protocol::generated::end_txn_request::EndTxnRequest;
use ottla_protocol::generated::fetch_request::FetchRequest;
use ottla_protocol::generated::fetch_response::PartitionData;
use ottla_protocol::generated::find_coordinator_request::FindCoordinatorRequest;
use ottla_protocol::generated::init_producer_id_request::InitProducerIdRequest;
use ottla_protocol::generated::produce_request::ProduceRequest;
use ottla_protocol::generated::txn_offset_commit_request::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ottla_records::{BatchBuilder, BatchHeader, Compression, Records, TimestampType, scan};
use ottla_testkit::batches;
use ottla_types::{ProducerEpoch, ProducerId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a client tries.
const PATIENCE: Duration = Duration::from_secs(120);
/// Its pause.
const PAUSE: Duration = Duration::from_millis(5);

/// Errors that a producer answers by trying again.
fn is_passing(code: &str) -> bool {
    passes(code)
        || matches!(
            code,
            "CONCURRENT_TRANSACTIONS" | "NOT_LEADER_OR_FOLLOWER" | "NOT_ENOUGH_REPLICAS" | "REQUEST_TIMED_OUT"
        )
}

/// What a producer knows; it outlives the broker's processes.
#[derive(Debug, Clone)]
pub(crate) struct Txn {
    pub(crate) transactional_id: String,
    /// 1 or 2.
    pub(crate) version: i16,
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) timeout_ms: i32,
    sequences: BTreeMap<(String, i32), i32>,
    added: BTreeSet<(String, i32)>,
}

impl Txn {
    pub(crate) fn new(transactional_id: &str, version: i16) -> Txn {
        Txn {
            transactional_id: transactional_id.to_string(),
            version,
            producer_id: -1,
            epoch: -1,
            timeout_ms: 60_000,
            sequences: BTreeMap::new(),
            added: BTreeSet::new(),
        }
    }

    fn version_of(&self, version_1: i16, version_2: i16) -> i16 {
        if self.version >= 2 { version_2 } else { version_1 }
    }

    /// Finds the coordinator and becomes the producer of the id.
    pub(crate) async fn init(&mut self, node: &Node) {
        let find = FindCoordinatorRequest { key_type: 1, ..find_group(&self.transactional_id) };
        let found = node.call(6, &find).await.coordinators.remove(0);
        assert_eq!(error(found.error_code), "NONE", "{:?}", found.error_message);
        let request = InitProducerIdRequest {
            transactional_id: Some(self.transactional_id.clone()),
            transaction_timeout_ms: self.timeout_ms,
            ..InitProducerIdRequest::default()
        };
        let version = self.version_of(4, 5);
        let answer = node.patiently(version, &request, |answer| answer.error_code).await;
        assert_eq!(error(answer.error_code), "NONE");
        (self.producer_id, self.epoch) = (answer.producer_id, answer.producer_epoch);
        (self.sequences, self.added) = (BTreeMap::new(), BTreeSet::new());
    }

    /// Adds partitions as clients of version 1 do.
    pub(crate) async fn add(&self, node: &Node, topic: &str, partition: i32) -> &'static str {
        let topics = vec![AddPartitionsToTxnTopic { name: topic.to_string(), partitions: vec![partition] }];
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.transactional_id.clone(),
            v3_and_below_producer_id: self.producer_id,
            v3_and_below_producer_epoch: self.epoch,
            v3_and_below_topics: topics,
            ..AddPartitionsToTxnRequest::default()
        };
        let answer = node.call(3, &request).await;
        error(answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code)
    }

    /// One attempt to write a value; the error. Adds nothing.
    pub(crate) async fn try_send(&mut self, node: &Node, topic: &str, partition: i32, value: &str) -> &'static str {
        let place = (topic.to_string(), partition);
        let sequence = self.sequences.get(&place).copied().unwrap_or(0);
        let builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime)
            .producer(ProducerId(self.producer_id), ProducerEpoch(self.epoch), sequence)
            .transactional();
        let records = batches::build(builder, &[value]).to_bytes();
        let transactional_id = Some(self.transactional_id.clone());
        let request = ProduceRequest { transactional_id, ..produce_request(topic, partition, records, -1) };
        let answer = the_partition(node.call(self.version_of(11, 12), &request).await);
        let code = error(answer.error_code);
        if code == "NONE" {
            self.sequences.insert(place, sequence + 1);
        }
        code
    }

    /// Writes a value; the error that does not pass, if any.
    pub(crate) async fn send(&mut self, node: &Node, topic: &str, partition: i32, value: &str) -> &'static str {
        let deadline = node.runtime.now() + PATIENCE;
        loop {
            let place = (topic.to_string(), partition);
            let mut code = "NONE";
            if self.version == 1 && !self.added.contains(&place) {
                code = self.add(node, topic, partition).await;
                if code == "NONE" {
                    self.added.insert(place);
                }
            }
            if code == "NONE" {
                code = self.try_send(node, topic, partition, value).await;
            }
            if !is_passing(code) {
                return code;
            }
            assert!(node.runtime.now() < deadline, "{code}");
            node.runtime.sleep(PAUSE).await;
        }
    }

    /// Commits a group's offset within the transaction.
    pub(crate) async fn send_offset(&mut self, node: &Node, group: &str, topic: &str, offset: i64) -> &'static str {
        let deadline = node.runtime.now() + PATIENCE;
        loop {
            let mut code = "NONE";
            if self.version == 1 {
                let request = AddOffsetsToTxnRequest {
                    transactional_id: self.transactional_id.clone(),
                    producer_id: self.producer_id,
                    producer_epoch: self.epoch,
                    group_id: group.to_string(),
                };
                code = error(node.call(3, &request).await.error_code);
            }
            if code == "NONE" {
                code = self.try_send_offset(node, group, topic, offset).await;
            }
            if !is_passing(code) {
                return code;
            }
            assert!(node.runtime.now() < deadline, "{code}");
            node.runtime.sleep(PAUSE).await;
        }
    }

    /// One attempt, which adds nothing.
    pub(crate) async fn try_send_offset(&self, node: &Node, group: &str, topic: &str, offset: i64) -> &'static str {
        let partition = TxnOffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
        let topics = vec![TxnOffsetCommitRequestTopic { name: topic.to_string(), partitions: vec![partition] }];
        let request = TxnOffsetCommitRequest {
            transactional_id: self.transactional_id.clone(),
            group_id: group.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            generation_id: -1,
            topics,
            ..TxnOffsetCommitRequest::default()
        };
        let answer = node.call(self.version_of(3, 5), &request).await;
        error(answer.topics[0].partitions[0].error_code)
    }

    pub(crate) fn end_request(&self, committed: bool) -> (i16, EndTxnRequest) {
        let request = EndTxnRequest {
            transactional_id: self.transactional_id.clone(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed,
        };
        (self.version_of(4, 5), request)
    }

    /// Ends the transaction; the error that does not pass, if any.
    pub(crate) async fn end(&mut self, node: &Node, committed: bool) -> &'static str {
        let (version, request) = self.end_request(committed);
        let answer = node.patiently(version, &request, |answer| answer.error_code).await;
        if answer.error_code == 0 && self.version >= 2 {
            (self.producer_id, self.epoch) = (answer.producer_id, answer.producer_epoch);
            self.sequences = BTreeMap::new();
        }
        self.added = BTreeSet::new();
        error(answer.error_code)
    }
}

/// What a read_committed consumer makes of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) values: Vec<String>,
    pub(crate) last_stable_offset: i64,
}

impl Node {
    /// Asks until the answer does not pass; `code` is its error.
    pub(crate) async fn patiently<R: Request>(
        &self,
        version: i16,
        body: &R,
        code: fn(&R::Response) -> i16,
    ) -> R::Response {
        let deadline = self.runtime.now() + PATIENCE;
        loop {
            let answer = self.call(version, body).await;
            let found = error(code(&answer));
            if !is_passing(found) {
                return answer;
            }
            assert!(self.runtime.now() < deadline, "{found}");
            self.runtime.sleep(PAUSE).await;
        }
    }

    pub(crate) async fn describe_txn(&self, id: &str) -> TransactionState {
        let request = DescribeTransactionsRequest { transactional_ids: vec![id.to_string()] };
        let mut answer = self.patiently(0, &request, |answer| answer.transaction_states[0].error_code).await;
        answer.transaction_states.remove(0)
    }

    /// Waits until nothing of the id's transaction is under way.
    pub(crate) async fn completed(&self, id: &str) -> String {
        let deadline = self.runtime.now() + PATIENCE;
        loop {
            let state = self.describe_txn(id).await.transaction_state;
            if !state.starts_with("Prepare") {
                return state;
            }
            assert!(self.runtime.now() < deadline, "{id} is still {state}");
            self.runtime.sleep(PAUSE).await;
        }
    }

    pub(crate) async fn fetch_committed(&self, topic: &str, index: i32, offset: i64) -> PartitionData {
        let request = FetchRequest { isolation_level: 1, ..fetch_request(topic, index, offset, 0) };
        the_fetched(self.call(super::FETCH, &request).await)
    }

    /// Everything that a read_committed consumer shows its application, by the rules of Kafka's clients.
    pub(crate) async fn read_committed(&self, topic: &str, index: i32) -> Committed {
        let mut committed = Committed { values: Vec::new(), last_stable_offset: 0 };
        let mut offset = 0;
        loop {
            let data = self.fetch_committed(topic, index, offset).await;
            assert_eq!(error(data.error_code), "NONE");
            committed.last_stable_offset = data.last_stable_offset;
            let aborted = data.aborted_transactions.as_ref().expect("a list");
            let mut aborted: Vec<(i64, i64)> = aborted.iter().map(|txn| (txn.first_offset, txn.producer_id)).collect();
            aborted.sort_unstable();
            let mut open = BTreeSet::new();
            let bytes = data.records.bytes().expect("records");
            let mut next = offset;
            for batch in scan(bytes, true).map_while(Result::ok) {
                let (header, range): (BatchHeader, _) = batch;
                next = header.next_offset();
                while aborted.first().is_some_and(|(first, _)| *first < next) {
                    open.insert(aborted.remove(0).1);
                }
                if header.is_control() {
                    open.remove(&header.producer_id.0);
                    continue;
                }
                if header.is_transactional() && open.contains(&header.producer_id.0) {
                    continue;
                }
                let mut records = Records::new(&bytes[range], 1 << 20).expect("records");
                while let Some(record) = records.next() {
                    let value = record.expect("a record").value.expect("a value").to_vec();
                    committed.values.push(String::from_utf8(value).expect("text"));
                }
            }
            if next == offset {
                return committed;
            }
            offset = next;
        }
    }
}
