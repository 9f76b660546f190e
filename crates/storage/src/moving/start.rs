//! Future directories: made, found again at the start, dropped; and what a start makes of moves that the last run did not
//! finish.

use super::copy::{CopyProgress, FutureLog};
use super::marker::MoveMarker;
use crate::dirs::{FoundPartition, LogDir};
use crate::files::{self, FUTURE_DIR_SUFFIX};
use crate::limits::READS_IN_PARALLEL;
use crate::{LogDirs, LogError};
use futures_util::{StreamExt, stream};
use ottla_types::{TopicPartition, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info, warn};

/// The directory of a move that the last run did not finish.
#[derive(Debug, Clone)]
pub struct FoundFuture {
    /// Topic and partition, by the directory's name.
    pub topic_partition: TopicPartition,
    /// Where the partition was to move.
    pub dir: Arc<LogDir>,
    path: PathBuf,
}

impl LogDirs {
    /// Begins a copy of the partition in `dir`: an empty future directory.
    ///
    /// # Errors
    /// When it cannot be made, or the directory holds the partition's name already.
    pub async fn create_future(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        dir: &Arc<LogDir>,
    ) -> Result<FutureLog, LogError> {
        let place = dir.path().join(files::partition_dir_name(partition));
        if dir.disk().exists(&place).await.map_err(LogError::io("find", &place))? {
            return Err(LogError::Io { action: "move to", path: place, source: io::ErrorKind::AlreadyExists.into() });
        }
        let path = dir.path().join(files::renamed_partition_dir(partition, &self.unique(), FUTURE_DIR_SUFFIX));
        let created = dir.disk().create_dir_all(&path).await.map_err(LogError::io("create", &path));
        created.inspect_err(|error| dir.note_log_error(error))?;
        Ok(FutureLog {
            dir: dir.clone(),
            path,
            partition: partition.clone(),
            topic_id,
            copied: BTreeMap::new(),
            cuts: BTreeSet::new(),
            progress: Arc::new(CopyProgress::default()),
        })
    }

    /// The moves that the last run did not finish.
    pub async fn unfinished_moves(&self) -> Result<Vec<FoundFuture>, LogError> {
        let mut found = Vec::new();
        for dir in self.dirs() {
            for entry in dir.disk().list(dir.path()).await.map_err(LogError::io("list", dir.path()))? {
                if let Some(topic_partition) = files::parse_future_dir(&entry.name).filter(|_| entry.is_dir) {
                    let path = dir.path().join(&entry.name);
                    found.push(FoundFuture { topic_partition, dir: dir.clone(), path });
                }
            }
        }
        Ok(found)
    }

    /// Drops what the last run had copied.
    pub async fn drop_found_future(&self, found: FoundFuture) -> Result<(), LogError> {
        self.drop_dir(&found.dir, &found.topic_partition, &found.path).await
    }

    /// Drops a copy that is not wanted any more, or does not succeed.
    pub async fn drop_future(&self, future: FutureLog) -> Result<(), LogError> {
        self.drop_dir(&future.dir, &future.partition, &future.path).await
    }

    async fn drop_dir(&self, dir: &LogDir, partition: &TopicPartition, path: &Path) -> Result<(), LogError> {
        let removed = self.deletion_path(dir, partition);
        match dir.disk().rename(path, &removed).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed.map_err(LogError::io("rename", path))?,
        }
        dir.remove_later(self.now(), removed, true);
        Ok(())
    }

    /// Of every partition that was moving, leaves only the directory that may be opened; see the module's table.
    pub(crate) async fn settle_moves(&self, found: Vec<FoundPartition>) -> Vec<FoundPartition> {
        let read = async |partition: &FoundPartition| {
            MoveMarker::read(partition.dir.disk(), &partition.path).await.transpose()
        };
        let markers: Vec<_> = stream::iter(&found).map(read).buffered(READS_IN_PARALLEL).collect().await;
        let mut is_gone = vec![false; found.len()];
        for (index, marker) in markers.iter().enumerate() {
            let Some(marker) = marker else { continue };
            let partition = &found[index];
            let (topic_id, to) = match marker {
                Ok(marker) => (Some(marker.topic_id), Some(marker.to)),
                Err(error) => {
                    error!(partition = %partition.topic_partition, %error, "a move marker cannot be read");
                    (partition.topic_id, None)
                }
            };
            let others = found.iter().zip(&markers).enumerate().filter(|(other, (candidate, _))| {
                let is_same = candidate.topic_partition == partition.topic_partition;
                *other != index && is_same && topic_id.is_some() && candidate.topic_id == topic_id
            });
            // The one without a marker is the log; of two with one, the later.
            let mut others = others.map(|(_, other)| other);
            let is_replaced = others.any(|(candidate, marker)| marker.is_none() || Some(candidate.dir.id()) == to);
            if is_replaced {
                self.remove_replaced(partition).await;
                is_gone[index] = true;
            } else if to.is_some_and(|to| self.dirs().iter().any(|dir| dir.id() == to)) {
                self.unmark(partition).await;
            } else {
                warn!(
                    partition = %partition.topic_partition, path = %partition.path.display(), target = ?to,
                    "the partition was being moved to a log directory that is offline: it may be there"
                );
            }
        }
        let mut gone = is_gone.into_iter();
        found.into_iter().filter(|_| !gone.next().unwrap_or(false)).collect()
    }

    /// The partition is in another directory now.
    async fn remove_replaced(&self, found: &FoundPartition) {
        info!(partition = %found.topic_partition, path = %found.path.display(), "the partition was moved: removing the rest");
        let removed = self.remove_source(&found.dir, &found.topic_partition, &found.path, Duration::ZERO).await;
        if let Err(error) = removed {
            error!(partition = %found.topic_partition, %error, "what a move left behind cannot be removed; the next start tries again");
        }
    }

    /// The partition was to move, and has not. A marker that stays keeps it from being opened.
    async fn unmark(&self, found: &FoundPartition) {
        info!(partition = %found.topic_partition, path = %found.path.display(), "the partition was not moved");
        if let Err(error) = MoveMarker::remove(found.dir.disk(), &found.path).await {
            error!(partition = %found.topic_partition, %error, "a move marker cannot be removed; the partition stays offline");
        }
    }
}
