//! Snapshot files: the whole state after one entry, in chunks.
//!
//! ```text
//! preamble, frame: index u64, term u64, chunk count u32, conf state (protobuf of raft-rs); then one frame per chunk
//! ```
//! A snapshot is written under a temporary name, made durable, renamed, and the name made durable. Only then is the log
//! before it removed, and the snapshot before it.

use crate::codec::{Fields, Malformed, put_bytes};
use crate::config::limits;
use crate::disk::frame::{FileKind, PREAMBLE_BYTES, check_preamble, damaged, frame_at, preamble, put_frame};
use crate::disk::log::remove_quietly;
use crate::disk::recovery::SnapshotPosition;
use crate::error::OpenError;
use bytes::{BufMut, Bytes};
use ottla_runtime::{Disk, File, OpenMode};
use protobuf::Message;
use raft::eraftpb::{ConfState, SnapshotMetadata};
use std::io;
use std::path::{Path, PathBuf};

/// Sync site of a snapshot's content.
const WRITE_SITE: &str = "quorum.snapshot.write";
/// Sync site of a snapshot's name.
const PUBLISH_SITE: &str = "quorum.snapshot.publish";
/// A snapshot file that is longer is refused; the state of a cluster is far smaller.
const SNAPSHOT_BYTES_MAX: usize = 2 << 30;

/// The snapshots of one metadata directory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Snapshots {
    disk: Disk,
    dir: PathBuf,
}

/// A whole snapshot, read and checked.
#[derive(Debug)]
pub(crate) struct LoadedSnapshot {
    pub(crate) metadata: SnapshotMetadata,
    pub(crate) chunks: Vec<Bytes>,
}

/// File name of the snapshot at `position`.
pub(crate) fn snapshot_name(position: SnapshotPosition) -> String {
    format!("{:020}-{:020}.snapshot", position.index, position.term)
}

/// The position in a file name, if it is that of a snapshot.
pub(crate) fn snapshot_position(name: &str) -> Option<SnapshotPosition> {
    let (index, term) = name.strip_suffix(".snapshot")?.split_once('-')?;
    let position = SnapshotPosition { index: index.parse().ok()?, term: term.parse().ok()? };
    (snapshot_name(position) == name).then_some(position)
}

/// Index and term of `metadata`.
pub(crate) fn position_of(metadata: &SnapshotMetadata) -> SnapshotPosition {
    SnapshotPosition { index: metadata.index, term: metadata.term }
}

impl Snapshots {
    pub(crate) fn new(disk: Disk, dir: PathBuf) -> Snapshots {
        Snapshots { disk, dir }
    }

    /// Writes a snapshot and makes it durable.
    pub(crate) async fn save(&self, metadata: &SnapshotMetadata, chunks: &[Bytes]) -> io::Result<()> {
        let mut writer = self.begin(metadata, chunks.len() as u32, "own").await?;
        for chunk in chunks {
            writer.put(chunk)?;
        }
        let finished = writer.finish().await?;
        self.publish(&finished).await
    }

    /// Begins a snapshot file under a temporary name. `purpose` keeps two of them apart.
    pub(crate) async fn begin(
        &self,
        metadata: &SnapshotMetadata,
        chunk_count: u32,
        purpose: &'static str,
    ) -> io::Result<SnapshotWriter> {
        let position = position_of(metadata);
        let path = self.dir.join(format!("{}.{purpose}.tmp", snapshot_name(position)));
        let file = self.disk.open(&path, OpenMode::Create).await?;
        file.set_len(0)?;
        let mut writer = SnapshotWriter { position, path, file, end: 0, chunks_left: chunk_count };
        let mut head = preamble(FileKind::Snapshot).to_vec();
        put_frame(&mut head, position.index, &encode_head(metadata, chunk_count)?);
        writer.write(&head)?;
        Ok(writer)
    }

    /// Gives a finished snapshot its name.
    pub(crate) async fn publish(&self, finished: &FinishedSnapshot) -> io::Result<()> {
        self.disk.rename(&finished.path, &self.path(finished.position)).await?;
        self.disk.sync_dir(&self.dir, PUBLISH_SITE).await
    }

    /// Whether there is a file for the snapshot at `position`. There is none for the state of the first formation.
    pub(crate) async fn exists(&self, position: SnapshotPosition) -> io::Result<bool> {
        self.disk.exists(&self.path(position)).await
    }

    /// Reads the snapshot at `position` and checks all of it.
    pub(crate) async fn load(&self, position: SnapshotPosition) -> Result<LoadedSnapshot, OpenError> {
        let path = self.path(position);
        let bytes = self.disk.read(&path, SNAPSHOT_BYTES_MAX).await?;
        decode(&bytes, position, &path)
    }

    /// Removes the snapshots before `position`.
    pub(crate) async fn remove_before(&self, position: SnapshotPosition) -> io::Result<()> {
        for entry in self.disk.list(&self.dir).await? {
            if snapshot_position(&entry.name).is_some_and(|other| other.index < position.index) {
                remove_quietly(&self.disk, &self.dir.join(&entry.name)).await;
            }
        }
        Ok(())
    }

    fn path(&self, position: SnapshotPosition) -> PathBuf {
        self.dir.join(snapshot_name(position))
    }
}

/// A snapshot file that is being written.
pub(crate) struct SnapshotWriter {
    position: SnapshotPosition,
    path: PathBuf,
    file: File,
    end: u64,
    chunks_left: u32,
}

/// A snapshot whose content is durable, under a temporary name.
#[derive(Debug)]
pub(crate) struct FinishedSnapshot {
    position: SnapshotPosition,
    path: PathBuf,
}

impl SnapshotWriter {
    pub(crate) fn position(&self) -> SnapshotPosition {
        self.position
    }

    /// Appends one chunk.
    pub(crate) fn put(&mut self, chunk: &Bytes) -> io::Result<()> {
        assert!(chunk.len() <= limits::SNAPSHOT_CHUNK_BYTES_MAX, "a chunk of {} bytes is over the limit", chunk.len());
        self.chunks_left = self.chunks_left.checked_sub(1).expect("no more chunks than announced");
        let mut frame = Vec::new();
        put_frame(&mut frame, self.position.index, chunk);
        self.write(&frame)
    }

    /// Makes the content durable. All announced chunks must have been put.
    pub(crate) async fn finish(self) -> io::Result<FinishedSnapshot> {
        assert_eq!(self.chunks_left, 0, "chunks of the snapshot are missing");
        self.file.sync(WRITE_SITE).await?;
        Ok(FinishedSnapshot { position: self.position, path: self.path })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(self.end, &[bytes])?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

impl FinishedSnapshot {
    pub(crate) fn position(&self) -> SnapshotPosition {
        self.position
    }
}

fn encode_head(metadata: &SnapshotMetadata, chunk_count: u32) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    head.put_u64_le(metadata.index);
    head.put_u64_le(metadata.term);
    head.put_u32_le(chunk_count);
    put_bytes(&mut head, &metadata.get_conf_state().write_to_bytes().map_err(io::Error::other)?);
    Ok(head)
}

fn decode_head(payload: Bytes) -> Result<(SnapshotMetadata, u32), Malformed> {
    let mut fields = Fields::new(payload);
    let mut metadata = SnapshotMetadata { index: fields.u64()?, term: fields.u64()?, ..SnapshotMetadata::default() };
    let chunk_count = fields.u32()?;
    let conf_state = ConfState::parse_from_carllerche_bytes(&fields.bytes()?);
    metadata.set_conf_state(conf_state.map_err(|_| Malformed("the list of voters is malformed"))?);
    fields.end()?;
    Ok((metadata, chunk_count))
}

fn decode(bytes: &Bytes, position: SnapshotPosition, path: &Path) -> Result<LoadedSnapshot, OpenError> {
    check_preamble(bytes, FileKind::Snapshot).map_err(|bad| bad.into_error(path))?;
    let frame =
        |at: usize| frame_at(bytes, at, position.index).ok_or_else(|| damaged(path, at, "the frame is invalid"));
    let (head, mut at) = frame(PREAMBLE_BYTES)?;
    let (metadata, chunk_count) = decode_head(head).map_err(|Malformed(what)| damaged(path, PREAMBLE_BYTES, what))?;
    if position_of(&metadata) != position {
        return Err(damaged(path, PREAMBLE_BYTES, "it holds another snapshot than its name says"));
    }
    let mut chunks = Vec::new();
    for _ in 0..chunk_count {
        let (chunk, next) = frame(at)?;
        chunks.push(chunk);
        at = next;
    }
    if at != bytes.len() {
        return Err(damaged(path, at, "something follows the last chunk"));
    }
    Ok(LoadedSnapshot { metadata, chunks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> SnapshotMetadata {
        let mut metadata = SnapshotMetadata { index: 12, term: 3, ..SnapshotMetadata::default() };
        metadata.mut_conf_state().set_voters(vec![7, 8]);
        metadata
    }

    fn file(chunks: &[&[u8]]) -> Bytes {
        let mut bytes = preamble(FileKind::Snapshot).to_vec();
        put_frame(&mut bytes, 12, &encode_head(&metadata(), chunks.len() as u32).unwrap());
        chunks.iter().for_each(|chunk| put_frame(&mut bytes, 12, chunk));
        Bytes::from(bytes)
    }

    #[test]
    fn a_snapshot_reads_back_with_its_voters() {
        let loaded = decode(&file(&[b"one", b"two"]), position_of(&metadata()), Path::new("s")).unwrap();
        assert_eq!(loaded.metadata, metadata());
        assert_eq!(loaded.chunks, ["one", "two"]);
        assert!(decode(&file(&[]), position_of(&metadata()), Path::new("s")).unwrap().chunks.is_empty());
    }

    #[test]
    fn a_snapshot_cut_or_changed_anywhere_is_damage() {
        let good = file(&[b"one", b"twotwotwo"]);
        let position = position_of(&metadata());
        for at in 0..good.len() {
            assert!(decode(&good.slice(..at), position, Path::new("s")).is_err(), "cut at {at}");
        }
        let other = SnapshotPosition { index: 12, term: 4 };
        assert!(decode(&good, other, Path::new("s")).is_err());
    }

    #[test]
    fn names_round_trip() {
        let position = SnapshotPosition { index: 5, term: 6 };
        assert_eq!(snapshot_position(&snapshot_name(position)), Some(position));
        assert_eq!(snapshot_position("5-6.snapshot"), None);
    }
}
