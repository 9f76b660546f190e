//! What can go wrong, by what the caller will do about it.

use crate::config::PeerId;
use crate::machine::Refused;
use ottla_types::Uuid;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a metadata directory could not be opened. The node does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused; the text names the file.
    #[error("the metadata directory cannot be opened: {0}")]
    Io(#[from] io::Error),
    /// Bytes that were durable are not what was written.
    #[error(
        "{} is damaged at byte {offset}: {what}. Keep the directory as it is; restore it from a copy, or, if other voters \
         of the quorum are alive, move it away and let this node copy the metadata from them",
        path.display()
    )]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A newer ottla wrote this file.
    #[error(
        "{} has format version {found}, this version of ottla reads up to {supported}: start the version of ottla that wrote it",
        path.display()
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// The state machine cannot read what the directory holds.
    #[error("the metadata snapshot at entry {index} cannot be read: {reason}")]
    Refused {
        /// Index of the snapshot.
        index: u64,
        /// Why.
        reason: Refused,
    },
    /// The metadata directory and `meta.properties` beside it do not belong together.
    #[error(
        "{} was made for directory id {found}, but meta.properties beside it says {expected}: put back the metadata \
         directory that belongs to this log directory",
        path.display()
    )]
    ForeignDirectory {
        /// The metadata directory.
        path: PathBuf,
        /// The id in the metadata directory.
        found: Uuid,
        /// The id in `meta.properties`.
        expected: Uuid,
    },
    /// There is no metadata directory, and its log directory could not be opened.
    #[error("{} cannot be made: the log directory that it is to be in cannot be used", path.display())]
    UnusableDirectory {
        /// The metadata directory.
        path: PathBuf,
    },
}

/// Why a proposal was not (or is not known to be) committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// The proposal can never be accepted. Split it.
    #[error("an entry of {bytes} bytes is over the limit of {max}")]
    TooLarge {
        /// Bytes of the proposal.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Another peer leads, or none. Nothing was proposed.
    #[error("this node does not lead the metadata quorum")]
    NotLeader {
        /// Who leads, as far as this node knows.
        leader: Option<PeerId>,
    },
    /// Too much is under way. Nothing was proposed; try again.
    #[error("too many proposals are under way")]
    Busy,
    /// The disk is full and the reserve is used up. Nothing was proposed; works again when there is space.
    #[error("the disk of the metadata log is full")]
    OutOfSpace,
    /// Leadership was lost before the entry was committed. It may or may not be committed later.
    #[error("leadership was lost while the entry was under way")]
    LeadershipLost,
    /// The quorum on this node has stopped after a storage fault. The entry may or may not be there after a restart.
    #[error("the metadata log of this node failed: {reason}")]
    Failed {
        /// What failed.
        reason: Arc<str>,
    },
    /// The quorum on this node was shut down.
    #[error("the metadata quorum on this node is shut down")]
    Stopped,
}

/// A fault that ends the owner task.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it was asked to stop")]
    Stopped,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Unreadable(#[from] OpenError),
    #[error("raft: {0}")]
    Raft(#[from] raft::Error),
    #[error("entry {index} is of a kind that this version of ottla does not know: start the version that wrote it")]
    UnknownEntry { index: u64 },
    #[error("entry {index} cannot be applied: {reason}")]
    Refused { index: u64, reason: Refused },
}
