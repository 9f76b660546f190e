//! One producer on one partition.

use ottla_records::{NO_SEQUENCE, decrement_sequence, follows_sequence};
use ottla_types::{ProducerEpoch, ProducerId};

/// How many of a producer's batches are remembered: as many as an idempotent producer may have in flight.
pub const BATCHES_RETAINED: usize = 5;

/// A batch that is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMetadata {
    /// Sequence of the last record; -1 if the batch has none.
    pub last_sequence: i32,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Last offset minus first offset; the same for sequences.
    pub offset_delta: i32,
    /// Highest timestamp of the batch.
    pub timestamp: i64,
}

/// What is remembered of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    producer_id: ProducerId,
    pub(super) epoch: ProducerEpoch,
    pub(super) coordinator_epoch: i32,
    pub(super) last_timestamp: i64,
    pub(super) current_txn_first_offset: Option<i64>,
    /// Oldest first; the rest of the array is unused.
    batches: [BatchMetadata; BATCHES_RETAINED],
    batch_count: usize,
    last_write_ms: i64,
}

impl BatchMetadata {
    const UNUSED: BatchMetadata =
        BatchMetadata { last_sequence: NO_SEQUENCE, last_offset: -1, offset_delta: 0, timestamp: -1 };

    /// Sequence of the first record.
    pub fn first_sequence(&self) -> i32 {
        decrement_sequence(self.last_sequence, self.offset_delta)
    }

    /// Offset of the first record.
    pub fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

impl ProducerEntry {
    /// Nothing is known of the producer.
    pub(super) fn unknown(producer_id: ProducerId) -> ProducerEntry {
        ProducerEntry {
            producer_id,
            epoch: ProducerEpoch::NONE,
            coordinator_epoch: -1,
            last_timestamp: -1,
            current_txn_first_offset: None,
            batches: [BatchMetadata::UNUSED; BATCHES_RETAINED],
            batch_count: 0,
            last_write_ms: -1,
        }
    }

    /// Whose entry it is.
    pub fn producer_id(&self) -> ProducerId {
        self.producer_id
    }

    /// The producer's epoch.
    pub fn epoch(&self) -> ProducerEpoch {
        self.epoch
    }

    /// Epoch of the coordinator that wrote the last transaction marker, or -1.
    pub fn coordinator_epoch(&self) -> i32 {
        self.coordinator_epoch
    }

    /// Timestamp of the last batch or marker.
    pub fn last_timestamp(&self) -> i64 {
        self.last_timestamp
    }

    /// Where the open transaction began on this partition.
    pub fn current_txn_first_offset(&self) -> Option<i64> {
        self.current_txn_first_offset
    }

    /// Whether a transaction is open on this partition.
    pub fn has_open_txn(&self) -> bool {
        self.current_txn_first_offset.is_some()
    }

    /// The remembered batches of the current epoch, oldest first.
    pub fn batches(&self) -> &[BatchMetadata] {
        &self.batches[..self.batch_count]
    }

    /// Sequence of the last record, or -1.
    pub fn last_sequence(&self) -> i32 {
        self.batches().last().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// Offset of the last record, or -1.
    pub fn last_offset(&self) -> i64 {
        self.batches().last().map_or(-1, |batch| batch.last_offset)
    }

    /// The remembered batch with exactly these sequences.
    pub(super) fn find(&self, first_sequence: i32, last_sequence: i32) -> Option<&BatchMetadata> {
        let same =
            |batch: &&BatchMetadata| batch.last_sequence == last_sequence && batch.first_sequence() == first_sequence;
        self.batches().iter().find(same)
    }

    /// Moves to `epoch`; another one than before forgets the batches.
    pub(super) fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batch_count = 0;
        }
    }

    /// Remembers a batch, instead of the oldest one if there are five.
    pub(super) fn push(&mut self, batch: BatchMetadata) {
        if self.batch_count == BATCHES_RETAINED {
            self.batches.rotate_left(1);
            self.batch_count -= 1;
        }
        self.batches[self.batch_count] = batch;
        self.batch_count += 1;
        self.last_timestamp = batch.timestamp;
    }

    /// Remembers the batch before the oldest one known, if `batch` is that and there is room.
    pub(super) fn prepend(&mut self, batch: BatchMetadata) {
        let Some(oldest) = self.batches().first() else { return };
        let is_before = batch.last_offset < oldest.first_offset();
        if is_before
            && self.batch_count < BATCHES_RETAINED
            && follows_sequence(batch.last_sequence, oldest.first_sequence())
        {
            self.batches.rotate_right(1);
            self.batches[0] = batch;
            self.batch_count += 1;
        }
    }

    /// The producer has written at `now_ms`.
    pub(super) fn touch(&mut self, now_ms: i64) {
        self.last_write_ms = now_ms;
    }

    /// When the producer last wrote, by this node's clock.
    pub(super) fn last_write_ms(&self) -> i64 {
        self.last_write_ms
    }

    /// How long the producer has not written.
    pub(super) fn idle_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.last_write_ms)
    }
}
