//! [`Disk`]: directories, names and whole small files. Single files are in [`crate::File`].

use crate::file::{self, File, FileKind};
use crate::lazy::{LazyFile, OpenFiles};
use crate::memory::disk::MemoryDisk;
use crate::real::disk::RealDisk;
use crate::sim::SimDisk;
use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which storage threads an operation runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Partition data: several threads.
    Data,
    /// The metadata log and its snapshots: a thread of its own.
    Metadata,
}

/// How [`Disk::open`] opens a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; it must exist.
    ReadWrite,
    /// For reading and writing; it must not exist yet.
    CreateNew,
    /// For reading and writing; made (empty) when it does not exist. What it holds is kept.
    Create,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The last part of the path. Names that are not UTF-8 are not listed.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// The file's length in bytes; 0 for a directory.
    pub len: u64,
}

/// Space of the file system that holds a path, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total: u64,
    /// What an unprivileged process may still use.
    pub available: u64,
}

/// An exclusive lock on a lock file, released when this is dropped or the process ends.
#[derive(Debug)]
pub struct LockGuard {
    _held: LockHeld,
}

#[derive(Debug)]
pub(crate) enum LockHeld {
    Real { _file: std::fs::File },
    Memory { _lock: crate::memory::disk::MemoryLock },
    Sim { _lock: crate::sim::SimLock },
}

impl LockGuard {
    pub(crate) fn new(held: LockHeld) -> LockGuard {
        LockGuard { _held: held }
    }
}

/// The disk as seen through one lane. Cheap to clone.
///
/// All operations run on storage threads, never on the caller's. A change of names (create, rename, remove) survives a power loss only
/// after [`Disk::sync_dir`] of the directory that holds the name, and a file's content only after [`File::sync`]. Errors name
/// the path and keep their `kind()`.
#[derive(Clone, Debug)]
pub struct Disk {
    kind: DiskKind,
    lane: Lane,
    open_files: Arc<OpenFiles>,
}

#[derive(Clone, Debug)]
enum DiskKind {
    Real(Arc<RealDisk>),
    Memory(Arc<MemoryDisk>),
    Sim(SimDisk),
}

impl Disk {
    fn new(kind: DiskKind) -> Disk {
        Disk { kind, lane: Lane::Data, open_files: Arc::default() }
    }

    pub(crate) fn real(storage_threads: usize) -> io::Result<Disk> {
        Ok(Disk::new(DiskKind::Real(Arc::new(RealDisk::start(storage_threads)?))))
    }

    pub(crate) fn memory() -> Disk {
        Disk::new(DiskKind::Memory(Arc::new(MemoryDisk::new())))
    }

    pub(crate) fn sim(disk: SimDisk) -> Disk {
        Disk::new(DiskKind::Sim(disk))
    }

    /// The same disk through another lane. Files opened through it stay on that lane.
    pub fn on_lane(&self, lane: Lane) -> Disk {
        Disk { kind: self.kind.clone(), lane, open_files: self.open_files.clone() }
    }

    /// Makes `path` and its missing parents. Not durable before the parents are synced.
    pub async fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real(disk) => disk.create_dir_all(self.lane, path).await,
            DiskKind::Memory(disk) => disk.create_dir_all(path),
            DiskKind::Sim(disk) => disk.create_dir_all(path).await,
        }
    }

    /// Creates a directory with all its missing parents and makes their names durable: the parent of every directory that
    /// was missing is synced, and that of `path` in any case, because an earlier run may have made it and crashed.
    ///
    /// # Errors
    /// As [`Disk::create_dir_all`] and [`Disk::sync_dir`].
    pub async fn create_dir_all_durable(&self, path: &Path, site: &'static str) -> io::Result<()> {
        let mut unsynced = vec![parent_of(path)?];
        for ancestor in path.ancestors().skip(1).filter(|ancestor| !ancestor.as_os_str().is_empty()) {
            if self.exists(ancestor).await? {
                break;
            }
            unsynced.push(parent_of(ancestor)?);
        }
        self.create_dir_all(path).await?;
        for parent in unsynced.into_iter().rev() {
            self.sync_dir(&parent, site).await?;
        }
        Ok(())
    }

    /// Opens a file as `mode` says.
    pub async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<File> {
        self.open_kind(path, mode).await.map(File::new)
    }

    /// A file that exists, to be opened for reading and writing when it is used, and closed again when it was not used for long
    /// and nothing of it is unsynced: a descriptor is held while it is needed. Nothing is looked at now.
    ///
    /// It is opened by its name: a rename or removal leaves the handle useless once it was closed. What has to outlive that is
    /// to be held with [`File::hold`].
    pub fn open_later(&self, path: &Path) -> File {
        file::lazy(Arc::new(LazyFile::closed(self.clone(), path)))
    }

    /// As [`Disk::open_later`], opened now, as `mode` says.
    pub async fn open_lazily(&self, path: &Path, mode: OpenMode) -> io::Result<File> {
        let file = Arc::new(LazyFile::closed(self.clone(), path));
        file.open(mode).await?;
        Ok(file::lazy(file))
    }

    pub(crate) async fn open_kind(&self, path: &Path, mode: OpenMode) -> io::Result<FileKind> {
        match self.open_once(path, mode).await {
            Err(error) if self.open_files.close_in_need(&error) => self.open_once(path, mode).await,
            opened => opened,
        }
    }

    async fn open_once(&self, path: &Path, mode: OpenMode) -> io::Result<FileKind> {
        match &self.kind {
            DiskKind::Real(disk) => Ok(FileKind::Real(Arc::new(disk.open(self.lane, path, mode).await?))),
            DiskKind::Memory(disk) => Ok(FileKind::Memory(disk.open(path, mode)?)),
            DiskKind::Sim(disk) => Ok(FileKind::Sim(disk.open(path, mode).await?)),
        }
    }

    /// Opens a file that was open before, on this thread.
    pub(crate) fn open_now(&self, path: &Path, mode: OpenMode) -> io::Result<FileKind> {
        let open = || match &self.kind {
            DiskKind::Real(disk) => Ok(FileKind::Real(Arc::new(disk.open_now(self.lane, path, mode)?))),
            DiskKind::Memory(disk) => Ok(FileKind::Memory(disk.open(path, mode)?)),
            DiskKind::Sim(disk) => Ok(FileKind::Sim(disk.open_now(path, mode)?)),
        };
        match open() {
            Err(error) if self.open_files.close_in_need(&error) => open(),
            opened => opened,
        }
    }

    pub(crate) fn open_files(&self) -> &OpenFiles {
        &self.open_files
    }

    /// Lazy files that may be open at once: a share of what the process may open. Others that are held open for later use ought not
    /// to be more.
    pub fn lazy_files_max(&self) -> usize {
        match &self.kind {
            DiskKind::Real(_) => crate::real::disk::lazy_files_max(),
            DiskKind::Memory(_) => usize::MAX,
            DiskKind::Sim(disk) => disk.lazy_files_max(),
        }
    }

    /// Renames a file or directory; a file at `to` is replaced. After a power loss there is either the old or the new state,
    /// the new one surely once `to`'s directory (and, for a move, `from`'s) is synced.
    pub async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real(disk) => disk.rename(self.lane, from, to).await,
            DiskKind::Memory(disk) => disk.rename(from, to),
            DiskKind::Sim(disk) => disk.rename(from, to).await,
        }
    }

    /// Removes a file. Handles that are open keep working.
    pub async fn remove_file(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real(disk) => disk.remove_file(self.lane, path).await,
            DiskKind::Memory(disk) => disk.remove_file(path),
            DiskKind::Sim(disk) => disk.remove_file(path).await,
        }
    }

    /// Removes a directory and everything in it.
    pub async fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real(disk) => disk.remove_dir_all(self.lane, path).await,
            DiskKind::Memory(disk) => disk.remove_dir_all(path),
            DiskKind::Sim(disk) => disk.remove_dir_all(path).await,
        }
    }

    /// Makes the names in directory `path` durable. `site` names this place in the code: a test can turn it off.
    pub async fn sync_dir(&self, path: &Path, site: &'static str) -> io::Result<()> {
        self.sync_dir_at(path, site).await
    }

    async fn sync_dir_at(&self, path: &Path, site: &str) -> io::Result<()> {
        match self.sync_dir_once(path, site).await {
            // It was not opened: no sync has failed.
            Err(error) if self.open_files.close_in_need(&error) => self.sync_dir_once(path, site).await,
            synced => synced,
        }
    }

    async fn sync_dir_once(&self, path: &Path, site: &str) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real(disk) => disk.sync_dir(self.lane, path).await,
            DiskKind::Memory(disk) => disk.sync_dir(path),
            DiskKind::Sim(disk) => disk.sync_dir(path, site).await,
        }
    }

    /// What is in directory `path`, sorted by name.
    pub async fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        match &self.kind {
            DiskKind::Real(disk) => disk.list(self.lane, path).await,
            DiskKind::Memory(disk) => disk.list(path),
            DiskKind::Sim(disk) => disk.list(path).await,
        }
    }

    /// Whether there is a file or directory at `path`.
    pub async fn exists(&self, path: &Path) -> io::Result<bool> {
        match &self.kind {
            DiskKind::Real(disk) => disk.exists(self.lane, path).await,
            DiskKind::Memory(disk) => Ok(disk.exists(path)),
            DiskKind::Sim(disk) => disk.exists(path).await,
        }
    }

    /// The whole file. `FileTooLarge` when it is longer than `len_max` bytes.
    pub async fn read(&self, path: &Path, len_max: usize) -> io::Result<Bytes> {
        if let DiskKind::Real(disk) = &self.kind {
            return match disk.read(self.lane, path, len_max).await {
                Err(error) if self.open_files.close_in_need(&error) => disk.read(self.lane, path, len_max).await,
                read => read,
            };
        }
        let file = self.open(path, OpenMode::Read).await?;
        let len = file.len()?;
        check_len(len, len_max).map_err(|error| crate::error::at_path("read", path, error))?;
        file.read_at(0, len as usize).await
    }

    /// Replaces the file at `path` by `content` so that a crash at any time leaves the old or the new content, and only the new
    /// one once this has returned: writes `path` + `.tmp`, syncs it (site `<site>.file`), renames it, syncs the directory
    /// (site `<site>.dir`). One writer per path.
    pub async fn write_atomic(&self, path: &Path, content: &[u8], site: &'static str) -> io::Result<()> {
        let directory = parent_of(path)?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = self.open(&temporary, OpenMode::Create).await?;
        file.set_len(0)?;
        file.write_at(0, &[content])?;
        file.sync_at(&format!("{site}.file")).await?;
        self.rename(&temporary, path).await?;
        self.sync_dir_at(&directory, &format!("{site}.dir")).await
    }

    /// Space of the file system that holds `path`, which must exist.
    pub async fn space(&self, path: &Path) -> io::Result<Space> {
        match &self.kind {
            DiskKind::Real(disk) => disk.space(self.lane, path).await,
            DiskKind::Memory(disk) => disk.space(),
            DiskKind::Sim(disk) => disk.space(path).await,
        }
    }

    /// Takes the exclusive lock on the file `path`, made when missing; it then holds this process's id.
    ///
    /// # Errors
    /// `WouldBlock` when another process (or another handle in this one) holds it; the text says which process.
    pub async fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        match &self.kind {
            DiskKind::Real(disk) => disk.lock(self.lane, path).await,
            DiskKind::Memory(disk) => disk.lock(path),
            DiskKind::Sim(disk) => disk.lock(path).await,
        }
    }
}

/// # Errors
/// `FileTooLarge` for a file that is longer than the caller takes.
pub(crate) fn check_len(len: u64, len_max: usize) -> io::Result<()> {
    if len <= len_max as u64 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{len} bytes, at most {len_max} expected")))
}

/// The directory that holds `path`'s name.
fn parent_of(path: &Path) -> io::Result<PathBuf> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(PathBuf::from(".")),
        Some(parent) => Ok(parent.to_path_buf()),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} has no directory", path.display()))),
    }
}

/// What a second holder is told.
pub(crate) fn locked_error(path: &Path, holder: &str) -> io::Error {
    let text = format!("{} is locked by {holder}", path.display());
    io::Error::new(io::ErrorKind::WouldBlock, text)
}
