//! Opening one log directory: whose it is, and how its last run ended.

use super::checkpoint::DurableOffsets;
use super::log_dir::{LogDir, LogDirState, NodeState};
use super::marker::{self, Shutdown};
use super::meta_properties::MetaProperties;
use super::openings::Openings;
use super::{CLEANER_OFFSETS, LOCK, LOG_STARTS, LogDirsError, RECOVERY_POINTS};
use crate::LogError;
use crate::sites;
use ottla_runtime::{Disk, Runtime};
use ottla_types::NodeId;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use tracing::info;

/// Opens the directory `path`. `cluster_id` is learned from it if it is not known.
pub(super) async fn open_dir(
    rt: &Runtime,
    node: &Arc<NodeState>,
    path: &Path,
    node_id: NodeId,
    cluster_id: &mut Option<String>,
) -> Result<LogDir, LogDirsError> {
    let disk = rt.disk();
    disk.create_dir_all(path).await.map_err(LogError::io("create", path))?;
    let lock_path = path.join(LOCK);
    let lock = disk.lock(&lock_path).await.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => LogDirsError::Locked(error.to_string()),
        _ => LogDirsError::Log(LogError::io("lock", &lock_path)(error)),
    })?;
    let properties = match MetaProperties::read(disk, path).await? {
        Some(properties) => {
            properties.check(path, node_id, cluster_id.as_deref())?;
            if cluster_id.is_none() {
                cluster_id.clone_from(&properties.cluster_id);
            }
            properties
        }
        None => {
            sync_ancestors(disk, path).await?;
            let directory_id = rt.random_uuid();
            let properties = MetaProperties { cluster_id: cluster_id.clone(), node_id, directory_id };
            properties.write(disk, path).await?;
            properties
        }
    };
    let last_run = marker::read(disk, path, &rt.boot_id()).await?;
    let recovery_points = DurableOffsets::open(disk, path, RECOVERY_POINTS, sites::RECOVERY_POINTS, true).await?;
    let log_starts = DurableOffsets::open(disk, path, LOG_STARTS, sites::LOG_STARTS, false).await?;
    let cleaned = DurableOffsets::open(disk, path, CLEANER_OFFSETS, sites::CLEANER_OFFSETS, true).await?;
    match last_run.shutdown {
        Shutdown::Clean => marker::write_dirty(disk, path, &rt.boot_id()).await?,
        // The names of partitions that the last run made and used may not be durable yet.
        Shutdown::SameBoot | Shutdown::OtherBoot => {
            disk.sync_dir(path, sites::RECOVERED_LOG_DIR).await.map_err(LogError::io("sync", path))?;
        }
    }
    info!(log_dir = %path.display(), last_run = ?last_run.shutdown, "log directory opened");
    Ok(LogDir {
        rt: rt.clone(),
        path: path.to_path_buf(),
        id: properties.directory_id,
        last_run,
        recovery_points,
        log_starts,
        cleaned,
        node: node.clone(),
        state: Mutex::new(LogDirState::Online),
        is_online: AtomicBool::new(true),
        had_failed_flush: AtomicBool::new(false),
        marking: tokio::sync::Mutex::default(),
        has_unopened_logs: AtomicBool::new(true),
        logs: Mutex::default(),
        removals: Mutex::default(),
        flushed_bytes: AtomicU64::new(0),
        many_flushed: tokio::sync::Notify::new(),
        openings: Openings::default(),
        _lock: lock,
    })
}

/// Makes the name of a new log directory durable, and those of the directories that were made on the way to it.
pub(super) async fn sync_ancestors(disk: &Disk, path: &Path) -> Result<(), LogError> {
    for ancestor in path.ancestors().skip(1) {
        let ancestor = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        match disk.sync_dir(ancestor, sites::LOG_DIR_ANCESTORS).await {
            // Not ours, so it was there before.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            result => result.map_err(LogError::io("sync", ancestor))?,
        }
    }
    Ok(())
}
