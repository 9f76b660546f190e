//! The metadata quorum: the Raft group that agrees on the cluster's metadata.
//!
//! Raft itself is raft-rs, sans-IO. This crate is what raft-rs leaves open: a durable log and snapshots
//! ([`disk`]), the loop that persists before it sends and applies ([`driver`]), and the handle through which
//! the controller proposes ([`QuorumHandle`]). What an entry means is the business of a [`StateMachine`].
//!
//! A life:
//! 1. [`Quorum::open`] reads the directory (or makes it: an empty one becomes a quorum of its own), restores the
//!    state machine from the newest snapshot, and starts the owner task.
//! 2. A node that is the only voter campaigns at once and leads within one fsync.
//! 3. [`QuorumHandle::propose`] answers when the entry is committed and applied here.
//! 4. When the log has grown past its limit a snapshot is written and the log before it is removed.
//! 5. A storage fault ends the owner task: every proposal is then answered with the reason, and nothing that was
//!    not made durable has been sent or applied.

mod codec;
mod config;
mod disk;
mod driver;
mod error;
mod handle;
mod logger;
mod machine;
mod open;
mod peer_message;
mod store;
mod transport;

#[cfg(test)]
mod tests;

pub use config::{DirectoryId, InitialVoters, PeerId, QuorumConfig, limits};
pub use error::{OpenError, ProposeError};
pub use handle::{Quorum, QuorumHandle, QuorumStatus, StorageState};
pub use machine::{Capture, Refused, Role, StateMachine};
pub use peer_message::PeerMessage;
pub use transport::{NoPeers, Transport};
