//! From the segment files of a directory to the log that they hold.
//!
//! The newest segment is the head. Each segment says in its first frame which one it follows and where that one ends,
//! so the log is the chain from the head back to the segment that a snapshot covers; files off the chain are leftovers
//! of attempts that were never acknowledged.
//!
//! The last frame of the head may sit in the page cache only (the process died between write and fsync). It is taken
//! for what it says, but the next segment begins with a copy of it and states that the head ended before it, so that
//! everything the log is built on has been fsynced by someone who saw the fsync succeed.

use crate::disk::batch::{FramePayload, Predecessor};
use crate::disk::frame::damaged;
use crate::disk::segment::{SegmentContent, SegmentFile, read_newest, read_until};
use crate::error::OpenError;
use raft::eraftpb::{Entry, HardState};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// A segment that is not written to any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClosedSegment {
    pub(crate) path: PathBuf,
    /// The highest index in it, 0 if none.
    pub(crate) last_index: u64,
    pub(crate) bytes: u64,
}

/// The log as it was found, and what the next segment has to say.
#[derive(Debug, Default)]
pub(crate) struct RecoveredLog {
    pub(crate) hard_state: HardState,
    /// Without gaps; the first one follows the snapshot or lies before it.
    pub(crate) entries: Vec<Entry>,
    pub(crate) closed: VecDeque<ClosedSegment>,
    /// Files that the next segment makes superfluous.
    pub(crate) leftovers: Vec<PathBuf>,
    pub(crate) next_sequence: u64,
    pub(crate) predecessor: Option<Predecessor>,
    /// Entries of the last frame, which the next segment repeats.
    pub(crate) carried: Vec<Entry>,
    /// Bytes of a torn tail, which are left out.
    pub(crate) torn_bytes: u64,
}

/// Index and term of the last entry that a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotPosition {
    pub(crate) index: u64,
    pub(crate) term: u64,
}

/// Reads the log out of `files`. `dir` is for error messages.
pub(crate) fn recover(
    mut files: Vec<SegmentFile>,
    snapshot: SnapshotPosition,
    dir: &Path,
) -> Result<RecoveredLog, OpenError> {
    files.sort_by_key(|file| file.sequence);
    let mut log =
        RecoveredLog { next_sequence: files.last().map_or(1, |newest| newest.sequence + 1), ..RecoveredLog::default() };
    let chain = chain(&files)?;
    replay(&chain, &mut log)?;
    reconcile(snapshot, &mut log, dir)?;
    sort_files(&files, chain, &mut log);
    Ok(log)
}

struct Link<'a> {
    file: &'a SegmentFile,
    content: SegmentContent,
}

/// The segments that make up the log, oldest first.
fn chain(files: &[SegmentFile]) -> Result<Vec<Link<'_>>, OpenError> {
    let mut chain = Vec::new();
    for file in files.iter().rev() {
        if let Some(content) = read_newest(file)? {
            chain.push(Link { file, content });
            break;
        }
    }
    while let Some(predecessor) = chain.last().and_then(|link| link.content.predecessor) {
        // A missing predecessor was removed after a snapshot; `reconcile` checks that the snapshot covers it.
        let Ok(at) = files.binary_search_by_key(&predecessor.sequence, |file| file.sequence) else { break };
        let content = read_until(&files[at], predecessor.end)?;
        chain.push(Link { file: &files[at], content });
    }
    chain.reverse();
    Ok(chain)
}

fn replay(chain: &[Link<'_>], log: &mut RecoveredLog) -> Result<(), OpenError> {
    for link in chain {
        for frame in &link.content.frames {
            let batch = frame.payload.batch();
            log.hard_state = batch.hard_state.clone();
            for entry in &batch.entries {
                let stands = push(&mut log.entries, entry);
                stands.map_err(|what| damaged(&link.file.path, frame.at as usize, what))?;
            }
        }
    }
    Ok(())
}

/// Appends `entry`, which may overwrite the end of the log (Raft: entries of a lost leader).
fn push(entries: &mut Vec<Entry>, entry: &Entry) -> Result<(), String> {
    if let Some(first) = entries.first().map(|first| first.index) {
        let next = first + entries.len() as u64;
        if entry.index > next {
            return Err(format!("entry {} follows entry {}", entry.index, next - 1));
        }
        entries.truncate(entry.index.saturating_sub(first) as usize);
    }
    entries.push(entry.clone());
    Ok(())
}

/// Fits the log to the snapshot: a log that does not reach or contradicts the snapshot is superseded by it.
fn reconcile(snapshot: SnapshotPosition, log: &mut RecoveredLog, dir: &Path) -> Result<(), OpenError> {
    let first_index = log.entries.first().map_or(snapshot.index + 1, |entry| entry.index);
    if first_index > snapshot.index + 1 {
        let what = format!("the log begins at entry {first_index}, but the newest snapshot ends at {}", snapshot.index);
        return Err(damaged(dir, 0, what));
    }
    let last_index = first_index + log.entries.len() as u64 - 1;
    let term_at_snapshot = snapshot.index.checked_sub(first_index).and_then(|at| log.entries.get(at as usize));
    let contradicts = term_at_snapshot.is_some_and(|entry| entry.term != snapshot.term);
    if last_index < snapshot.index || contradicts {
        log.entries.clear();
    }
    let last_index = log.entries.last().map_or(snapshot.index, |entry| entry.index);
    if log.hard_state.term < snapshot.term {
        log.hard_state = HardState { term: snapshot.term, ..HardState::default() };
    }
    log.hard_state.commit = log.hard_state.commit.max(snapshot.index);
    if log.hard_state.commit > last_index {
        let what = format!("entry {} is committed, but the log ends at {last_index}", log.hard_state.commit);
        return Err(damaged(dir, 0, what));
    }
    Ok(())
}

/// Decides what becomes of each file, and what the next segment will follow.
fn sort_files(files: &[SegmentFile], mut chain: Vec<Link<'_>>, log: &mut RecoveredLog) {
    let superseded = log.entries.is_empty();
    let head = if superseded { None } else { chain.pop() };
    if superseded {
        chain.clear();
    }
    if let Some(head) = head {
        log.torn_bytes = head.content.torn_bytes;
        let last = head.content.frames.last().expect("a segment in the chain has a frame");
        log.carried = last.payload.batch().entries.clone();
        log.predecessor = match &last.payload {
            FramePayload::First { predecessor, .. } => *predecessor,
            FramePayload::Next { .. } => Some(Predecessor { sequence: head.file.sequence, end: last.at }),
        };
        if matches!(last.payload, FramePayload::Next { .. }) {
            chain.push(head);
        }
    }
    log.closed = chain.iter().map(close).collect();
    let kept = |file: &SegmentFile| log.closed.iter().any(|closed| closed.path == file.path);
    log.leftovers = files.iter().filter(|file| !kept(file)).map(|file| file.path.clone()).collect();
}

fn close(link: &Link<'_>) -> ClosedSegment {
    let bytes = link.file.bytes.len() as u64;
    ClosedSegment { path: link.file.path.clone(), last_index: link.content.last_index(), bytes }
}

#[cfg(test)]
mod tests;
