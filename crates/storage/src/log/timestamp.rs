//! Offsets by timestamp (ListOffsets).

use super::{Log, LogIdentity, Segments};
use crate::LogError;
use crate::files::SegmentFile;
use crate::limits::LOCATE_CHUNK_BYTES;
use crate::segment::{BatchReader, ScanStop};
use ottla_records::{DECOMPRESSED_BATCH_BYTES_MAX, NO_TIMESTAMP, find_max_timestamp, find_offset_by_timestamp};
use ottla_runtime::File;
use ottla_types::LeaderEpoch;
use std::sync::Arc;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampQuery {
    /// The first record whose timestamp is at least this, in milliseconds.
    AtOrAfter(i64),
    /// The first record with the highest timestamp of the log (KIP-734).
    Max,
}

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Its timestamp in milliseconds.
    pub timestamp_ms: i64,
    /// Its offset.
    pub offset: i64,
    /// Epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
}

/// A lookup; run it without the lock.
#[derive(Debug)]
pub struct TimestampLookup {
    identity: Arc<LogIdentity>,
    segments: Segments,
    active: ActiveTimes,
    log_start_offset: i64,
    query: TimestampQuery,
}

/// The active segment as it was when the lookup was made.
#[derive(Debug)]
struct ActiveTimes {
    base_offset: i64,
    file: File,
    size: u64,
    max_timestamp: i64,
    /// Where the scan for the query starts.
    position: u64,
}

impl Log {
    /// Plans a lookup by timestamp over the whole log; the caller limits the result to what may be fetched.
    pub fn plan_timestamp_lookup(&self, query: TimestampQuery) -> TimestampLookup {
        let indexes = self.active.indexes();
        let from = match query {
            TimestampQuery::AtOrAfter(timestamp) => indexes.times().lookup(timestamp).max(self.log_start_offset),
            TimestampQuery::Max => indexes.max_timestamp().offset,
        };
        let active = ActiveTimes {
            base_offset: self.active.base_offset(),
            file: self.active.log().clone(),
            size: self.active.size(),
            max_timestamp: indexes.max_timestamp().timestamp,
            position: indexes.offsets().lookup(from),
        };
        TimestampLookup {
            identity: self.identity.clone(),
            segments: self.segments.clone(),
            active,
            log_start_offset: self.log_start_offset,
            query,
        }
    }
}

impl TimestampLookup {
    /// Finds the record; `None` if there is none.
    pub async fn run(self) -> Result<Option<TimestampOffset>, LogError> {
        match self.query {
            TimestampQuery::AtOrAfter(timestamp) => self.find_at_or_after(timestamp).await,
            TimestampQuery::Max => self.find_max().await,
        }
    }

    async fn find_at_or_after(&self, timestamp: i64) -> Result<Option<TimestampOffset>, LogError> {
        let first = self.segments.range(..=self.log_start_offset).next_back().map_or(i64::MIN, |(&base, _)| base);
        for (&base_offset, segment) in self.segments.range(first..) {
            if segment.max_timestamp(self.identity.dir.disk()).await?.timestamp < timestamp {
                continue;
            }
            let node = &self.identity.dir.node;
            let opened = node.cache.open(self.identity.number, segment, self.identity.dir.disk()).await?;
            let from = opened.offsets.lookup(opened.times.lookup(timestamp).max(self.log_start_offset));
            let found = self.search(&opened.file, base_offset, from, segment.size(), timestamp).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let active = &self.active;
        if active.max_timestamp < timestamp {
            return Ok(None);
        }
        self.search(&active.file, active.base_offset, active.position, active.size, timestamp).await
    }

    async fn find_max(&self) -> Result<Option<TimestampOffset>, LogError> {
        let mut best: Option<(i64, i64)> = None;
        for (&base_offset, segment) in self.segments.iter() {
            let max = segment.max_timestamp(self.identity.dir.disk()).await?.timestamp;
            if best.is_none_or(|(timestamp, _)| max > timestamp) {
                best = Some((max, base_offset));
            }
        }
        let in_sealed = best.filter(|&(timestamp, _)| timestamp >= self.active.max_timestamp);
        let timestamp = in_sealed.map_or(self.active.max_timestamp, |(timestamp, _)| timestamp);
        if timestamp == NO_TIMESTAMP {
            return Ok(None);
        }
        let Some((_, base_offset)) = in_sealed else {
            let active = &self.active;
            return self.first_max(&active.file, active.base_offset, active.position, active.size, timestamp).await;
        };
        let segment = &self.segments[&base_offset];
        let node = &self.identity.dir.node;
        let opened = node.cache.open(self.identity.number, segment, self.identity.dir.disk()).await?;
        let from = opened.offsets.lookup(opened.times.last().offset);
        self.first_max(&opened.file, base_offset, from, segment.size(), timestamp).await
    }

    /// The first record from `position` on with at least `timestamp`.
    async fn search(
        &self,
        file: &File,
        base_offset: i64,
        position: u64,
        size: u64,
        timestamp: i64,
    ) -> Result<Option<TimestampOffset>, LogError> {
        let mut reader = BatchReader::new(file.clone(), position, size, LOCATE_CHUNK_BYTES);
        while let Some((position, header)) = reader.next_header().await.map_err(|stop| self.error(stop, base_offset))? {
            if header.max_timestamp < timestamp || header.last_offset() < self.log_start_offset {
                continue;
            }
            let batch = reader.batch_at(position, &header).await.map_err(|stop| self.error(stop, base_offset))?;
            let found =
                find_offset_by_timestamp(&batch, timestamp, self.log_start_offset, DECOMPRESSED_BATCH_BYTES_MAX);
            if let Some(found) = found.map_err(|error| self.unreadable(base_offset, position, &error))? {
                return Ok(Some(TimestampOffset {
                    timestamp_ms: found.timestamp,
                    offset: found.offset,
                    leader_epoch: header.partition_leader_epoch,
                }));
            }
        }
        Ok(None)
    }

    /// The first record with `timestamp`, the segment's highest, from `position` on.
    async fn first_max(
        &self,
        file: &File,
        base_offset: i64,
        position: u64,
        size: u64,
        timestamp: i64,
    ) -> Result<Option<TimestampOffset>, LogError> {
        let mut reader = BatchReader::new(file.clone(), position, size, LOCATE_CHUNK_BYTES);
        while let Some((position, header)) = reader.next_header().await.map_err(|stop| self.error(stop, base_offset))? {
            if header.max_timestamp != timestamp {
                continue;
            }
            let batch = reader.batch_at(position, &header).await.map_err(|stop| self.error(stop, base_offset))?;
            let found = find_max_timestamp(&batch, DECOMPRESSED_BATCH_BYTES_MAX);
            // A batch that compaction emptied has none.
            if let Some(found) = found.map_err(|error| self.unreadable(base_offset, position, &error))? {
                return Ok(Some(TimestampOffset {
                    timestamp_ms: found.timestamp,
                    offset: found.offset,
                    leader_epoch: header.partition_leader_epoch,
                }));
            }
        }
        Ok(None)
    }

    fn error(&self, stop: ScanStop, base_offset: i64) -> LogError {
        let path = SegmentFile::Log.path(&self.identity.path, base_offset);
        stop.into_error(&self.identity.path, &path, base_offset)
    }

    fn unreadable(&self, base_offset: i64, position: u64, error: &ottla_records::BatchError) -> LogError {
        let stop = ScanStop::Invalid { position, reason: error.to_string(), is_torn: false };
        self.error(stop, base_offset)
    }
}
