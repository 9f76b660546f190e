//! Partition directories: found, opened, created, deleted, set aside.

use super::log_dir::lock;
use super::{LogDir, LogDirState, LogDirs, LogProgress, Place, Shutdown};
use crate::checkpoints::{CheckpointError, PartitionMetadata};
use crate::files::{self, DELETE_DIR_SUFFIX, PARTITION_METADATA, STRAY_DIR_SUFFIX};
use crate::leader_epoch_cache::LeaderEpochCache;
use crate::limits::{PREFERRED_DIRS_MAX, READS_IN_PARALLEL, SMALL_FILE_BYTES_MAX};
use crate::log::{FailedLog, Log, LogIdentity, LogParts, Unflushed, sync_file};
use crate::moving::check_not_moved;
use crate::producer_state::{ProducerState, ProducerStateConfig};
use crate::recovery::{self, OpenMode, OpenRequest, RecoveryReport};
use crate::segment::{ActiveSegment, create_log_file};
use crate::{LogConfig, LogError, sites};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use ottla_runtime::{File, OpenMode as FileMode};
use ottla_types::{TopicPartition, Uuid};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::{info, warn};

/// A partition directory.
#[derive(Debug, Clone)]
pub struct FoundPartition {
    /// Topic and partition, by the directory's name.
    pub topic_partition: TopicPartition,
    /// The topic's id, by `partition.metadata`. `None` if that is missing: the creation was not durable yet, or Kafka
    /// did not know the id. Set it to the id that the cluster knows before the log is opened.
    pub topic_id: Option<Uuid>,
    /// The log directory.
    pub dir: Arc<LogDir>,
    /// The partition directory.
    pub path: PathBuf,
}

impl LogDirs {
    /// Finds all partition directories, and schedules those for removal that wait for it. Of a partition that was being moved
    /// only the directory that counts.
    pub async fn discover(&self) -> Result<Vec<FoundPartition>, LogError> {
        let mut found = Vec::new();
        for dir in self.dirs.iter() {
            for entry in dir.disk().list(dir.path()).await.map_err(LogError::io("list", dir.path()))? {
                let path = dir.path().join(&entry.name);
                if !entry.is_dir {
                    continue;
                }
                if entry.name.ends_with(DELETE_DIR_SUFFIX) {
                    dir.remove_later(self.rt.now(), path, true);
                } else if let Some(topic_partition) = files::parse_partition_dir(&entry.name) {
                    found.push(FoundPartition { topic_partition, topic_id: None, dir: dir.clone(), path });
                } else if entry.name.ends_with(STRAY_DIR_SUFFIX) {
                    info!(path = %path.display(), "leaving a directory alone that holds no partition of this node");
                }
            }
        }
        let with_id = async |found: FoundPartition| {
            let topic_id = read_topic_id(&found.dir, &found.path).await?;
            Ok::<_, LogError>(FoundPartition { topic_id, ..found })
        };
        let found = stream::iter(found).map(with_id).buffered(READS_IN_PARALLEL).try_collect().await?;
        self.set_empty_duplicates_aside(self.settle_moves(found).await).await
    }

    /// Opens a log that was found, recovering it as far as its last run makes that necessary. Any number may be opened at once:
    /// they wait for one another, those of each directory on their own.
    ///
    /// # Errors
    /// [`LogError::Unwanted`] when `unwanted` resolves while the log waits; what has begun goes on to its end.
    pub async fn open_log(
        &self,
        found: &FoundPartition,
        config: LogConfig,
        unwanted: BoxFuture<'_, ()>,
    ) -> Result<(Log, RecoveryReport), LogError> {
        let mut place = found.dir.openings.enter(unwanted).await?;
        // Boxed here: of the many that wait for a place each takes little memory.
        Box::pin(open_found(found, config, &mut place)).await
    }

    /// Opens a log again that went offline: what was not on stable storage is cut off and kept aside. After an error it may
    /// be tried again: what is below the flushed offset was durable before, and is only written again as it is.
    pub async fn reopen_log(&self, failed: &FailedLog) -> Result<(Log, RecoveryReport), LogError> {
        let FailedLog { identity, config, flushed_offset, recovery_point } = failed;
        check_not_moved(identity.dir.disk(), &identity.path).await?;
        restore_topic_id(&identity.dir, &identity.path, identity.topic_id).await?;
        // Before anything is believed again: a crash from here on must not believe this boot's page cache.
        identity.dir.note_failed_flush().await?;
        identity.dir.recovery_points.set(&identity.partition, *recovery_point);
        let request = OpenRequest {
            dir: identity.dir.clone(),
            path: identity.path.clone(),
            partition: identity.partition.clone(),
            topic_id: identity.topic_id,
            config: config.clone(),
            mode: OpenMode::FlushedTo(*flushed_offset),
            was_ours: true,
            is_cache_suspect: true,
        };
        // In use before its flush failed: it does not wait behind a start.
        recovery::open(request, None).await
    }

    /// The partition, which has no log yet, is to be created in this directory. Kept in memory only, as in Kafka.
    pub fn prefer(&self, partition: &TopicPartition, dir: &LogDir) {
        let mut preferred = lock(&self.node.preferred);
        if preferred.len() < PREFERRED_DIRS_MAX || preferred.contains_key(partition) {
            preferred.insert(partition.clone(), dir.id());
        } else {
            warn!(%partition, "too many partitions that do not exist were given a log directory: this one is forgotten");
        }
    }

    /// Creates an empty log in the directory that was asked for, else in the one that holds the fewest of those that take
    /// appends. Nothing is synced: the log's first flush makes the names durable, and before that there is nothing to lose.
    pub async fn create_log(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        config: LogConfig,
    ) -> Result<Log, LogError> {
        let preferred = lock(&self.node.preferred).remove(partition);
        let usable = self.dirs.iter().filter(|dir| dir.state() == LogDirState::Online);
        let dir = usable.min_by_key(|dir| (preferred != Some(dir.id()), dir.log_count()));
        let dir = dir.ok_or(LogError::NoUsableDir)?.clone();
        // A topic of the same name may have left its offsets behind; they must not be taken for this one's.
        for offsets in [&dir.recovery_points, &dir.log_starts, &dir.cleaned] {
            let is_in_file = offsets.is_in_file(partition);
            // Also what a move to this directory left in memory that failed.
            offsets.remove(partition);
            if is_in_file {
                offsets.flush(dir.disk()).await?;
            }
        }
        let path = dir.path().join(files::partition_dir_name(partition));
        let created = create_files(&dir, &path, topic_id).await;
        let log = created.inspect_err(|error| dir.note_log_error(error))?;
        let jitter_ms = config.draw_jitter_ms(&self.rt);
        let now_ms = self.rt.wall_clock_ms();
        let active = ActiveSegment::new(0, log, config.index_interval_bytes, now_ms, jitter_ms);
        let expiration_ms = config.producer_id_expiration_ms;
        let producer_config = ProducerStateConfig { expiration_ms, ..ProducerStateConfig::default() };
        let identity = LogIdentity {
            number: self.node.next_log.fetch_add(1, Ordering::Relaxed),
            dir,
            path,
            partition: partition.clone(),
            topic_id: Some(topic_id),
            progress: Arc::new(LogProgress::default()),
        };
        Ok(Log::from_parts(LogParts {
            identity: Arc::new(identity),
            config,
            segments: BTreeMap::new(),
            active,
            log_start_offset: 0,
            log_end_offset: 0,
            producers: ProducerState::new(producer_config, 0),
            epochs: LeaderEpochCache::new(),
            last_snapshot_offset: None,
            is_as_closed: false,
            unflushed: Unflushed::created(),
        }))
    }

    /// Deletes a log: its directory is renamed now and removed after `file.delete.delay.ms`. Reads that are under way go
    /// on.
    pub async fn delete_log(&self, log: Log) -> Result<(), LogError> {
        let identity = log.identity.clone();
        identity.progress.is_deleted.store(true, Ordering::Release);
        let delay = Duration::from_millis(log.config().file_delete_delay_ms);
        drop(log);
        let removed = self.rename_dir(&identity.dir, &identity.partition, &identity.path, DELETE_DIR_SUFFIX).await?;
        identity.dir.remove_later(self.rt.now() + delay, removed, true);
        Ok(())
    }

    /// Deletes a partition directory that no log was opened for.
    pub async fn delete_found(&self, found: &FoundPartition, delay: Duration) -> Result<(), LogError> {
        let removed = self.rename_dir(&found.dir, &found.topic_partition, &found.path, DELETE_DIR_SUFFIX).await?;
        found.dir.remove_later(self.rt.now() + delay, removed, true);
        Ok(())
    }

    /// Sets a partition directory aside that belongs to no topic of the cluster; an operator decides about it.
    pub async fn set_aside_stray(&self, found: &FoundPartition) -> Result<(), LogError> {
        let stray = self.rename_dir(&found.dir, &found.topic_partition, &found.path, STRAY_DIR_SUFFIX).await?;
        warn!(
            partition = %found.topic_partition, path = %stray.display(),
            "the cluster does not know this partition with this topic id: set aside. Next step: delete the directory when \
             you do not need it"
        );
        Ok(())
    }

    pub(super) async fn rename_dir(
        &self,
        dir: &LogDir,
        partition: &TopicPartition,
        path: &Path,
        suffix: &str,
    ) -> Result<PathBuf, LogError> {
        let to = dir.path().join(files::renamed_partition_dir(partition, &self.unique(), suffix));
        dir.disk().rename(path, &to).await.map_err(LogError::io("rename", path))?;
        dir.unregister(partition);
        Ok(to)
    }

    /// Takes a partition directory out of use; its new name, to remove it.
    pub(crate) async fn rename_away(
        &self,
        dir: &LogDir,
        partition: &TopicPartition,
        path: &Path,
    ) -> Result<PathBuf, LogError> {
        self.rename_dir(dir, partition, path, DELETE_DIR_SUFFIX).await
    }

    /// A name for a directory that is to be removed, in `dir`.
    pub(crate) fn deletion_path(&self, dir: &LogDir, partition: &TopicPartition) -> PathBuf {
        dir.path().join(files::renamed_partition_dir(partition, &self.unique(), DELETE_DIR_SUFFIX))
    }

    /// 32 hexadecimal digits that no other directory's name has.
    pub(crate) fn unique(&self) -> String {
        self.rt.random_uuid().0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

async fn open_found(
    found: &FoundPartition,
    config: LogConfig,
    place: &mut Place<'_>,
) -> Result<(Log, RecoveryReport), LogError> {
    restore_topic_id(&found.dir, &found.path, found.topic_id).await?;
    check_not_moved(found.dir.disk(), &found.path).await?;
    let last_run = found.dir.last_run;
    let request = OpenRequest {
        dir: found.dir.clone(),
        path: found.path.clone(),
        partition: found.topic_partition.clone(),
        topic_id: found.topic_id,
        config,
        mode: OpenMode::After(last_run.shutdown),
        was_ours: last_run.was_ours,
        is_cache_suspect: last_run.was_this_boot,
    };
    recovery::open(request, Some(place)).await
}

async fn create_files(dir: &LogDir, path: &Path, topic_id: Uuid) -> Result<File, LogError> {
    let disk = dir.disk();
    let directory_exists = disk.exists(path).await.map_err(LogError::io("find", path))?;
    if directory_exists {
        let source = io::ErrorKind::AlreadyExists.into();
        return Err(LogError::Io { action: "create", path: path.to_path_buf(), source });
    }
    disk.create_dir_all(path).await.map_err(LogError::io("create", path))?;
    write_topic_id(dir, path, topic_id).await?;
    let log = create_log_file(disk, path, 0).await.map_err(LogError::io("create a segment in", path))?;
    log.let_go();
    Ok(log)
}

/// Writes the file with the topic id, over what it holds: if that is the same, there is no moment in which it says nothing.
pub(crate) async fn write_topic_id(dir: &LogDir, path: &Path, topic_id: Uuid) -> Result<File, LogError> {
    let path = path.join(PARTITION_METADATA);
    let file = dir.disk().open(&path, FileMode::Create).await.map_err(LogError::io("create", &path))?;
    let bytes = PartitionMetadata { topic_id }.encode();
    file.write_at(0, &[&bytes]).map_err(LogError::io("write", &path))?;
    file.set_len(bytes.len() as u64).map_err(LogError::io("cut", &path))?;
    Ok(file)
}

/// Writes the topic id, durably, if the directory does not say it.
async fn restore_topic_id(dir: &LogDir, path: &Path, topic_id: Option<Uuid>) -> Result<(), LogError> {
    if let Some(topic_id) = topic_id
        && read_topic_id(dir, path).await?.is_none()
    {
        let metadata = write_topic_id(dir, path, topic_id).await?;
        sync_file(&metadata, sites::PARTITION_METADATA, path).await?;
    }
    Ok(())
}

/// The topic id in a partition directory. A file that was not durable yet may be missing or senseless.
async fn read_topic_id(dir: &LogDir, path: &Path) -> Result<Option<Uuid>, LogError> {
    let path = path.join(PARTITION_METADATA);
    let bytes = match dir.disk().read(&path, SMALL_FILE_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("read", &path)(error)),
    };
    match PartitionMetadata::parse(&bytes) {
        Ok(metadata) => Ok(Some(metadata.topic_id)),
        Err(CheckpointError::UnknownVersion { found, expected }) if found > expected => {
            Err(LogError::NewerFormat { path, found: found.into(), supported: expected.into() })
        }
        Err(error) => {
            let is_unclean = dir.last_run.shutdown != Shutdown::Clean;
            warn!(file = %path.display(), %error, is_unclean, "a topic id cannot be read");
            Ok(None)
        }
    }
}
