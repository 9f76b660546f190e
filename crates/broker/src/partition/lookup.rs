//! What can be asked of a partition without changing it: records, offsets, epochs, producers.

use super::flushing::Urgency;
use super::{Partition, PartitionError};
use crate::watchers::Waiter;
use ottla_runtime::{FileRange, Instant};
use ottla_storage::{LogError, TimestampQuery};
use ottla_storage::producer_state::ProducerEntry;
use ottla_types::{ErrorCode, LeaderEpoch};
use std::sync::Arc;

/// One partition of a Fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadRequest {
    pub(crate) offset: i64,
    /// -1: not known.
    pub(crate) current_leader_epoch: i32,
    /// -1: not known.
    pub(crate) last_fetched_epoch: i32,
    pub(crate) max_bytes: u64,
    /// Whether the first batch is wanted even if it is larger than `max_bytes`.
    pub(crate) at_least_one_batch: bool,
    pub(crate) read_committed: bool,
}

/// What a read found.
#[derive(Debug, Clone)]
pub(crate) struct ReadOutcome {
    pub(crate) range: Option<FileRange>,
    /// Bytes of `range`.
    pub(crate) bytes: u64,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    /// The log diverges from what the reader has: the epoch and its end here (KIP-595).
    pub(crate) diverging_epoch: Option<(LeaderEpoch, i64)>,
    pub(crate) read_committed: bool,
    /// The fetch is not to wait for more, whatever it has.
    pub(crate) answers_at_once: bool,
}

/// What ListOffsets asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetQuery {
    Latest,
    Earliest,
    MaxTimestamp,
    EarliestLocal,
    LatestTiered,
    EarliestPendingUpload,
    AtOrAfter(i64),
}

impl OffsetQuery {
    /// The meaning of a timestamp in a request of this version.
    pub(crate) fn parse(timestamp: i64, version: i16) -> Result<OffsetQuery, PartitionError> {
        let (query, since) = match timestamp {
            -1 => (OffsetQuery::Latest, 1),
            -2 => (OffsetQuery::Earliest, 1),
            -3 => (OffsetQuery::MaxTimestamp, 7),
            -4 => (OffsetQuery::EarliestLocal, 8),
            -5 => (OffsetQuery::LatestTiered, 9),
            -6 => (OffsetQuery::EarliestPendingUpload, 11),
            timestamp if timestamp >= 0 => (OffsetQuery::AtOrAfter(timestamp), 1),
            _ => return Err(PartitionError::of(ErrorCode::UnsupportedVersion, "unknown special timestamp")),
        };
        if version < since {
            let message = format!("timestamp {timestamp} needs ListOffsets version {since} or later");
            return Err(PartitionError::of(ErrorCode::UnsupportedVersion, message));
        }
        Ok(query)
    }
}

/// The answer to an [`OffsetQuery`]; -1 in each field means "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetFound {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) leader_epoch: i32,
}

impl OffsetFound {
    const NONE: OffsetFound = OffsetFound { offset: -1, timestamp: -1, leader_epoch: -1 };
}

impl Partition {
    /// Reads from `request.offset` to the high watermark. With a waiter, it is woken when the watermark rises beyond
    /// what this read could see.
    pub(crate) async fn read(
        self: &Arc<Self>,
        request: &ReadRequest,
        waiter: Option<&Arc<Waiter>>,
    ) -> Result<ReadOutcome, PartitionError> {
        let (mut outcome, plan) = {
            let mut guard = self.lock();
            let state = &mut *guard;
            state.check_epoch(request.current_leader_epoch)?;
            let epoch = state.leadership.leader_epoch;
            let online = state.leading()?;
            let high_watermark = online.replication.high_watermark();
            let outcome = ReadOutcome {
                range: None,
                bytes: 0,
                high_watermark,
                last_stable_offset: high_watermark,
                log_start_offset: online.log.log_start_offset(),
                diverging_epoch: None,
                read_committed: request.read_committed,
                answers_at_once: false,
            };
            if let Some(diverging) = diverging_epoch(online, request, epoch) {
                return Ok(ReadOutcome { diverging_epoch: Some(diverging), answers_at_once: true, ..outcome });
            }
            let plan = online
                .log
                .plan_read(request.offset, request.max_bytes, high_watermark, request.at_least_one_batch)
                .map_err(|error| PartitionError::of(ErrorCode::OffsetOutOfRange, error.to_string()))?;
            // A consumer waits at the watermark: what is behind it is flushed at once.
            if waiter.is_some() && online.log.log_end_offset() > high_watermark && request.offset >= high_watermark {
                self.request_flush(online, Urgency::Now);
            }
            if let Some(waiter) = waiter {
                state.watchers.add(high_watermark + 1, waiter);
            }
            (outcome, plan)
        };
        let slice = plan.run().await.map_err(|error| self.read_error(&error))?;
        // More waits here than fits into what is left of the response: no reason to wait for still more.
        outcome.answers_at_once = slice.first_batch_incomplete;
        outcome.bytes = slice.range.as_ref().map_or(0, |range| range.len);
        outcome.range = slice.range;
        Ok(outcome)
    }

    /// Answers ListOffsets. Waits until `deadline` for a flush of what is appended already.
    pub(crate) async fn find_offset(
        self: &Arc<Self>,
        query: OffsetQuery,
        current_leader_epoch: i32,
        read_committed: bool,
        deadline: Instant,
    ) -> Result<OffsetFound, PartitionError> {
        // Until there are transactions the last stable offset is the high watermark.
        let _ = read_committed;
        self.lock().check_epoch(current_leader_epoch)?;
        match query {
            OffsetQuery::Earliest | OffsetQuery::EarliestLocal => self.earliest(),
            OffsetQuery::LatestTiered => Ok(OffsetFound::NONE),
            // Nothing is tiered, so everything is pending; Kafka answers "unknown" where tiering is off.
            OffsetQuery::EarliestPendingUpload => Ok(OffsetFound::NONE),
            OffsetQuery::Latest => {
                self.flushed_to_end(deadline).await?;
                self.latest()
            }
            OffsetQuery::MaxTimestamp => self.find_timestamp(TimestampQuery::Max, deadline).await,
            OffsetQuery::AtOrAfter(timestamp) => {
                self.find_timestamp(TimestampQuery::AtOrAfter(timestamp), deadline).await
            }
        }
    }

    fn earliest(&self) -> Result<OffsetFound, PartitionError> {
        let mut state = self.lock();
        let current = state.leadership.leader_epoch;
        let online = state.leading()?;
        let offset = online.log.log_start_offset();
        let leader_epoch = online.log.epoch_for_offset(offset).unwrap_or(current);
        Ok(OffsetFound { offset, timestamp: -1, leader_epoch: leader_epoch.0 })
    }

    fn latest(&self) -> Result<OffsetFound, PartitionError> {
        let mut state = self.lock();
        let leader_epoch = state.leadership.leader_epoch.0;
        let offset = state.leading()?.replication.high_watermark();
        Ok(OffsetFound { offset, timestamp: -1, leader_epoch })
    }

    async fn find_timestamp(
        self: &Arc<Self>,
        query: TimestampQuery,
        deadline: Instant,
    ) -> Result<OffsetFound, PartitionError> {
        self.flushed_to_end(deadline).await?;
        let lookup = self.lock().leading()?.log.plan_timestamp_lookup(query);
        let found = lookup.run().await.map_err(|error| self.read_error(&error))?;
        let high_watermark = self.lock().leading()?.replication.high_watermark();
        let visible = found.filter(|found| found.offset < high_watermark);
        Ok(visible.map_or(OffsetFound::NONE, |found| OffsetFound {
            offset: found.offset,
            timestamp: found.timestamp_ms,
            leader_epoch: found.leader_epoch.0,
        }))
    }

    /// Waits until what is appended now is below the high watermark, where only this node's flush is missing for that;
    /// gives up quietly at `deadline`: the answer is then the watermark as it is.
    pub(super) async fn flushed_to_end(self: &Arc<Self>, deadline: Instant) -> Result<(), PartitionError> {
        let waiter = Waiter::new();
        let end = self.lock().leading()?.log.log_end_offset();
        loop {
            {
                let mut guard = self.lock();
                let state = &mut *guard;
                let online = state.leading()?;
                if online.replication.high_watermark() >= end || !online.replication.is_alone() {
                    return Ok(());
                }
                self.request_flush(online, Urgency::Now);
                state.watchers.add(end, &waiter);
            }
            let left = deadline.saturating_duration_since(self.shared.runtime.now());
            if self.shared.runtime.timeout(left, waiter.woken()).await.is_err() {
                return Ok(());
            }
        }
    }

    /// The end of a leader epoch (KIP-101); (-1, -1) where the log knows nothing of it.
    pub(crate) fn end_of_epoch(
        &self,
        current_leader_epoch: i32,
        requested: i32,
    ) -> Result<(LeaderEpoch, i64), PartitionError> {
        let mut state = self.lock();
        state.check_epoch(current_leader_epoch)?;
        let current = state.leadership.leader_epoch;
        let online = state.leading()?;
        let found = online.log.offset_for_leader_epoch(LeaderEpoch(requested), current);
        Ok(found.unwrap_or((LeaderEpoch::NONE, -1)))
    }

    /// The producers that the log knows.
    pub(crate) fn producers(&self) -> Result<Vec<ProducerEntry>, PartitionError> {
        Ok(self.lock().leading()?.log.producers().producers().cloned().collect())
    }

    fn read_error(&self, error: &LogError) -> PartitionError {
        tracing::error!(topic = %self.topic, partition = self.index, %error, "a read failed");
        PartitionError::of(ErrorCode::KafkaStorageError, error.to_string())
    }
}

/// Where the reader's last epoch ends here, if that is before its position (KIP-595).
fn diverging_epoch(
    online: &super::state::Online,
    request: &ReadRequest,
    current: LeaderEpoch,
) -> Option<(LeaderEpoch, i64)> {
    if request.last_fetched_epoch < 0 {
        return None;
    }
    let (epoch, end) = online.log.offset_for_leader_epoch(LeaderEpoch(request.last_fetched_epoch), current)?;
    let diverges = epoch.0 < request.last_fetched_epoch || end < request.offset;
    diverges.then_some((epoch, end))
}
