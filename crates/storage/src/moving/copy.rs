//! The copy of a log that is being built in another log directory.

use super::{MoveError, MoveSource};
use crate::cleaner::Throttle;
use crate::dirs::LogDir;
use crate::files::{self, SegmentFile};
use crate::limits::{INDEX_FILE_BYTES_MAX, SCAN_CHUNK_BYTES};
use crate::log::sync_file;
use crate::{LogError, sites};
use ottla_runtime::{Disk, File, OpenMode};
use ottla_types::{TopicPartition, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// What a copy needs from outside.
#[derive(Clone, Copy)]
pub struct MoveContext<'a> {
    /// `replica.alter.log.dirs.io.max.bytes.per.second`, over all moves.
    pub throttle: &'a Throttle,
    /// Whether to end before it is done.
    pub is_stopped: &'a (dyn Fn() -> bool + Send + Sync),
}

/// How far a copy is, for whoever asks.
#[derive(Debug, Default)]
pub struct CopyProgress {
    bytes: AtomicU64,
    end_offset: AtomicI64,
}

/// A log that is being built as the copy of another; see the module's story.
#[derive(Debug)]
pub struct FutureLog {
    pub(super) dir: Arc<LogDir>,
    pub(super) path: PathBuf,
    pub(super) partition: TopicPartition,
    pub(super) topic_id: Uuid,
    pub(super) copied: BTreeMap<i64, Copied>,
    /// Names of the files of cut bytes that are there.
    pub(super) cuts: BTreeSet<String>,
    pub(super) progress: Arc<CopyProgress>,
}

/// How much of a segment is there.
#[derive(Debug)]
pub(super) enum Copied {
    /// The batches up to a position.
    Growing {
        /// The file.
        file: File,
        /// Bytes of it.
        bytes: u64,
    },
    /// All of a sealed segment, synced.
    Whole,
}

impl CopyProgress {
    /// Bytes of batches that were copied.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Everything below was copied.
    pub fn end_offset(&self) -> i64 {
        self.end_offset.load(Ordering::Relaxed)
    }
}

impl FutureLog {
    /// The log directory that it is in.
    pub fn log_dir(&self) -> &Arc<LogDir> {
        &self.dir
    }

    /// How far it is.
    pub fn progress(&self) -> &Arc<CopyProgress> {
        &self.progress
    }

    /// Copies what `source` has more than this. After an error the copy may go on, unless the source was opened again meanwhile: then [`FutureLog::start_over`] first.
    pub async fn copy(&mut self, source: &MoveSource, context: MoveContext<'_>) -> Result<(), MoveError> {
        for (&base_offset, segment) in source.sealed.iter() {
            if matches!(self.copied.get(&base_offset), Some(Copied::Whole)) {
                continue;
            }
            let opened = segment.open(self.disk()).await?;
            self.copy_batches(base_offset, &opened.file, segment.size(), context).await?;
            self.seal(source, base_offset).await?;
            let next = source.sealed.range(base_offset + 1..).next().map(|(&next, _)| next);
            self.progress.end_offset.store(next.unwrap_or(source.active.base_offset), Ordering::Relaxed);
        }
        let active = &source.active;
        if active.synced_bytes > 0 {
            self.copy_batches(active.base_offset, &active.file, active.synced_bytes, context).await?;
            self.progress.end_offset.store(source.flushed_offset, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Forgets everything that was copied: the source is not what it was.
    pub async fn start_over(&mut self) -> Result<(), LogError> {
        self.copied.clear();
        self.cuts.clear();
        self.progress.bytes.store(0, Ordering::Relaxed);
        self.progress.end_offset.store(0, Ordering::Relaxed);
        let disk = self.disk();
        for entry in disk.list(&self.path).await.map_err(LogError::io("list", &self.path))? {
            crate::recovery::remove_if_there(disk, &self.path.join(&entry.name)).await?;
        }
        Ok(())
    }

    /// Brings the batches of a segment up to `size`.
    async fn copy_batches(
        &mut self,
        base_offset: i64,
        from: &File,
        size: u64,
        context: MoveContext<'_>,
    ) -> Result<(), MoveError> {
        let path = SegmentFile::Log.path(&self.path, base_offset);
        let (file, mut at) = match self.copied.get(&base_offset) {
            Some(Copied::Growing { file, bytes }) => (file.clone(), *bytes),
            Some(Copied::Whole) => return Ok(()),
            None => (create_empty(self.disk(), &path).await?, 0),
        };
        self.copied.insert(base_offset, Copied::Growing { file: file.clone(), bytes: at });
        while at < size {
            if (context.is_stopped)() {
                return Err(MoveError::Stopped);
            }
            self.check_takes_writes()?;
            let wanted = (size - at).min(SCAN_CHUNK_BYTES as u64);
            self.check_room(wanted).await?;
            let chunk = from.read_at(at, wanted as usize).await.map_err(LogError::io("read the source of", &path))?;
            if (chunk.len() as u64) < wanted {
                let source = io::ErrorKind::UnexpectedEof.into();
                return Err(LogError::Io { action: "read the source of", path, source }.into());
            }
            file.write_at(at, &[&chunk]).map_err(LogError::io("write", &path)).map_err(|error| self.failed(error))?;
            file.start_writeback(at, wanted).await;
            at += wanted;
            self.copied.insert(base_offset, Copied::Growing { file: file.clone(), bytes: at });
            self.progress.bytes.fetch_add(wanted, Ordering::Relaxed);
            context.throttle.pay(&self.dir.rt, wanted, context.is_stopped).await;
        }
        Ok(())
    }

    /// All batches of a sealed segment are there: brings the files beside them over and syncs everything.
    async fn seal(&mut self, source: &MoveSource, base_offset: i64) -> Result<(), LogError> {
        let Some(Copied::Growing { file, .. }) = self.copied.get(&base_offset) else { return Ok(()) };
        let path = SegmentFile::Log.path(&self.path, base_offset);
        let synced = sync_file(file, sites::MOVED_SEGMENT, &path).await;
        synced.map_err(|error| self.failed(error))?;
        let beside = [
            (SegmentFile::Index, sites::MOVED_INDEX),
            (SegmentFile::TimeIndex, sites::MOVED_TIME_INDEX),
            (SegmentFile::TxnIndex, sites::MOVED_TXN_INDEX),
            (SegmentFile::Snapshot, sites::MOVED_SNAPSHOT),
        ];
        for (kind, site) in beside {
            self.copy_beside(source, base_offset, kind, site).await?;
        }
        self.copied.insert(base_offset, Copied::Whole);
        Ok(())
    }

    /// Copies a small file of a segment, if the source has it: one that is missing is built again where it is needed.
    pub(super) async fn copy_beside(
        &self,
        source: &MoveSource,
        base_offset: i64,
        kind: SegmentFile,
        site: &'static str,
    ) -> Result<(), LogError> {
        let from = kind.path(&source.identity.path, base_offset);
        self.copy_small(&from, &kind.path(&self.path, base_offset), site).await
    }

    /// Copies what earlier recoveries cut from the log and kept beside it, as far as it is not there yet.
    pub async fn copy_cuts(&mut self, source: &MoveSource, context: MoveContext<'_>) -> Result<(), MoveError> {
        let dir = &source.identity.path;
        for entry in self.disk().list(dir).await.map_err(LogError::io("list", dir))? {
            if files::is_cut_file(&entry.name) && !self.cuts.contains(&entry.name) {
                self.copy_cut(&dir.join(&entry.name), &self.path.join(&entry.name), context).await?;
                self.cuts.insert(entry.name);
            }
        }
        Ok(())
    }

    async fn copy_cut(&self, from: &Path, to: &Path, context: MoveContext<'_>) -> Result<(), MoveError> {
        let source = self.disk().open(from, OpenMode::Read).await.map_err(LogError::io("open", from))?;
        let size = source.len().map_err(LogError::io("look at", from))?;
        let file = create_empty(self.disk(), to).await.map_err(|error| self.failed(error))?;
        let mut at = 0;
        while at < size {
            let wanted = (size - at).min(SCAN_CHUNK_BYTES as u64);
            if (context.is_stopped)() {
                return Err(MoveError::Stopped);
            }
            self.check_room(wanted).await?;
            let chunk = source.read_at(at, wanted as usize).await.map_err(LogError::io("read", from))?;
            if chunk.is_empty() {
                break;
            }
            file.write_at(at, &[&chunk]).map_err(LogError::io("write", to)).map_err(|error| self.failed(error))?;
            at += chunk.len() as u64;
            context.throttle.pay(&self.dir.rt, chunk.len() as u64, context.is_stopped).await;
        }
        sync_file(&file, sites::CUT_FILE, to).await.map_err(|error| self.failed(error).into())
    }

    async fn copy_small(&self, from: &Path, to: &Path, site: &'static str) -> Result<(), LogError> {
        match self.disk().read(from, INDEX_FILE_BYTES_MAX).await {
            Ok(bytes) => self.write_durably(to, &bytes, site).await,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(LogError::io("read", from)(error)),
        }
    }

    /// Writes a small file and syncs it; its name is made durable with all the others.
    pub(super) async fn write_durably(&self, path: &Path, bytes: &[u8], site: &'static str) -> Result<(), LogError> {
        let written = async {
            let file = create_empty(self.disk(), path).await?;
            file.write_at(0, &[bytes]).map_err(LogError::io("write", path))?;
            // An empty file is made again just so.
            if bytes.is_empty() { Ok(()) } else { sync_file(&file, site, path).await }
        };
        written.await.map_err(|error| self.failed(error))
    }

    /// The target cannot be written to: a full disk makes its directory full.
    pub(super) fn failed(&self, error: LogError) -> LogError {
        self.dir.note_log_error(&error);
        error
    }

    pub(super) fn disk(&self) -> &Disk {
        self.dir.disk()
    }

    /// A copy takes no space that the target's own partitions need.
    async fn check_room(&self, bytes: u64) -> Result<(), LogError> {
        if self.dir.room_for_copies().await? < bytes {
            let reason = format!("{} has no room for the rest of the log", self.dir.path().display());
            return Err(LogError::Offline { reason });
        }
        Ok(())
    }

    fn check_takes_writes(&self) -> Result<(), LogError> {
        self.dir.check_writable().map_err(|error| LogError::Offline { reason: error.to_string() })
    }
}

/// A file without content.
async fn create_empty(disk: &Disk, path: &Path) -> Result<File, LogError> {
    let file = disk.open(path, OpenMode::Create).await.map_err(LogError::io("create", path))?;
    file.set_len(0).map_err(LogError::io("cut", path))?;
    Ok(file)
}
