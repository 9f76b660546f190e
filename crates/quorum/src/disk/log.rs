//! The durable log: batches of entries and hard state, appended to segment files.
//!
//! 1. [`RaftLog::append`] writes one frame and makes it durable before it returns. It never writes a second frame
//!    before the first is durable; recovery ([`super::recovery`]) is built on that.
//! 2. A segment that is full, or in which a write failed, is left as it is. The first frame of the next one says where
//!    the log in it ended; nothing is ever cut off or written twice in one place.
//! 3. A full disk is survived by turning the [`Reserve`] into the next segment. Any other failed write or fsync is
//!    final: nobody knows what the disk holds then, so the quorum stops and the next start looks.

use crate::config::limits;
use crate::disk::batch::{Batch, FramePayload, Predecessor};
use crate::disk::frame::{FileKind, preamble, put_frame};
use crate::disk::recovery::{ClosedSegment, RecoveredLog};
use crate::disk::reserve::Reserve;
use crate::disk::segment::segment_name;
use ottla_runtime::{Disk, File, OpenMode, is_disk_full};
use raft::eraftpb::Entry;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

/// Sync site of a frame.
const APPEND_SITE: &str = "quorum.log.append";
/// Sync site of the name of a new segment.
const CREATE_SITE: &str = "quorum.log.create";

/// The log of one metadata directory, open for appending.
pub(crate) struct RaftLog {
    disk: Disk,
    dir: PathBuf,
    closed: VecDeque<ClosedSegment>,
    head: Option<Head>,
    next: NextSegment,
    reserve: Reserve,
    reserve_used: bool,
}

/// The segment that is being written.
struct Head {
    sequence: u64,
    path: PathBuf,
    file: File,
    /// Everything before it is durable.
    end: u64,
    /// No frame is begun from here on.
    full_at: u64,
    last_index: u64,
}

/// What the next segment will be.
struct NextSegment {
    sequence: u64,
    predecessor: Option<Predecessor>,
    /// Entries that the next segment repeats in its first frame.
    carried: Vec<Entry>,
    /// Files that the next segment makes superfluous.
    leftovers: Vec<PathBuf>,
}

impl RaftLog {
    /// Continues `recovered`, the log found in `dir`.
    pub(crate) fn new(disk: Disk, dir: PathBuf, reserve: Reserve, recovered: RecoveredLog) -> RaftLog {
        let next = NextSegment {
            sequence: recovered.next_sequence,
            predecessor: recovered.predecessor,
            carried: recovered.carried,
            leftovers: recovered.leftovers,
        };
        RaftLog { disk, dir, closed: recovered.closed, head: None, next, reserve, reserve_used: false }
    }

    /// Appends `batch` and makes it durable.
    ///
    /// # Errors
    /// A full disk: nothing was appended, trying again is allowed. Anything else: the log must not be used any more.
    pub(crate) async fn append(&mut self, batch: &Batch) -> io::Result<()> {
        if self.head.as_ref().is_some_and(|head| head.end >= head.full_at) {
            self.leave_head();
        }
        if let Some(head) = &mut self.head {
            match head.append(batch).await {
                Err(error) if is_disk_full(&error) => self.leave_head(),
                done => return done,
            }
        }
        self.begin_segment(batch).await
    }

    /// Lets the next append begin a segment, so that the ones before it can be removed.
    pub(crate) fn roll(&mut self) {
        if self.head.is_some() {
            self.leave_head();
        }
    }

    /// Forgets the whole log: a snapshot took its place. It is gone from disk after the next append.
    pub(crate) fn supersede(&mut self) {
        self.roll();
        self.next.leftovers.extend(self.closed.drain(..).map(|segment| segment.path));
        self.next.predecessor = None;
        self.next.carried.clear();
    }

    /// Removes the segments that hold no entry above `index`, but never the newest one: the next start counts on from its
    /// sequence, and a sequence that is used twice could join a new segment to an old one that a power loss brought back.
    pub(crate) async fn remove_through(&mut self, index: u64) {
        while self.segments() > 1 && self.closed.front().is_some_and(|segment| segment.last_index <= index) {
            if let Some(segment) = self.closed.pop_front() {
                remove_quietly(&self.disk, &segment.path).await;
            }
        }
    }

    /// Bytes in segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.closed.iter().map(|segment| segment.bytes).sum::<u64>() + self.head.as_ref().map_or(0, |head| head.end)
    }

    /// Number of segments.
    pub(crate) fn segments(&self) -> usize {
        self.closed.len() + usize::from(self.head.is_some())
    }

    /// The space kept for a full disk.
    pub(crate) fn reserve(&mut self) -> &mut Reserve {
        &mut self.reserve
    }

    /// Whether the reserve is gone since this was asked last.
    pub(crate) fn reserve_was_used(&mut self) -> bool {
        std::mem::take(&mut self.reserve_used)
    }

    fn leave_head(&mut self) {
        let head = self.head.take().expect("a segment is left only while there is one");
        self.next.predecessor = Some(Predecessor { sequence: head.sequence, end: head.end });
        self.closed.push_back(ClosedSegment { path: head.path, last_index: head.last_index, bytes: head.end });
    }

    /// Begins a segment with `batch`; on a full disk in the reserve.
    async fn begin_segment(&mut self, batch: &Batch) -> io::Result<()> {
        let first = Batch { hard_state: batch.hard_state.clone(), entries: self.with_carried(&batch.entries) };
        let (sequence, path) = self.name_next();
        let created = self.disk.open(&path, OpenMode::CreateNew).await;
        let begun = match created {
            Ok(file) => self.write_first(sequence, &path, file, limits::SEGMENT_BYTES_MAX, &first).await,
            Err(error) => Err(error),
        };
        match begun {
            Err(error) if is_disk_full(&error) => {
                remove_quietly(&self.disk, &path).await;
                self.begin_in_reserve(&first, error).await
            }
            done => done,
        }
    }

    async fn begin_in_reserve(&mut self, first: &Batch, full: io::Error) -> io::Result<()> {
        let (sequence, path) = self.name_next();
        let Some(bytes) = self.reserve.take(&path).await? else { return Err(full) };
        self.reserve_used = true;
        tracing::warn!(reserve = bytes, error = %full, "the disk is full: the metadata log goes on in its reserve");
        let file = self.disk.open(&path, OpenMode::ReadWrite).await?;
        let begun = self.write_first(sequence, &path, file, bytes, first).await;
        if begun.is_err() {
            // The batch is larger than the reserve; the space that this gives back is what the next attempt will find.
            remove_quietly(&self.disk, &path).await;
        }
        begun
    }

    /// A name that no file ever had: what an attempt left behind is never taken for a later segment.
    fn name_next(&mut self) -> (u64, PathBuf) {
        let sequence = self.next.sequence;
        self.next.sequence += 1;
        (sequence, self.dir.join(segment_name(sequence)))
    }

    async fn write_first(
        &mut self,
        sequence: u64,
        path: &Path,
        file: File,
        full_at: u64,
        first: &Batch,
    ) -> io::Result<()> {
        let payload = FramePayload::First { predecessor: self.next.predecessor, batch: first.clone() };
        let mut bytes = preamble(FileKind::Segment).to_vec();
        put_frame(&mut bytes, sequence, &payload.encode());
        file.write_at(0, &[&bytes])?;
        file.sync(APPEND_SITE).await?;
        self.disk.sync_dir(&self.dir, CREATE_SITE).await?;
        let last_index = first.entries.iter().map(|entry| entry.index).max().unwrap_or(0);
        let end = bytes.len() as u64;
        self.head = Some(Head { sequence, path: path.to_path_buf(), file, end, full_at, last_index });
        self.next.predecessor = None;
        self.next.carried.clear();
        for leftover in self.next.leftovers.drain(..) {
            remove_quietly(&self.disk, &leftover).await;
        }
        Ok(())
    }

    /// The carried entries that `entries` do not overwrite, then `entries`.
    fn with_carried(&self, entries: &[Entry]) -> Vec<Entry> {
        let overwritten_from = entries.first().map_or(u64::MAX, |first| first.index);
        let carried = self.next.carried.iter().filter(|entry| entry.index < overwritten_from);
        carried.chain(entries).cloned().collect()
    }
}

impl Head {
    async fn append(&mut self, batch: &Batch) -> io::Result<()> {
        let payload = FramePayload::Next { batch: batch.clone() };
        let mut bytes = Vec::new();
        put_frame(&mut bytes, self.sequence, &payload.encode());
        self.file.write_at(self.end, &[&bytes])?;
        self.file.sync(APPEND_SITE).await?;
        self.end += bytes.len() as u64;
        self.last_index = batch.entries.iter().map(|entry| entry.index).fold(self.last_index, u64::max);
        Ok(())
    }
}

/// Removes a file that nothing needs. Failing to do so costs its space until the next start.
pub(crate) async fn remove_quietly(disk: &Disk, path: &Path) {
    match disk.remove_file(path).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "a superfluous file of the metadata log stays"),
    }
}
