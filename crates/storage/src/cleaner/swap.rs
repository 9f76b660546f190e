//! Puts a cleaned segment in the place of the segments that it was made from, so that a crash or power loss at any step
//! leaves the one or the other.
//!
//! 1. The new files have names that end in `.cleaned`, and are durable. A start finds those and removes them.
//! 2. They are renamed to `.swap`, all of them; as long as one is still `.cleaned` a start removes both. From the moment
//!    that all of this is durable the new segment counts, and a start completes what follows.
//! 3. The old segments are removed, but for the file that the new one replaces.
//! 4. The new batches take their final name, then the new indexes do.
//!
//! Each step is durable before the next one begins: no mixture of two steps can be found. Names are Kafka's, so that either
//! program completes what the other began.

use crate::LogError;
use crate::files::{self, FileName, SegmentFile};
use crate::log::sync_dir;
use crate::sites;
use ottla_runtime::Disk;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// New segments whose files all have names that end in `.swap`.
#[derive(Debug, Clone, Default)]
pub(crate) struct PendingSwap {
    /// The files of each new segment, by base offset.
    pub(crate) new: BTreeMap<i64, Vec<SegmentFile>>,
    /// Base offsets of the segments that they replace, those of the new ones included.
    pub(crate) old: Vec<i64>,
}

/// Steps 2 to 4 for the segment at `base_offset`, made of `kinds` of files, that replaces `old`.
pub(super) async fn swap_in(
    disk: &Disk,
    dir: &Path,
    base_offset: i64,
    kinds: &[SegmentFile],
    old: &[i64],
) -> Result<(), LogError> {
    sync_dir(disk, dir, sites::CLEANED_DIR).await?;
    for kind in kinds {
        let path = kind.path(dir, base_offset);
        rename(disk, &files::cleaned(&path), &files::swap(&path)).await?;
    }
    sync_dir(disk, dir, sites::SWAP_DIR).await?;
    let pending = PendingSwap { new: BTreeMap::from([(base_offset, kinds.to_vec())]), old: old.to_vec() };
    complete_swap(disk, dir, &pending).await
}

/// Steps 3 and 4.
pub(crate) async fn complete_swap(disk: &Disk, dir: &Path, pending: &PendingSwap) -> Result<(), LogError> {
    for &old in &pending.old {
        let is_replaced = pending.new.contains_key(&old);
        for kind in SegmentFile::ALL {
            // The producer state at the base offset is that of the new segment, too.
            let stays = is_replaced && matches!(kind, SegmentFile::Log | SegmentFile::Snapshot);
            if !stays {
                remove_if_there(disk, &kind.path(dir, old)).await?;
            }
        }
    }
    sync_dir(disk, dir, sites::SWAP_DIR).await?;
    let (mut logs, mut others) = (Vec::new(), Vec::new());
    for (&base_offset, kinds) in &pending.new {
        for kind in kinds {
            let paths = if *kind == SegmentFile::Log { &mut logs } else { &mut others };
            paths.push(kind.path(dir, base_offset));
        }
    }
    for paths in [logs, others].iter().filter(|paths| !paths.is_empty()) {
        for path in paths {
            rename(disk, &files::swap(path), path).await?;
        }
        sync_dir(disk, dir, sites::SWAP_DIR).await?;
    }
    Ok(())
}

/// Removes what an earlier cleaning that was stopped or failed left behind: beside it a new swap could be mistaken for an
/// unfinished one.
pub(super) async fn remove_cleaned(disk: &Disk, dir: &Path) -> Result<(), LogError> {
    for entry in disk.list(dir).await.map_err(LogError::io("list", dir))? {
        if matches!(FileName::parse(&entry.name), FileName::Cleaned(_)) {
            remove_if_there(disk, &dir.join(&entry.name)).await?;
        }
    }
    Ok(())
}

async fn rename(disk: &Disk, from: &Path, to: &Path) -> Result<(), LogError> {
    disk.rename(from, to).await.map_err(LogError::io("rename", from))
}

async fn remove_if_there(disk: &Disk, path: &Path) -> Result<(), LogError> {
    match disk.remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LogError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
