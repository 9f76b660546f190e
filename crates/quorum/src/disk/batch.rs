//! What a frame of the log holds: the hard state and the entries that one turn of the owner task makes durable.
//!
//! ```text
//! frame payload: first-of-segment u8, [first-of-segment: predecessor sequence u64 (0: none), its valid end u64]
//!                hard state: term u64, vote u64, commit u64
//!                count u32, then per entry: type u8, term u64, index u64, data, context
//! ```

use crate::codec::{Fields, Malformed, put_bytes};
use bytes::{BufMut, Bytes};
use protobuf::ProtobufEnum;
use raft::eraftpb::{Entry, EntryType, HardState};

/// The hard state, and the entries that follow or overwrite what is in the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Batch {
    pub(crate) hard_state: HardState,
    pub(crate) entries: Vec<Entry>,
}

/// Where the log was before a segment: what comes after `end` in the segment `sequence` is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Predecessor {
    pub(crate) sequence: u64,
    pub(crate) end: u64,
}

/// The first frame of a segment also says where the log came from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FramePayload {
    First { predecessor: Option<Predecessor>, batch: Batch },
    Next { batch: Batch },
}

impl FramePayload {
    pub(crate) fn batch(&self) -> &Batch {
        match self {
            FramePayload::First { batch, .. } | FramePayload::Next { batch } => batch,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let batch = self.batch();
        let entry_bytes: usize = batch.entries.iter().map(|entry| 32 + entry.data.len() + entry.context.len()).sum();
        let mut out = Vec::with_capacity(64 + entry_bytes);
        match self {
            FramePayload::First { predecessor, .. } => {
                out.put_u8(1);
                out.put_u64_le(predecessor.map_or(0, |predecessor| predecessor.sequence));
                out.put_u64_le(predecessor.map_or(0, |predecessor| predecessor.end));
            }
            FramePayload::Next { .. } => out.put_u8(0),
        }
        batch.put(&mut out);
        out
    }

    pub(crate) fn decode(payload: Bytes) -> Result<FramePayload, Malformed> {
        let mut fields = Fields::new(payload);
        let payload = match fields.u8()? {
            0 => FramePayload::Next { batch: Batch::take(&mut fields)? },
            1 => {
                let (sequence, end) = (fields.u64()?, fields.u64()?);
                let predecessor = (sequence != 0).then_some(Predecessor { sequence, end });
                FramePayload::First { predecessor, batch: Batch::take(&mut fields)? }
            }
            _ => return Err(Malformed("the kind of frame is unknown")),
        };
        fields.end()?;
        Ok(payload)
    }
}

impl Batch {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.hard_state.term);
        out.put_u64_le(self.hard_state.vote);
        out.put_u64_le(self.hard_state.commit);
        out.put_u32_le(u32::try_from(self.entries.len()).expect("a batch has far fewer entries"));
        for entry in &self.entries {
            out.put_u8(entry.get_entry_type().value() as u8);
            out.put_u64_le(entry.term);
            out.put_u64_le(entry.index);
            put_bytes(out, &entry.data);
            put_bytes(out, &entry.context);
        }
    }

    fn take(fields: &mut Fields) -> Result<Batch, Malformed> {
        let (term, vote, commit) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let hard_state = HardState { term, vote, commit, ..HardState::default() };
        let count = fields.u32()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(take_entry(fields)?);
        }
        Ok(Batch { hard_state, entries })
    }
}

fn take_entry(fields: &mut Fields) -> Result<Entry, Malformed> {
    let mut entry = Entry::default();
    let entry_type =
        EntryType::from_i32(i32::from(fields.u8()?)).ok_or(Malformed("the type of an entry is unknown"))?;
    entry.set_entry_type(entry_type);
    entry.term = fields.u64()?;
    entry.index = fields.u64()?;
    entry.data = fields.bytes()?;
    entry.context = fields.bytes()?;
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        let hard_state = HardState { term: 3, vote: u64::MAX, commit: 9, ..HardState::default() };
        let entry = Entry { term: 3, index: 10, data: Bytes::from_static(b"data"), ..Entry::default() };
        Batch { hard_state, entries: vec![entry, Entry::default()] }
    }

    #[test]
    fn payloads_round_trip() {
        let predecessor = Some(Predecessor { sequence: 4, end: 99 });
        for payload in [
            FramePayload::Next { batch: batch() },
            FramePayload::First { predecessor, batch: batch() },
            FramePayload::First { predecessor: None, batch: Batch::default() },
        ] {
            assert_eq!(FramePayload::decode(Bytes::from(payload.encode())), Ok(payload));
        }
    }

    #[test]
    fn payloads_cut_short_anywhere_are_refused() {
        let bytes = Bytes::from(FramePayload::Next { batch: batch() }.encode());
        for len in 0..bytes.len() {
            assert!(FramePayload::decode(bytes.slice(..len)).is_err(), "{len}");
        }
    }
}
