//! [`File`]: positioned reads, writes and syncs of one open file; [`FileRange`]: a slice of one, to be sent.

use crate::disk::OpenMode;
use crate::lazy::{FileIdentity, LazyFile};
use crate::memory::disk::MemoryFile;
use crate::real::file::RealFile;
use crate::sim::SimFile;
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An open file. Clones share it; it is closed (on a storage thread) when the last is dropped. One of [`crate::Disk::open_later`] is
/// open only while that is needed.
///
/// 1. `write_at` and `set_len` change the page cache and return at once; readers see them immediately.
/// 2. `sync` makes everything that returned before it began survive a power loss.
///
/// A failed `sync` must not be retried: the system has forgotten which data was lost. It takes the pages that it could not
/// write for clean and may drop them at any time, so that the file shows older bytes or zeros in their place. Therefore
/// nothing is read from such a file any more, nor sent: whoever opens it anew sees what is left and has to judge it.
#[derive(Clone, Debug)]
pub struct File {
    kind: FileKind,
    sync_failed: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
pub(crate) enum FileKind {
    Real(Arc<RealFile>),
    Memory(Arc<MemoryFile>),
    Sim(Arc<SimFile>),
    Lazy(Arc<LazyFile>),
}

/// A file that is opened when it is used.
pub(crate) fn lazy(file: Arc<LazyFile>) -> File {
    File { sync_failed: file.sync_failed().clone(), kind: FileKind::Lazy(file) }
}

impl FileKind {
    /// Which file this is; a lazy one is never inside another.
    pub(crate) fn identity(&self) -> io::Result<FileIdentity> {
        match self {
            FileKind::Real(file) => file.identity(),
            FileKind::Memory(file) => Ok((0, Arc::as_ptr(file) as usize as u64)),
            FileKind::Sim(file) => Ok((0, file.number())),
            FileKind::Lazy(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Closes the file on this thread, unless it is held elsewhere; whether it is closed now.
    pub(crate) fn close_here(self) -> bool {
        match self {
            FileKind::Real(file) => Arc::into_inner(file).is_some_and(|file| {
                file.close_here();
                true
            }),
            FileKind::Sim(file) => Arc::into_inner(file).is_some(),
            FileKind::Memory(_) | FileKind::Lazy(_) => false,
        }
    }

    fn write_at(&self, offset: u64, bufs: &[&[u8]]) -> io::Result<()> {
        match self {
            FileKind::Real(file) => file.write_at(offset, bufs),
            FileKind::Memory(file) => file.write_at(offset, bufs),
            FileKind::Sim(file) => file.write_at(offset, bufs),
            FileKind::Lazy(file) => file.change(|open| open.write_at(offset, bufs)),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self {
            FileKind::Real(file) => file.set_len(len),
            FileKind::Memory(file) => file.set_len(len),
            FileKind::Sim(file) => file.set_len(len),
            FileKind::Lazy(file) => file.change(|open| open.set_len(len)),
        }
    }

    async fn sync(&self, site: &str) -> io::Result<()> {
        match self {
            FileKind::Real(file) => file.sync().await,
            FileKind::Memory(_) => Ok(()),
            FileKind::Sim(file) => file.sync(site).await,
            FileKind::Lazy(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl File {
    pub(crate) fn new(kind: FileKind) -> File {
        File { kind, sync_failed: Arc::default() }
    }

    /// This file, held open as long as the handle lives. A lazy one is opened on a storage thread if need be.
    pub async fn hold(&self) -> io::Result<File> {
        match &self.kind {
            FileKind::Lazy(file) => Ok(self.holding(file.open(OpenMode::ReadWrite).await?)),
            _ => Ok(self.clone()),
        }
    }

    /// As [`File::hold`], if the file is open.
    pub fn hold_if_open(&self) -> Option<File> {
        match &self.kind {
            FileKind::Lazy(file) => file.if_open().map(|open| self.holding(open)),
            _ => Some(self.clone()),
        }
    }

    /// Opens a lazy file on this thread if it is closed, so that a write that follows cannot fail for that.
    pub fn open_now(&self) -> io::Result<()> {
        match &self.kind {
            FileKind::Lazy(file) => file.open_now().map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Whether a change may not be synced; only a lazy file knows.
    pub fn has_unsynced(&self) -> bool {
        match &self.kind {
            FileKind::Lazy(file) => file.has_unsynced(),
            _ => true,
        }
    }

    /// Closes a lazy file of which nothing is unsynced; the next use opens it again.
    pub fn let_go(&self) {
        if let FileKind::Lazy(file) = &self.kind {
            file.let_go();
        }
    }

    fn holding(&self, kind: FileKind) -> File {
        File { kind, sync_failed: self.sync_failed.clone() }
    }

    /// Writes `bufs` one after another from byte `offset` on, into the page cache. Synchronous and short: no disk is waited
    /// for (unless the system throttles writers that dirty memory faster than the disk takes it).
    ///
    /// # Errors
    /// Whatever stopped it, such as a full disk. A part may have been written: the caller cuts it off with [`File::set_len`].
    pub fn write_at(&self, offset: u64, bufs: &[&[u8]]) -> io::Result<()> {
        self.kind.write_at(offset, bufs)
    }

    /// Cuts the file off at `len` or extends it with zeros. Synchronous.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.kind.set_len(len)
    }

    /// The current length in bytes. Synchronous.
    pub fn len(&self) -> io::Result<u64> {
        match &self.kind {
            FileKind::Real(file) => file.len(),
            FileKind::Memory(file) => Ok(file.len()),
            FileKind::Sim(file) => file.len(),
            FileKind::Lazy(file) => self.holding(file.open_now()?).len(),
        }
    }

    /// Whether the file is empty. Synchronous.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Makes all writes and length changes that returned before this call durable (`fdatasync` on a storage thread). `site`
    /// names this place in the code: a test can turn it off.
    pub async fn sync(&self, site: &'static str) -> io::Result<()> {
        self.sync_at(site).await
    }

    pub(crate) async fn sync_at(&self, site: &str) -> io::Result<()> {
        let synced = match &self.kind {
            FileKind::Lazy(file) => {
                let (open, covered) = file.begin_sync().await?;
                let synced = open.sync(site).await;
                if synced.is_ok() {
                    file.note_synced(covered);
                }
                synced
            }
            kind => kind.sync(site).await,
        };
        if synced.is_err() {
            self.sync_failed.store(true, Ordering::Release);
        }
        synced
    }

    /// `len` bytes from `offset` on; fewer only where the file ends. Served inline from the page cache where it can, else on a
    /// storage thread. The caller bounds `len`.
    ///
    /// # Errors
    /// Whatever stopped it; a sync that failed before, or meanwhile.
    pub async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let bytes = match &self.kind {
            FileKind::Real(file) => file.read_at(offset, len).await?,
            FileKind::Memory(file) => file.read_at(offset, len),
            FileKind::Sim(file) => file.read_at(offset, len).await?,
            FileKind::Lazy(_) => return Box::pin(self.hold().await?.read_at(offset, len)).await,
        };
        self.check_synced()?;
        Ok(bytes)
    }

    /// As [`File::read_at`], when all of it is in the page cache; `None` otherwise. Never blocks.
    pub fn read_resident(&self, offset: u64, len: usize) -> Option<Bytes> {
        self.check_synced().ok()?;
        match &self.kind {
            FileKind::Real(file) => file.read_resident(offset, len),
            FileKind::Memory(file) => Some(file.read_at(offset, len)),
            FileKind::Sim(file) => file.read_resident(offset, len),
            FileKind::Lazy(_) => self.hold_if_open()?.read_resident(offset, len),
        }
    }

    /// Reserves disk space for the first `len` bytes, so that writing them cannot fill the disk. The length stays.
    pub async fn allocate(&self, len: u64) -> io::Result<()> {
        match &self.kind {
            FileKind::Real(file) => file.allocate(len).await,
            FileKind::Memory(_) => Ok(()),
            FileKind::Sim(file) => file.allocate(len).await,
            FileKind::Lazy(_) => Box::pin(self.hold().await?.allocate(len)).await,
        }
    }

    /// Starts writing the range to disk in the background, so that a later `sync` finds little left. A hint: promises nothing. Where
    /// it finds that data cannot be written, that counts as a failed sync.
    pub async fn start_writeback(&self, offset: u64, len: u64) {
        match &self.kind {
            FileKind::Real(file) => {
                if file.start_writeback(offset, len).await.is_err() {
                    self.sync_failed.store(true, Ordering::Release);
                }
            }
            FileKind::Memory(_) | FileKind::Sim(_) => {}
            FileKind::Lazy(_) => {
                if let Some(open) = self.hold_if_open() {
                    Box::pin(open.start_writeback(offset, len)).await;
                }
            }
        }
    }

    /// Whether a sync has failed, of this handle or a clone.
    pub fn has_failed_sync(&self) -> bool {
        self.sync_failed.load(Ordering::Acquire)
    }

    /// # Errors
    /// A sync has failed: what the file shows need not be what was written.
    pub(crate) fn check_synced(&self) -> io::Result<()> {
        match self.has_failed_sync() {
            true => Err(io::Error::other("a sync of this file has failed: what it shows may not be what was written")),
            false => Ok(()),
        }
    }

    pub(crate) fn kind(&self) -> &FileKind {
        &self.kind
    }
}

/// A part of a file that is to be sent. It holds the file open, also when the file is removed meanwhile.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: File,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
}
