//! The way in for a leader's snapshot: chunks go into a temporary file; when the last one is durable raft-rs is told, and
//! installs it or not.

use super::Driver;
use crate::config::{PeerId, limits};
use crate::disk::recovery::SnapshotPosition;
use crate::disk::snapshots::{SnapshotWriter, position_of};
use crate::error::Fault;
use crate::peer_message::Body;
use bytes::Bytes;
use raft::eraftpb::{Message, MessageType};
use std::io;

/// A snapshot that is arriving.
pub(crate) struct Receiving {
    from: PeerId,
    writer: SnapshotWriter,
    next_chunk: u32,
    chunk_count: u32,
}

impl Receiving {
    fn is_of(&self, from: PeerId, position: SnapshotPosition, chunk_count: u32) -> bool {
        self.from == from && self.writer.position() == position && self.chunk_count == chunk_count
    }
}

impl Driver {
    /// Takes the next chunk in, and tells the leader how far it is, also when it is a chunk that came before.
    pub(super) async fn receive_chunk(
        &mut self,
        from: PeerId,
        message: Message,
        chunk: u32,
        chunk_count: u32,
        data: Bytes,
    ) -> Result<(), Fault> {
        let is_valid = message.get_msg_type() == MessageType::MsgSnapshot
            && message.to == self.peer_id.0
            && message.from == from.0
            && data.len() <= limits::SNAPSHOT_CHUNK_BYTES_MAX;
        if !is_valid {
            return Ok(());
        }
        let position = position_of(message.get_snapshot().get_metadata());
        if position.index <= self.applied.index {
            // Installed, but the leader has not heard.
            self.send_body(from, Body::SnapshotChunkTaken { position, chunk: chunk_count.saturating_sub(1) });
            return Ok(());
        }
        match self.write_chunk(from, &message, chunk, chunk_count, &data).await {
            Ok(Progress::Ignored) => Ok(()),
            Ok(Progress::Taken { through }) => {
                self.send_body(from, Body::SnapshotChunkTaken { position, chunk: through });
                Ok(())
            }
            Ok(Progress::Complete) => {
                self.send_body(from, Body::SnapshotChunkTaken { position, chunk });
                self.step(message);
                // At once: the next chunk to arrive could begin another snapshot in its place.
                self.settle().await
            }
            Err(error) => {
                tracing::warn!(%error, "a metadata snapshot from the leader cannot be written");
                self.receiving = None;
                Ok(())
            }
        }
    }

    async fn write_chunk(
        &mut self,
        from: PeerId,
        message: &Message,
        chunk: u32,
        chunk_count: u32,
        data: &Bytes,
    ) -> io::Result<Progress> {
        let metadata = message.get_snapshot().get_metadata();
        let position = position_of(metadata);
        let under_way = self.receiving.as_ref().is_some_and(|receiving| receiving.is_of(from, position, chunk_count));
        if !under_way && chunk == 0 {
            let writer = self.snapshots.begin(metadata, chunk_count, "received").await?;
            self.receiving = Some(Receiving { from, writer, next_chunk: 0, chunk_count });
        } else if !under_way {
            return Ok(Progress::Ignored);
        }
        let Some(receiving) = &mut self.receiving else { return Ok(Progress::Ignored) };
        if chunk != receiving.next_chunk {
            let through = receiving.next_chunk.checked_sub(1);
            return Ok(through.map_or(Progress::Ignored, |through| Progress::Taken { through }));
        }
        if chunk < chunk_count {
            receiving.writer.put(data)?;
        }
        receiving.next_chunk += 1;
        if receiving.next_chunk < chunk_count {
            return Ok(Progress::Taken { through: chunk });
        }
        if let Some(receiving) = self.receiving.take() {
            self.received = Some(receiving.writer.finish().await?);
        }
        Ok(Progress::Complete)
    }

    /// Gives the received snapshot its name; raft-rs has accepted it.
    pub(super) async fn publish_received(&mut self, position: SnapshotPosition) -> Result<(), Fault> {
        let received = self.received.take().filter(|received| received.position() == position);
        let received = received.expect("raft accepts a snapshot only while it is being stepped");
        self.snapshots.publish(&received).await?;
        Ok(())
    }
}

enum Progress {
    Ignored,
    /// All chunks through this one are taken.
    Taken {
        through: u32,
    },
    /// All chunks are taken and durable.
    Complete,
}
