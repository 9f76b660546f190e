//! The sealed segments that reads have open, over all logs of the node: bounded in number (file descriptors) and in
//! index memory; the longest unused ones are closed first. A read that is under way keeps what it has.

use crate::LogError;
use crate::limits::{INDEX_CACHE_BYTES_MAX, OPEN_SEGMENTS_MAX};
use crate::segment::{OpenSegment, Segment};
use ottla_runtime::Disk;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

/// A log's number within this process, the base offset of a segment, and how often compaction replaced it.
type Key = (u64, i64, u64);

/// Open sealed segments, least recently used first out.
#[derive(Debug, Default)]
pub(crate) struct SegmentCache {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    segments: BTreeMap<Key, Cached>,
    by_use: BTreeMap<u64, Key>,
    next_use: u64,
    index_bytes: usize,
}

#[derive(Debug)]
struct Cached {
    segment: Arc<OpenSegment>,
    last_use: u64,
}

impl SegmentCache {
    /// The open segment, opened now if it is not cached.
    pub(crate) async fn open(&self, log: u64, segment: &Segment, disk: &Disk) -> Result<Arc<OpenSegment>, LogError> {
        if let Some(open) = self.lock().get((log, segment.base_offset(), segment.generation())) {
            return Ok(open);
        }
        // Two reads may open the same segment at once; the later one stays in the cache.
        let open = segment.open(disk).await?;
        self.insert(log, segment, open.clone(), disk);
        Ok(open)
    }

    /// Puts a segment that is open anyway into the cache.
    pub(crate) fn insert(&self, log: u64, segment: &Segment, open: Arc<OpenSegment>, disk: &Disk) {
        let open_max = OPEN_SEGMENTS_MAX.min(disk.lazy_files_max());
        self.lock().insert((log, segment.base_offset(), segment.generation()), open, open_max);
    }

    /// Forgets a segment that was deleted or replaced.
    pub(crate) fn remove(&self, log: u64, base_offset: i64) {
        self.lock().remove_range((log, base_offset, 0)..=(log, base_offset, u64::MAX));
    }

    /// Forgets all segments of a log that was closed.
    pub(crate) fn remove_log(&self, log: u64) {
        self.lock().remove_range((log, i64::MIN, 0)..=(log, i64::MAX, u64::MAX));
    }

    /// Every step under the lock leaves the maps consistent, so a panic elsewhere does not spoil them.
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn get(&mut self, key: Key) -> Option<Arc<OpenSegment>> {
        let cached = self.segments.get_mut(&key)?;
        self.by_use.remove(&cached.last_use);
        cached.last_use = self.next_use;
        self.by_use.insert(self.next_use, key);
        self.next_use += 1;
        Some(cached.segment.clone())
    }

    fn insert(&mut self, key: Key, segment: Arc<OpenSegment>, open_max: usize) {
        self.remove(key);
        self.index_bytes += memory(&segment);
        self.segments.insert(key, Cached { segment, last_use: self.next_use });
        self.by_use.insert(self.next_use, key);
        self.next_use += 1;
        while self.segments.len() > open_max || self.index_bytes > INDEX_CACHE_BYTES_MAX {
            let Some((_, &oldest)) = self.by_use.first_key_value() else { return };
            self.remove(oldest);
        }
    }

    fn remove_range(&mut self, range: RangeInclusive<Key>) {
        let keys: Vec<Key> = self.segments.range(range).map(|(&key, _)| key).collect();
        for key in keys {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: Key) {
        if let Some(cached) = self.segments.remove(&key) {
            self.by_use.remove(&cached.last_use);
            self.index_bytes -= memory(&cached.segment);
        }
    }
}

/// Bytes that the indexes take in memory.
fn memory(segment: &OpenSegment) -> usize {
    segment.offsets.len() * 8 + segment.times.len() * 16
}
