//! Which leader epoch begins at which offset (KIP-101): how replicas and clients find where two logs part.
//!
//! Epochs and start offsets strictly rise. An epoch is assigned by its first record; an epoch whose leader appended
//! nothing leaves no entry. The codec is that of Kafka's `leader-epoch-checkpoint`.

use crate::checkpoints::{CheckpointError, checkpoint_text, parse_checkpoint};
use ottla_types::LeaderEpoch;

/// Version of the checkpoint file.
const VERSION: i32 = 0;

/// An epoch and the offset of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Its first offset.
    pub start_offset: i64,
}

/// The epochs of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaderEpochCache {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochCache {
    /// No epochs: an empty log.
    pub fn new() -> LeaderEpochCache {
        LeaderEpochCache::default()
    }

    /// All entries, in order.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// Epoch of the last record.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// The first entry.
    pub fn earliest_entry(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// A record of `epoch` is at `start_offset`. Entries that this contradicts (a higher epoch, or one that starts
    /// behind it) go: their records were truncated. Returns whether anything changed.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: i64) -> bool {
        assert!(epoch.0 >= 0 && start_offset >= 0, "epoch {epoch} at {start_offset} cannot be assigned");
        let is_known = self.entries.last().is_some_and(|last| last.epoch == epoch && last.start_offset <= start_offset);
        if is_known {
            return false;
        }
        let stays = |entry: &EpochEntry| entry.epoch < epoch && entry.start_offset < start_offset;
        let kept = self.entries.iter().rposition(stays).map_or(0, |last| last + 1);
        self.entries.truncate(kept);
        self.entries.push(EpochEntry { epoch, start_offset });
        true
    }

    /// Where the records of `requested` end: the largest known epoch not above it, and the offset after its last
    /// record. For an epoch older than all known it is the first known offset; for an unknown newer one, `None`.
    pub fn end_offset_for(&self, requested: LeaderEpoch, log_end_offset: i64) -> Option<(LeaderEpoch, i64)> {
        if requested == LeaderEpoch::NONE {
            return None;
        }
        if self.latest_epoch() == Some(requested) {
            return Some((requested, log_end_offset));
        }
        let higher = self.entries.partition_point(|entry| entry.epoch <= requested);
        let end_offset = self.entries.get(higher)?.start_offset;
        let floor = higher.checked_sub(1).map_or(requested, |floor| self.entries[floor].epoch);
        Some((floor, end_offset))
    }

    /// Epoch of the record at `offset`; `None` before the first entry.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<LeaderEpoch> {
        let behind = self.entries.partition_point(|entry| entry.start_offset <= offset);
        behind.checked_sub(1).map(|at| self.entries[at].epoch)
    }

    /// The log was truncated to `end_offset`: epochs that start at or behind it go. Returns whether there were any.
    pub fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let kept = self.entries.partition_point(|entry| entry.start_offset < end_offset);
        let changed = kept < self.entries.len();
        self.entries.truncate(kept);
        changed
    }

    /// The log starts at `start_offset` now: the epoch of that offset starts there, older ones go. Returns whether
    /// anything changed.
    pub fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let at_or_before = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(first) = at_or_before.checked_sub(1) else { return false };
        let changed = first > 0 || self.entries[first].start_offset != start_offset;
        self.entries.drain(..first);
        self.entries[0].start_offset = start_offset;
        changed
    }

    /// The file's bytes: version, number of entries, then `epoch start_offset` on a line each.
    pub fn encode(&self) -> Vec<u8> {
        let lines = self.entries.iter().map(|entry| format!("{} {}", entry.epoch, entry.start_offset));
        checkpoint_text(VERSION, lines).into_bytes()
    }

    /// Reads the file's bytes. Entries are assigned one after another, as Kafka does, so that contradictions resolve.
    pub fn parse(bytes: &[u8]) -> Result<LeaderEpochCache, CheckpointError> {
        let entries = parse_checkpoint(bytes, VERSION, |fields| match fields {
            [epoch, start_offset] => {
                let epoch = LeaderEpoch(epoch.parse().ok().filter(|&epoch| epoch >= 0)?);
                let start_offset = start_offset.parse().ok().filter(|&offset| offset >= 0)?;
                Some(EpochEntry { epoch, start_offset })
            }
            _ => None,
        })?;
        let mut cache = LeaderEpochCache::new();
        for entry in entries {
            cache.assign(entry.epoch, entry.start_offset);
        }
        Ok(cache)
    }
}

#[cfg(test)]
mod tests;
