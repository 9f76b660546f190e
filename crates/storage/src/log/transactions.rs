//! Producers and transactions of the log.

use super::{Log, LogIdentity, Segments};
use crate::LogError;
use crate::producer_state::ProducerState;
use crate::segment::{is_open_below, load_aborted};
use crate::txn_index::{AbortedTxn, collect_aborted_txns};
use std::sync::Arc;

/// A search for aborted transactions; run it without the lock.
#[derive(Debug, Clone)]
pub struct AbortedLookup {
    identity: Arc<LogIdentity>,
    segments: Segments,
    active: Vec<AbortedTxn>,
    offset: i64,
    upper_offset: i64,
}

impl Log {
    /// The producers that the log remembers (DescribeProducers).
    pub fn producers(&self) -> &ProducerState {
        &self.producers
    }

    /// Forgets producers that have been idle for `producer.id.expiration.ms`; returns how many.
    pub fn remove_expired_producers(&mut self, now_ms: i64) -> usize {
        self.producers.remove_expired(now_ms)
    }

    /// The high watermark moved: transactions whose markers are below it are stable.
    pub fn on_high_watermark(&mut self, high_watermark: i64) {
        self.producers.on_high_watermark(high_watermark);
    }

    /// First offset that read_committed consumers may not pass; `None` if no transaction holds them back.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        self.producers.first_unstable_offset().map(|offset| offset.max(self.log_start_offset))
    }

    /// Plans a search for the aborted transactions that overlap with `offset..upper_offset`.
    pub fn plan_aborted_transactions(&self, offset: i64, upper_offset: i64) -> AbortedLookup {
        AbortedLookup {
            identity: self.identity.clone(),
            segments: self.segments.clone(),
            active: collect_aborted_txns(self.active.aborted(), offset, upper_offset).txns,
            offset,
            upper_offset,
        }
    }
}

impl AbortedLookup {
    /// Finds the transactions, in the order of their markers.
    pub async fn run(self) -> Result<Vec<AbortedTxn>, LogError> {
        let (disk, dir) = (self.identity.dir.disk(), self.identity.path.as_path());
        let now_ms = self.identity.dir.rt.wall_clock_ms();
        let mut found = Vec::new();
        let first = self.segments.range(..=self.offset).next_back().map_or(i64::MIN, |(&base_offset, _)| base_offset);
        for (&base_offset, segment) in self.segments.range(first..) {
            // Whole segments are not read for an index that cannot hold anything of the range.
            if base_offset >= self.upper_offset
                && segment.indexed_aborted(disk).await?.is_none()
                && is_open_below(disk, dir, base_offset, self.upper_offset, now_ms).await? == Some(false)
            {
                return Ok(found);
            }
            let aborted = self.load(base_offset).await?;
            let in_segment = collect_aborted_txns(&aborted, self.offset, self.upper_offset);
            found.extend(in_segment.txns);
            if in_segment.is_complete {
                return Ok(found);
            }
        }
        found.extend(self.active);
        Ok(found)
    }

    /// The aborted transactions whose markers are in the sealed segment at `base_offset`.
    pub(crate) async fn load(&self, base_offset: i64) -> Result<Arc<[AbortedTxn]>, LogError> {
        let dir = &self.identity.dir;
        let now_ms = dir.rt.wall_clock_ms();
        load_aborted(dir.disk(), &self.identity.path, &self.segments, base_offset, now_ms).await
    }
}
