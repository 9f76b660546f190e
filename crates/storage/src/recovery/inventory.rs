//! The segment files that are in a partition directory.

use crate::LogError;
use crate::files::{FileName, PARTITION_METADATA, SegmentFile};
use ottla_runtime::{DirEntry, Disk};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// Segments with their sizes, and producer snapshots.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory {
    segments: BTreeMap<i64, u64>,
    snapshots: BTreeSet<i64>,
    others: BTreeSet<(i64, SegmentFile)>,
    /// There are files beside those of segments and the topic id.
    has_more: bool,
}

impl Inventory {
    /// Lists the directory.
    pub(crate) async fn take(disk: &Disk, dir: &Path) -> Result<Inventory, LogError> {
        Ok(Inventory::of(&disk.list(dir).await.map_err(LogError::io("list", dir))?))
    }

    /// What a directory holds that was listed.
    pub(crate) fn of(entries: &[DirEntry]) -> Inventory {
        let mut inventory = Inventory::default();
        for entry in entries {
            match FileName::parse(&entry.name) {
                FileName::Segment(base_offset, SegmentFile::Log) => {
                    inventory.segments.insert(base_offset, entry.len);
                }
                FileName::Segment(offset, SegmentFile::Snapshot) => {
                    inventory.snapshots.insert(offset);
                }
                FileName::Segment(base_offset, kind) => {
                    inventory.others.insert((base_offset, kind));
                }
                _ => inventory.has_more |= entry.name != PARTITION_METADATA,
            }
        }
        inventory
    }

    /// Whether there is no segment.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether this is what a creation makes, and nothing was ever flushed to it: one empty segment at offset 0.
    pub(crate) fn is_as_created(&self) -> bool {
        let is_one_empty = self.segments.len() == 1 && self.segments.get(&0) == Some(&0);
        is_one_empty && self.snapshots.is_empty() && !self.has_more
    }

    /// Sizes by base offset.
    pub(crate) fn segments(&self) -> &BTreeMap<i64, u64> {
        &self.segments
    }

    /// Offsets of the snapshots, ascending.
    pub(crate) fn snapshots(&self) -> impl DoubleEndedIterator<Item = i64> {
        self.snapshots.iter().copied()
    }

    /// The segment that holds `offset`, or the first one.
    pub(crate) fn floor(&self, offset: i64) -> Option<i64> {
        let floor = self.segments.range(..=offset).next_back();
        floor.or(self.segments.first_key_value()).map(|(&base_offset, _)| base_offset)
    }

    /// First offset of the first segment.
    pub(crate) fn first_offset(&self) -> Option<i64> {
        self.segments.first_key_value().map(|(&base_offset, _)| base_offset)
    }

    /// Removes the segments before `first_kept`.
    pub(super) async fn drop_before(&mut self, first_kept: i64, disk: &Disk, dir: &Path) -> Result<(), LogError> {
        self.remove_segments(disk, dir, |base_offset| base_offset < first_kept).await?;
        self.segments.retain(|&base_offset, _| base_offset >= first_kept);
        Ok(())
    }

    /// Removes the files of the segments that `is_wanted` picks, with the snapshots at their base offsets.
    pub(crate) async fn remove_segments(
        &self,
        disk: &Disk,
        dir: &Path,
        is_wanted: impl Fn(i64) -> bool,
    ) -> Result<(), LogError> {
        for &base_offset in self.segments.keys().filter(|&&base_offset| is_wanted(base_offset)) {
            for kind in SegmentFile::ALL {
                remove_if_there(disk, &kind.path(dir, base_offset)).await?;
            }
        }
        Ok(())
    }

    /// Removes the snapshots that `is_wanted` picks.
    pub(crate) async fn remove_snapshots(
        &self,
        disk: &Disk,
        dir: &Path,
        is_wanted: impl Fn(i64) -> bool,
    ) -> Result<(), LogError> {
        for &offset in self.snapshots.iter().filter(|&&offset| is_wanted(offset)) {
            remove_if_there(disk, &SegmentFile::Snapshot.path(dir, offset)).await?;
        }
        Ok(())
    }

    /// Removes index files whose segment is gone.
    pub(crate) async fn remove_orphans(&self, disk: &Disk, dir: &Path) -> Result<(), LogError> {
        for &(base_offset, kind) in
            self.others.iter().filter(|(base_offset, _)| !self.segments.contains_key(base_offset))
        {
            remove_if_there(disk, &kind.path(dir, base_offset)).await?;
        }
        Ok(())
    }
}

/// Removes a file; that it is gone already is fine.
pub(crate) async fn remove_if_there(disk: &Disk, path: &Path) -> Result<(), LogError> {
    match disk.remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LogError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
