//! `log.dirs`: the directories that hold this node's logs.
//!
//! 1. [`LogDirs::open`] locks each directory, checks whose it is, and learns how the last run ended.
//! 2. [`LogDirs::discover`] finds the logs; the caller opens each one ([`LogDirs::open_log`]).
//! 3. [`LogDir::finish_recovery`], each: from now on a process crash is told from a power loss again.
//! 4. While the node runs each directory is looked after: [`LogDir::checkpoint`], [`LogDir::remove_due`].
//! 5. [`LogDirs::shutdown`] after every log was closed leaves the clean marker.
//!
//! A directory that fails takes only its own partitions offline; one that is full refuses appends until it has space.

mod checkpoint;
mod duplicates;
mod housekeeping;
mod log_dir;
mod marker;
mod meta_properties;
mod open;
mod openings;
mod partitions;
mod removals;
mod tools;

pub use log_dir::{LogDir, LogDirState};
pub(crate) use log_dir::{LogProgress, NodeState};
pub use marker::Shutdown;
#[cfg(test)]
pub(crate) use openings::Openings;
pub(crate) use openings::Place;
pub use partitions::FoundPartition;
pub(crate) use partitions::write_topic_id;
pub use tools::{Identity, format, identity, last_shutdown, lock_dir};
pub(crate) use tools::{cleaned_offset, lower_recovery_point, mark_unclean};

use crate::LogError;
use futures_util::future::{BoxFuture, join_all};
use log_dir::lock;
use meta_properties::MetaProperties;
use ottla_runtime::{Instant, Runtime};
use ottla_types::NodeId;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::{error, info};

const LOCK: &str = ".lock";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const LOG_STARTS: &str = "log-start-offset-checkpoint";
const CLEANER_OFFSETS: &str = "cleaner-offset-checkpoint";
/// How long a directory may take to write its checkpoints and its clean marker.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(15);

/// Which directories, and whose.
#[derive(Debug, Clone)]
pub struct LogDirsOptions {
    /// `log.dirs`; made where missing.
    pub dirs: Vec<PathBuf>,
    /// `node.id`.
    pub node_id: NodeId,
    /// The cluster's id, if the node knows it already.
    pub cluster_id: Option<String>,
}

/// What an operator does about a directory that the system refuses.
const DISKS_STEP: &str = "look at the disks of log.dirs and start again";

/// Why the directories cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogDirsError {
    /// No directory at all could be opened.
    #[error("none of log.dirs can be used; the first error: {}", .0.with_next_step(DISKS_STEP))]
    NoneUsable(LogError),
    /// Another process has the directory.
    #[error("{0}. Next step: stop that process, or use another directory")]
    Locked(String),
    /// The directory is another node's.
    #[error(
        "{} belongs to node.id {found}, this node is {expected}. Next step: correct node.id, or use another directory",
        dir.display()
    )]
    OtherNode {
        /// The directory.
        dir: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who asks.
        expected: NodeId,
    },
    /// The directory is another cluster's.
    #[error("{} belongs to cluster {found}, this node to {expected}. Next step: use another directory", dir.display())]
    OtherCluster {
        /// The directory.
        dir: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asks.
        expected: String,
    },
    /// `log.dirs` names a directory twice.
    #[error("log.dirs names {} twice. Next step: name each directory once", .0.display())]
    Twice(PathBuf),
    /// A file of a directory is of a newer version, or cannot be written.
    #[error("{}", .0.with_next_step(DISKS_STEP))]
    Log(#[from] LogError),
}

/// All log directories of the node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogDirs {
    rt: Runtime,
    node: Arc<NodeState>,
    node_id: NodeId,
    dirs: Arc<[Arc<LogDir>]>,
    /// Whether every directory could be opened.
    are_all_open: bool,
    cluster_id: Arc<Mutex<Option<String>>>,
}

impl LogDirs {
    /// Opens the directories. One that cannot be used is left out (its partitions are then offline) as long as another
    /// one can.
    pub fn open(rt: &Runtime, options: LogDirsOptions) -> BoxFuture<'_, Result<LogDirs, LogDirsError>> {
        // Boxed: compiled here, not again in every crate that awaits it.
        Box::pin(LogDirs::open_here(rt, options))
    }

    async fn open_here(rt: &Runtime, options: LogDirsOptions) -> Result<LogDirs, LogDirsError> {
        let node = Arc::new(NodeState::default());
        let mut cluster_id = options.cluster_id;
        let mut dirs: Vec<Arc<LogDir>> = Vec::new();
        let mut first_error = None;
        for path in &options.dirs {
            if dirs.iter().any(|dir| dir.path() == path) {
                return Err(LogDirsError::Twice(path.clone()));
            }
            match open::open_dir(rt, &node, path, options.node_id, &mut cluster_id).await {
                Ok(dir) => dirs.push(Arc::new(dir)),
                Err(LogDirsError::Log(error @ LogError::Io { .. })) => {
                    error!(log_dir = %path.display(), %error, "a log directory cannot be used; its partitions are offline");
                    first_error.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match (dirs.is_empty(), first_error) {
            (true, Some(error)) => Err(LogDirsError::NoneUsable(error)),
            (true, None) => Err(LogDirsError::NoneUsable(LogError::NoUsableDir)),
            (false, _) => Ok(LogDirs {
                rt: rt.clone(),
                node,
                node_id: options.node_id,
                are_all_open: dirs.len() == options.dirs.len(),
                dirs: Arc::from(dirs),
                cluster_id: Arc::new(Mutex::new(cluster_id)),
            }),
        }
    }

    /// The directories that could be opened.
    pub fn dirs(&self) -> &[Arc<LogDir>] {
        &self.dirs
    }

    /// Whether a directory is offline, from the start on or since.
    pub fn has_offline_dir(&self) -> bool {
        !self.are_all_open || self.dirs.iter().any(|dir| matches!(dir.state(), LogDirState::Offline(_)))
    }

    /// `num.recovery.threads.per.data.dir`: logs of a directory that are recovered at a time, of those with much to read. One until
    /// this is called.
    pub fn set_recovery_threads(&self, threads: usize) {
        self.dirs.iter().for_each(|dir| dir.openings.set_turns(threads));
    }

    pub(crate) fn now(&self) -> Instant {
        self.rt.now()
    }

    /// The cluster's id, once it is known.
    pub fn cluster_id(&self) -> Option<String> {
        lock(&self.cluster_id).clone()
    }

    /// The cluster has formed: every directory is marked as its own.
    pub async fn set_cluster_id(&self, cluster_id: &str) -> Result<(), LogDirsError> {
        for dir in self.dirs.iter() {
            let properties = MetaProperties {
                cluster_id: Some(cluster_id.to_string()),
                node_id: self.node_id,
                directory_id: dir.id(),
            };
            let present = MetaProperties::read(self.rt.disk(), dir.path()).await?;
            if let Some(present) = &present {
                present.check(dir.path(), self.node_id, Some(cluster_id))?;
            }
            if present.as_ref() != Some(&properties) {
                properties.write(self.rt.disk(), dir.path()).await?;
            }
        }
        *lock(&self.cluster_id) = Some(cluster_id.to_string());
        Ok(())
    }

    /// Unflushed bytes of all logs.
    pub fn dirty_bytes(&self) -> u64 {
        self.node.dirty_bytes.load(Ordering::Relaxed)
    }

    /// Every log was closed: leaves the clean marker in each directory whose logs all were closed without an error.
    pub fn shutdown(self) -> BoxFuture<'static, ()> {
        // Boxed: compiled here, not again in every crate that awaits it.
        Box::pin(self.shut_down_here())
    }

    async fn shut_down_here(self) {
        // Side by side, and not for ever: one that hangs holds up no other, nor the end of the process.
        let dirs = self.dirs.iter().map(|dir| async {
            let done = self.rt.timeout(SHUTDOWN_PATIENCE, self.shut_down_dir(dir)).await;
            let log_dir = dir.path().display();
            match done {
                Ok(Ok(true)) => info!(%log_dir, "closed cleanly"),
                Ok(Ok(false)) => info!(%log_dir, "not closed cleanly: the next start recovers it"),
                Ok(Err(error)) => error!(%log_dir, %error, "not closed cleanly: the next start recovers it"),
                Err(_) => error!(%log_dir, "the disk hangs: the next start recovers the directory"),
            }
        });
        join_all(dirs).await;
    }

    async fn shut_down_dir(&self, dir: &LogDir) -> Result<bool, LogError> {
        let has_open_logs = lock(&dir.logs).values().any(|log| !log.is_closed.load(Ordering::Acquire));
        if has_open_logs
            || dir.has_unopened_logs.load(Ordering::Relaxed)
            || dir.had_failed_flush.load(Ordering::Relaxed)
        {
            return Ok(false);
        }
        dir.set_recovery_points();
        dir.recovery_points.flush(dir.disk()).await?;
        dir.log_starts.flush(dir.disk()).await?;
        dir.cleaned.flush(dir.disk()).await?;
        marker::write_clean(dir.disk(), dir.path()).await?;
        Ok(true)
    }
}
