//! What tools do to log directories of a node that is stopped.

use super::checkpoint::DurableOffsets;
use super::marker::{self, Shutdown};
use super::meta_properties::MetaProperties;
use super::open::sync_ancestors;
use super::{CLEANER_OFFSETS, LOCK, LogDirsError, RECOVERY_POINTS};
use crate::LogError;
use crate::sites;
use ottla_runtime::{Disk, LockGuard, Runtime};
use ottla_types::{NodeId, TopicPartition, Uuid};
use std::path::Path;

/// Whose a log directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `cluster.id`; unknown before the cluster has formed.
    pub cluster_id: Option<String>,
    /// `node.id`.
    pub node_id: NodeId,
    /// `directory.id` (KIP-858).
    pub directory_id: Uuid,
}

/// Whose the directory `dir` is; `None` if nobody has used it yet.
///
/// # Errors
/// When its `meta.properties` cannot be read.
pub async fn identity(rt: &Runtime, dir: &Path) -> Result<Option<Identity>, LogError> {
    let found = MetaProperties::read(rt.disk(), dir).await?;
    Ok(found.map(|found| Identity {
        cluster_id: found.cluster_id,
        node_id: found.node_id,
        directory_id: found.directory_id,
    }))
}

/// Makes `dir` the log directory of a node: what `kafka-storage format` does. The cluster that the node forms at its first
/// start then has this id.
///
/// # Errors
/// When the directory is in use, or is another node's or cluster's.
pub async fn format(rt: &Runtime, dir: &Path, node_id: NodeId, cluster_id: Uuid) -> Result<Identity, LogDirsError> {
    let disk = rt.disk();
    disk.create_dir_all(dir).await.map_err(LogError::io("create", dir))?;
    let _locked = lock_dir(disk, dir).await?;
    let cluster_id = cluster_id.to_string();
    let present = MetaProperties::read(disk, dir).await?;
    if let Some(present) = &present {
        present.check(dir, node_id, Some(&cluster_id))?;
    }
    let directory_id = present.map_or_else(|| rt.random_uuid(), |present| present.directory_id);
    let properties = MetaProperties { cluster_id: Some(cluster_id), node_id, directory_id };
    sync_ancestors(disk, dir).await?;
    properties.write(disk, dir).await?;
    Ok(Identity { cluster_id: properties.cluster_id, node_id, directory_id })
}

/// How the last run that used `dir` ended, as a start now would see it.
///
/// # Errors
/// When the markers cannot be read.
pub async fn last_shutdown(rt: &Runtime, dir: &Path) -> Result<Shutdown, LogError> {
    Ok(marker::read(rt.disk(), dir, &rt.boot_id()).await?.shutdown)
}

/// Locks a log directory that no node uses, for a tool.
///
/// # Errors
/// `Io` of the kind `WouldBlock` when a node uses it; the text says which process.
pub async fn lock_dir(disk: &Disk, dir: &Path) -> Result<LockGuard, LogError> {
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
