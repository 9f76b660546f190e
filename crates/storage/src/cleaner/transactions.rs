//! Follows transactions while a log is read from its start: which batches belong to aborted ones, and whose markers are
//! not needed any more (Kafka's `CleanedTransactionMetadata`).

use crate::txn_index::AbortedTxn;
use ottla_records::{BatchError, BatchHeader, EndTxnMarker, Records};
use ottla_types::ProducerId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The transactions that are open at the place where the reader is.
#[derive(Debug, Default)]
pub(super) struct CleanedTransactions {
    /// Aborted transactions that begin further on, by first offset.
    upcoming: VecDeque<AbortedTxn>,
    /// Aborted ones that have begun, and whether a batch of theirs was seen.
    aborted: BTreeMap<ProducerId, (AbortedTxn, bool)>,
    /// Producers of committed ones of which a batch was seen.
    committed: BTreeSet<ProducerId>,
    /// Aborted ones whose marker stays.
    kept: Vec<AbortedTxn>,
}

impl CleanedTransactions {
    /// `aborted` are all aborted transactions that overlap with what will be read.
    pub(super) fn new(mut aborted: Vec<AbortedTxn>) -> CleanedTransactions {
        aborted.sort_by_key(|txn| txn.first_offset);
        CleanedTransactions { upcoming: VecDeque::from(aborted), ..CleanedTransactions::default() }
    }

    /// A batch of records was read. Whether it belongs to an aborted transaction and goes.
    pub(super) fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.begin_up_to(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some((_, is_seen)) => {
                *is_seen = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    /// A control batch was read. Whether nothing needs it any more: no batch of its transaction was seen.
    pub(super) fn on_control(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<bool, BatchError> {
        self.begin_up_to(header.last_offset());
        if header.record_count == 0 {
            // It was emptied before.
            return Ok(true);
        }
        match end_of_txn(batch)? {
            None => Ok(false),
            Some(EndTxnMarker { committed: true, .. }) => Ok(!self.committed.remove(&header.producer_id)),
            Some(EndTxnMarker { committed: false, .. }) => match self.aborted.remove(&header.producer_id) {
                Some((txn, true)) => {
                    self.kept.push(txn);
                    Ok(false)
                }
                _ => Ok(true),
            },
        }
    }

    /// Aborted transactions whose markers were kept since the last call: what the new transaction index holds.
    pub(super) fn take_kept(&mut self) -> Vec<AbortedTxn> {
        std::mem::take(&mut self.kept)
    }

    fn begin_up_to(&mut self, offset: i64) {
        while let Some(txn) = self.upcoming.pop_front_if(|txn| txn.first_offset <= offset) {
            self.aborted.entry(txn.producer_id).or_insert((txn, false));
        }
    }
}

/// The marker of a control batch, if it is one that ends a transaction.
fn end_of_txn(batch: &[u8]) -> Result<Option<EndTxnMarker>, BatchError> {
    let mut records = Records::new(batch, crate::limits::BATCH_BYTES_MAX)?;
    match records.next() {
        Some(record) => EndTxnMarker::parse(&record?),
        None => Ok(None),
    }
}
