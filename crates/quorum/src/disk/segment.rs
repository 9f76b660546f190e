//! Reading one segment of the log, and telling a torn tail from damage.
//!
//! A frame is written only after the frame before it was made durable. So an invalid frame
//! - with a valid frame behind it was durable once: damage;
//! - before the end that the next segment states was durable once: damage;
//! - at the end of the newest segment may never have been durable: a torn tail, which nobody was told about.

use crate::codec::Malformed;
use crate::disk::batch::{FramePayload, Predecessor};
use crate::disk::frame::{BadPreamble, FileKind, PREAMBLE_BYTES, check_preamble, damaged, find_frame, frame_at};
use crate::error::OpenError;
use bytes::Bytes;
use std::path::PathBuf;

/// A segment file as it was found.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFile {
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Bytes,
}

/// One valid frame and where it begins.
#[derive(Debug)]
pub(crate) struct FrameFound {
    pub(crate) at: u64,
    pub(crate) payload: FramePayload,
}

/// The valid part of a segment: at least its first frame.
#[derive(Debug)]
pub(crate) struct SegmentContent {
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) frames: Vec<FrameFound>,
    /// Bytes after the last valid frame, if they are not all zero: the remains of a write that was never acknowledged.
    pub(crate) torn_bytes: u64,
}

impl SegmentContent {
    /// The highest index that occurs in the segment, 0 if none.
    pub(crate) fn last_index(&self) -> u64 {
        let entries = self.frames.iter().flat_map(|frame| &frame.payload.batch().entries);
        entries.map(|entry| entry.index).max().unwrap_or(0)
    }
}

/// File name of the segment `sequence`.
pub(crate) fn segment_name(sequence: u64) -> String {
    format!("{sequence:020}.raft")
}

/// The sequence in a file name, if it is that of a segment.
pub(crate) fn segment_sequence(name: &str) -> Option<u64> {
    let sequence = name.strip_suffix(".raft")?.parse().ok()?;
    (segment_name(sequence) == name).then_some(sequence)
}

/// Reads the newest segment. `None`: its creation was cut off, so nothing in it was ever acknowledged.
pub(crate) fn read_newest(file: &SegmentFile) -> Result<Option<SegmentContent>, OpenError> {
    match check_preamble(&file.bytes, FileKind::Segment) {
        Err(BadPreamble::Invalid) if find_frame(&file.bytes, PREAMBLE_BYTES, file.sequence).is_none() => {
            return Ok(None);
        }
        checked => checked.map_err(|bad| bad.into_error(&file.path))?,
    }
    let (frames, end) = frames_until_invalid(file)?;
    if let Some(later) = find_frame(&file.bytes, end, file.sequence) {
        return Err(damaged(
            &file.path,
            end,
            format!("the frame there is invalid, but a later one at {later} is whole"),
        ));
    }
    let torn = file.bytes.slice(end..);
    let torn_bytes = if torn.iter().all(|byte| *byte == 0) { 0 } else { torn.len() as u64 };
    content(file, frames, torn_bytes)
}

/// Reads a segment of which the next one says that it is valid up to `end`.
pub(crate) fn read_until(file: &SegmentFile, end: u64) -> Result<SegmentContent, OpenError> {
    check_preamble(&file.bytes, FileKind::Segment).map_err(|bad| bad.into_error(&file.path))?;
    let end = usize::try_from(end).ok().filter(|end| *end <= file.bytes.len());
    let end = end.ok_or_else(|| damaged(&file.path, file.bytes.len(), "it is shorter than the next segment says"))?;
    let cut = SegmentFile { bytes: file.bytes.slice(..end), ..file.clone() };
    let (frames, valid_end) = frames_until_invalid(&cut)?;
    if valid_end != end {
        return Err(damaged(&file.path, valid_end, "the frame there is invalid"));
    }
    let content = content(file, frames, 0)?;
    content.ok_or_else(|| damaged(&file.path, PREAMBLE_BYTES, "it has no frame"))
}

fn content(file: &SegmentFile, frames: Vec<FrameFound>, torn_bytes: u64) -> Result<Option<SegmentContent>, OpenError> {
    let predecessor = match frames.first().map(|frame| &frame.payload) {
        None => return Ok(None),
        Some(FramePayload::First { predecessor, .. }) => *predecessor,
        Some(FramePayload::Next { .. }) => return Err(damaged(&file.path, PREAMBLE_BYTES, "it begins in the middle")),
    };
    Ok(Some(SegmentContent { predecessor, frames, torn_bytes }))
}

fn frames_until_invalid(file: &SegmentFile) -> Result<(Vec<FrameFound>, usize), OpenError> {
    let mut frames = Vec::new();
    let mut at = PREAMBLE_BYTES;
    while let Some((payload, next)) = frame_at(&file.bytes, at, file.sequence) {
        // The checksum is right, so this is what was written: a payload that makes no sense is not a torn write.
        let payload = FramePayload::decode(payload).map_err(|Malformed(what)| damaged(&file.path, at, what))?;
        if !frames.is_empty() && matches!(payload, FramePayload::First { .. }) {
            return Err(damaged(&file.path, at, "a first frame stands in the middle"));
        }
        frames.push(FrameFound { at: at as u64, payload });
        at = next;
    }
    Ok((frames, at.min(file.bytes.len())))
}

/// Builds segment files for tests of what reads them.
#[cfg(test)]
pub(crate) mod build {
    use super::*;
    use crate::disk::batch::Batch;
    use crate::disk::frame::{preamble, put_frame};
    use raft::eraftpb::{Entry, HardState};

    pub(crate) fn entry(term: u64, index: u64) -> Entry {
        let data = Bytes::from(format!("entry {index} of term {term}"));
        Entry { term, index, data, ..Entry::default() }
    }

    pub(crate) fn batch(commit: u64, entries: &[(u64, u64)]) -> Batch {
        let entries: Vec<Entry> = entries.iter().map(|(term, index)| entry(*term, *index)).collect();
        let term = entries.last().map_or(1, |entry| entry.term);
        Batch { hard_state: HardState { term, commit, ..HardState::default() }, entries }
    }

    /// A segment file, and where each of its frames begins (and the last one ends).
    pub(crate) fn segment(
        sequence: u64,
        predecessor: Option<Predecessor>,
        batches: &[Batch],
    ) -> (SegmentFile, Vec<usize>) {
        let mut bytes = preamble(FileKind::Segment).to_vec();
        let mut positions = vec![bytes.len()];
        for (position, batch) in batches.iter().enumerate() {
            let payload = match position {
                0 => FramePayload::First { predecessor, batch: batch.clone() },
                _ => FramePayload::Next { batch: batch.clone() },
            };
            put_frame(&mut bytes, sequence, &payload.encode());
            positions.push(bytes.len());
        }
        let path = PathBuf::from(segment_name(sequence));
        (SegmentFile { sequence, path, bytes: Bytes::from(bytes) }, positions)
    }
}

#[cfg(test)]
mod tests {
    use super::build::{batch, segment};
    use super::*;

    fn flip(file: &SegmentFile, at: usize) -> SegmentFile {
        let mut bytes = file.bytes.to_vec();
        bytes[at] ^= 1;
        SegmentFile { bytes: Bytes::from(bytes), ..file.clone() }
    }

    fn three_frames() -> (SegmentFile, Vec<usize>) {
        segment(3, None, &[batch(0, &[(1, 2)]), batch(2, &[(1, 3)]), batch(3, &[(1, 4), (1, 5)])])
    }

    #[test]
    fn a_segment_cut_anywhere_keeps_its_whole_frames() {
        let (file, positions) = three_frames();
        for len in 0..=file.bytes.len() {
            let cut = SegmentFile { bytes: file.bytes.slice(..len), ..file.clone() };
            let whole = positions.iter().filter(|position| **position <= len).count().saturating_sub(1);
            let found = read_newest(&cut).unwrap().map_or(0, |content| content.frames.len());
            assert_eq!(found, whole, "cut at {len}");
        }
    }

    #[test]
    fn an_invalid_last_frame_is_a_torn_tail() {
        let (file, positions) = three_frames();
        let content = read_newest(&flip(&file, positions[2] + 30)).unwrap().unwrap();
        assert_eq!(content.frames.len(), 2);
        assert_eq!(content.torn_bytes, (positions[3] - positions[2]) as u64);
        assert_eq!(content.last_index(), 3);
    }

    #[test]
    fn an_invalid_frame_before_a_whole_one_is_damage() {
        let (file, positions) = three_frames();
        for at in [0, 9, positions[0], positions[0] + 30, positions[1], positions[1] + 30] {
            assert!(matches!(read_newest(&flip(&file, at)), Err(OpenError::Damaged { .. })), "flipped {at}");
        }
    }

    #[test]
    fn an_invalid_frame_before_the_stated_end_is_damage() {
        let (file, positions) = three_frames();
        let end = positions[2] as u64;
        assert_eq!(read_until(&file, end).unwrap().frames.len(), 2);
        assert_eq!(read_until(&flip(&file, positions[2] + 30), end).unwrap().frames.len(), 2);
        assert!(matches!(read_until(&flip(&file, positions[1] + 30), end), Err(OpenError::Damaged { .. })));
        let short = SegmentFile { bytes: file.bytes.slice(..positions[1]), ..file };
        assert!(matches!(read_until(&short, end), Err(OpenError::Damaged { .. })));
    }

    #[test]
    fn zeros_of_preallocated_space_are_no_torn_tail() {
        let (file, positions) = three_frames();
        let mut bytes = file.bytes.to_vec();
        bytes.resize(bytes.len() + 4096, 0);
        let content = read_newest(&SegmentFile { bytes: Bytes::from(bytes), ..file }).unwrap().unwrap();
        assert_eq!((content.torn_bytes, content.frames.len()), (0, positions.len() - 1));
    }

    #[test]
    fn names_round_trip_and_others_are_not_ours() {
        assert_eq!(segment_sequence(&segment_name(17)), Some(17));
        for name in ["17.raft", "00000000000000000017.log", "0000000000000000001x.raft"] {
            assert_eq!(segment_sequence(name), None);
        }
    }
}
