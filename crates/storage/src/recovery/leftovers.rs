//! Files that an interrupted deletion or compaction left in a partition directory (Kafka's rules).
//!
//! * `.deleted` and `.cleaned` files are removed.
//! * `.swap` files hold the finished product of a compaction: they replace the segments in their range. If `.cleaned`
//!   files are there too, a split was interrupted, and `.swap` files from the first of those on are products of it that
//!   do not count.

use super::Inventory;
use super::inventory::remove_if_there;
use crate::LogError;
use crate::files::{FileName, SegmentFile};
use crate::limits::LOCATE_CHUNK_BYTES;
use crate::segment::BatchReader;
use ottla_runtime::{Disk, OpenMode};
use std::path::{Path, PathBuf};
use tracing::info;

/// Removes or completes leftovers and lists what is there then.
pub(super) async fn clean_up(disk: &Disk, dir: &Path) -> Result<Inventory, LogError> {
    let names: Vec<String> =
        disk.list(dir).await.map_err(LogError::io("list", dir))?.into_iter().map(|entry| entry.name).collect();
    let mut first_cleaned = i64::MAX;
    let mut swaps: Vec<(i64, SegmentFile)> = Vec::new();
    for name in &names {
        match FileName::parse(name) {
            FileName::Deleted => remove_if_there(disk, &dir.join(name)).await?,
            FileName::Cleaned(base_offset) => {
                first_cleaned = first_cleaned.min(base_offset);
                remove_if_there(disk, &dir.join(name)).await?;
            }
            FileName::Swap(base_offset, kind) => swaps.push((base_offset, kind)),
            FileName::Segment(..) | FileName::Other => {}
        }
    }
    for &(base_offset, kind) in swaps.iter().filter(|(base_offset, _)| *base_offset >= first_cleaned) {
        remove_if_there(disk, &swap_path(dir, base_offset, kind)).await?;
    }
    swaps.retain(|&(base_offset, _)| base_offset < first_cleaned);
    complete_swaps(disk, dir, &swaps).await?;
    let inventory = Inventory::take(disk, dir).await?;
    inventory.remove_orphans(disk, dir).await?;
    Ok(inventory)
}

/// Puts the products of a compaction in the place of the segments that they were made from.
async fn complete_swaps(disk: &Disk, dir: &Path, swaps: &[(i64, SegmentFile)]) -> Result<(), LogError> {
    let bases = || swaps.iter().filter(|(_, kind)| *kind == SegmentFile::Log).map(|&(base_offset, _)| base_offset);
    let Some(first) = bases().min() else { return Ok(()) };
    let mut end = first;
    for base_offset in bases() {
        end = end.max(end_offset(disk, &swap_path(dir, base_offset, SegmentFile::Log), base_offset).await?);
    }
    info!(dir = %dir.display(), first, end, "completing an interrupted compaction");
    let inventory = Inventory::take(disk, dir).await?;
    inventory.remove_segments(disk, dir, |base_offset| base_offset >= first && base_offset < end).await?;
    for &(base_offset, kind) in swaps {
        let from = swap_path(dir, base_offset, kind);
        disk.rename(&from, &kind.path(dir, base_offset)).await.map_err(LogError::io("rename", &from))?;
    }
    Ok(())
}

/// The offset after the last whole batch of a segment file.
async fn end_offset(disk: &Disk, path: &Path, base_offset: i64) -> Result<i64, LogError> {
    let file = disk.open(path, OpenMode::Read).await.map_err(LogError::io("open", path))?;
    let size = file.len().map_err(LogError::io("measure", path))?;
    let mut reader = BatchReader::new(file, 0, size, LOCATE_CHUNK_BYTES);
    let mut end = base_offset;
    while let Ok(Some((_, header))) = reader.next_header().await {
        end = header.next_offset();
    }
    Ok(end)
}

fn swap_path(dir: &Path, base_offset: i64, kind: SegmentFile) -> PathBuf {
    let mut path = kind.path(dir, base_offset).into_os_string();
    path.push(".swap");
    PathBuf::from(path)
}
