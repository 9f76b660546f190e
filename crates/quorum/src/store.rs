//! What raft-rs reads: the part of the log that peers and the state machine may still need, in memory.
//!
//! Everything here is durable already (or was read from disk). On a quorum of one nothing behind the applied index is
//! kept, because there is no peer to send it to.

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot, SnapshotMetadata};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError, util::limit_size};
use std::collections::VecDeque;

/// The in-memory end of the log, and the newest snapshot's position.
pub(crate) struct Store {
    hard_state: HardState,
    snapshot: SnapshotMetadata,
    /// Index and term of the entry before the first one kept.
    before: (u64, u64),
    entries: VecDeque<Entry>,
}

impl Store {
    /// The store after recovery. `entries` have no gaps and begin at or before the entry after `snapshot`.
    pub(crate) fn new(hard_state: HardState, snapshot: SnapshotMetadata, entries: Vec<Entry>) -> Store {
        let mut store =
            Store { hard_state, before: (snapshot.index, snapshot.term), snapshot, entries: VecDeque::from(entries) };
        if store.entries.front().is_some_and(|first| first.index <= store.snapshot.index) {
            // The term before the first entry is unknown; dropping that entry makes it known.
            let first = store.entries.front().map(|first| first.index);
            store.compact_through(first.expect("it was just looked at"));
        }
        store
    }

    pub(crate) fn hard_state(&self) -> &HardState {
        &self.hard_state
    }

    pub(crate) fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    /// raft-rs raised the commit index; it need not be durable, the next start finds it out.
    pub(crate) fn set_commit(&mut self, commit: u64) {
        self.hard_state.commit = commit;
    }

    pub(crate) fn snapshot_metadata(&self) -> &SnapshotMetadata {
        &self.snapshot
    }

    /// A snapshot of what is in the log was made.
    pub(crate) fn set_snapshot(&mut self, metadata: SnapshotMetadata) {
        assert!(metadata.index >= self.snapshot.index, "snapshots do not go back");
        self.snapshot = metadata;
    }

    /// A leader's snapshot replaces the log.
    pub(crate) fn install_snapshot(&mut self, metadata: SnapshotMetadata) {
        self.entries.clear();
        self.before = (metadata.index, metadata.term);
        self.hard_state.commit = self.hard_state.commit.max(metadata.index);
        self.set_snapshot(metadata);
    }

    /// Appends entries, which may overwrite the end of the log.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        assert!(first.index > self.before.0, "entry {} overwrites what was compacted", first.index);
        assert!(first.index <= self.last() + 1, "entry {} leaves a gap", first.index);
        self.entries.truncate((first.index - self.before.0 - 1) as usize);
        self.entries.extend(entries.iter().cloned());
    }

    /// Forgets the entries up to and including `index`.
    pub(crate) fn compact_through(&mut self, index: u64) {
        while self.entries.front().is_some_and(|first| first.index <= index) {
            if let Some(dropped) = self.entries.pop_front() {
                self.before = (dropped.index, dropped.term);
            }
        }
    }

    /// The term of the entry at `index`, if it is known.
    pub(crate) fn term_at(&self, index: u64) -> Option<u64> {
        match index.cmp(&self.before.0) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(self.before.1),
            std::cmp::Ordering::Greater => {
                self.entries.get((index - self.before.0 - 1) as usize).map(|entry| entry.term)
            }
        }
    }

    fn last(&self) -> u64 {
        self.before.0 + self.entries.len() as u64
    }
}

impl Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let conf_state: ConfState = self.snapshot.get_conf_state().clone();
        Ok(RaftState::new(self.hard_state.clone(), conf_state))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.before.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        assert!(high <= self.last() + 1, "raft reads beyond the end of the log");
        let from = (low - self.before.0 - 1) as usize;
        let to = (high - self.before.0 - 1) as usize;
        let mut entries: Vec<Entry> = self.entries.range(from..to).cloned().collect();
        limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index < self.before.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        self.term_at(index).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.before.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// Only the position: the driver sends the chunks from the file.
    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        if self.snapshot.index < request_index {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        let mut snapshot = Snapshot::default();
        snapshot.set_metadata(self.snapshot.clone());
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::segment::build::entry;

    fn store() -> Store {
        let snapshot = SnapshotMetadata { index: 5, term: 2, ..SnapshotMetadata::default() };
        Store::new(HardState::default(), snapshot, vec![entry(2, 6), entry(2, 7), entry(3, 8)])
    }

    fn indices(store: &Store, low: u64, high: u64) -> Vec<u64> {
        let context = GetEntriesContext::empty(false);
        store.entries(low, high, None, context).unwrap().iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn entries_and_terms_are_found_by_index() {
        let store = store();
        assert_eq!((store.first_index().unwrap(), store.last_index().unwrap()), (6, 8));
        assert_eq!(indices(&store, 7, 9), [7, 8]);
        assert_eq!((store.term(5).unwrap(), store.term(8).unwrap()), (2, 3));
        assert!(matches!(store.term(4), Err(Error::Store(StorageError::Compacted))));
        assert!(matches!(store.term(9), Err(Error::Store(StorageError::Unavailable))));
    }

    #[test]
    fn appended_entries_overwrite_the_end() {
        let mut store = store();
        store.append(&[entry(4, 7)]);
        assert_eq!((store.last_index().unwrap(), store.term(7).unwrap()), (7, 4));
    }

    #[test]
    fn the_term_before_the_first_entry_stays_known() {
        let mut store = store();
        store.compact_through(7);
        assert_eq!((store.first_index().unwrap(), store.term(7).unwrap()), (8, 2));
        store.compact_through(8);
        assert_eq!((store.first_index().unwrap(), store.last_index().unwrap(), store.term(8).unwrap()), (9, 8, 3));
    }

    #[test]
    fn entries_kept_from_before_the_snapshot_are_served() {
        let snapshot = SnapshotMetadata { index: 5, term: 2, ..SnapshotMetadata::default() };
        let store = Store::new(HardState::default(), snapshot, vec![entry(1, 4), entry(2, 5), entry(2, 6)]);
        assert_eq!((store.first_index().unwrap(), store.term(4).unwrap()), (5, 1));
        assert_eq!(indices(&store, 5, 7), [5, 6]);
    }
}
