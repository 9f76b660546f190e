//! Whether this partition belongs to a transaction, asked before anything of it is appended (KIP-890).
//!
//! 1. Where the producer has no transaction open here, a verification begins and gives a guard, a number.
//! 2. The transaction's coordinator is asked (elsewhere), and says yes.
//! 3. The batch is appended with the guard. It is void when a marker came in between: the answer was about a transaction that
//!    has ended. From the first batch on the transaction is open here, and nothing needs to be asked until its marker.
//!
//! A batch behind one that is still being verified, or was refused, is out of order: its success would tell the producer
//! that the earlier one is stored, too.

use super::PartitionError;
use ottla_coordinator::VerificationGuard;
use ottla_records::{BatchHeader, NO_SEQUENCE};
use ottla_storage::Log;
use ottla_storage::producer_state::{Check, Origin, ProducerBatch, ProducerEntry, ProducerError};
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId};
use std::collections::BTreeMap;

/// Verifications of one partition; beyond that the oldest are void, and their batches come again.
const VERIFICATIONS_MAX: usize = 10_000;

/// A producer that is about to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writer {
    pub(crate) producer_id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    /// First sequence of its batch; -1 where it has none.
    pub(crate) sequence: i32,
    /// The partition joins the transaction by this; otherwise the client has added it before.
    pub(crate) adds: bool,
}

/// The verifications of a partition, by producer.
#[derive(Debug, Default)]
pub(crate) struct Verifications {
    entries: BTreeMap<ProducerId, Verification>,
    last_guard: u64,
}

#[derive(Debug)]
struct Verification {
    guard: u64,
    epoch: ProducerEpoch,
    lowest_sequence: i32,
    adds: bool,
    began_ms: i64,
}

impl Verifications {
    /// Begins to verify, or goes on: [`VerificationGuard::Sentinel`] where the transaction is open already.
    pub(super) fn begin(
        &mut self,
        log: &Log,
        writer: &Writer,
        now_ms: i64,
    ) -> Result<VerificationGuard, PartitionError> {
        let known = log.producers().producer(writer.producer_id);
        if let Some(known) = known.filter(|known| writer.epoch < known.epoch()) {
            return Err(fenced(known, writer.producer_id, writer.epoch));
        }
        if known.is_some_and(|known| known.has_open_txn() && known.epoch() == writer.epoch) {
            return Ok(VerificationGuard::Sentinel);
        }
        let entry = self.entries.entry(writer.producer_id).or_insert_with(|| {
            self.last_guard += 1;
            Verification {
                guard: self.last_guard,
                epoch: writer.epoch,
                lowest_sequence: writer.sequence,
                adds: writer.adds,
                began_ms: now_ms,
            }
        });
        if writer.epoch > entry.epoch || writer.epoch == entry.epoch && writer.sequence < entry.lowest_sequence {
            (entry.epoch, entry.lowest_sequence) = (writer.epoch, writer.sequence);
        }
        let guard = entry.guard;
        if self.entries.len() > VERIFICATIONS_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.guard).map(|(id, _)| *id);
            oldest.map(|id| self.entries.remove(&id));
        }
        Ok(VerificationGuard::Verified(guard))
    }

    /// Whether a batch of records may be appended.
    pub(super) fn check(
        &self,
        log: &Log,
        header: &BatchHeader,
        guard: VerificationGuard,
    ) -> Result<(), PartitionError> {
        if !header.is_transactional() {
            return Ok(());
        }
        let known = log.producers().producer(header.producer_id);
        if known.is_some_and(|known| known.has_open_txn() && known.epoch() == header.producer_epoch) {
            return Ok(());
        }
        if header.base_sequence != NO_SEQUENCE && is_duplicate(log, header) {
            return Ok(());
        }
        if let Some(known) = known.filter(|known| header.producer_epoch < known.epoch()) {
            return Err(fenced(known, header.producer_id, header.producer_epoch));
        }
        let entry = self.entries.get(&header.producer_id);
        let is_verified = match guard {
            VerificationGuard::NotRequired => true,
            VerificationGuard::Sentinel => false,
            VerificationGuard::Verified(number) => entry.is_some_and(|entry| entry.guard == number),
        };
        if !is_verified {
            let message =
                format!("producer id {} has no open transaction that this partition is in", header.producer_id);
            return Err(PartitionError::of(ErrorCode::InvalidTxnState, message));
        }
        match entry {
            Some(entry) if header.base_sequence != NO_SEQUENCE => check_sequence(entry, known, header),
            _ => Ok(()),
        }
    }

    /// A batch or a marker is in the log: nothing is left to verify. Only a marker that comes again may find a verification
    /// of the next transaction, whose epoch it has.
    pub(super) fn appended(&mut self, header: &BatchHeader) {
        if !header.is_transactional() || self.entries.is_empty() {
            return;
        }
        let is_of_next =
            |entry: &Verification| entry.adds && header.is_control() && header.producer_epoch == entry.epoch;
        if !self.entries.get(&header.producer_id).is_some_and(is_of_next) {
            self.entries.remove(&header.producer_id);
        }
    }

    /// Forgets what never ended.
    pub(super) fn remove_expired(&mut self, now_ms: i64, expiration_ms: i64) {
        self.entries.retain(|_, entry| now_ms.saturating_sub(entry.began_ms) < expiration_ms);
    }
}

fn is_duplicate(log: &Log, header: &BatchHeader) -> bool {
    let Some(batch) = ProducerBatch::of(header, header.base_offset) else { return false };
    matches!(log.producers().prepare_append(&batch, Origin::Client), Ok(Check::Duplicate { .. }))
}

fn check_sequence(
    entry: &Verification,
    known: Option<&ProducerEntry>,
    header: &BatchHeader,
) -> Result<(), PartitionError> {
    // Every transaction of version 2 has an epoch of its own, and each epoch begins with sequence 0.
    let is_beginning = entry.adds && known.is_none_or(|known| known.batches().is_empty());
    if header.base_sequence > entry.lowest_sequence || is_beginning && header.base_sequence != 0 {
        let error = ProducerError::OutOfOrderSequence {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            found: header.base_sequence,
            last: NO_SEQUENCE,
        };
        return Err(PartitionError::of(error.code(), error.to_string()));
    }
    Ok(())
}

fn fenced(known: &ProducerEntry, producer_id: ProducerId, found: ProducerEpoch) -> PartitionError {
    let error = ProducerError::InvalidEpoch { producer_id, found, current: known.epoch() };
    PartitionError::of(error.code(), error.to_string())
}

impl super::Partition {
    /// Begins to verify that this partition belongs to a producer's transaction. [`VerificationGuard::Sentinel`]: it is open
    /// here, nobody needs to be asked.
    pub(crate) fn begin_verification(&self, writer: &Writer) -> Result<VerificationGuard, PartitionError> {
        let now_ms = self.shared.runtime.wall_clock_ms();
        let mut state = self.lock();
        let (open, _) = state.leading()?;
        open.verifications.begin(&open.log, writer, now_ms)
    }
}
