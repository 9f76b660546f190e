//! The transactions of a partition that read_committed consumers have to wait for.

use crate::txn_index::AbortedTxn;
use ottla_types::ProducerId;
use std::collections::BTreeMap;

/// A transaction that a marker has just ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompletedTxn {
    /// Whose transaction it was.
    pub producer_id: ProducerId,
    /// Its first offset on the partition.
    pub first_offset: i64,
    /// The marker's offset.
    pub last_offset: i64,
    /// Aborted, or else committed.
    pub is_aborted: bool,
    /// The last stable offset once the marker is below the high watermark.
    pub last_stable_offset: i64,
}

/// A marker that ends an open transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Completion {
    pub(super) producer_id: ProducerId,
    pub(super) first_offset: i64,
    pub(super) marker_offset: i64,
    pub(super) is_aborted: bool,
}

/// Open transactions, and ended ones whose marker is not below the high watermark yet, by first offset.
#[derive(Debug, Clone, Default)]
pub(super) struct Transactions {
    open: BTreeMap<i64, ProducerId>,
    /// The value is the marker's offset.
    unreplicated: BTreeMap<i64, i64>,
}

impl CompletedTxn {
    /// The entry of the transaction index, if the transaction was aborted.
    pub fn aborted_txn(&self) -> Option<AbortedTxn> {
        self.is_aborted.then_some(AbortedTxn {
            producer_id: self.producer_id,
            first_offset: self.first_offset,
            last_offset: self.last_offset,
            last_stable_offset: self.last_stable_offset,
        })
    }
}

impl Transactions {
    pub(super) fn begin(&mut self, first_offset: i64, producer_id: ProducerId) {
        self.open.insert(first_offset, producer_id);
    }

    pub(super) fn complete(&mut self, completion: Completion) -> CompletedTxn {
        let Completion { producer_id, first_offset, marker_offset, is_aborted } = completion;
        self.open.remove(&first_offset);
        self.unreplicated.insert(first_offset, marker_offset);
        let last_stable_offset =
            self.oldest_open().map_or(marker_offset.saturating_add(1), |(_, first_offset)| first_offset);
        CompletedTxn { producer_id, first_offset, last_offset: marker_offset, is_aborted, last_stable_offset }
    }

    pub(super) fn stabilise_below(&mut self, offset: i64) {
        self.unreplicated.retain(|_, marker_offset| *marker_offset >= offset);
    }

    pub(super) fn oldest_open(&self) -> Option<(ProducerId, i64)> {
        self.open.first_key_value().map(|(&first_offset, &producer_id)| (producer_id, first_offset))
    }

    pub(super) fn first_unstable_offset(&self) -> Option<i64> {
        let open = self.open.keys().next();
        let unreplicated = self.unreplicated.keys().next();
        open.into_iter().chain(unreplicated).min().copied()
    }
}
