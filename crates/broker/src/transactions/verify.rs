//! Before the first batch of a transaction: the partition's leader asks the transaction's coordinator (KIP-890).
//!
//! Clients of transaction version 1 have added the partition themselves, and the leader verifies that; for those of version 2
//! it adds the partition. An answer that passes soon (a transaction of the same producer is just ending) is asked for again
//! for a short while, because a client would wait longer.

use super::TxnCoordinator;
use crate::partition::{Partition, PartitionError, Writer};
use crate::peers::Peers;
use ottla_coordinator::VerificationGuard;
use ottla_metadata::MetadataImage;
use ottla_metadata::topic_name::TRANSACTION_STATE;
use ottla_protocol::generated::add_partitions_to_txn_request::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use ottla_protocol::generated::add_partitions_to_txn_response::AddPartitionsToTxnResponse;
use ottla_runtime::{Runtime, watch};
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The first pause before a transaction that is just ending is asked for again; it doubles up to
/// `add.partitions.to.txn.retry.backoff.ms`. An end takes a few milliseconds, and the producer's next transaction waits for it.
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(1);

/// What a request does with a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Verifies; the client knows no TRANSACTION_ABORTABLE.
    Verify,
    /// Verifies.
    VerifyAbortable,
    /// Adds the partitions (transaction version 2).
    Add,
}

impl Operation {
    /// Of a Produce.
    pub(crate) fn of_produce(version: i16) -> Operation {
        match version {
            ..=10 => Operation::Verify,
            11 => Operation::VerifyAbortable,
            _ => Operation::Add,
        }
    }

    /// Of a TxnOffsetCommit.
    pub(crate) fn of_offset_commit(version: i16) -> Operation {
        match version {
            ..=3 => Operation::Verify,
            4 => Operation::VerifyAbortable,
            _ => Operation::Add,
        }
    }
}

/// Why a partition is not known to be in the transaction, in the coordinator's terms.
#[derive(Debug, Clone)]
pub(crate) enum VerifyFailed {
    /// The partition itself refuses.
    Partition(PartitionError),
    /// The coordinator says so, or cannot be asked.
    Coordinator(ErrorCode),
}

/// The producer of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) transactional_id: &'a str,
    pub(crate) producer_id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    pub(crate) operation: Operation,
}

/// Asks coordinators. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Verifier {
    runtime: Runtime,
    images: watch::Receiver<Arc<MetadataImage>>,
    transactions: Arc<TxnCoordinator>,
    peers: Arc<dyn Peers>,
    retry_pause: Duration,
    retry_patience: Duration,
    call_patience: Duration,
}

impl Verifier {
    pub(crate) fn new(
        runtime: &Runtime,
        images: watch::Receiver<Arc<MetadataImage>>,
        transactions: Arc<TxnCoordinator>,
        peers: Arc<dyn Peers>,
        config: &ottla_config::BrokerConfig,
    ) -> Verifier {
        let time = |name: &str| Duration::from_millis(u64::try_from(config.long(name)).unwrap_or(0));
        let call_patience = time("request.timeout.ms");
        Verifier {
            runtime: runtime.clone(),
            images,
            transactions,
            peers,
            retry_pause: time("add.partitions.to.txn.retry.backoff.ms"),
            retry_patience: time("add.partitions.to.txn.retry.backoff.max.ms").min(call_patience),
            call_patience,
        }
    }

    /// A guard for each partition (with the first sequence of what is to be written), or why there is none; in the order of
    /// the partitions.
    pub(crate) async fn verify(
        &self,
        asking: Asking<'_>,
        partitions: &[(Arc<Partition>, i32)],
        is_enabled: bool,
    ) -> Vec<Result<VerificationGuard, VerifyFailed>> {
        let adds = asking.operation == Operation::Add;
        if !adds && !is_enabled {
            return partitions.iter().map(|_| Ok(VerificationGuard::NotRequired)).collect();
        }
        let began = self.runtime.now();
        let mut pause = RETRY_PAUSE_FIRST.min(self.retry_pause);
        loop {
            let results = self.verify_once(asking, partitions).await;
            let is_busy = |result: &Result<_, VerifyFailed>| {
                matches!(result, Err(VerifyFailed::Coordinator(ErrorCode::ConcurrentTransactions)))
            };
            let has_time = self.runtime.now().saturating_duration_since(began) < self.retry_patience;
            if !(adds && has_time && results.iter().any(is_busy)) {
                return results;
            }
            self.runtime.sleep(pause).await;
            pause = (2 * pause).min(self.retry_pause);
        }
    }

    async fn verify_once(
        &self,
        asking: Asking<'_>,
        partitions: &[(Arc<Partition>, i32)],
    ) -> Vec<Result<VerificationGuard, VerifyFailed>> {
        let begin = |(partition, sequence): &(Arc<Partition>, i32)| {
            let Asking { producer_id, epoch, operation, .. } = asking;
            let writer = Writer { producer_id, epoch, sequence: *sequence, adds: operation == Operation::Add };
            partition.begin_verification(&writer).map_err(VerifyFailed::Partition)
        };
        let mut results: Vec<_> = partitions.iter().map(begin).collect();
        let is_unknown = |result: &Result<_, _>| matches!(result, Ok(VerificationGuard::Verified(_)));
        let unknown: Vec<&Arc<Partition>> =
            partitions.iter().zip(&results).filter(|(_, result)| is_unknown(result)).map(|((p, _), _)| p).collect();
        if unknown.is_empty() {
            return results;
        }
        let codes = self.ask(asking, &unknown).await;
        for ((partition, _), result) in partitions.iter().zip(&mut results).filter(|(_, result)| is_unknown(result)) {
            let code = match &codes {
                Ok(codes) => {
                    *codes.get(&(partition.topic.to_string(), partition.index)).unwrap_or(&ErrorCode::NetworkException)
                }
                Err(code) => *code,
            };
            if code != ErrorCode::None {
                *result = Err(VerifyFailed::Coordinator(for_writers(code, asking.operation)));
            }
        }
        results
    }

    /// The coordinator's word on each partition, or why there is none.
    async fn ask(
        &self,
        asking: Asking<'_>,
        partitions: &[&Arc<Partition>],
    ) -> Result<BTreeMap<(String, i32), ErrorCode>, ErrorCode> {
        let index = self.transactions.partition_of(asking.transactional_id);
        let leader = self.images.borrow().partition(TRANSACTION_STATE, index).and_then(|found| found.leader);
        let coordinator = leader.ok_or(ErrorCode::CoordinatorNotAvailable)?;
        let call = self.peers.add_partitions_to_txn(coordinator, request(asking, partitions));
        let answered = self.runtime.timeout(self.call_patience, call).await;
        let response = answered.ok().and_then(Result::ok).ok_or(ErrorCode::NetworkException)?;
        match ErrorCode::from_code(response.error_code) {
            Some(ErrorCode::None) => Ok(codes(response)),
            code => Err(code.unwrap_or(ErrorCode::UnknownServerError)),
        }
    }
}

/// What producers expect: a newer epoch is INVALID_PRODUCER_EPOCH to them, and old ones know no TRANSACTION_ABORTABLE.
fn for_writers(code: ErrorCode, operation: Operation) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if operation == Operation::Verify => ErrorCode::InvalidTxnState,
        code => code,
    }
}

fn request(asking: Asking<'_>, partitions: &[&Arc<Partition>]) -> AddPartitionsToTxnRequest {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.index);
    }
    let topic = |(name, partitions): (&str, Vec<i32>)| AddPartitionsToTxnTopic { name: name.to_string(), partitions };
    let transaction = AddPartitionsToTxnTransaction {
        transactional_id: asking.transactional_id.to_string(),
        producer_id: asking.producer_id.0,
        producer_epoch: asking.epoch.0,
        verify_only: asking.operation != Operation::Add,
        topics: topics.into_iter().map(topic).collect(),
    };
    AddPartitionsToTxnRequest { transactions: vec![transaction], ..AddPartitionsToTxnRequest::default() }
}

fn codes(response: AddPartitionsToTxnResponse) -> BTreeMap<(String, i32), ErrorCode> {
    let topics = response.results_by_transaction.into_iter().flat_map(|result| result.topic_results);
    let partitions = topics.flat_map(|topic| {
        let name = topic.name;
        topic.results_by_partition.into_iter().map(move |result| (name.clone(), result))
    });
    let code = |code: i16| ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError);
    partitions.map(|(name, result)| ((name, result.partition_index), code(result.partition_error_code))).collect()
}
