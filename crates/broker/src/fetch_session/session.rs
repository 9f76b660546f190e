//! One session: which partitions it holds, in the order in which they are served.

use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a request names a topic: by id from Fetch version 13 on, by name before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TopicKey {
    Id(Uuid),
    Name(Arc<str>),
}

/// A partition as the request names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartitionKey {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
}

/// What a consumer or follower wants of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchPartition {
    pub(crate) key: PartitionKey,
    /// First offset wanted.
    pub(crate) fetch_offset: i64,
    /// Most bytes wanted of this partition; the first batch is sent whole all the same.
    pub(crate) max_bytes: i32,
    /// Leader epoch that the client knows, -1 for none.
    pub(crate) current_leader_epoch: i32,
    /// Epoch of the last record that the client has, -1 for none (KIP-595).
    pub(crate) last_fetched_epoch: i32,
    /// The follower's log start offset, -1 from consumers.
    pub(crate) log_start_offset: i64,
}

/// The parts of an answer that decide whether an incremental response must carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) has_records: bool,
    pub(crate) is_error: bool,
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
    /// A diverging epoch or a preferred read replica is set.
    pub(crate) redirects: bool,
}

struct CachedPartition {
    wanted: FetchPartition,
    high_watermark: i64,
    log_start_offset: i64,
}

/// A session's partitions and its epoch.
pub(super) struct Session {
    pub(super) id: i32,
    pub(super) epoch: i32,
    pub(super) privileged: bool,
    pub(super) uses_topic_ids: bool,
    pub(super) created_ms: i64,
    pub(super) last_used_ms: i64,
    /// Partitions by serving order; one that returned records moves to the end, so that all progress.
    order: BTreeMap<u64, CachedPartition>,
    places: BTreeMap<PartitionKey, u64>,
    next_place: u64,
}

impl Session {
    pub(super) fn new(id: i32, privileged: bool, uses_topic_ids: bool, now_ms: i64) -> Session {
        Session {
            id,
            epoch: super::next_epoch(super::INITIAL_EPOCH),
            privileged,
            uses_topic_ids,
            created_ms: now_ms,
            last_used_ms: now_ms,
            order: BTreeMap::new(),
            places: BTreeMap::new(),
            next_place: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Adds a partition, or changes what is wanted of one that the session holds.
    pub(super) fn put(&mut self, wanted: FetchPartition) {
        if let Some(cached) = self.places.get(&wanted.key).and_then(|place| self.order.get_mut(place)) {
            cached.wanted = wanted;
            return;
        }
        let place = self.next_place;
        self.next_place += 1;
        self.places.insert(wanted.key.clone(), place);
        self.order.insert(place, CachedPartition { wanted, high_watermark: -1, log_start_offset: -1 });
    }

    pub(super) fn forget(&mut self, key: &PartitionKey) {
        if let Some(place) = self.places.remove(key) {
            self.order.remove(&place);
        }
    }

    /// What to read now, in serving order.
    pub(super) fn wanted(&self) -> Vec<FetchPartition> {
        self.order.values().map(|cached| cached.wanted.clone()).collect()
    }

    /// Remembers an answer as sent without asking whether it is news (the first, full answer).
    pub(super) fn remember(&mut self, key: &PartitionKey, news: &News) {
        if let Some(cached) = self.places.get(key).and_then(|place| self.order.get_mut(place)) {
            cached.high_watermark = if news.is_error { -1 } else { news.high_watermark };
            cached.log_start_offset = news.log_start_offset;
        }
    }

    /// Whether the answer must be sent; if so it counts as sent.
    pub(super) fn offer(&mut self, key: &PartitionKey, news: &News) -> bool {
        let Some(&place) = self.places.get(key) else { return false };
        let Some(cached) = self.order.get_mut(&place) else { return false };
        let changed = cached.high_watermark != news.high_watermark || cached.log_start_offset != news.log_start_offset;
        let must_send = news.has_records || news.is_error || news.redirects || changed;
        // After an error the next good answer is news, whatever it says.
        cached.high_watermark = if news.is_error { -1 } else { news.high_watermark };
        cached.log_start_offset = news.log_start_offset;
        if news.has_records {
            self.move_to_end(key, place);
        }
        must_send
    }

    fn move_to_end(&mut self, key: &PartitionKey, place: u64) {
        if let Some(cached) = self.order.remove(&place) {
            self.order.insert(self.next_place, cached);
            self.places.insert(key.clone(), self.next_place);
            self.next_place += 1;
        }
    }
}
