//! Whether a batch may follow what is known of its producer: Kafka's rules for epochs, sequences and transactions.

use super::entry::{BatchMetadata, ProducerEntry};
use super::transactions::Completion;
use ottla_records::{BatchHeader, EndTxnMarker, NO_SEQUENCE, follows_sequence};
use ottla_types::{ErrorCode, ProducerEpoch, ProducerId};

/// From this transaction version on (KIP-890) each marker has a higher epoch than the transaction's records.
const EPOCH_BUMP_FROM_VERSION: i16 = 2;

/// What producer state needs to know of a batch, with the offsets that it has or will have in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerBatch {
    /// Who wrote the batch.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, or -1.
    pub first_sequence: i32,
    /// Sequence of the last record, or -1.
    pub last_sequence: i32,
    /// Offset of the first record.
    pub first_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Highest timestamp.
    pub timestamp: i64,
    /// Whether the batch belongs to a transaction.
    pub is_transactional: bool,
    /// The marker in a control batch.
    pub marker: Option<EndTxnMarker>,
}

/// Where a batch comes from: how much of it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A Produce request: everything.
    Client,
    /// A coordinator on this node, or a transaction marker: epochs and transactions, no sequences.
    Coordinator {
        /// `transaction.version` of the transaction that a marker ends; data batches do not need it.
        transaction_version: i16,
    },
    /// The log itself, or the leader's: nothing.
    Replay,
}

/// What to do with a batch.
#[expect(clippy::large_enum_variant, reason = "nearly every check says New; a box would be an allocation per append")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Append it, then apply the update.
    New(ProducerUpdate),
    /// It is in the log already: answer with the original's place. The caller waits until the high watermark covers
    /// it, as for a new one.
    Duplicate {
        /// First offset of the original.
        first_offset: i64,
        /// Last offset of the original.
        last_offset: i64,
        /// Highest timestamp of the original.
        timestamp: i64,
    },
}

/// What an append changes in the producer state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerUpdate {
    pub(super) entry: ProducerEntry,
    pub(super) started_txn: Option<i64>,
    pub(super) completed: Option<Completion>,
    pub(super) next_offset: i64,
}

/// Why a producer's batch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// Another instance with a newer epoch has taken over.
    #[error("epoch {found} of producer id {producer_id} is fenced by epoch {current}")]
    InvalidEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// Its batch's epoch.
        found: ProducerEpoch,
        /// The newest known.
        current: ProducerEpoch,
    },
    /// A batch before this one is missing, or this one is older than the remembered duplicates.
    #[error("sequence {found} of producer id {producer_id} does not follow {last} in epoch {epoch}")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: ProducerId,
        /// Its epoch here.
        epoch: ProducerEpoch,
        /// The batch's first sequence.
        found: i32,
        /// The last sequence in the log, or -1.
        last: i32,
    },
    /// A batch outside any transaction while the producer's transaction is open.
    #[error("producer id {producer_id} has an open transaction; only transactional batches may follow")]
    InvalidTxnState {
        /// The producer.
        producer_id: ProducerId,
    },
    /// A marker by a coordinator that has been replaced.
    #[error("coordinator epoch {found} for producer id {producer_id} is older than {current}")]
    CoordinatorFenced {
        /// The producer.
        producer_id: ProducerId,
        /// The marker's coordinator epoch.
        found: i32,
        /// The newest known.
        current: i32,
    },
}

impl ProducerError {
    /// Kafka's error code.
    pub fn code(&self) -> ErrorCode {
        match self {
            ProducerError::InvalidEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            ProducerError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            ProducerError::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
            ProducerError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        }
    }
}

impl ProducerBatch {
    /// A batch of records with its first record at `base_offset`; `None` if it has no producer id. Control batches
    /// need their marker besides: see [`ProducerBatch::with_marker`].
    pub fn of(header: &BatchHeader, base_offset: i64) -> Option<ProducerBatch> {
        header.has_producer_id().then(|| ProducerBatch {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            first_offset: base_offset,
            last_offset: base_offset.saturating_add(i64::from(header.last_offset_delta)),
            timestamp: header.max_timestamp,
            is_transactional: header.is_transactional(),
            marker: None,
        })
    }

    /// The same for a control batch that holds `marker`. A control batch without one (emptied by compaction, or of
    /// another type) changes no producer's state.
    pub fn with_marker(self, marker: EndTxnMarker) -> ProducerBatch {
        ProducerBatch { marker: Some(marker), ..self }
    }
}

/// Judges `batch` by `known`, the entry of its producer.
pub(super) fn check(
    known: Option<&ProducerEntry>,
    batch: &ProducerBatch,
    origin: Origin,
) -> Result<Check, ProducerError> {
    let unknown = ProducerEntry::unknown(batch.producer_id);
    let known = known.unwrap_or(&unknown);
    if let Some(marker) = batch.marker {
        return check_marker(known, batch, marker, origin).map(Check::New);
    }
    if origin == Origin::Client
        && batch.producer_epoch == known.epoch
        && let Some(original) = known.find(batch.first_sequence, batch.last_sequence)
    {
        return Ok(Check::Duplicate {
            first_offset: original.first_offset(),
            last_offset: original.last_offset,
            timestamp: original.timestamp,
        });
    }
    check_data(known, batch, origin).map(Check::New)
}

fn check_data(known: &ProducerEntry, batch: &ProducerBatch, origin: Origin) -> Result<ProducerUpdate, ProducerError> {
    if origin != Origin::Replay && batch.producer_epoch < known.epoch {
        return Err(fenced(known, batch));
    }
    if origin == Origin::Client {
        check_sequence(known, batch)?;
    }
    if origin != Origin::Replay && known.has_open_txn() && !batch.is_transactional {
        return Err(ProducerError::InvalidTxnState { producer_id: batch.producer_id });
    }
    let mut entry = known.clone();
    entry.set_epoch(batch.producer_epoch);
    entry.push(BatchMetadata {
        last_sequence: batch.last_sequence,
        last_offset: batch.last_offset,
        offset_delta: i32::try_from(batch.last_offset.saturating_sub(batch.first_offset)).unwrap_or(i32::MAX),
        timestamp: batch.timestamp,
    });
    let starts_txn = batch.is_transactional && !known.has_open_txn();
    if starts_txn {
        entry.current_txn_first_offset = Some(batch.first_offset);
    }
    let started_txn = starts_txn.then_some(batch.first_offset);
    Ok(ProducerUpdate { entry, started_txn, completed: None, next_offset: batch.last_offset.saturating_add(1) })
}

/// What is remembered of a batch.
pub(super) fn metadata(batch: &ProducerBatch) -> BatchMetadata {
    BatchMetadata {
        last_sequence: batch.last_sequence,
        last_offset: batch.last_offset,
        offset_delta: i32::try_from(batch.last_offset - batch.first_offset).unwrap_or(i32::MAX),
        timestamp: batch.timestamp,
    }
}

fn check_sequence(known: &ProducerEntry, batch: &ProducerBatch) -> Result<(), ProducerError> {
    if known.epoch == ProducerEpoch::NONE {
        // Nothing is known, perhaps because it expired: whatever the producer's next sequence is, it is taken.
        return Ok(());
    }
    let last = if batch.producer_epoch == known.epoch { known.last_sequence() } else { NO_SEQUENCE };
    if follows_sequence(last, batch.first_sequence) {
        return Ok(());
    }
    let (producer_id, epoch, found) = (batch.producer_id, batch.producer_epoch, batch.first_sequence);
    Err(ProducerError::OutOfOrderSequence { producer_id, epoch, found, last })
}

fn check_marker(
    known: &ProducerEntry,
    batch: &ProducerBatch,
    marker: EndTxnMarker,
    origin: Origin,
) -> Result<ProducerUpdate, ProducerError> {
    if origin != Origin::Replay && is_marker_fenced(known, batch.producer_epoch, origin) {
        return Err(fenced(known, batch));
    }
    if origin != Origin::Replay && marker.coordinator_epoch < known.coordinator_epoch {
        return Err(ProducerError::CoordinatorFenced {
            producer_id: batch.producer_id,
            found: marker.coordinator_epoch,
            current: known.coordinator_epoch,
        });
    }
    let mut entry = known.clone();
    entry.set_epoch(batch.producer_epoch);
    entry.coordinator_epoch = marker.coordinator_epoch;
    entry.last_timestamp = batch.timestamp;
    // A marker without a transaction on this partition completes nothing.
    let completed = entry.current_txn_first_offset.take().map(|first_offset| Completion {
        producer_id: batch.producer_id,
        first_offset,
        marker_offset: batch.last_offset,
        is_aborted: !marker.committed,
    });
    Ok(ProducerUpdate { entry, started_txn: None, completed, next_offset: batch.last_offset.saturating_add(1) })
}

/// From transaction version 2 on a marker's epoch is above that of the records. The same epoch is a repetition of a
/// marker that was written, if no transaction is open (KAFKA-19999).
fn is_marker_fenced(known: &ProducerEntry, epoch: ProducerEpoch, origin: Origin) -> bool {
    let bumps =
        matches!(origin, Origin::Coordinator { transaction_version } if transaction_version >= EPOCH_BUMP_FROM_VERSION);
    if bumps && epoch == known.epoch {
        return known.has_open_txn() && epoch.0 != i16::MAX;
    }
    epoch < known.epoch
}

fn fenced(known: &ProducerEntry, batch: &ProducerBatch) -> ProducerError {
    ProducerError::InvalidEpoch { producer_id: batch.producer_id, found: batch.producer_epoch, current: known.epoch }
}
