//! What else can be asked of a partition: offsets by time, ends of epochs, producers.

use super::flushing::Urgency;
use super::reading::last_stable_offset;
use super::{Partition, PartitionError};
use crate::parked::Parked;
use crate::watchers::Waiter;
use ottla_replication::LeaderState;
use ottla_runtime::Instant;
use ottla_storage::leader_epoch_cache::EpochEntry;
use ottla_storage::producer_state::ProducerEntry;
use ottla_storage::{Log, TimestampQuery};
use ottla_types::{ErrorCode, LeaderEpoch};
use std::sync::Arc;

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
    /// Answers ListOffsets. Waits until `deadline` for a flush of what is appended already.
    pub(crate) async fn find_offset(
        self: &Arc<Self>,
        query: OffsetQuery,
        current_leader_epoch: i32,
        read_committed: bool,
        deadline: Instant,
    ) -> Result<OffsetFound, PartitionError> {
        {
            let mut state = self.lock();
            state.check_epoch(current_leader_epoch)?;
            state.leading()?;
        }
        match query {
            OffsetQuery::Earliest | OffsetQuery::EarliestLocal => self.earliest(),
            // Nothing is tiered, which Kafka answers with "unknown".
            OffsetQuery::LatestTiered | OffsetQuery::EarliestPendingUpload => Ok(OffsetFound::NONE),
            OffsetQuery::Latest => self.latest(read_committed, deadline).await,
            OffsetQuery::MaxTimestamp => self.find_timestamp(TimestampQuery::Max, read_committed, deadline).await,
            OffsetQuery::AtOrAfter(timestamp) => {
                self.find_timestamp(TimestampQuery::AtOrAfter(timestamp), read_committed, deadline).await
            }
        }
    }

    fn earliest(&self) -> Result<OffsetFound, PartitionError> {
        let mut state = self.lock();
        let (open, leader) = state.leading()?;
        let offset = open.log.log_start_offset();
        let leader_epoch = open.log.earliest_epoch(beginning(leader)).unwrap_or(LeaderEpoch::NONE);
        Ok(OffsetFound { offset, timestamp: -1, leader_epoch: leader_epoch.0 })
    }

    async fn latest(self: &Arc<Self>, read_committed: bool, deadline: Instant) -> Result<OffsetFound, PartitionError> {
        let is_flushed = self.flushed_to_end(deadline).await?;
        let mut state = self.lock();
        let (high_watermark, leader_epoch) = (state.high_watermark, state.leadership.leader_epoch.0);
        let (open, leader) = state.leading()?;
        if !is_flushed || high_watermark < leader.leader_epoch_start_offset() {
            return Err(not_available(high_watermark));
        }
        let offset = bound(&open.log, high_watermark, read_committed);
        Ok(OffsetFound { offset, timestamp: -1, leader_epoch })
    }

    async fn find_timestamp(
        self: &Arc<Self>,
        query: TimestampQuery,
        read_committed: bool,
        deadline: Instant,
    ) -> Result<OffsetFound, PartitionError> {
        let is_flushed = self.flushed_to_end(deadline).await?;
        let (lookup, incarnation) = {
            let mut state = self.lock();
            let (open, _) = state.leading()?;
            (open.log.plan_timestamp_lookup(query), open.incarnation)
        };
        let found = lookup.run().await;
        let mut state = self.lock();
        let high_watermark = state.high_watermark;
        let (open, leader) = state.leading()?;
        if open.incarnation != incarnation {
            return Err(not_available(high_watermark));
        }
        let bound = bound(&open.log, high_watermark, read_committed);
        let is_behind = !is_flushed || high_watermark < leader.leader_epoch_start_offset();
        match found.map_err(|error| self.read_error(&error))? {
            Some(found) if found.offset < bound => Ok(OffsetFound {
                offset: found.offset,
                timestamp: found.timestamp_ms,
                leader_epoch: found.leader_epoch.0,
            }),
            _ if is_behind => Err(not_available(high_watermark)),
            _ => Ok(OffsetFound::NONE),
        }
    }

    /// Waits until what is appended now is below the high watermark, where only this node's flush is missing for that.
    /// `false` if it is not by `deadline`.
    pub(super) async fn flushed_to_end(self: &Arc<Self>, deadline: Instant) -> Result<bool, PartitionError> {
        let waiter = Waiter::new();
        let end = self.lock().leading()?.0.log.log_end_offset();
        loop {
            {
                let mut guard = self.lock();
                let state = &mut *guard;
                let high_watermark = state.high_watermark;
                let (open, leader) = state.leading()?;
                let waits_for_others = !leader.is_alone() || !leader.has_min_isr();
                // After a failed flush the log may end below what was there.
                let target = end.min(open.log.log_end_offset());
                if high_watermark >= target || waits_for_others {
                    return Ok(true);
                }
                self.request_flush(open, Urgency::Now);
                state.watchers.add(target, &waiter);
            }
            let left = deadline.saturating_duration_since(self.shared.runtime.now());
            let _parked = Parked::new(self.shared.metrics.broker.parked_others.clone());
            if self.shared.runtime.timeout(left, waiter.woken()).await.is_err() {
                return Ok(false);
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
        let (open, leader) = state.leading()?;
        let found = open.log.offset_for_leader_epoch(LeaderEpoch(requested), beginning(leader));
        Ok(found.unwrap_or((LeaderEpoch::NONE, -1)))
    }

    /// The producers that the log knows.
    pub(crate) fn producers(&self) -> Result<Vec<ProducerEntry>, PartitionError> {
        Ok(self.lock().leading()?.0.log.producers().producers().cloned().collect())
    }
}

/// Where the records of this leader begin.
pub(super) fn beginning(leader: &LeaderState) -> EpochEntry {
    EpochEntry { epoch: leader.leader_epoch(), start_offset: leader.leader_epoch_start_offset() }
}

/// What a consumer may see ends here.
fn bound(log: &Log, high_watermark: i64, read_committed: bool) -> i64 {
    if read_committed { last_stable_offset(log, high_watermark) } else { high_watermark }
}

/// What a client may ask for is not known to be committed yet; it asks again.
fn not_available(high_watermark: i64) -> PartitionError {
    let message = format!("the high watermark, {high_watermark}, is behind what is appended already; try again");
    PartitionError::of(ErrorCode::OffsetNotAvailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_timestamps_need_their_version() {
        let cases = [(-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11), (0, 1), (i64::MAX, 1)];
        for (timestamp, since) in cases {
            assert!(OffsetQuery::parse(timestamp, since).is_ok(), "{timestamp}");
            let before = OffsetQuery::parse(timestamp, since - 1);
            assert_eq!(before.unwrap_err().code, ErrorCode::UnsupportedVersion, "{timestamp}");
        }
        assert_eq!(OffsetQuery::parse(-7, 11).unwrap_err().code, ErrorCode::UnsupportedVersion);
        assert_eq!(OffsetQuery::parse(i64::MIN, 11).unwrap_err().code, ErrorCode::UnsupportedVersion);
    }
}
