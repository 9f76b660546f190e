//! What tools do to log directories of a node that is stopped.

use super::checkpoint::DurableOffsets;
use super::{CLEANER_OFFSETS, LOCK, RECOVERY_POINTS, marker};
use crate::LogError;
use crate::sites;
use ottla_runtime::{Disk, LockGuard};
use ottla_types::TopicPartition;
use std::path::Path;

/// Locks a log directory that no node uses, for a tool.
pub(crate) async fn lock_dir(disk: &Disk, dir: &Path) -> Result<LockGuard, LogError> {
    let path = dir.join(LOCK);
    disk.lock(&path).await.map_err(LogError::io("lock", &path))
}

/// Lets the next start recover a log directory as after a power loss.
pub(crate) async fn mark_unclean(disk: &Disk, dir: &Path) -> Result<(), LogError> {
    marker::write_dirty(disk, dir, "changed-by-a-tool").await
}

/// How far a log is compacted, if it ever was.
pub(crate) async fn cleaned_offset(
    disk: &Disk,
    dir: &Path,
    partition: &TopicPartition,
) -> Result<Option<i64>, LogError> {
    let cleaned = DurableOffsets::open(disk, dir, CLEANER_OFFSETS, sites::CLEANER_OFFSETS, true).await?;
    Ok(cleaned.get(partition))
}

/// Lets recovery look at a partition from `offset` on at least.
pub(crate) async fn lower_recovery_point(
    disk: &Disk,
    dir: &Path,
    partition: &TopicPartition,
    offset: i64,
) -> Result<(), LogError> {
    let points = DurableOffsets::open(disk, dir, RECOVERY_POINTS, sites::RECOVERY_POINTS, true).await?;
    if points.get(partition).is_some_and(|point| point > offset) {
        points.set(partition, offset);
    }
    points.flush(disk).await
}
