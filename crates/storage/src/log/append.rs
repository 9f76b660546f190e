//! Appending as the leader: offsets are assigned, the header is stamped, one write goes into the page cache.

use super::Log;
use crate::AppendError;
use crate::limits::BATCH_BYTES_MAX;
use crate::producer_state::{Check, Origin, ProducerBatch, ProducerUpdate};
use crate::segment::{StampedBatch, WriteFailed};
use ottla_records::{BatchHeader, EndTxnMarker, TimestampType, ValidatedBatch};
use ottla_runtime::{is_disk_full, is_out_of_files};
use ottla_types::LeaderEpoch;
use std::sync::atomic::Ordering;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is in the log, not yet on stable storage.
    Appended(Appended),
    /// The producer had sent it before: it is in the log already, at these offsets. Answer only once the high watermark
    /// covers the original.
    Duplicate {
        /// First offset of the original.
        first_offset: i64,
        /// Last offset of the original.
        last_offset: i64,
        /// Highest timestamp of the original in milliseconds.
        timestamp_ms: i64,
    },
}

/// Where an appended batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub first_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The time of the append, if the topic's timestamps are of that type.
    pub log_append_time_ms: Option<i64>,
}

impl Log {
    /// Appends a batch as the leader of `leader_epoch`. `now_ms` is the wall clock. Short and synchronous: one write into
    /// the page cache, taken back if it fails.
    pub fn append_as_leader(
        &mut self,
        batch: &ValidatedBatch,
        leader_epoch: LeaderEpoch,
        origin: Origin,
        now_ms: i64,
    ) -> Result<AppendOutcome, AppendError> {
        self.check_appendable(batch)?;
        let first_offset = self.log_end_offset;
        let head = batch.stamped_header(first_offset, leader_epoch);
        let header = BatchHeader { base_offset: first_offset, partition_leader_epoch: leader_epoch, ..*batch.header() };
        let update = match self.check_producer(batch, &header, origin)? {
            Some(Check::Duplicate { first_offset, last_offset, timestamp: timestamp_ms }) => {
                return Ok(AppendOutcome::Duplicate { first_offset, last_offset, timestamp_ms });
            }
            Some(Check::New(update)) => Some(update),
            None => None,
        };
        if self.is_roll_due || self.active.should_roll(&header, header.last_offset(), now_ms, &self.config) {
            return Err(AppendError::RollNeeded);
        }
        let stamped = StampedBatch { head: &head, header: &header, records: batch.records() };
        self.active.append(&stamped).map_err(|failed| self.write_failed(failed))?;
        self.note_appended(&header, update, now_ms);
        let log_append_time_ms = match header.timestamp_type() {
            TimestampType::LogAppendTime => Some(header.max_timestamp),
            TimestampType::CreateTime => None,
        };
        let last_offset = header.last_offset();
        Ok(AppendOutcome::Appended(Appended { first_offset, last_offset, log_append_time_ms }))
    }

    fn check_appendable(&self, batch: &ValidatedBatch) -> Result<(), AppendError> {
        if let Some(reason) = &self.offline {
            return Err(AppendError::Offline { reason: reason.clone() });
        }
        self.identity.dir.check_writable()?;
        let (batch_bytes, limit) = (batch.total_len() as u64, self.config.segment_bytes.min(BATCH_BYTES_MAX));
        if batch_bytes > limit {
            return Err(AppendError::RecordListTooLarge { batch_bytes, limit });
        }
        Ok(())
    }

    fn check_producer(
        &self,
        batch: &ValidatedBatch,
        header: &BatchHeader,
        origin: Origin,
    ) -> Result<Option<Check>, AppendError> {
        let Some(mut producer_batch) = ProducerBatch::of(header, header.base_offset) else { return Ok(None) };
        if header.is_control() {
            let marker = EndTxnMarker::of_batch(&batch.to_bytes()).expect("this process built the marker");
            let Some(marker) = marker else { return Ok(None) };
            producer_batch = producer_batch.with_marker(marker);
        }
        Ok(Some(self.producers.prepare_append(&producer_batch, origin)?))
    }

    /// The batch is in the log: everything that follows from it.
    fn note_appended(&mut self, header: &BatchHeader, update: Option<ProducerUpdate>, now_ms: i64) {
        self.log_end_offset = header.next_offset();
        if self.epochs.assign(header.partition_leader_epoch, header.base_offset) {
            self.epochs_version += 1;
        }
        let completed = update.and_then(|update| self.producers.apply(update, now_ms));
        if let Some(aborted) = completed.and_then(|completed| completed.aborted_txn()) {
            self.active.add_aborted(aborted);
        }
        self.producers.advance_to(self.log_end_offset);
        let dir = &self.identity.dir;
        let records = (self.log_end_offset - header.base_offset).unsigned_abs();
        self.unflushed.note_append(records, || dir.rt.now());
        dir.node.dirty_bytes.fetch_add(header.total_len() as u64, Ordering::Relaxed);
    }

    fn write_failed(&mut self, failed: WriteFailed) -> AppendError {
        let WriteFailed { error, is_cut_back } = failed;
        self.identity.dir.note_error(&error);
        if is_cut_back && is_disk_full(&error) {
            return AppendError::DiskFull { dir: self.identity.dir.path().to_path_buf() };
        }
        if is_cut_back && is_out_of_files(&error) {
            return AppendError::OutOfFiles { path: self.identity.path.clone() };
        }
        let reason = match is_cut_back {
            true => format!("a write failed: {error}"),
            false => format!("a write failed and could not be taken back: {error}"),
        };
        self.go_offline(reason.clone());
        AppendError::Offline { reason }
    }
}
