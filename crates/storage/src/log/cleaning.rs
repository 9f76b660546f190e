//! The log's part in its compaction: what there is to clean, the plan, and the new segments in memory.

use super::{Log, LogIdentity};
use crate::LogError;
use crate::cleaner::{CleanJob, CleanPlan, CleanedGroup, LastRecord, LogToClean};
use crate::dirs::LogDirState;
use crate::segment::Segment;
use ottla_types::ProducerId;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use tracing::warn;

/// What a log has for the cleaner. After a load it is asked again.
#[derive(Debug)]
pub enum Cleanable {
    /// Nothing: it is not compacted, not in order, or being cleaned.
    Nothing,
    /// Timestamps of a segment have to be read first.
    LoadNeeded(CleaningLoad),
    /// This; whether it is worth a cleaning is the cleaner's choice.
    Found(LogToClean),
}

/// Reads what the choice needs to know of a segment.
#[derive(Debug)]
pub struct CleaningLoad {
    identity: Arc<LogIdentity>,
    segment: Arc<Segment>,
}

/// The cleaning that is under way.
#[derive(Debug)]
pub(crate) struct Cleaning {
    job: Weak<()>,
}

/// The sealed segments that may be cleaned end here, unless a timestamp has to be read first.
enum Bound {
    At(i64),
    Unknown(Arc<Segment>),
}

impl Log {
    /// What there is to clean. `last_stable_offset` is not above the high watermark; what lies behind it is left alone.
    pub fn log_to_clean(&mut self, now_ms: i64, last_stable_offset: i64) -> Cleanable {
        let is_cleaning = self.is_cleaning();
        // A full directory is cleaned, too: that gives space back. The job keeps a reserve.
        let is_gone = matches!(self.identity.dir.state(), LogDirState::Offline(_));
        if !self.config.compact || is_cleaning || self.is_moving || self.offline.is_some() || is_gone {
            return Cleanable::Nothing;
        }
        let first_dirty_offset = self.first_dirty_offset();
        let first_uncleanable_offset = match self.cleanable_bound(now_ms, first_dirty_offset, last_stable_offset) {
            Bound::At(offset) => offset,
            Bound::Unknown(segment) => return self.load_needed(segment),
        };
        let compaction_delay_ms = match self.compaction_delay_ms(now_ms, first_dirty_offset) {
            Ok(delay_ms) => delay_ms,
            Err(segment) => return self.load_needed(segment),
        };
        let bytes = |range: std::ops::Range<i64>| match range.is_empty() {
            true => 0,
            false => self.segments.range(range).map(|(_, segment)| segment.size()).sum(),
        };
        let first_dirty_base = match first_dirty_offset < first_uncleanable_offset {
            true => self.segment_base(first_dirty_offset),
            false => first_uncleanable_offset,
        };
        Cleanable::Found(LogToClean {
            first_dirty_offset,
            first_uncleanable_offset,
            clean_bytes: bytes(i64::MIN..first_dirty_offset),
            cleanable_bytes: bytes(first_dirty_base..first_uncleanable_offset),
            compaction_delay_ms,
            min_cleanable_dirty_ratio: self.config.min_cleanable_dirty_ratio,
        })
    }

    /// Takes the plan of a cleaning. `None` if one is under way, or if the log changed so that there is nothing to clean.
    pub fn begin_cleaning(&mut self, log_to_clean: &LogToClean, now_ms: i64) -> Option<CleanJob> {
        if self.is_cleaning() || self.is_moving || self.offline.is_some() || !self.config.compact {
            return None;
        }
        let first_uncleanable_offset = log_to_clean.first_uncleanable_offset.min(self.active.base_offset());
        let first_dirty_offset = log_to_clean.first_dirty_offset.max(self.log_start_offset);
        let nexts = self.segments.keys().copied().skip(1).chain([self.active.base_offset()]);
        let segments: Vec<_> =
            self.segments.values().cloned().zip(nexts).filter(|(_, next)| *next <= first_uncleanable_offset).collect();
        let first_base = segments.first()?.0.base_offset();
        if first_dirty_offset >= first_uncleanable_offset {
            return None;
        }
        let alive = Arc::new(());
        self.cleaning = Some(Cleaning { job: Arc::downgrade(&alive) });
        Some(CleanJob::new(CleanPlan {
            identity: self.identity.clone(),
            alive,
            segments,
            first_dirty_offset,
            first_uncleanable_offset,
            recovery_point: self.recovery_point,
            aborted: self.plan_aborted_transactions(first_base, first_uncleanable_offset),
            last_records: self.last_records(),
            segment_bytes: self.config.segment_bytes,
            segment_index_bytes: self.config.segment_index_bytes.into(),
            index_interval_bytes: self.config.index_interval_bytes,
            delete_retention_ms: self.config.delete_retention_ms,
            now_ms,
        }))
    }

    /// Puts a cleaned group in the place of the segments that it was made from. After an error the log is offline: what is
    /// on disk is known again when it was opened again.
    pub fn finish_group(&mut self, group: CleanedGroup) -> Result<(), LogError> {
        if let Some(reason) = &self.offline {
            return Err(LogError::Offline { reason: reason.clone() });
        }
        if let Err(error) = group.swapped {
            self.identity.dir.note_log_error(&error);
            self.go_offline(format!("compacted segments could not be put in place: {error}"));
            return Err(error);
        }
        let cache = &self.identity.dir.node.cache;
        let segments = Arc::make_mut(&mut self.segments);
        for base_offset in &group.replaced {
            assert!(segments.remove(base_offset).is_some(), "nothing else removes segments during a cleaning");
            cache.remove(self.identity.number, *base_offset);
        }
        let new = Arc::new(group.new);
        cache.insert(self.identity.number, &new, group.opened, self.identity.dir.disk());
        segments.insert(new.base_offset(), new);
        Ok(())
    }

    /// The cleaning is over, however it went.
    pub fn finish_cleaning(&mut self, job: CleanJob) {
        drop(job);
        self.cleaning = None;
    }

    /// Whether a cleaning is under way. One that was dropped may have replaced segments on disk: the log goes offline.
    pub(crate) fn is_cleaning(&mut self) -> bool {
        let Some(cleaning) = &self.cleaning else { return false };
        if cleaning.job.strong_count() == 0 {
            self.cleaning = None;
            self.go_offline("a compaction was abandoned".to_string());
        }
        true
    }

    /// Where the last cleaning ended, or the log start offset if that makes no sense.
    fn first_dirty_offset(&self) -> i64 {
        let checkpointed = self.identity.dir.cleaned.get(&self.identity.partition);
        match checkpointed {
            Some(offset) if offset > self.log_end_offset => {
                let log_end_offset = self.log_end_offset;
                warn!(
                    partition = %self.identity.partition, offset, log_end_offset,
                    "the cleaner's checkpoint is beyond the log: all of the log counts as dirty"
                );
                self.log_start_offset
            }
            Some(offset) => offset.max(self.log_start_offset),
            None => self.log_start_offset,
        }
    }

    /// Base offset of the segment that holds `offset`, or of the first one.
    fn segment_base(&self, offset: i64) -> i64 {
        let floor = self.segments.range(..=offset).next_back().or_else(|| self.segments.first_key_value());
        floor.map_or(self.active.base_offset(), |(&base_offset, _)| base_offset)
    }

    /// The base offset of the first segment that may not be cleaned yet, at or behind `first_dirty_offset`.
    fn cleanable_bound(&self, now_ms: i64, first_dirty_offset: i64, last_stable_offset: i64) -> Bound {
        let first = self.segment_base(first_dirty_offset);
        let nexts = self.segments.range(first..).map(|(&base, _)| base).skip(1).chain([self.active.base_offset()]);
        for ((&base_offset, segment), next_base_offset) in self.segments.range(first..).zip(nexts) {
            // What begins at the recovery point may send recovery into the segment before it.
            let is_durable = next_base_offset < self.recovery_point && !self.unflushed.has_sealed(base_offset);
            if next_base_offset > last_stable_offset || !is_durable {
                return Bound::At(base_offset);
            }
            let lag_ms = self.config.min_compaction_lag_ms;
            match segment.known_max_timestamp() {
                _ if lag_ms <= 0 => {}
                None => return Bound::Unknown(segment.clone()),
                Some(max) if max.timestamp > now_ms.saturating_sub(lag_ms) => return Bound::At(base_offset),
                Some(_) => {}
            }
        }
        Bound::At(self.active.base_offset())
    }

    /// By how much the oldest dirty record has waited longer than `max.compaction.lag.ms`; or the segment that has to be
    /// looked at first.
    fn compaction_delay_ms(&self, now_ms: i64, first_dirty_offset: i64) -> Result<i64, Arc<Segment>> {
        if self.config.max_compaction_lag_ms == i64::MAX {
            return Ok(0);
        }
        let clean_until = now_ms.saturating_sub(self.config.max_compaction_lag_ms.max(0));
        let mut delay_ms = 0;
        for segment in self.segments.range(self.segment_base(first_dirty_offset)..).map(|(_, segment)| segment) {
            let timestamp = segment.known_first_timestamp().ok_or_else(|| segment.clone())?;
            if timestamp > 0 {
                delay_ms = delay_ms.max(clean_until.saturating_sub(timestamp));
            }
        }
        Ok(delay_ms)
    }

    fn load_needed(&self, segment: Arc<Segment>) -> Cleanable {
        Cleanable::LoadNeeded(CleaningLoad { identity: self.identity.clone(), segment })
    }

    /// What has to stay of every producer.
    fn last_records(&self) -> BTreeMap<ProducerId, LastRecord> {
        let last_record = |entry: &crate::producer_state::ProducerEntry| LastRecord {
            last_data_offset: Some(entry.last_offset()).filter(|&offset| offset >= 0),
            epoch: entry.epoch(),
        };
        self.producers.producers().map(|entry| (entry.producer_id(), last_record(entry))).collect()
    }
}

impl CleaningLoad {
    /// Reads the timestamps.
    pub async fn run(self) -> Result<(), LogError> {
        let disk = self.identity.dir.disk();
        self.segment.max_timestamp(disk).await?;
        self.segment.load_first_timestamp(disk).await
    }
}
