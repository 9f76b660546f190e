//! What the quorum drives: a state machine that committed entries change.

use crate::config::PeerId;
use bytes::Bytes;

/// Applies committed entries. Every method is called by the owner task, one at a time, and must not block.
///
/// Two nodes that applied the same entries hold the same state; a snapshot restored is as good as the entries before it.
pub trait StateMachine: Send {
    /// Applies the entry at `index`, which a leader of `term` proposed. Indices rise; some are left out (entries of the
    /// quorum itself).
    ///
    /// # Errors
    /// The entry cannot be applied, for example because a newer version wrote it. The state must be as it was before; the
    /// quorum on this node then stops.
    fn apply(&mut self, index: u64, term: u64, entry: &Bytes) -> Result<(), Refused>;

    /// Captures the whole state after the last applied entry. The bytes are made by another task.
    fn snapshot(&self) -> Capture;

    /// Replaces the state with that of a snapshot, which holds everything up to and including `index`.
    ///
    /// # Errors
    /// The snapshot cannot be read. The state must be as it was before; the quorum on this node then stops.
    fn restore(&mut self, index: u64, chunks: Vec<Bytes>) -> Result<(), Refused>;

    /// The role of this node changed.
    fn on_role(&mut self, role: Role);
}

/// A captured state: makes its chunks, each of at most
/// [`SNAPSHOT_CHUNK_BYTES_MAX`](crate::limits::SNAPSHOT_CHUNK_BYTES_MAX) bytes, when it is called.
pub type Capture = Box<dyn FnOnce() -> Vec<Bytes> + Send>;

/// Why a state machine did not take an entry or a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// The role of this node in the quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Another peer leads, or none is known.
    Follower {
        /// Who leads, as far as this node knows.
        leader: Option<PeerId>,
    },
    /// This node leads, and has applied every entry that was committed before its term.
    Leader {
        /// The Raft term, Kafka's controller epoch.
        term: u64,
    },
}
