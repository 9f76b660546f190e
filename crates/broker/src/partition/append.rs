//! Appending as the leader, and asking whether an append is replicated.

use super::flushing::Urgency;
use super::state::State;
use super::{Partition, PartitionError};
use crate::watchers::Waiter;
use ottla_config::TopicConfig;
use ottla_config::topic::{CompressionType, TimestampType as TopicTimestampType};
use ottla_coordinator::VerificationGuard;
use ottla_records::{Compression, CompressionSpec, ProduceLimits, TimestampType, ValidatedBatch};
use ottla_storage::producer_state::Origin;
use ottla_storage::{AppendError, AppendOutcome};
use ottla_types::{ErrorCode, LeaderEpoch};
use std::sync::Arc;

/// Where a batch ended up, in the terms of a Produce response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    /// Milliseconds; -1 where records keep their own timestamps. Of a duplicate the original's, on any topic, as in Kafka.
    pub(crate) log_append_time_ms: i64,
    pub(crate) log_start_offset: i64,
    /// The epoch in which it was appended, or asked for again.
    leader_epoch: LeaderEpoch,
    /// The open log that holds it. After a failed fsync the log is cut and opened again in the same epoch: offsets
    /// beyond the cut then belong to other batches.
    incarnation: u64,
}

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppendAs {
    /// A client; what is known of the transaction, if the batch belongs to one.
    Client { acks_all: bool, guard: VerificationGuard },
    /// A transaction coordinator ends a transaction of this `transaction.version`.
    Marker { transaction_version: i16 },
}

impl AppendAs {
    fn acks_all(self) -> bool {
        matches!(self, AppendAs::Client { acks_all: true, .. } | AppendAs::Marker { .. })
    }

    fn origin(self) -> Origin {
        match self {
            AppendAs::Client { .. } => Origin::Client,
            AppendAs::Marker { transaction_version } => Origin::Coordinator { transaction_version },
        }
    }
}

impl Partition {
    /// What a batch for this partition has to satisfy, if this node can take it at all.
    pub(crate) fn produce_limits(&self, api_version: i16, now_ms: i64) -> Result<ProduceLimits, PartitionError> {
        let config = {
            let mut state = self.lock();
            state.leading()?;
            Arc::clone(&state.config)
        };
        Ok(ProduceLimits {
            partition: Some(self.name()),
            max_message_bytes: usize::try_from(config.max_message_bytes).unwrap_or(0),
            compacted: config.cleanup_compact,
            timestamp_type: match config.message_timestamp_type {
                TopicTimestampType::CreateTime => TimestampType::CreateTime,
                TopicTimestampType::LogAppendTime => TimestampType::LogAppendTime,
            },
            timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            timestamp_after_max_ms: config.message_timestamp_after_max_ms,
            target_compression: target_compression(&config),
            ..ProduceLimits::new(api_version, now_ms)
        })
    }

    /// Appends one batch. With acks=all the ISR must have min.insync.replicas members, and a flush begins at once;
    /// whether the batch is replicated is for [`Partition::replicated`] to say. A duplicate of an idempotent producer
    /// answers where the original is.
    pub(crate) async fn append(
        self: &Arc<Self>,
        batch: &ValidatedBatch,
        append_as: AppendAs,
    ) -> Result<Appended, PartitionError> {
        self.shared.flush.room().await;
        loop {
            // Made before the attempt, so that the end of a roll in between is not missed.
            let rolled = self.rolled.notified();
            if let Some(appended) = self.try_append(batch, append_as)? {
                return Ok(appended);
            }
            rolled.await;
        }
    }

    /// `None` while the log rolls, or is switched to another log directory.
    fn try_append(
        self: &Arc<Self>,
        batch: &ValidatedBatch,
        append_as: AppendAs,
    ) -> Result<Option<Appended>, PartitionError> {
        let acks_all = append_as.acks_all();
        let now_ms = self.shared.runtime.wall_clock_ms();
        let mut guard = self.lock();
        let state = &mut *guard;
        let leader_epoch = state.leadership.leader_epoch;
        let urgency = Urgency::of_append(&state.config, acks_all || state.watchers.any());
        let (open, leader) = state.leading()?;
        if open.is_switching {
            return Ok(None);
        }
        if acks_all && !leader.has_min_isr() {
            let message = "fewer replicas are in sync than min.insync.replicas asks for";
            return Err(PartitionError::of(ErrorCode::NotEnoughReplicas, message));
        }
        if let AppendAs::Client { guard, .. } = append_as {
            open.verifications.check(&open.log, batch.header(), guard)?;
        }
        let appended_at = match self.check_not_behind_refused(&open.log, batch.header()) {
            Ok(()) => open.log.append_as_leader(batch, leader_epoch, append_as.origin(), now_ms),
            Err(error) => Err(error.into()),
        };
        let outcome = match appended_at {
            Ok(outcome) => outcome,
            Err(AppendError::RollNeeded) => return self.start_roll(open).map(|()| None),
            Err(error) => return Err(self.append_failed(state, &error)),
        };
        let (log_start_offset, incarnation) = (open.log.log_start_offset(), open.incarnation);
        open.verifications.appended(batch.header());
        self.forget_refused(batch.header());
        self.account_unflushed(open);
        self.request_flush(open, urgency);
        self.note_progress(state);
        drop(guard);
        if let AppendOutcome::Appended(_) = outcome {
            self.count_appended(batch);
        }
        Ok(Some(appended(outcome, log_start_offset, leader_epoch, incarnation)))
    }

    /// Whether the batch is replicated and may be acknowledged to acks=all. If not, `waiter` is woken when it is worth
    /// asking again. An error once that can no longer be said of it: this node does not lead any more in the same epoch,
    /// or the log was cut.
    pub(crate) fn replicated(&self, appended: &Appended, waiter: &Arc<Waiter>) -> Result<bool, PartitionError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let (leader_epoch, high_watermark) = (state.leadership.leader_epoch, state.high_watermark);
        let (open, leader) = state.leading()?;
        if leader_epoch != appended.leader_epoch {
            let message = "the leader changed before the write was replicated";
            return Err(PartitionError::of(ErrorCode::NotLeaderOrFollower, message));
        }
        if open.incarnation != appended.incarnation {
            let message = "the log was cut after a failed flush, and the write may be lost. Next step: send it again, and \
                           look at the disk of the log directory";
            return Err(PartitionError::storage(message));
        }
        let next_offset = appended.last_offset + 1;
        if high_watermark < next_offset {
            state.watchers.add(next_offset, waiter);
            return Ok(false);
        }
        if !leader.has_min_isr() {
            let message = "the write is replicated, but fewer replicas are in sync than min.insync.replicas asks for";
            return Err(PartitionError::of(ErrorCode::NotEnoughReplicasAfterAppend, message));
        }
        Ok(true)
    }

    /// An append was refused. If that took the log offline, so is the partition.
    pub(super) fn append_failed(self: &Arc<Self>, state: &mut State, error: &AppendError) -> PartitionError {
        match error {
            AppendError::RecordListTooLarge { .. } => {
                PartitionError::of(ErrorCode::RecordListTooLarge, error.to_string())
            }
            AppendError::Producer(producer) => PartitionError::of(producer.code(), error.to_string()),
            AppendError::DiskFull { .. } | AppendError::OutOfFiles { .. } | AppendError::Offline { .. } => {
                self.shared.metrics.log.write_errors.increment();
                self.go_offline_with_log(state);
                PartitionError::storage(error.to_string())
            }
            AppendError::RollNeeded => unreachable!("whoever appends waits for the roll"),
        }
    }

    fn count_appended(&self, batch: &ValidatedBatch) {
        let (topics, log) = (&self.shared.metrics.topics, &self.shared.metrics.log);
        let (bytes, records) = (batch.total_len() as u64, u64::from(batch.record_count().unsigned_abs()));
        topics.bytes_in.add(bytes);
        topics.messages_in.add(records);
        log.bytes_written.add(bytes);
        self.traffic.came_in(bytes, records);
    }
}

fn target_compression(config: &TopicConfig) -> Option<CompressionSpec> {
    let with_level = |codec: Compression, level: i32| CompressionSpec { codec, level: Some(level) };
    match config.compression {
        CompressionType::Producer => None,
        CompressionType::Uncompressed => Some(Compression::None.into()),
        CompressionType::Snappy => Some(Compression::Snappy.into()),
        CompressionType::Gzip(level) => Some(with_level(Compression::Gzip, level)),
        CompressionType::Lz4(level) => Some(with_level(Compression::Lz4, level)),
        CompressionType::Zstd(level) => Some(with_level(Compression::Zstd, level)),
    }
}

fn appended(outcome: AppendOutcome, log_start_offset: i64, leader_epoch: LeaderEpoch, incarnation: u64) -> Appended {
    let (first_offset, last_offset, log_append_time_ms) = match outcome {
        AppendOutcome::Appended(done) => (done.first_offset, done.last_offset, done.log_append_time_ms.unwrap_or(-1)),
        AppendOutcome::Duplicate { first_offset, last_offset, timestamp_ms } => {
            (first_offset, last_offset, timestamp_ms)
        }
    };
    Appended { first_offset, last_offset, log_append_time_ms, log_start_offset, leader_epoch, incarnation }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UnifiedLog.append.
    #[test]
    fn a_duplicate_has_the_timestamp_of_its_original() {
        let duplicate = AppendOutcome::Duplicate { first_offset: 3, last_offset: 4, timestamp_ms: 1000 };
        let answer = appended(duplicate, 1, LeaderEpoch(7), 1);
        assert_eq!((answer.first_offset, answer.last_offset), (3, 4));
        assert_eq!((answer.log_append_time_ms, answer.log_start_offset), (1000, 1));
    }

    #[test]
    fn a_new_batch_has_a_log_append_time_only_where_the_topic_sets_it() {
        for (stamped, told) in [(None, -1), (Some(1000), 1000)] {
            let done = ottla_storage::Appended { first_offset: 0, last_offset: 0, log_append_time_ms: stamped };
            let answer = appended(AppendOutcome::Appended(done), 0, LeaderEpoch(0), 1);
            assert_eq!(answer.log_append_time_ms, told);
        }
    }
}
