//! What a node promised, kept outside the simulation.

use crate::leader_epoch_cache::LeaderEpochCache;
use crate::producer_state::{ProducerBatch, ProducerState, ProducerStateConfig};
use crate::txn_index::AbortedTxn;
use bytes::Bytes;
use ottla_records::{BatchHeader, EndTxnMarker};
use ottla_runtime::Instant;
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything appended and promised so far.
#[derive(Default)]
pub(super) struct Oracle {
    /// Every batch that may be in the log, as stored, by first offset.
    pub(super) batches: BTreeMap<i64, Bytes>,
    /// Reported as flushed, or recovered.
    pub(super) flushed_offset: i64,
    /// When that was reported in this life.
    pub(super) flushed_at: Vec<(Instant, i64)>,
    /// DeleteRecords was answered up to here.
    pub(super) answered_start: i64,
    /// DeleteRecords or retention may have got up to here.
    pub(super) attempted_start: i64,
    /// Directory id, once it was told.
    pub(super) directory_id: Option<Uuid>,
    /// The cluster id, once it was set.
    pub(super) cluster_id: Option<String>,
    /// Segment files as a power loss left them, while they are being recovered.
    pub(super) recovering: Option<BTreeMap<i64, Bytes>>,
    /// Bytes that a recovery said it keeps.
    pub(super) kept: BTreeMap<PathBuf, Bytes>,
    /// The recovery point is here at least.
    pub(super) recovery_point: i64,
    /// Whether the last life ended with the machine's: what is there is durable.
    pub(super) lost_power: bool,
}

/// State that follows from the batches.
pub(super) struct Model {
    pub(super) producers: ProducerState,
    pub(super) epochs: LeaderEpochCache,
    pub(super) aborted: Vec<AbortedTxn>,
}

impl Oracle {
    /// The offset after the last batch.
    pub(super) fn log_end_offset(&self) -> i64 {
        self.batches.values().next_back().map_or(0, |batch| BatchHeader::parse(batch).unwrap().next_offset())
    }

    /// Something was reported as flushed.
    pub(super) fn flushed(&mut self, now: Instant, offset: i64) {
        if offset > self.flushed_offset {
            self.flushed_offset = offset;
            self.flushed_at.push((now, offset));
        }
    }

    /// The log was found to end here: what follows is gone for good, what is there counts as flushed from now on.
    pub(super) fn recovered(&mut self, now: Instant, log_end_offset: i64) {
        self.batches.retain(|&first_offset, _| first_offset < log_end_offset);
        self.flushed_offset = self.flushed_offset.max(log_end_offset);
        self.flushed_at.push((now, log_end_offset));
    }

    /// A life ended. What was reported as flushed a second before that is below the recovery point.
    pub(super) fn ended(&mut self, now: Instant, lost_power: bool) {
        let is_old = |at: Instant| now.saturating_duration_since(at).as_millis() >= 1000;
        for (_, offset) in self.flushed_at.drain(..).filter(|(at, _)| is_old(*at)) {
            self.recovery_point = self.recovery_point.max(offset);
        }
        self.lost_power = lost_power;
    }

    /// What a log of all batches below `end_offset`, read from `log_start_offset` on, knows.
    pub(super) fn model(&self, log_start_offset: i64, end_offset: i64) -> Model {
        let mut producers = ProducerState::new(ProducerStateConfig::default(), 0);
        let mut epochs = LeaderEpochCache::new();
        let mut aborted = Vec::new();
        for batch in self.batches.range(..end_offset).map(|(_, batch)| batch) {
            let header = BatchHeader::parse(batch).unwrap();
            epochs.assign(header.partition_leader_epoch, header.base_offset);
            let Some(mut producer_batch) = ProducerBatch::of(&header, header.base_offset) else { continue };
            if header.is_control() {
                producer_batch = producer_batch.with_marker(EndTxnMarker::of_batch(batch).unwrap().unwrap());
            }
            aborted.extend(producers.replay(&producer_batch, 0).and_then(|completed| completed.aborted_txn()));
        }
        epochs.truncate_from_start(log_start_offset);
        Model { producers, epochs, aborted }
    }
}
