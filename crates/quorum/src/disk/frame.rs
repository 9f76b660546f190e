//! Preambles and frames: how bytes are laid into the files of the quorum so that damage is seen.
//!
//! ```text
//! preamble (16): magic 8, format version u32, crc32c of the 12 bytes before
//! frame (24 + payload, padded to 8): magic u32, payload length u32, stream u64, crc32c of payload u32,
//!                                    crc32c of the 20 bytes before u32, payload, zeros
//! ```
//! `stream` is a number of the file (sequence of a segment, index of a snapshot): bytes of another file that a file
//! system left in a block are never taken for ours.

use crate::error::OpenError;
use bytes::{BufMut, Bytes};
use std::path::Path;

/// Bytes of a preamble.
pub(crate) const PREAMBLE_BYTES: usize = 16;
/// The newest format version that this program reads, and the one it writes.
pub(crate) const FORMAT_VERSION: u32 = 1;

const FRAME_MAGIC: u32 = 0x4d46_514f;
const HEADER_BYTES: usize = 24;
const ALIGNMENT: usize = 8;

/// What kind of file a preamble announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Identity,
    Segment,
    Snapshot,
}

impl FileKind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            FileKind::Identity => b"OTLQIDNT",
            FileKind::Segment => b"OTLQRAFT",
            FileKind::Snapshot => b"OTLQSNAP",
        }
    }
}

/// Why a preamble was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadPreamble {
    /// Not a whole preamble of this kind.
    Invalid,
    /// A whole preamble of a newer format.
    Newer(u32),
}

impl BadPreamble {
    /// The error for a file in which the preamble must be whole.
    pub(crate) fn into_error(self, path: &Path) -> OpenError {
        match self {
            BadPreamble::Newer(found) => {
                OpenError::NewerVersion { path: path.to_path_buf(), found, supported: FORMAT_VERSION }
            }
            BadPreamble::Invalid => damaged(path, 0, "the preamble is invalid"),
        }
    }
}

/// An error that says where `path` is damaged.
pub(crate) fn damaged(path: &Path, offset: usize, what: impl Into<String>) -> OpenError {
    OpenError::Damaged { path: path.to_path_buf(), offset: offset as u64, what: what.into() }
}

/// The first bytes of a file of `kind`.
pub(crate) fn preamble(kind: FileKind) -> [u8; PREAMBLE_BYTES] {
    preamble_of_version(kind, FORMAT_VERSION)
}

pub(crate) fn preamble_of_version(kind: FileKind, version: u32) -> [u8; PREAMBLE_BYTES] {
    let mut bytes = [0; PREAMBLE_BYTES];
    bytes[..8].copy_from_slice(kind.magic());
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..12]);
    bytes[12..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Checks the first bytes of a file.
pub(crate) fn check_preamble(bytes: &[u8], kind: FileKind) -> Result<(), BadPreamble> {
    let bytes = bytes.get(..PREAMBLE_BYTES).ok_or(BadPreamble::Invalid)?;
    if &bytes[..8] != kind.magic() || u32_at(bytes, 12) != crc32c::crc32c(&bytes[..12]) {
        return Err(BadPreamble::Invalid);
    }
    match u32_at(bytes, 8) {
        0 => Err(BadPreamble::Invalid),
        version if version > FORMAT_VERSION => Err(BadPreamble::Newer(version)),
        _ => Ok(()),
    }
}

/// Appends a frame of `stream` that holds `payload`.
pub(crate) fn put_frame(out: &mut Vec<u8>, stream: u64, payload: &[u8]) {
    let start = out.len();
    out.put_u32_le(FRAME_MAGIC);
    out.put_u32_le(u32::try_from(payload.len()).expect("payloads are far below 4 GiB"));
    out.put_u64_le(stream);
    out.put_u32_le(crc32c::crc32c(payload));
    let header_crc = crc32c::crc32c(&out[start..]);
    out.put_u32_le(header_crc);
    out.put_slice(payload);
    out.resize(start + frame_bytes(payload.len()), 0);
}

/// The frame of `stream` at `at`: its payload and where the next one begins. `None` when there is no whole, valid one.
pub(crate) fn frame_at(bytes: &Bytes, at: usize, stream: u64) -> Option<(Bytes, usize)> {
    let header = bytes.get(at..)?.get(..HEADER_BYTES)?;
    let payload_bytes = u32_at(header, 4) as usize;
    let header_is_ours = u32_at(header, 0) == FRAME_MAGIC
        && u64::from_le_bytes(header[8..16].try_into().ok()?) == stream
        && u32_at(header, 20) == crc32c::crc32c(&header[..20]);
    let end = at.checked_add(frame_bytes(payload_bytes))?;
    if !header_is_ours || end > bytes.len() {
        return None;
    }
    let payload = bytes.slice(at + HEADER_BYTES..at + HEADER_BYTES + payload_bytes);
    (crc32c::crc32c(&payload) == u32_at(header, 16)).then_some((payload, end))
}

/// Where the first valid frame of `stream` begins, at `from` or later.
pub(crate) fn find_frame(bytes: &Bytes, from: usize, stream: u64) -> Option<usize> {
    let first = from.next_multiple_of(ALIGNMENT);
    (first..bytes.len()).step_by(ALIGNMENT).find(|at| frame_at(bytes, *at, stream).is_some())
}

fn frame_bytes(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).next_multiple_of(ALIGNMENT)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(payloads: &[&[u8]]) -> Bytes {
        let mut out = preamble(FileKind::Segment).to_vec();
        payloads.iter().for_each(|payload| put_frame(&mut out, 7, payload));
        Bytes::from(out)
    }

    #[test]
    fn frames_are_read_back_one_after_another() {
        let bytes = file(&[b"first", b"", b"third"]);
        assert_eq!(check_preamble(&bytes, FileKind::Segment), Ok(()));
        let (first, at) = frame_at(&bytes, PREAMBLE_BYTES, 7).unwrap();
        let (second, at) = frame_at(&bytes, at, 7).unwrap();
        let (third, at) = frame_at(&bytes, at, 7).unwrap();
        assert_eq!((&first[..], &second[..], &third[..]), (&b"first"[..], &b""[..], &b"third"[..]));
        assert_eq!(at, bytes.len());
        assert_eq!(frame_at(&bytes, at, 7), None);
    }

    #[test]
    fn any_flipped_bit_of_a_frame_is_seen() {
        let good = file(&[b"payload"]);
        let payload_end = PREAMBLE_BYTES + HEADER_BYTES + b"payload".len();
        for byte in PREAMBLE_BYTES..payload_end {
            for bit in 0..8 {
                let mut bad = good.to_vec();
                bad[byte] ^= 1 << bit;
                assert_eq!(frame_at(&Bytes::from(bad), PREAMBLE_BYTES, 7), None, "byte {byte} bit {bit}");
            }
        }
    }

    #[test]
    fn frames_cut_short_and_frames_of_other_files_are_not_taken() {
        let good = file(&[b"payload"]);
        for len in 0..good.len() {
            assert_eq!(frame_at(&good.slice(..len), PREAMBLE_BYTES, 7), None);
        }
        assert_eq!(frame_at(&good, PREAMBLE_BYTES, 8), None);
    }

    #[test]
    fn a_frame_behind_garbage_is_found() {
        let good = file(&[b"first", b"second"]);
        let (_, second) = frame_at(&good, PREAMBLE_BYTES, 7).unwrap();
        let mut bad = good.to_vec();
        bad[PREAMBLE_BYTES + 3] ^= 1;
        assert_eq!(find_frame(&Bytes::from(bad), PREAMBLE_BYTES, 7), Some(second));
        assert_eq!(find_frame(&good, second + 1, 7), None);
    }

    #[test]
    fn newer_versions_are_told_from_garbage() {
        let newer = preamble_of_version(FileKind::Segment, FORMAT_VERSION + 1);
        assert_eq!(check_preamble(&newer, FileKind::Segment), Err(BadPreamble::Newer(FORMAT_VERSION + 1)));
        assert_eq!(check_preamble(&newer, FileKind::Snapshot), Err(BadPreamble::Invalid));
        assert_eq!(check_preamble(&[0; 32], FileKind::Segment), Err(BadPreamble::Invalid));
        assert_eq!(check_preamble(b"", FileKind::Segment), Err(BadPreamble::Invalid));
    }
}
