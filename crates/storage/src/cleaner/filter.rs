//! What stays of a batch.
//!
//! | batch | goes |
//! |---|---|
//! | of an aborted transaction | all records |
//! | transaction marker | once no batch of its transaction is left and its delete horizon has passed |
//! | any other, a record below the map's end | if it has no key, if its key comes again further on, or if it is a tombstone whose delete horizon has passed |
//!
//! A batch stays, without records, if it is the last one of a producer that the log remembers (its sequence must survive),
//! or the last one of the new segment. A marker that is the last thing known of its producer stays as it is, for its
//! epochs.

use super::offset_map::OffsetMap;
use super::transactions::CleanedTransactions;
use crate::limits::BATCH_BYTES_MAX;
use ottla_records::{
    BatchHeader, BatchRetention, CompactError, CompactLimits, CompactedBatch, DECOMPRESSED_BATCH_BYTES_MAX, RecordRef,
    compact_batch,
};
use ottla_types::{ProducerEpoch, ProducerId};
use std::collections::BTreeMap;

/// What must stay of a producer that the log remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// Offset of its last record; `None` if only markers are known.
    pub(crate) last_data_offset: Option<i64>,
    /// Its epoch.
    pub(crate) epoch: ProducerEpoch,
}

/// What decides over batches, for one cleaning.
#[derive(Debug)]
pub(super) struct BatchFilter<'a> {
    pub(super) map: &'a OffsetMap,
    pub(super) last_records: &'a BTreeMap<ProducerId, LastRecord>,
    pub(super) now_ms: i64,
    pub(super) delete_retention_ms: i64,
}

impl BatchFilter<'_> {
    /// Compacts one batch. `is_last` is the last one of the new segment.
    pub(super) fn apply(
        &self,
        transactions: &mut CleanedTransactions,
        header: &BatchHeader,
        batch: &[u8],
        is_last: bool,
    ) -> Result<CompactedBatch, CompactError> {
        let is_control = header.is_control();
        let is_last_of_producer = self.is_last_of_producer(header);
        let is_unneeded = match is_control {
            true => transactions.on_control(header, batch)?,
            false => transactions.on_data(header),
        };
        let is_past_horizon = header.delete_horizon_ms().is_some_and(|horizon| horizon <= self.now_ms);
        let discards_all = match is_control {
            true => is_unneeded && is_past_horizon && !is_last_of_producer,
            false => is_unneeded,
        };
        let retention = BatchRetention {
            delete_horizon_ms: self.now_ms.saturating_add(self.delete_retention_ms),
            needs_horizon: is_unneeded && is_control,
            keep_empty: is_last || is_last_of_producer,
        };
        let limits = CompactLimits {
            batch_bytes_max: BATCH_BYTES_MAX as usize,
            decompressed_bytes_max: DECOMPRESSED_BATCH_BYTES_MAX,
        };
        compact_batch(batch, retention, limits, |record| {
            !discards_all && (is_control || self.keeps(record, is_past_horizon))
        })
    }

    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        if !header.has_producer_id() {
            return false;
        }
        match self.last_records.get(&header.producer_id) {
            None => false,
            Some(LastRecord { last_data_offset: Some(offset), .. }) => header.last_offset() == *offset,
            Some(LastRecord { last_data_offset: None, epoch }) => {
                header.is_control() && header.producer_epoch == *epoch
            }
        }
    }

    fn keeps(&self, record: &RecordRef<'_>, is_past_horizon: bool) -> bool {
        if record.offset > self.map.latest_offset() {
            return true;
        }
        // A record without a key cannot be in a compacted topic, unless the topic became one later.
        let Some(key) = record.key else { return false };
        let is_latest = self.map.get(key).is_none_or(|latest| record.offset >= latest);
        is_latest && (record.value.is_some() || !is_past_horizon)
    }
}
