//! What a shard's log takes part in: transactions of others, whose records stand in it and whose markers end them.

use ottla_records::EndTxnMarker;
use ottla_types::{ProducerEpoch, ProducerId};

/// Whether it is known that the log's partition belongs to a transaction (KIP-890).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationGuard {
    /// Verification is switched off: nothing is asked.
    NotRequired,
    /// Nothing was verified: records go only into a transaction that is open in the log.
    Sentinel,
    /// The transaction's coordinator said so to whoever holds this number. A marker that comes first makes it void.
    Verified(u64),
}

/// The transaction that records belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionalWrite {
    /// Whose transaction it is.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// What is known of it.
    pub guard: VerificationGuard,
}

/// The end of a transaction on the shard's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransaction {
    /// Whose transaction it was.
    pub producer_id: ProducerId,
    /// The epoch of the marker.
    pub producer_epoch: ProducerEpoch,
    /// How it ends, and who says so.
    pub marker: EndTxnMarker,
    /// `transaction.version` that the transaction was made with: from 2 on the epoch is above that of the records.
    pub transaction_version: i16,
}

/// What a batch is, where the log judges it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// The shard's own records, and whether an answer or an effect waits until they are committed.
    Plain { is_awaited: bool },
    /// Records of a transaction.
    Transactional(VerificationGuard),
    /// A marker, of this `transaction.version`.
    Marker(i16),
}
