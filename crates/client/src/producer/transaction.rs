//! What a transactional producer may do next, and what an error means for its transaction. A decision core: no clock, no
//! lock, no network. The rules are those of Kafka's `TransactionManager`, for both transaction versions.
//!
//! A transactional producer goes through these phases ([`Phase`]):
//!
//! 1. uninitialized, until `init_transactions` has fenced older producers of the same transactional id.
//! 2. ready; `begin_transaction` opens a transaction.
//! 3. open: records and offsets belong to the transaction. In version 1 a partition is added to it before the first batch
//!    goes there; in version 2 (KIP-890) the broker does that when it sees the batch.
//! 4. committing or aborting. In version 2 every end brings a new producer epoch, so that nothing late can get into the next
//!    transaction; in version 1 a new epoch is asked for only after an error that needs one.
//! 5. abortable: something of the transaction failed, so it can only be aborted. Fatal: the producer can only be closed.

use super::accumulator::Key;
use crate::error::ClientError;
use ottla_types::ErrorCode;
use std::collections::BTreeSet;

/// Where a transactional producer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Uninitialized,
    Initializing,
    Ready,
    Open,
    Committing,
    Aborting,
    Abortable(ClientError),
    Fatal(ClientError),
}

/// What was done when an error came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Init,
    AddPartitions,
    AddOffsets,
    CommitOffsets,
    End { committed: bool },
    Produce,
}

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again.
    Again,
    /// The transaction must be aborted.
    Abort,
    /// The transaction must be aborted, and a new epoch must keep out what may still arrive.
    AbortAndBump,
    /// The producer is of no further use.
    Fatal,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Transactions {
    pub(super) transactional_id: String,
    pub(super) phase: Phase,
    /// Transaction version 2 (KIP-890): the broker adds partitions, every end raises the epoch.
    pub(super) is_v2: bool,
    /// Whether the coordinator gives a new epoch on request (KIP-360).
    pub(super) can_bump: bool,
    /// A new epoch must be asked for before the next transaction.
    pub(super) needs_bump: bool,
    /// The coordinator may know of the transaction, so that it must be told of its end.
    pub(super) has_started: bool,
    /// Version 1: partitions to be added.
    wanted: BTreeSet<Key>,
    /// Partitions that batches may be sent to.
    added: BTreeSet<Key>,
}

impl Transactions {
    pub(super) fn new(transactional_id: String) -> Transactions {
        Transactions {
            transactional_id,
            phase: Phase::Uninitialized,
            is_v2: false,
            can_bump: false,
            needs_bump: false,
            has_started: false,
            wanted: BTreeSet::new(),
            added: BTreeSet::new(),
        }
    }

    /// # Errors
    /// `Invalid` unless this is the first call, or one that goes on with an unfinished one; what ended the producer.
    pub(super) fn begin_init(&mut self) -> Result<(), ClientError> {
        match &self.phase {
            Phase::Uninitialized | Phase::Initializing => self.phase = Phase::Initializing,
            Phase::Fatal(_) | Phase::Abortable(_) => return Err(self.error()),
            _ => return Err(invalid("init_transactions was called before")),
        }
        Ok(())
    }

    /// # Errors
    /// `Invalid` unless the producer is ready; what ended it.
    pub(super) fn begin(&mut self) -> Result<(), ClientError> {
        match &self.phase {
            Phase::Ready => self.phase = Phase::Open,
            Phase::Uninitialized | Phase::Initializing => return Err(invalid("init_transactions must come first")),
            Phase::Open => return Err(invalid("a transaction is open already")),
            Phase::Committing | Phase::Aborting => return Err(self.unfinished()),
            Phase::Abortable(_) | Phase::Fatal(_) => return Err(self.error()),
        }
        Ok(())
    }

    /// # Errors
    /// `Invalid` outside of a transaction; what stands in its way.
    pub(super) fn check_open(&self) -> Result<(), ClientError> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Committing | Phase::Aborting => Err(self.unfinished()),
            Phase::Abortable(_) | Phase::Fatal(_) => Err(self.error()),
            Phase::Uninitialized | Phase::Initializing | Phase::Ready => {
                Err(invalid("a transactional producer sends within a transaction; begin_transaction comes first"))
            }
        }
    }

    /// Begins the end, or goes on with an unfinished one.
    ///
    /// # Errors
    /// `Invalid` outside of a transaction; what stands in the way of a commit; what ended the producer.
    pub(super) fn begin_end(&mut self, committed: bool) -> Result<(), ClientError> {
        match (&self.phase, committed) {
            (Phase::Open | Phase::Committing, true) => self.phase = Phase::Committing,
            (Phase::Open | Phase::Aborting | Phase::Abortable(_), false) => {
                self.phase = Phase::Aborting;
                self.wanted.clear();
            }
            (Phase::Committing, false) | (Phase::Aborting, true) => return Err(self.unfinished()),
            (Phase::Abortable(_) | Phase::Fatal(_), _) => return Err(self.error()),
            (Phase::Uninitialized | Phase::Initializing | Phase::Ready, _) => {
                return Err(invalid("no transaction is open"));
            }
        }
        Ok(())
    }

    /// The transaction has ended; the next may begin.
    pub(super) fn ready(&mut self) {
        self.phase = Phase::Ready;
        self.needs_bump = false;
        self.has_started = false;
        self.wanted.clear();
        self.added.clear();
    }

    /// A record goes to this partition. `true` when the partition must be added first.
    pub(super) fn touch(&mut self, key: &Key) -> bool {
        if self.is_v2 {
            self.has_started = true;
            self.added.insert(key.clone());
            return false;
        }
        if self.added.contains(key) {
            return false;
        }
        self.wanted.insert(key.clone())
    }

    /// Partitions to be added now.
    pub(super) fn to_add(&self) -> BTreeSet<Key> {
        match self.phase {
            Phase::Open | Phase::Committing => self.wanted.clone(),
            _ => BTreeSet::new(),
        }
    }

    /// The coordinator has these.
    pub(super) fn added(&mut self, keys: &BTreeSet<Key>) {
        self.has_started = true;
        self.wanted.retain(|key| !keys.contains(key));
        self.added.extend(keys.iter().cloned());
    }

    /// Whether a batch may go to this partition. Numbered ones are sent until their fate is known, so that no number is
    /// left open.
    pub(super) fn may_send(&self, key: &Key, is_numbered: bool) -> bool {
        match self.phase {
            Phase::Fatal(_) => false,
            Phase::Open | Phase::Committing => self.added.contains(key),
            _ => is_numbered,
        }
    }

    /// What batches without a number end with now, if they cannot be sent any more.
    pub(super) fn gives_up(&self) -> Option<ClientError> {
        match &self.phase {
            Phase::Aborting => Some(ClientError::Aborted),
            Phase::Abortable(why) => Some(why.clone()),
            _ => None,
        }
    }

    /// Takes an error in; returns what the caller is told.
    pub(super) fn fail(&mut self, step: Step, error: ClientError) -> ClientError {
        let verdict = match verdict(step, &error) {
            Verdict::AbortAndBump if !self.is_v2 && !self.can_bump => Verdict::Fatal,
            verdict => verdict,
        };
        match (verdict, &self.phase) {
            (Verdict::Again, _) => return error,
            (_, Phase::Fatal(_)) => return self.error(),
            (Verdict::Fatal, _) => self.phase = Phase::Fatal(error),
            (_, Phase::Initializing | Phase::Uninitialized) => {
                self.phase = Phase::Uninitialized;
                return error;
            }
            (verdict, _) => {
                self.needs_bump |= verdict == Verdict::AbortAndBump && !self.is_v2;
                match self.phase {
                    // The abort is on its way, which is all that an error could lead to.
                    Phase::Aborting | Phase::Abortable(_) | Phase::Ready => {}
                    _ => self.phase = Phase::Abortable(error),
                }
            }
        }
        self.error()
    }

    /// The coordinator's word on the transaction version; raising it needs a new epoch, because partitions of an old
    /// transaction must not count as added to a new one.
    pub(super) fn learn_version(&mut self, is_v2: bool, is_first: bool) {
        self.needs_bump |= !is_first && is_v2 && !self.is_v2;
        self.is_v2 = is_v2;
    }

    /// What stands in the way of everything else.
    pub(super) fn error(&self) -> ClientError {
        let (transactional_id, why) = (self.transactional_id.clone(), |why: &ClientError| Box::new(why.clone()));
        match &self.phase {
            Phase::Abortable(error) => ClientError::TransactionAbortable { transactional_id, why: why(error) },
            Phase::Fatal(error) => ClientError::TransactionFatal { transactional_id, why: why(error) },
            _ => ClientError::Aborted,
        }
    }

    fn unfinished(&self) -> ClientError {
        let call = if self.phase == Phase::Committing { "commit_transaction" } else { "abort_transaction" };
        invalid(&format!("{call} has not ended; call it again"))
    }
}

/// What an error means at this step.
pub(super) fn verdict(step: Step, error: &ClientError) -> Verdict {
    use ErrorCode::{
        ClusterAuthorizationFailed, FencedInstanceId, GroupAuthorizationFailed, IllegalGeneration,
        InvalidProducerEpoch, InvalidProducerIdMapping, InvalidTxnState, ProducerFenced, StaleMemberEpoch,
        TopicAuthorizationFailed, TransactionAbortable, TransactionalIdAuthorizationFailed, UnknownMemberId,
        UnknownProducerId, UnsupportedVersion,
    };
    let is_produce = step == Step::Produce;
    if !is_produce && error.is_transient() {
        return Verdict::Again;
    }
    let Some(code) = error.code() else {
        return if is_produce { Verdict::AbortAndBump } else { Verdict::Fatal };
    };
    match (code, step) {
        (ProducerFenced | InvalidProducerIdMapping | UnsupportedVersion, _) => Verdict::Fatal,
        (TransactionalIdAuthorizationFailed | ClusterAuthorizationFailed, Step::Init) => Verdict::Abort,
        (TransactionalIdAuthorizationFailed | ClusterAuthorizationFailed, _) => Verdict::Fatal,
        (UnknownProducerId, _) => Verdict::AbortAndBump,
        (TransactionAbortable, Step::End { committed: false }) => Verdict::Fatal,
        (TransactionAbortable, Step::Produce) => Verdict::AbortAndBump,
        (TransactionAbortable | TopicAuthorizationFailed | GroupAuthorizationFailed, _) if !is_produce => {
            Verdict::Abort
        }
        (FencedInstanceId | UnknownMemberId | IllegalGeneration | StaleMemberEpoch, Step::CommitOffsets) => {
            Verdict::Abort
        }
        // An old epoch shows in a Produce first; ending the transaction tells whether the producer is fenced.
        (_, Step::Produce) => Verdict::AbortAndBump,
        (InvalidProducerEpoch | InvalidTxnState, _) => Verdict::Fatal,
        (_, Step::AddPartitions) => Verdict::Abort,
        _ => Verdict::Fatal,
    }
}

fn invalid(why: &str) -> ClientError {
    ClientError::Invalid(why.to_string())
}

#[cfg(test)]
mod tests;
