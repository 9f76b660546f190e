//! One transactional id: its producer, its transaction, and the steps from one state to the next.
//!
//! A step makes the next state of the present one; the record of that state is what replaying puts in place. `last_producer_epoch`
//! is the only part that is not in the record, as in Kafka: after a reload a retried InitProducerId is fenced.

use crate::state::TransactionState;
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeSet;

/// The last epoch that a producer is given; after it comes a new producer id.
pub const EPOCH_LAST: i16 = i16::MAX - 1;
/// The transaction version from which on the epoch is raised at every end (KIP-890).
pub const EPOCH_BUMP_FROM: i16 = 2;
/// No producer id, and no epoch.
pub(crate) const NONE: i64 = -1;
pub(crate) const NO_EPOCH: i16 = -1;

/// Whether no higher epoch may be given to a producer.
pub fn is_epoch_exhausted(epoch: i16) -> bool {
    epoch >= EPOCH_LAST
}

/// A transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who writes.
    pub producer_id: i64,
    /// The producer id before the last step.
    pub previous_producer_id: i64,
    /// The producer id after this transaction's end, when the epochs of the present one are used up; else -1.
    pub next_producer_id: i64,
    /// The epoch of whoever writes; of the markers, while they are being written.
    pub producer_epoch: i16,
    /// The epoch before, for a retry of the request that raised it; else -1. Not in the log.
    pub last_producer_epoch: i16,
    /// After how many milliseconds an open transaction is aborted. The largest value means never (KIP-939).
    pub timeout_ms: i32,
    /// Where it stands.
    pub state: TransactionState,
    /// The partitions of the transaction.
    pub partitions: BTreeSet<TopicPartition>,
    /// When it began, or -1.
    pub start_ms: i64,
    /// When the state was last changed.
    pub last_update_ms: i64,
    /// The transaction version that the client speaks.
    pub client_version: i16,
}

impl Transaction {
    /// A transactional id that is seen for the first time, with a producer id that nobody had before.
    pub fn first(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Transaction {
        Transaction {
            producer_id,
            previous_producer_id: producer_id,
            next_producer_id: NONE,
            producer_epoch: 0,
            last_producer_epoch: NO_EPOCH,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            start_ms: NONE,
            last_update_ms: now_ms,
            client_version: 0,
        }
    }

    /// Whether its transaction may stay open for ever.
    pub fn is_two_phase_commit(&self) -> bool {
        self.timeout_ms == i32::MAX
    }

    /// Whether it is open for longer than its timeout.
    pub fn has_timed_out(&self, now_ms: i64) -> bool {
        self.state == TransactionState::Ongoing
            && !self.is_two_phase_commit()
            && self.start_ms.saturating_add(i64::from(self.timeout_ms)) < now_ms
    }

    fn step(&self, state: TransactionState, now_ms: i64) -> Transaction {
        let previous_producer_id = self.producer_id;
        Transaction { state, previous_producer_id, last_update_ms: now_ms, ..self.clone() }
    }

    fn empty(&self, timeout_ms: i32, now_ms: i64) -> Transaction {
        Transaction {
            timeout_ms,
            partitions: BTreeSet::new(),
            start_ms: NONE,
            next_producer_id: NONE,
            client_version: 0,
            ..self.step(TransactionState::Empty, now_ms)
        }
    }

    /// The producer begins anew with the next epoch. `expected` is the epoch that it says it has (KIP-360).
    ///
    /// # Errors
    /// PRODUCER_FENCED when that is neither the present epoch nor the one before.
    pub fn raise_epoch(&self, timeout_ms: i32, expected: Option<i16>, now_ms: i64) -> Result<Transaction, ErrorCode> {
        let empty = self.empty(timeout_ms, now_ms);
        let (producer_epoch, last_producer_epoch) = match expected {
            None => (self.producer_epoch + 1, NO_EPOCH),
            Some(epoch) if epoch == self.producer_epoch => (self.producer_epoch + 1, self.producer_epoch),
            // A retry of a request that succeeded.
            Some(epoch) if epoch == self.last_producer_epoch => (self.producer_epoch, self.last_producer_epoch),
            Some(_) => return Err(ErrorCode::ProducerFenced),
        };
        Ok(Transaction { producer_epoch, last_producer_epoch, ..empty })
    }

    /// The producer begins anew with a producer id that nobody had before.
    pub fn rotate(&self, producer_id: i64, timeout_ms: i32, remembers_epoch: bool, now_ms: i64) -> Transaction {
        let last_producer_epoch = if remembers_epoch { self.producer_epoch } else { NO_EPOCH };
        Transaction { producer_id, producer_epoch: 0, last_producer_epoch, ..self.empty(timeout_ms, now_ms) }
    }

    /// Partitions join the transaction, which begins with the first ones.
    pub fn add(&self, partitions: &[TopicPartition], client_version: i16, now_ms: i64) -> Transaction {
        let mut next = self.step(TransactionState::Ongoing, now_ms);
        if self.state != TransactionState::Ongoing {
            (next.start_ms, next.partitions) = (now_ms, BTreeSet::new());
        }
        next.partitions.extend(partitions.iter().cloned());
        Transaction { client_version, ..next }
    }

    /// Whether the end of the transaction in this version needs a producer id that nobody had before.
    pub fn end_needs_producer_id(&self, client_version: i16) -> bool {
        client_version >= EPOCH_BUMP_FROM && is_epoch_exhausted(self.producer_epoch)
    }

    /// The end is decided. From version 2 on it raises the epoch; `next_producer_id` is what follows when that was the last.
    pub fn prepare(
        &self,
        committed: bool,
        client_version: i16,
        next_producer_id: Option<i64>,
        now_ms: i64,
    ) -> Transaction {
        let state = if committed { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort };
        let mut next = self.step(state, now_ms);
        if client_version >= EPOCH_BUMP_FROM {
            // At the very last epoch an abort goes through as it is, so that the id can go on.
            next.producer_epoch = self.producer_epoch.saturating_add(1);
            next.last_producer_epoch = self.producer_epoch;
        }
        if self.state != TransactionState::Ongoing {
            // An abort without partitions; when it began is not known.
            (next.start_ms, next.partitions) = (now_ms, BTreeSet::new());
        }
        Transaction { next_producer_id: next_producer_id.unwrap_or(NONE), client_version, ..next }
    }

    /// The abort of an open transaction whose producer is not waited for: it is fenced by a higher epoch.
    pub fn fence(&self, transaction_version: i16, next_producer_id: Option<i64>, now_ms: i64) -> Transaction {
        if transaction_version >= EPOCH_BUMP_FROM {
            return self.prepare(false, transaction_version, next_producer_id, now_ms);
        }
        let producer_epoch = self.producer_epoch.saturating_add(1);
        Transaction { producer_epoch, last_producer_epoch: NO_EPOCH, ..self.prepare(false, 0, None, now_ms) }
    }

    /// All markers are written.
    pub fn complete(&self, now_ms: i64) -> Transaction {
        let state = match self.state {
            TransactionState::PrepareCommit => TransactionState::CompleteCommit,
            _ => TransactionState::CompleteAbort,
        };
        let mut next = self.step(state, now_ms);
        if self.client_version >= EPOCH_BUMP_FROM && self.next_producer_id != NONE {
            (next.producer_id, next.producer_epoch) = (self.next_producer_id, 0);
        }
        Transaction { next_producer_id: NONE, partitions: BTreeSet::new(), ..next }
    }
}
