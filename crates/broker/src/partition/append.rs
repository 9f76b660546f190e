//! Appending as the leader, and asking whether an append is replicated.

use super::flushing::Urgency;
use super::state::Status;
use super::{Partition, PartitionError};
use crate::flush::WRITE_CACHING_FLUSH_INTERVAL;
use crate::watchers::Waiter;
use ottla_config::topic::{CompressionType, TimestampType as TopicTimestampType};
use ottla_config::TopicConfig;
use ottla_records::{Compression, CompressionSpec, ProduceLimits, TimestampType, ValidatedBatch};
use ottla_storage::producer_state::{Origin, ProducerError};
use ottla_storage::{AppendError, AppendOutcome, RollJob};
use ottla_types::{ErrorCode, LeaderEpoch};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Where a batch ended up, in the terms of a Produce response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    /// Milliseconds; -1 where records keep their own timestamps.
    pub(crate) log_append_time_ms: i64,
    pub(crate) log_start_offset: i64,
    /// The epoch in which it was appended, or asked for again.
    pub(crate) leader_epoch: LeaderEpoch,
}

/// What one try under the lock led to.
enum Attempt {
    Done(Appended),
    /// A new segment is needed: this roll, or somebody else's, has to end first.
    Roll(Option<RollJob>, Arc<Notify>),
}

impl Partition {
    /// Appends one batch. With `acks_all` the ISR must have min.insync.replicas members, and a flush begins at once;
    /// whether the batch is replicated is for [`Partition::replicated`] to say. A duplicate of an idempotent producer
    /// answers where the original is.
    pub(crate) async fn append(
        self: &Arc<Self>,
        batch: &ValidatedBatch,
        acks_all: bool,
    ) -> Result<Appended, PartitionError> {
        self.shared.flush.room().await;
        loop {
            let rolled = match self.try_append(batch, acks_all)? {
                Attempt::Done(appended) => return Ok(appended),
                Attempt::Roll(Some(job), _) => {
                    self.finish_roll(job.run().await)?;
                    continue;
                }
                Attempt::Roll(None, rolled) => rolled,
            };
            // The roll may have ended between the lock and here: look again before waiting.
            let ended = rolled.notified();
            if let Attempt::Done(appended) = self.try_append(batch, acks_all)? {
                return Ok(appended);
            }
            ended.await;
        }
    }

    fn try_append(self: &Arc<Self>, batch: &ValidatedBatch, acks_all: bool) -> Result<Attempt, PartitionError> {
        let now_ms = self.shared.runtime.wall_clock_ms();
        let mut guard = self.lock();
        let state = &mut *guard;
        let leader_epoch = state.leadership.leader_epoch;
        let write_caching = state.config.write_caching;
        let flush_interval = Duration::from_millis(state.config.write_flush_interval_ms.max(0) as u64);
        let is_awaited = acks_all || state.watchers.any();
        let online = state.leading()?;
        if acks_all && !online.replication.has_min_isr() {
            return Err(PartitionError::of(
                ErrorCode::NotEnoughReplicas,
                "fewer replicas are in sync than min.insync.replicas asks for",
            ));
        }
        let outcome = match online.log.append_as_leader(batch, leader_epoch, Origin::Client, now_ms) {
            Ok(outcome) => outcome,
            Err(AppendError::RollNeeded) => {
                let roll = online.log.begin_roll();
                online.is_rolling |= roll.is_some();
                return Ok(Attempt::Roll(roll, Arc::clone(&online.rolled)));
            }
            Err(error) => return Err(append_error(&error)),
        };
        let log_start_offset = online.log.log_start_offset();
        self.account_unflushed(online);
        let urgency = match (write_caching, is_awaited) {
            (true, _) => Urgency::Within(WRITE_CACHING_FLUSH_INTERVAL),
            (false, true) => Urgency::Now,
            (false, false) => Urgency::Within(flush_interval),
        };
        self.request_flush(online, urgency);
        self.note_progress(state);
        Ok(Attempt::Done(appended(outcome, batch, log_start_offset, leader_epoch)))
    }

    /// Takes in the end of a roll and wakes the appends that waited for it.
    pub(super) fn finish_roll(&self, done: ottla_storage::RollDone) -> Result<(), PartitionError> {
        let mut state = self.lock();
        let Status::Online(online) = &mut state.status else { return Ok(()) };
        let finished = online.log.finish_roll(done);
        online.is_rolling = false;
        online.rolled.notify_waiters();
        online.settled.notify_waiters();
        finished.map_err(|error| append_error(&error))
    }

    /// Whether everything below `offset` is replicated and may be acknowledged. If not, `waiter` is woken when it is
    /// worth asking again. An error once this node no longer leads in `leader_epoch`.
    pub(crate) fn replicated(
        &self,
        offset: i64,
        leader_epoch: LeaderEpoch,
        waiter: &Arc<Waiter>,
    ) -> Result<bool, PartitionError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let is_new_leader = state.leadership.leader_epoch != leader_epoch;
        let online = state.leading()?;
        if is_new_leader {
            return Err(PartitionError::of(ErrorCode::NotLeaderOrFollower, "the leader changed before the write was replicated"));
        }
        if online.replication.high_watermark() < offset {
            state.watchers.add(offset, waiter);
            return Ok(false);
        }
        if !online.replication.has_min_isr() {
            let message = "the write is replicated, but fewer replicas are in sync than min.insync.replicas asks for";
            return Err(PartitionError::of(ErrorCode::NotEnoughReplicasAfterAppend, message));
        }
        Ok(true)
    }

    /// What a batch for this partition has to satisfy.
    pub(crate) fn produce_limits(&self, api_version: i16, now_ms: i64) -> ProduceLimits {
        let config = Arc::clone(&self.lock().config);
        ProduceLimits {
            max_message_bytes: config.max_message_bytes.max(0) as usize,
            compacted: config.cleanup_compact,
            timestamp_type: match config.message_timestamp_type {
                TopicTimestampType::CreateTime => TimestampType::CreateTime,
                TopicTimestampType::LogAppendTime => TimestampType::LogAppendTime,
            },
            timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            timestamp_after_max_ms: config.message_timestamp_after_max_ms,
            target_compression: target_compression(&config),
            ..ProduceLimits::new(api_version, now_ms)
        }
    }
}

fn target_compression(config: &TopicConfig) -> Option<CompressionSpec> {
    match config.compression {
        CompressionType::Producer => None,
        CompressionType::Uncompressed => Some(Compression::None.into()),
        CompressionType::Snappy => Some(Compression::Snappy.into()),
        CompressionType::Gzip(level) => Some(CompressionSpec { codec: Compression::Gzip, level: Some(level) }),
        CompressionType::Lz4(level) => Some(CompressionSpec { codec: Compression::Lz4, level: Some(level) }),
        CompressionType::Zstd(level) => Some(CompressionSpec { codec: Compression::Zstd, level: Some(level) }),
    }
}

fn appended(
    outcome: AppendOutcome,
    batch: &ValidatedBatch,
    log_start_offset: i64,
    leader_epoch: LeaderEpoch,
) -> Appended {
    let is_log_append_time = batch.header().timestamp_type() == TimestampType::LogAppendTime;
    match outcome {
        AppendOutcome::Appended(done) => Appended {
            first_offset: done.first_offset,
            last_offset: done.last_offset,
            log_append_time_ms: done.log_append_time_ms.unwrap_or(-1),
            log_start_offset,
            leader_epoch,
        },
        AppendOutcome::Duplicate { first_offset, last_offset, timestamp_ms } => Appended {
            first_offset,
            last_offset,
            log_append_time_ms: if is_log_append_time { timestamp_ms } else { -1 },
            log_start_offset,
            leader_epoch,
        },
    }
}

fn append_error(error: &AppendError) -> PartitionError {
    let code = match error {
        AppendError::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
        AppendError::Producer(producer) => producer_error(producer),
        AppendError::RollNeeded | AppendError::DiskFull { .. } | AppendError::Offline { .. } => {
            ErrorCode::KafkaStorageError
        }
    };
    PartitionError::of(code, error.to_string())
}

fn producer_error(error: &ProducerError) -> ErrorCode {
    match error {
        ProducerError::InvalidEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        ProducerError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        ProducerError::InvalidTxnState { .. } => ErrorCode::InvalidTxnState,
        ProducerError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
    }
}
