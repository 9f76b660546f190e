//! Messages between the peers of a quorum, and their bytes.
//!
//! ```text
//! from u64, kind u8: 0 raft message (protobuf of raft-rs)
//!                    1 chunk of a snapshot: raft message, chunk u32, chunk count u32, data
//!                    2 chunks taken: snapshot index u64, term u64, chunk u32
//! ```

use crate::codec::{Fields, Malformed, put_bytes};
use crate::config::PeerId;
use crate::disk::recovery::SnapshotPosition;
use bytes::{BufMut, Bytes};
use protobuf::Message as _;
use raft::eraftpb::Message;

/// One message from one peer to another. What it says is between the two quorums; a transport carries its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerMessage {
    pub(crate) from: PeerId,
    pub(crate) body: Body,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    Raft(Message),
    /// One chunk of the snapshot that `message` announces. An empty snapshot is sent as one empty chunk of zero.
    SnapshotChunk {
        message: Message,
        chunk: u32,
        chunk_count: u32,
        data: Bytes,
    },
    /// All chunks through this one are taken (the last one: and all of them are durable).
    SnapshotChunkTaken {
        position: SnapshotPosition,
        chunk: u32,
    },
}

impl PeerMessage {
    /// The peer that sent it.
    pub fn from(&self) -> PeerId {
        self.from
    }

    /// The message's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        out.put_u64_le(self.from.0);
        match &self.body {
            Body::Raft(message) => {
                out.put_u8(0);
                put_bytes(&mut out, &message_bytes(message));
            }
            Body::SnapshotChunk { message, chunk, chunk_count, data } => {
                out.put_u8(1);
                put_bytes(&mut out, &message_bytes(message));
                out.put_u32_le(*chunk);
                out.put_u32_le(*chunk_count);
                put_bytes(&mut out, data);
            }
            Body::SnapshotChunkTaken { position, chunk } => {
                out.put_u8(2);
                out.put_u64_le(position.index);
                out.put_u64_le(position.term);
                out.put_u32_le(*chunk);
            }
        }
        Bytes::from(out)
    }

    /// Reads a message; `None` if the bytes are not one.
    pub fn decode(bytes: Bytes) -> Option<PeerMessage> {
        take(bytes).ok()
    }
}

fn take(bytes: Bytes) -> Result<PeerMessage, Malformed> {
    let mut fields = Fields::new(bytes);
    let from = PeerId(fields.u64()?);
    let body = match fields.u8()? {
        0 => Body::Raft(take_message(&mut fields)?),
        1 => Body::SnapshotChunk {
            message: take_message(&mut fields)?,
            chunk: fields.u32()?,
            chunk_count: fields.u32()?,
            data: fields.bytes()?,
        },
        2 => Body::SnapshotChunkTaken {
            position: SnapshotPosition { index: fields.u64()?, term: fields.u64()? },
            chunk: fields.u32()?,
        },
        _ => return Err(Malformed("the kind of message is unknown")),
    };
    fields.end()?;
    Ok(PeerMessage { from, body })
}

fn message_bytes(message: &Message) -> Vec<u8> {
    message.write_to_bytes().expect("writing into memory cannot fail")
}

fn take_message(fields: &mut Fields) -> Result<Message, Malformed> {
    Message::parse_from_carllerche_bytes(&fields.bytes()?).map_err(|_| Malformed("the raft message is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<PeerMessage> {
        let message = Message { to: 5, from: 6, term: 7, ..Message::default() };
        let position = SnapshotPosition { index: 8, term: 9 };
        let bodies = [
            Body::Raft(message.clone()),
            Body::SnapshotChunk { message, chunk: 1, chunk_count: 2, data: Bytes::from_static(b"chunk") },
            Body::SnapshotChunkTaken { position, chunk: 1 },
        ];
        bodies.into_iter().map(|body| PeerMessage { from: PeerId(6), body }).collect()
    }

    #[test]
    fn messages_round_trip_and_any_cut_is_refused() {
        for message in messages() {
            let bytes = message.encode();
            assert_eq!(PeerMessage::decode(bytes.clone()).as_ref(), Some(&message));
            for len in 0..bytes.len() {
                assert_eq!(PeerMessage::decode(bytes.slice(..len)), None);
            }
        }
    }
}
