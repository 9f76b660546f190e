//! An offset for each partition of a log directory, in one of Kafka's checkpoint files.
//!
//! Writers that wait for durability share one write of the file (group commit).

use crate::LogError;
use crate::checkpoints::{CheckpointError, OffsetCheckpoint};
use crate::limits::SMALL_FILE_BYTES_MAX;
use ottla_runtime::Disk;
use ottla_types::TopicPartition;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::warn;

/// The offsets of one checkpoint file, in memory and on disk.
#[derive(Debug)]
pub(crate) struct DurableOffsets {
    path: PathBuf,
    site: &'static str,
    state: Mutex<State>,
    /// Held while the file is written; what it protects is the version that the file has.
    written: tokio::sync::Mutex<u64>,
}

#[derive(Debug, Default)]
struct State {
    offsets: BTreeMap<TopicPartition, i64>,
    version: u64,
    /// What stands in the file, as far as this process knows.
    in_file: BTreeMap<TopicPartition, i64>,
}

impl DurableOffsets {
    /// Reads `dir`/`name`. A file that makes no sense counts as empty if `tolerant`, with a warning.
    pub(crate) async fn open(
        disk: &Disk,
        dir: &Path,
        name: &str,
        site: &'static str,
        tolerant: bool,
    ) -> Result<DurableOffsets, LogError> {
        let path = dir.join(name);
        let offsets = match disk.read(&path, SMALL_FILE_BYTES_MAX).await {
            Ok(bytes) => match OffsetCheckpoint::parse(&bytes) {
                Ok(checkpoint) => checkpoint.offsets,
                Err(CheckpointError::UnknownVersion { found, expected }) if found > expected => {
                    return Err(LogError::NewerFormat { path, found: found.into(), supported: expected.into() });
                }
                Err(error) if tolerant => {
                    warn!(file = %path.display(), %error, "a checkpoint cannot be understood and counts as empty: more is read than would be needed");
                    BTreeMap::new()
                }
                Err(error) => {
                    return Err(LogError::Malformed {
                        path,
                        reason: error.to_string(),
                        next_step: "remove the file: logs then start at their first segment, and deleted records may come back",
                    });
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(LogError::io("read", &path)(error)),
        };
        let state = State { in_file: offsets.clone(), offsets, version: 0 };
        Ok(DurableOffsets { path, site, state: Mutex::new(state), written: tokio::sync::Mutex::new(0) })
    }

    /// The offset of a partition.
    pub(crate) fn get(&self, partition: &TopicPartition) -> Option<i64> {
        self.lock().offsets.get(partition).copied()
    }

    /// Sets an offset in memory; the next write of the file brings it to disk.
    pub(crate) fn set(&self, partition: &TopicPartition, offset: i64) {
        let mut state = self.lock();
        if state.offsets.get(partition) != Some(&offset) {
            state.offsets.insert(partition.clone(), offset);
            state.version += 1;
        }
    }

    /// As [`DurableOffsets::set`], but never lowers an offset.
    pub(crate) fn raise(&self, partition: &TopicPartition, offset: i64) {
        if self.get(partition).is_none_or(|present| present < offset) {
            self.set(partition, offset);
        }
    }

    /// As [`DurableOffsets::set`], but never raises an offset, nor sets one where there is none.
    pub(crate) fn lower(&self, partition: &TopicPartition, offset: i64) {
        if self.get(partition).is_some_and(|present| present > offset) {
            self.set(partition, offset);
        }
    }

    /// Drops a partition; the next write of the file brings it to disk.
    pub(crate) fn remove(&self, partition: &TopicPartition) {
        let mut state = self.lock();
        if state.offsets.remove(partition).is_some() {
            state.version += 1;
        }
    }

    /// Whether the file may still hold an offset for the partition.
    pub(crate) fn is_in_file(&self, partition: &TopicPartition) -> bool {
        self.lock().in_file.contains_key(partition)
    }

    /// Returns once everything set before the call is durable. Nothing is written if it already is.
    pub(crate) async fn flush(&self, disk: &Disk) -> Result<(), LogError> {
        let wanted = self.lock().version;
        let mut written = self.written.lock().await;
        if *written >= wanted {
            return Ok(());
        }
        let (offsets, version) = {
            let state = self.lock();
            (state.offsets.clone(), state.version)
        };
        let bytes = OffsetCheckpoint { offsets: offsets.clone() }.encode();
        // Whatever happens to the write, the file may hold the new offsets from here on.
        self.lock().in_file.extend(offsets.clone());
        let result = disk.write_atomic(&self.path, &bytes, self.site).await;
        result.map_err(LogError::io("write", &self.path))?;
        *written = version;
        self.lock().in_file = offsets;
        Ok(())
    }

    /// Every step under the lock leaves the state consistent, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
