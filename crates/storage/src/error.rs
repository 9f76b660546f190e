//! What can go wrong, by what the caller does next.

use crate::producer_state::ProducerError;
use ottla_runtime::{is_disk_full, is_out_of_files};
use ottla_types::Uuid;
use std::io;
use std::path::{Path, PathBuf};

/// Why a log, or a file of a log directory, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused. The partition (or the directory) goes offline; trying again may help.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that were on stable storage are gone or changed. Nothing was modified. Heals from another replica, or by
    /// an operator's decision.
    #[error(
        "{} is damaged at position {position} (offset {offset}): {reason}. Next step: `ottla log repair {}` shows what \
         would be lost and cuts the log there, keeping the cut bytes",
        path.display(), directory.display()
    )]
    Damaged {
        /// The partition directory.
        directory: PathBuf,
        /// The segment file.
        path: PathBuf,
        /// Where in the file.
        position: u64,
        /// First offset that cannot be read.
        offset: i64,
        /// What is wrong there.
        reason: String,
    },
    /// A file in a format that a newer version of this program wrote.
    #[error(
        "{} has format version {found}, this program knows {supported} and older. Next step: start the newer version \
         that wrote it",
        path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        supported: i64,
    },
    /// A small file whose content makes no sense.
    #[error("{} cannot be understood: {reason}. Next step: {next_step}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What an operator can do.
        next_step: &'static str,
    },
    /// The log went offline earlier; it has to be opened again.
    #[error(
        "the log is offline: {reason}. Next step: look at the disk of its log directory; the partition is opened again from \
         its last flushed offset"
    )]
    Offline {
        /// Why.
        reason: String,
    },
    /// The log waited to be opened, and is not wanted any more. Nothing is wrong with it.
    #[error("the log was not opened: its partition, or the node, ends")]
    Unwanted,
    /// The log was being moved to another log directory, and may be there.
    #[error(
        "the partition in {} was being moved to the log directory with the id {to}, which is not online, and may be there. \
         Next step: bring that directory back and restart the node; if it is lost for good, remove {}/.ottla_move and restart",
        directory.display(), directory.display()
    )]
    MoveUnknown {
        /// The partition directory.
        directory: PathBuf,
        /// The id of the log directory that it was moved to.
        to: Uuid,
    },
    /// There is no log directory that can take another log.
    #[error("no log directory is online and has space. Next step: free space, or repair one of `log.dirs`")]
    NoUsableDir,
}

impl LogError {
    /// For `map_err`: the system refused to do `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        let path = path.to_path_buf();
        move |source| LogError::Io { action, path, source }
    }

    /// Whether the cause is a full disk.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, LogError::Io { source, .. } if is_disk_full(source))
    }

    /// Whether the cause is that no more files may be open.
    pub fn is_out_of_files(&self) -> bool {
        matches!(self, LogError::Io { source, .. } if is_out_of_files(source))
    }

    /// Whether trying again may help, because the system refused something and nothing is wrong with what is on disk.
    pub fn may_pass(&self) -> bool {
        matches!(self, LogError::Io { .. } | LogError::Offline { .. } | LogError::NoUsableDir)
    }

    /// The text for an operator: with `next_step`, where the error itself names none.
    pub fn with_next_step(&self, next_step: &str) -> String {
        match self {
            LogError::Io { .. } => format!("{self}. Next step: {next_step}"),
            LogError::Damaged { .. }
            | LogError::NewerFormat { .. }
            | LogError::Malformed { .. }
            | LogError::Offline { .. }
            | LogError::Unwanted
            | LogError::MoveUnknown { .. }
            | LogError::NoUsableDir => self.to_string(),
        }
    }
}

/// Why a batch was not appended. The log is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The active segment is full: roll (or wait for the roll that is under way), then append again.
    #[error("the active segment has to be rolled first")]
    RollNeeded,
    /// The batch does not fit into a segment: Kafka's `RECORD_LIST_TOO_LARGE`.
    #[error("the batch has {batch_bytes} bytes, more than the {limit} bytes that a segment may have")]
    RecordListTooLarge {
        /// Bytes of the batch.
        batch_bytes: u64,
        /// Bytes of a segment.
        limit: u64,
    },
    /// The producer's epoch or sequence does not fit.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// The file system is full: refused before anything was written; works again by itself when there is space.
    #[error(
        "the file system of {} is full: writes are refused until there is space, reads go on. Next step: free space; \
         writes are then taken again by themselves",
        dir.display()
    )]
    DiskFull {
        /// The log directory.
        dir: PathBuf,
    },
    /// The process may open no more files: refused before anything was written; works again by itself when some are closed.
    #[error(
        "{} cannot be opened, because too many files and connections are open. Next step: raise the limit of open files \
         (`ulimit -n`, LimitNOFILE=) and restart the node; writes are taken again by themselves when some are closed",
        path.display()
    )]
    OutOfFiles {
        /// The partition directory.
        path: PathBuf,
    },
    /// The log is offline.
    #[error(
        "the log is offline: {reason}. Next step: look at the disk of its log directory; the partition is opened again from \
         its last flushed offset"
    )]
    Offline {
        /// Why, and the next step.
        reason: String,
    },
}

/// A read outside the log: Kafka's `OFFSET_OUT_OF_RANGE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("offset {requested} is outside the log, which holds {log_start_offset} to {log_end_offset}")]
pub struct OffsetOutOfRange {
    /// The offset that was asked for.
    pub requested: i64,
    /// The first offset.
    pub log_start_offset: i64,
    /// The offset after the last one.
    pub log_end_offset: i64,
}
