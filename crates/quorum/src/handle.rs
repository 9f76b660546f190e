//! The quorum as others see it: proposals in, status out.

use crate::config::{PeerId, limits};
use crate::driver::{Event, Proposal};
use crate::error::ProposeError;
use crate::machine::Role;
use crate::peer_message::PeerMessage;
use bytes::Bytes;
use ottla_runtime::AbortOnDrop;
use ottla_runtime::watch;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// An open quorum. Dropping it ends the owner task as a crash would; [`Quorum::shutdown`] lets it finish its turn.
pub struct Quorum {
    handle: QuorumHandle,
    task: AbortOnDrop<()>,
}

impl Quorum {
    pub(crate) fn new(handle: QuorumHandle, task: AbortOnDrop<()>) -> Quorum {
        Quorum { handle, task }
    }

    /// A handle to propose with.
    pub fn handle(&self) -> &QuorumHandle {
        &self.handle
    }

    /// Ends the owner task after what it is doing, and waits for that.
    pub async fn shutdown(self) {
        self.handle.stop.send_replace(true);
        // Ended either way: stopped, or failed before.
        let _ = self.task.await;
    }
}

/// Proposes entries and tells how the quorum is. Cheap to clone.
#[derive(Clone)]
pub struct QuorumHandle {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) status: watch::Receiver<QuorumStatus>,
    pub(crate) stop: Arc<watch::Sender<bool>>,
}

impl QuorumHandle {
    /// Proposes `entry` (not empty). Returns its index once it is committed and applied to this node's state machine.
    ///
    /// # Errors
    /// See [`ProposeError`], which says for each case whether the entry may still be committed.
    pub async fn propose(&self, entry: Bytes) -> Result<u64, ProposeError> {
        assert!(!entry.is_empty(), "an empty entry is Raft's own");
        if entry.len() > limits::ENTRY_BYTES_MAX {
            return Err(ProposeError::TooLarge { bytes: entry.len(), max: limits::ENTRY_BYTES_MAX });
        }
        match self.status.borrow().storage.clone() {
            StorageState::OutOfSpace => return Err(ProposeError::OutOfSpace),
            StorageState::Failed(reason) => return Err(ProposeError::Failed { reason }),
            StorageState::Healthy | StorageState::ReserveInUse => {}
        }
        let (reply, replied) = oneshot::channel();
        match self.events.try_send(Event::Propose(Proposal { entry, reply })) {
            Ok(()) => replied.await.unwrap_or_else(|_| Err(self.ended())),
            Err(mpsc::error::TrySendError::Full(_)) => Err(ProposeError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(self.ended()),
        }
    }

    /// Takes in a message that a transport brought. It is dropped when too many wait; Raft repeats what it needs.
    pub fn receive(&self, message: PeerMessage) {
        if self.events.try_send(Event::Message(message)).is_err() {
            tracing::debug!("a message from a peer was dropped: the metadata quorum is busy or has ended");
        }
    }

    /// The status, as it is and as it changes.
    pub fn status(&self) -> watch::Receiver<QuorumStatus> {
        self.status.clone()
    }

    /// Why there is no owner task any more.
    fn ended(&self) -> ProposeError {
        match &self.status.borrow().storage {
            StorageState::Failed(reason) => ProposeError::Failed { reason: reason.clone() },
            _ => ProposeError::Stopped,
        }
    }
}

/// How the quorum is, after the last turn of the owner task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumStatus {
    /// This node's peer id.
    pub peer_id: PeerId,
    /// This node's role.
    pub role: Role,
    /// The Raft term, Kafka's leader epoch of the metadata quorum.
    pub term: u64,
    /// Who votes.
    pub voters: Vec<PeerId>,
    /// Index of the last entry in this node's log.
    pub last_index: u64,
    /// Index of the last entry that is known to be committed: Kafka's high watermark, less one.
    pub committed_index: u64,
    /// Index of the last entry that the state machine has applied.
    pub applied_index: u64,
    /// Index of the last entry that the newest snapshot holds.
    pub snapshot_index: u64,
    /// Bytes of the log on disk.
    pub log_bytes: u64,
    /// Whether the log can be written.
    pub storage: StorageState,
}

/// Whether the metadata log can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageState {
    /// It can.
    Healthy,
    /// It can, but the disk is so full that its reserve is in use or could not be allocated.
    ReserveInUse,
    /// The disk is full and the reserve is used up. Writing goes on by itself when there is space.
    OutOfSpace,
    /// A write or fsync failed; the quorum on this node has stopped until the node is restarted.
    Failed(Arc<str>),
}
