//! The way out to other peers.

use crate::config::PeerId;
use crate::peer_message::PeerMessage;

/// Carries messages to other peers. Losing, repeating and reordering them is allowed: Raft repeats what it needs.
pub trait Transport: Send + Sync + 'static {
    /// Queues `message` for `to`, or drops it when the queue is full. Never waits.
    fn send(&self, to: PeerId, message: PeerMessage);
}

/// The transport of a quorum of one.
pub struct NoPeers;

impl Transport for NoPeers {
    fn send(&self, to: PeerId, _message: PeerMessage) {
        tracing::debug!(%to, "a quorum of one has nobody to send to");
    }
}
