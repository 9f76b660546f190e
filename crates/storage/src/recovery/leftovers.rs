//! Files that an interrupted deletion or compaction left in a partition directory (Kafka's rules).
//!
//! * `.deleted` and `.cleaned` files are removed.
//! * `.swap` files hold the finished product of a compaction: they replace the segments in their range. If `.cleaned`
//!   files are there too, not all had become `.swap` when it was interrupted, and `.swap` files from the first of those on
//!   do not count.
//! * Index files that are still `.swap` when their segment is in its place only have to be renamed.

use super::Inventory;
use super::inventory::remove_if_there;
use crate::LogError;
use crate::cleaner::{PendingSwap, complete_swap};
use crate::files::{self, FileName, SegmentFile};
use crate::limits::LOCATE_CHUNK_BYTES;
use crate::log::sync_dir;
use crate::segment::BatchReader;
use crate::sites;
use ottla_runtime::{Disk, OpenMode};
use std::path::Path;
use tracing::info;

/// Removes or completes leftovers and lists what is there then.
pub(super) async fn clean_up(disk: &Disk, dir: &Path) -> Result<Inventory, LogError> {
    let entries = disk.list(dir).await.map_err(LogError::io("list", dir))?;
    let is_leftover = |name: &str| !matches!(FileName::parse(name), FileName::Segment(..) | FileName::Other);
    if !entries.iter().any(|entry| is_leftover(&entry.name)) {
        let inventory = Inventory::of(&entries);
        inventory.remove_orphans(disk, dir).await?;
        return Ok(inventory);
    }
    let names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
    let (mut cleaned, mut first_cleaned) = (Vec::new(), i64::MAX);
    let mut swaps: Vec<(i64, SegmentFile)> = Vec::new();
    for name in &names {
        match FileName::parse(name) {
            FileName::Deleted => remove_if_there(disk, &dir.join(name)).await?,
            FileName::Cleaned(base_offset) => {
                first_cleaned = first_cleaned.min(base_offset);
                cleaned.push(dir.join(name));
            }
            FileName::Swap(base_offset, kind) => swaps.push((base_offset, kind)),
            FileName::Segment(..) | FileName::Other => {}
        }
    }
    discard(disk, dir, &swaps, first_cleaned).await?;
    for path in &cleaned {
        remove_if_there(disk, path).await?;
    }
    swaps.retain(|&(base_offset, _)| base_offset < first_cleaned);
    complete_swaps(disk, dir, &swaps).await?;
    let inventory = Inventory::take(disk, dir).await?;
    inventory.remove_orphans(disk, dir).await?;
    Ok(inventory)
}

/// Removes the `.swap` files that do not count, durably: without the `.cleaned` ones, which go next, they would.
async fn discard(disk: &Disk, dir: &Path, swaps: &[(i64, SegmentFile)], first_cleaned: i64) -> Result<(), LogError> {
    let mut is_changed = false;
    for &(base_offset, kind) in swaps.iter().filter(|(base_offset, _)| *base_offset >= first_cleaned) {
        remove_if_there(disk, &files::swap(&kind.path(dir, base_offset))).await?;
        is_changed = true;
    }
    match is_changed {
        true => sync_dir(disk, dir, sites::SWAP_DIR).await,
        false => Ok(()),
    }
}

/// Puts the products of a compaction in the place of the segments that they were made from.
async fn complete_swaps(disk: &Disk, dir: &Path, swaps: &[(i64, SegmentFile)]) -> Result<(), LogError> {
    if swaps.is_empty() {
        return Ok(());
    }
    let mut pending = PendingSwap::default();
    for &(base_offset, kind) in swaps {
        pending.new.entry(base_offset).or_default().push(kind);
    }
    let bases = || swaps.iter().filter(|(_, kind)| *kind == SegmentFile::Log).map(|&(base_offset, _)| base_offset);
    if let Some(first) = bases().min() {
        let mut end = first;
        for base_offset in bases() {
            let path = files::swap(&SegmentFile::Log.path(dir, base_offset));
            end = end.max(end_offset(disk, &path, base_offset).await?);
        }
        let inventory = Inventory::take(disk, dir).await?;
        pending.old =
            inventory.segments().range(first..end.max(first + 1)).map(|(&base_offset, _)| base_offset).collect();
        info!(dir = %dir.display(), first, end, "completing an interrupted compaction");
    }
    complete_swap(disk, dir, &pending).await
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
