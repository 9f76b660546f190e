//! How a run ended.

use crate::Load;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

/// A run in which every promise was kept.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// Hash of everything that happened.
    pub trace_hash: u64,
    /// Sync sites that were passed, and how often.
    pub sync_sites: BTreeMap<String, u64>,
    /// What the run did.
    pub counts: Counts,
    /// The world's trace, if it was kept.
    pub trace: Vec<String>,
}

/// What runs did, so that one sees that they do something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lives of the node's process.
    pub lives: u64,
    /// Process crashes.
    pub crashes: u64,
    /// Power losses.
    pub power_losses: u64,
    /// Clean shutdowns.
    pub shutdowns: u64,
    /// Disk and network faults.
    pub faults: u64,
    /// Starts that were refused while the disk was failing.
    pub refused_starts: u64,
    /// Records whose acknowledgement came.
    pub acknowledged: u64,
    /// Records that were read, again and again.
    pub read: u64,
    /// DeleteRecords that were answered.
    pub deletions: u64,
    /// Times that a log start offset was seen to rise.
    pub log_starts: u64,
    /// Topics created, deleted, altered or grown.
    pub topic_changes: u64,
    /// Answers that named a storage error.
    pub storage_errors: u64,
    /// Readings of everything.
    pub verifications: u64,
    /// Offsets that a group's member committed, partition by partition.
    pub commits: u64,
    /// Assignments that members of groups were told.
    pub assignments: u64,
    /// The most offsets that a reading of a compacted partition found gone.
    pub compacted: u64,
    /// Transactions whose commit was answered.
    pub committed_transactions: u64,
    /// Those that did not commit.
    pub aborted_transactions: u64,
    /// Those whose client was not told.
    pub unknown_transactions: u64,
    /// Records that members of share groups acquired, again and again.
    pub share_deliveries: u64,
    /// Acknowledgements of such records that were answered.
    pub share_acknowledgements: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        let Counts {
            lives,
            crashes,
            power_losses,
            shutdowns,
            faults,
            refused_starts,
            acknowledged,
            read,
            deletions,
            log_starts,
            topic_changes,
            storage_errors,
            verifications,
            commits,
            assignments,
            compacted,
            committed_transactions,
            aborted_transactions,
            unknown_transactions,
            share_deliveries,
            share_acknowledgements,
        } = other;
        self.lives += lives;
        self.crashes += crashes;
        self.power_losses += power_losses;
        self.shutdowns += shutdowns;
        self.faults += faults;
        self.refused_starts += refused_starts;
        self.acknowledged += acknowledged;
        self.read += read;
        self.deletions += deletions;
        self.log_starts += log_starts;
        self.topic_changes += topic_changes;
        self.storage_errors += storage_errors;
        self.verifications += verifications;
        self.commits += commits;
        self.assignments += assignments;
        self.compacted += compacted;
        self.committed_transactions += committed_transactions;
        self.aborted_transactions += aborted_transactions;
        self.unknown_transactions += unknown_transactions;
        self.share_deliveries += share_deliveries;
        self.share_acknowledgements += share_acknowledgements;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lives ({} crashes, {} power losses, {} shutdowns, {} refused starts), {} faults, {} records \
             acknowledged, {} read, {} deletions, {} log starts raised, {} topic changes, {} storage errors, {} \
             verifications, {} commits, {} assignments, {} offsets compacted, {} transactions committed, {} aborted, {} \
             without an answer, {} share deliveries, {} acknowledged",
            self.lives,
            self.crashes,
            self.power_losses,
            self.shutdowns,
            self.refused_starts,
            self.faults,
            self.acknowledged,
            self.read,
            self.deletions,
            self.log_starts,
            self.topic_changes,
            self.storage_errors,
            self.verifications,
            self.commits,
            self.assignments,
            self.compacted,
            self.committed_transactions,
            self.aborted_transactions,
            self.unknown_transactions,
            self.share_deliveries,
            self.share_acknowledgements,
        )
    }
}

/// A broken promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// The load that it was under.
    pub load: Load,
    /// What was promised and what was found.
    pub broken: String,
    /// The last things that happened before, oldest first.
    pub story: Vec<String>,
    /// The world's trace, if it was kept.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}{}: {}", self.load.prefix(), self.seed, self.broken)?;
        for line in &self.story {
            writeln!(f, "  {line}")?;
        }
        write!(f, "replay: cargo xtask sim --seed {}{}", self.load.prefix(), self.seed)
    }
}

impl std::error::Error for Failure {}
