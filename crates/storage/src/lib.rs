//! The log of one partition, and the directories that hold logs. See the README for the public API in short, the
//! invariants and the files.
//!
//! [`LogDirs`] opens `log.dirs` and makes, opens and deletes logs in them. [`Log`] is one partition's log: a plain struct
//! behind its partition's lock, with jobs for everything that waits for a disk.

pub mod checkpoints;
pub mod cleaner;
mod config;
mod dirs;
mod error;
mod files;
mod index;
pub mod leader_epoch_cache;
pub mod limits;
mod log;
pub mod moving;
pub mod producer_state;
mod recovery;
pub mod repair;
mod segment;
pub mod sites;
pub mod txn_index;

pub use config::LogConfig;
pub use dirs::{
    FoundPartition, Identity, LogDir, LogDirState, LogDirs, LogDirsError, LogDirsOptions, Shutdown, format, identity,
    last_shutdown, lock_dir,
};
pub use error::{AppendError, LogError, OffsetOutOfRange};
pub use log::{
    AbortedLookup, AppendOutcome, Appended, Cleanable, CleaningLoad, DeleteJob, FailedLog, FlushDone, FlushJob, Log,
    LogSlice, LogStartJob, ReadPlan, Retention, RetentionLoad, RollDone, RollJob, TimestampLookup, TimestampOffset,
    TimestampQuery, WritebackHint,
};
pub use recovery::{Cut, RecoveryReport};

#[cfg(test)]
mod tests;
