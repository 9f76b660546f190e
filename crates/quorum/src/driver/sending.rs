//! The way out: messages to peers, and snapshots to them in chunks, one chunk under way per peer.

use super::Driver;
use crate::config::{PeerId, limits};
use crate::disk::recovery::SnapshotPosition;
use crate::disk::snapshots::position_of;
use crate::error::OpenError;
use crate::peer_message::{Body, PeerMessage};
use bytes::Bytes;
use raft::SnapshotStatus;
use raft::eraftpb::{Message, MessageType};

/// Ticks after which a chunk is sent again.
const REPEAT_TICKS: usize = limits::ELECTION_TICKS / 2;
/// Ticks without a chunk taken after which a transfer ends.
const GIVE_UP_TICKS: usize = 4 * limits::ELECTION_TICKS;

/// A snapshot on its way to one peer.
pub(crate) struct Sending {
    /// What raft-rs wants to tell with it.
    message: Message,
    position: SnapshotPosition,
    chunks: Vec<Bytes>,
    /// The chunk that is under way.
    chunk: u32,
    /// Ticks since the peer took a chunk.
    silent_ticks: usize,
}

impl Sending {
    fn current(&self) -> Body {
        Body::SnapshotChunk {
            message: self.message.clone(),
            chunk: self.chunk,
            chunk_count: self.chunks.len() as u32,
            data: self.chunks.get(self.chunk as usize).cloned().unwrap_or_default(),
        }
    }

    fn is_last(&self) -> bool {
        self.chunk as usize + 1 >= self.chunks.len()
    }
}

impl Driver {
    /// Sends what raft-rs wants sent.
    pub(super) async fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            let to = PeerId(message.to);
            match message.get_msg_type() {
                MessageType::MsgSnapshot => self.begin_sending(to, message).await,
                _ => self.send_body(to, Body::Raft(message)),
            }
        }
    }

    pub(super) fn send_body(&self, to: PeerId, body: Body) {
        self.transport.send(to, PeerMessage { from: self.peer_id, body });
    }

    async fn begin_sending(&mut self, to: PeerId, message: Message) {
        let position = position_of(message.get_snapshot().get_metadata());
        match self.chunks_at(position).await {
            Ok(chunks) => {
                let sending = Sending { message, position, chunks, chunk: 0, silent_ticks: 0 };
                self.send_body(to, sending.current());
                self.sending.insert(to, sending);
            }
            Err(error) => {
                tracing::warn!(%error, %to, "the metadata snapshot for a peer cannot be read");
                self.node.report_snapshot(to.0, SnapshotStatus::Failure);
            }
        }
    }

    async fn chunks_at(&mut self, position: SnapshotPosition) -> Result<Vec<Bytes>, OpenError> {
        match self.snapshots.exists(position).await? {
            true => Ok(self.snapshots.load(position).await?.chunks),
            false => Ok(Vec::new()),
        }
    }

    /// The peer has taken all chunks through `chunk`: the next one follows.
    pub(super) fn chunk_taken(&mut self, from: PeerId, position: SnapshotPosition, chunk: u32) {
        let Some(sending) = self.sending.get_mut(&from) else { return };
        if sending.position != position || chunk < sending.chunk {
            return;
        }
        sending.chunk = chunk;
        if sending.is_last() {
            self.sending.remove(&from);
            self.node.report_snapshot(from.0, SnapshotStatus::Finish);
            return;
        }
        sending.chunk += 1;
        sending.silent_ticks = 0;
        let body = sending.current();
        self.send_body(from, body);
    }

    /// Repeats chunks that were not taken, and gives up on peers that take none; raft-rs begins anew when they are back.
    pub(super) fn tend_transfers(&mut self) {
        let mut repeated = Vec::new();
        for (peer, sending) in &mut self.sending {
            sending.silent_ticks += 1;
            if sending.silent_ticks > GIVE_UP_TICKS {
                self.node.report_snapshot(peer.0, SnapshotStatus::Failure);
            } else if sending.silent_ticks % REPEAT_TICKS == 0 {
                repeated.push((*peer, sending.current()));
            }
        }
        self.sending.retain(|_, sending| sending.silent_ticks <= GIVE_UP_TICKS);
        for (peer, body) in repeated {
            self.send_body(peer, body);
        }
    }
}
