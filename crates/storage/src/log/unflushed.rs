//! What of a log is not durable yet.

use crate::segment::SealedFiles;
use ottla_runtime::Instant;
use std::sync::Weak;

/// What is not durable yet, besides the end of the active segment.
#[derive(Debug, Default)]
pub(crate) struct Unflushed {
    /// Sealed segments whose files are not all durable, oldest first.
    pub(crate) sealed: Vec<SealedFiles>,
    /// Counts the changes of names in the partition directory, and those that are durable.
    pub(super) dir_changes: u64,
    pub(super) dir_changes_synced: u64,
    /// The partition directory itself is new: its name in the log directory, and the file with the topic id.
    pub(super) is_created: bool,
    /// A sealed segment holds epochs that the leader epoch checkpoint does not have yet.
    pub(super) epochs_due: bool,
    /// When the oldest unflushed record was appended, and how many there are.
    pub(super) since: Option<Instant>,
    pub(super) records: u64,
    /// The round of fsyncs that is under way.
    pub(crate) round: Option<Round>,
}

/// What a round under way covers.
#[derive(Debug)]
pub(crate) struct Round {
    pub(super) job: Weak<()>,
    pub(super) began: Instant,
    pub(super) target: i64,
    pub(super) records: u64,
    pub(super) active_base_offset: i64,
    pub(super) active_size: u64,
    pub(super) sealed: usize,
    pub(super) dir_changes: u64,
    pub(super) is_created: bool,
    /// The version of the leader epochs that it writes, or that is written already.
    pub(super) epochs_version: u64,
}

impl Unflushed {
    /// A new log: its directory, the file with the topic id, and the names of the first segment.
    pub(crate) fn created() -> Unflushed {
        Unflushed { dir_changes: 1, is_created: true, ..Unflushed::default() }
    }

    /// Unsynced bytes of sealed segments.
    pub(super) fn sealed_bytes(&self) -> u64 {
        self.sealed.iter().map(|sealed| sealed.dirty_bytes).sum()
    }

    /// Records were appended.
    pub(super) fn note_append(&mut self, records: u64, now: impl FnOnce() -> Instant) {
        self.since.get_or_insert_with(now);
        self.records += records;
    }

    /// The active segment was sealed and another one created.
    pub(super) fn push_sealed(&mut self, sealed: SealedFiles) {
        self.dir_changes += 1;
        self.epochs_due = true;
        self.sealed.push(sealed);
    }

    /// Whether a sealed segment, or the producer state at its end, is not durable yet.
    pub(crate) fn has_sealed(&self, base_offset: i64) -> bool {
        self.sealed.iter().any(|sealed| sealed.base_offset == base_offset)
    }

    /// Whether no file or name waits for a sync, apart from the active segment's.
    pub(super) fn is_empty(&self) -> bool {
        self.sealed.is_empty() && !self.is_created && !self.is_dir_dirty() && !self.epochs_due
    }

    pub(super) fn is_dir_dirty(&self) -> bool {
        self.dir_changes > self.dir_changes_synced
    }
}
