//! What a partition remembers of its idempotent and transactional producers (KIP-98), so that a batch that is sent
//! again is not stored again, and a zombie is fenced.
//!
//! An append asks [`ProducerState::prepare_append`] first, and hands the update that it returns to
//! [`ProducerState::apply`] once the batch is in the log: both under the partition's lock. Recovery replays batches
//! with [`ProducerState::replay`] from the last snapshot on. No clock, no file in here: `now_ms` is an argument, and
//! snapshots are bytes.
//!
//! The life of a producer's entry:
//! 1. Its first batch, or a transaction marker, makes it. Any sequence is taken then.
//! 2. Each batch replaces the oldest of the last five; a higher epoch forgets them all.
//! 3. It goes when the producer has written nothing for `producer.id.expiration.ms` and has no open transaction, or as
//!    one of the longest idle when there are too many. Deleting its records (retention, DeleteRecords) leaves it.
//!
//! Idle time counts from the write, by this node's clock, not from the producer's timestamps as in Kafka: who writes
//! old timestamps is not forgotten. After a restart it counts from the restart.

mod append;
mod entry;
mod snapshot;
mod transactions;

pub use append::{Check, Origin, ProducerBatch, ProducerError, ProducerUpdate};
pub use entry::{BATCHES_RETAINED, BatchMetadata, ProducerEntry};
pub use snapshot::{SNAPSHOT_ENTRY_BYTES, SNAPSHOT_HEADER_BYTES, SnapshotError};
pub use transactions::CompletedTxn;

use ottla_types::ProducerId;
use std::collections::BTreeMap;
use transactions::Transactions;

/// The most producers that one partition remembers, apart from those with an open transaction: about 12 MB of memory
/// and a snapshot of 2.3 MB.
pub const PRODUCERS_MAX: usize = 50_000;
/// How many of the longest idle are forgotten at once when there are too many: one in so many.
const EVICTED_FRACTION: usize = 16;

/// Limits on what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerStateConfig {
    /// `producer.id.expiration.ms`.
    pub expiration_ms: i64,
    /// Entries without an open transaction.
    pub producers_max: usize,
}

/// All producers of one partition.
#[derive(Debug, Clone)]
pub struct ProducerState {
    config: ProducerStateConfig,
    producers: BTreeMap<ProducerId, ProducerEntry>,
    transactions: Transactions,
    map_end_offset: i64,
    evictions: u64,
}

impl Default for ProducerStateConfig {
    fn default() -> ProducerStateConfig {
        ProducerStateConfig { expiration_ms: 24 * 60 * 60 * 1000, producers_max: PRODUCERS_MAX }
    }
}

impl ProducerState {
    /// No producers; the log is empty, or holds nothing of them, before `start_offset`.
    pub fn new(config: ProducerStateConfig, start_offset: i64) -> ProducerState {
        ProducerState {
            config,
            producers: BTreeMap::new(),
            transactions: Transactions::default(),
            map_end_offset: start_offset,
            evictions: 0,
        }
    }

    /// Whether a snapshot at `snapshot_offset` (the state of all records below) may start the recovery of a log of
    /// these bounds. Unlike Kafka, which drops it, one exactly at the log start counts: DeleteRecords of everything does
    /// not forget the producers.
    pub fn is_usable_snapshot(snapshot_offset: i64, log_start_offset: i64, log_end_offset: i64) -> bool {
        (log_start_offset..=log_end_offset).contains(&snapshot_offset)
    }

    /// Changes `producer.id.expiration.ms`; takes effect with the next [`ProducerState::remove_expired`].
    pub fn set_expiration_ms(&mut self, expiration_ms: i64) {
        self.config.expiration_ms = expiration_ms;
    }

    /// Decides whether the batch may be appended at `batch.first_offset`. Changes nothing.
    pub fn prepare_append(&self, batch: &ProducerBatch, origin: Origin) -> Result<Check, ProducerError> {
        append::check(self.producers.get(&batch.producer_id), batch, origin)
    }

    /// Takes in a batch that was appended: `update` comes from [`ProducerState::prepare_append`] for the state as it
    /// still is. Returns the transaction that a marker completed, for the transaction index if it was aborted.
    pub fn apply(&mut self, update: ProducerUpdate, now_ms: i64) -> Option<CompletedTxn> {
        let ProducerUpdate { mut entry, started_txn, completed, next_offset } = update;
        assert!(next_offset > self.map_end_offset, "batches are taken in in the order of the log");
        let producer_id = entry.producer_id();
        entry.touch(now_ms);
        self.producers.insert(producer_id, entry);
        if let Some(first_offset) = started_txn {
            self.transactions.begin(first_offset, producer_id);
        }
        let completed = completed.map(|marker| self.transactions.complete(marker));
        self.advance_to(next_offset);
        if self.producers.len() > self.config.producers_max {
            self.evict_idle(producer_id);
        }
        completed
    }

    /// Takes in a batch of the log during recovery, or of the leader's log on a follower: what was accepted once is not
    /// judged again. Batches that the snapshot already covers are left away.
    pub fn replay(&mut self, batch: &ProducerBatch, now_ms: i64) -> Option<CompletedTxn> {
        if batch.last_offset < self.map_end_offset {
            return None;
        }
        match self.prepare_append(batch, Origin::Replay) {
            Ok(Check::New(update)) => self.apply(update, now_ms),
            Ok(Check::Duplicate { .. }) | Err(_) => unreachable!("a replayed batch is never judged"),
        }
    }

    /// Takes in batches of the log, in order, that a snapshot covers: it knows only the last one of each producer, but five
    /// may be in flight, and be sent again after a restart.
    pub fn recall(&mut self, batches: &[ProducerBatch]) {
        for batch in batches.iter().rev().filter(|batch| batch.marker.is_none()) {
            if let Some(entry) = self.producers.get_mut(&batch.producer_id)
                && entry.epoch() == batch.producer_epoch
            {
                entry.prepend(append::metadata(batch));
            }
        }
    }

    /// The log has grown to `next_offset` by batches that have no producer id.
    pub fn advance_to(&mut self, next_offset: i64) {
        self.map_end_offset = self.map_end_offset.max(next_offset);
    }

    /// The offset up to which batches were taken in; a snapshot of this state has it in its name.
    pub fn map_end_offset(&self) -> i64 {
        self.map_end_offset
    }

    /// The first offset that read_committed consumers may not pass: of the oldest transaction that is open, or whose
    /// marker is not yet below the high watermark.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        self.transactions.first_unstable_offset()
    }

    /// Transactions whose markers are below `high_watermark` are stable from now on.
    pub fn on_high_watermark(&mut self, high_watermark: i64) {
        self.transactions.stabilise_below(high_watermark);
    }

    /// The log starts at `log_start_offset` now. The producers stay, also those all of whose batches are below it.
    pub fn on_log_start_incremented(&mut self, log_start_offset: i64) {
        self.transactions.stabilise_below(log_start_offset);
        self.advance_to(log_start_offset);
    }

    /// Forgets producers that have been idle too long; returns how many.
    pub fn remove_expired(&mut self, now_ms: i64) -> usize {
        let before = self.producers.len();
        let expiration_ms = self.config.expiration_ms;
        self.producers.retain(|_, entry| entry.has_open_txn() || entry.idle_ms(now_ms) < expiration_ms);
        before - self.producers.len()
    }

    /// The open transaction that began first, as producer id and first offset.
    pub fn oldest_open_txn(&self) -> Option<(ProducerId, i64)> {
        self.transactions.oldest_open()
    }

    /// The entry of one producer.
    pub fn producer(&self, producer_id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// All entries by producer id (DescribeProducers).
    pub fn producers(&self) -> impl ExactSizeIterator<Item = &ProducerEntry> {
        self.producers.values()
    }

    /// How many entries were dropped for being too many, since the log was opened.
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// The content of a `.snapshot` file at [`ProducerState::map_end_offset`], in Kafka's format. Of each producer it
    /// holds the last batch only.
    pub fn encode_snapshot(&self) -> Vec<u8> {
        snapshot::encode(self.producers.values())
    }

    /// The state in a `.snapshot` file with `snapshot_offset` in its name.
    pub fn parse_snapshot(
        bytes: &[u8],
        snapshot_offset: i64,
        config: ProducerStateConfig,
        now_ms: i64,
    ) -> Result<ProducerState, SnapshotError> {
        let mut state = ProducerState::new(config, snapshot_offset);
        for mut entry in snapshot::parse(bytes, snapshot_offset)? {
            entry.touch(now_ms);
            if let Some(first_offset) = entry.current_txn_first_offset() {
                state.transactions.begin(first_offset, entry.producer_id());
            }
            if state.producers.insert(entry.producer_id(), entry).is_some() {
                return Err(SnapshotError::Corrupt("a producer id occurs twice"));
            }
        }
        Ok(state)
    }

    /// Forgets the longest idle producers, a fraction of all at once; never one with an open transaction, nor `keep`.
    fn evict_idle(&mut self, keep: ProducerId) {
        let idle = self.producers.values().filter(|entry| !entry.has_open_txn() && entry.producer_id() != keep);
        let mut idle: Vec<_> =
            idle.map(|entry| (entry.last_write_ms(), entry.last_offset(), entry.producer_id())).collect();
        idle.sort_unstable();
        let excess = self.producers.len() - self.config.producers_max;
        for (_, _, producer_id) in idle.into_iter().take(excess.max(self.config.producers_max / EVICTED_FRACTION)) {
            self.producers.remove(&producer_id);
            self.evictions += 1;
        }
    }
}

#[cfg(test)]
mod tests;
