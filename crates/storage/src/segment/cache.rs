//! The sealed segments that reads have open, over all logs of the node: bounded in number (file descriptors) and in
//! index memory; the longest unused ones are closed first. A read that is under way keeps what it has.

use crate::LogError;
use crate::limits::{INDEX_CACHE_BYTES_MAX, OPEN_SEGMENTS_MAX};
use crate::segment::{OpenSegment, Segment};
use ottla_runtime::Disk;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A log's number within this process, and the base offset of a segment.
type Key = (u64, i64);

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
        let key = (log, segment.base_offset());
        if let Some(open) = self.lock().get(key) {
            return Ok(open);
        }
        // Two reads may open the same segment at once; the later one stays in the cache.
        let open = Arc::new(segment.open(disk).await?);
        self.insert(key.0, key.1, open.clone());
        Ok(open)
    }

    /// Puts a segment that is open anyway into the cache.
    pub(crate) fn insert(&self, log: u64, base_offset: i64, segment: Arc<OpenSegment>) {
        self.lock().insert((log, base_offset), segment);
    }

    /// Forgets a segment that was deleted.
    pub(crate) fn remove(&self, log: u64, base_offset: i64) {
        self.lock().remove((log, base_offset));
    }

    /// Forgets all segments of a log that was closed.
    pub(crate) fn remove_log(&self, log: u64) {
        let mut inner = self.lock();
        let keys: Vec<Key> = inner.segments.range((log, i64::MIN)..=(log, i64::MAX)).map(|(&key, _)| key).collect();
        for key in keys {
            inner.remove(key);
        }
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

    fn insert(&mut self, key: Key, segment: Arc<OpenSegment>) {
        self.remove(key);
        self.index_bytes += memory(&segment);
        self.segments.insert(key, Cached { segment, last_use: self.next_use });
        self.by_use.insert(self.next_use, key);
        self.next_use += 1;
        while self.segments.len() > OPEN_SEGMENTS_MAX || self.index_bytes > INDEX_CACHE_BYTES_MAX {
            let Some((_, &oldest)) = self.by_use.first_key_value() else { return };
            self.remove(oldest);
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
