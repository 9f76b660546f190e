//! What comes in and what goes out. A request is about one transactional id; requests of Kafka that carry several are split by
//! the broker, because ids of one request may live in different shards. Authorization has happened before.

use crate::admin::TransactionFilter;
use crate::config::TxnConfig;
use ottla_protocol::{describe_transactions_response, list_transactions_response};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `transactional.id`.
pub type TransactionalId = Arc<str>;

/// A producer, as a client names itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    /// The producer id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

/// InitProducerId.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitProducerId {
    /// Who asks.
    pub transactional_id: TransactionalId,
    /// How long a transaction may be open.
    pub timeout_ms: i32,
    /// Who the client thinks that it is; None for a new one (KIP-360).
    pub expected: Option<Producer>,
    /// The transaction may stay open for ever (KIP-939).
    pub two_phase_commit: bool,
    /// An open transaction stays (KIP-939), which Kafka 4.3 refuses.
    pub keep_prepared: bool,
}

/// AddPartitionsToTxn for one transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddPartitions {
    /// Whose transaction.
    pub transactional_id: TransactionalId,
    /// Who writes.
    pub producer: Producer,
    /// What is about to be written.
    pub partitions: Vec<TopicPartition>,
    /// Version of the client's transactions: 2 when a partition leader asks for it, else 0.
    pub client_version: i16,
    /// Only says whether they are in the transaction.
    pub verify_only: bool,
}

/// EndTxn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndTxn {
    /// Whose transaction.
    pub transactional_id: TransactionalId,
    /// Who ends it.
    pub producer: Producer,
    /// Commit, or else abort.
    pub committed: bool,
    /// Version of the client's transactions: 2 from EndTxn 5 on, else 0.
    pub client_version: i16,
}

/// A request to one transactional id, or a ListTransactions to one shard.
#[derive(Debug, Clone)]
pub enum TxnRequest {
    /// InitProducerId.
    InitProducerId(InitProducerId),
    /// AddPartitionsToTxn, and AddOffsetsToTxn with the group's partition.
    AddPartitions(AddPartitions),
    /// EndTxn.
    EndTxn(EndTxn),
    /// One id of a DescribeTransactions.
    Describe(TransactionalId),
    /// ListTransactions, of one shard.
    List(Arc<TransactionFilter>),
    /// For metrics: what one shard holds.
    Observe,
}

/// A request, and a producer id that nobody had before if one was asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The request.
    pub request: TxnRequest,
    /// None at first; see [`TxnReply::ProducerIdNeeded`].
    pub fresh_producer_id: Option<i64>,
}

/// What became of markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkersAnswered {
    /// Whose.
    pub transactional_id: TransactionalId,
    /// The producer of the markers.
    pub producer: Producer,
    /// The outcome at each partition. NONE also for one that does not exist any more.
    pub results: Vec<(TopicPartition, ErrorCode)>,
}

/// An event of a shard.
#[derive(Debug)]
pub enum TxnEvent {
    /// Somebody asks, and waits for an answer.
    Request(Wanted),
    /// Partition leaders have answered.
    MarkersAnswered(MarkersAnswered),
    /// No marker is left to write.
    Complete(TransactionalId),
    /// Its transaction may have timed out. The producer id is one that nobody had before, if one was asked for.
    AbortTimedOut(TransactionalId, Option<i64>),
    /// The id may be unused for too long.
    RemoveExpired(TransactionalId),
    /// Configs or the feature have changed.
    ConfigChanged(Arc<TxnConfig>),
}

/// The answer to a [`TxnRequest`].
#[derive(Debug, Clone, PartialEq)]
pub enum TxnReply {
    /// Ask again with a producer id that nobody had before.
    ProducerIdNeeded,
    /// InitProducerId and EndTxn: who the producer is from now on.
    Producer(Result<Producer, ErrorCode>),
    /// AddPartitionsToTxn: all or none.
    Added(Result<(), ErrorCode>),
    /// AddPartitionsToTxn that only verifies.
    Verified(Result<Vec<(TopicPartition, ErrorCode)>, ErrorCode>),
    /// DescribeTransactions.
    Described(describe_transactions_response::TransactionState),
    /// ListTransactions.
    Listed(Vec<list_transactions_response::TransactionState>),
    /// Observe.
    Observed(ObservedTransactions),
}

/// What a shard holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservedTransactions {
    /// Transactional ids by the state of their transaction, as ListTransactions names it.
    pub states: BTreeMap<&'static str, u64>,
    /// When the oldest open transaction began. Milliseconds.
    pub oldest_open_ms: Option<i64>,
}

/// Markers for a list of partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkersToWrite {
    /// Whose transaction ends.
    pub transactional_id: TransactionalId,
    /// The producer of the markers.
    pub producer: Producer,
    /// The leader epoch of the shard's log.
    pub coordinator_epoch: i32,
    /// Commit, or else abort.
    pub committed: bool,
    /// The version of the transaction.
    pub transaction_version: i16,
    /// Where.
    pub partitions: Vec<TopicPartition>,
}

/// A call to somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxnEffect {
    /// Write markers, and tell with a [`MarkersAnswered`].
    WriteMarkers(MarkersToWrite),
    /// Get a producer id that nobody had before, for a [`TxnEvent::AbortTimedOut`] of this id.
    AllocateProducerId(TransactionalId),
}
