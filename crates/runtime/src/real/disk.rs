//! Names on the real disk. Every call runs on a storage thread of the caller's lane.

use crate::disk::{DirEntry, Lane, LockGuard, LockHeld, OpenMode, Space, check_len, locked_error};
use crate::error::at_path;
use crate::real::file::RealFile;
use crate::real::threads::StorageThreads;
use bytes::Bytes;
use rustix::fs::{FlockOperation, flock, statvfs};
use rustix::process::{Resource, getrlimit};
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// The part of the open files of the process that lazy ones may be, and the limits of their number.
const LAZY_FILES_PART: usize = 4;
const LAZY_FILES_MIN: usize = 16;
const LAZY_FILES_MAX: usize = 65_536;

/// The real disk: its storage threads.
#[derive(Debug)]
pub(crate) struct RealDisk {
    threads: Arc<StorageThreads>,
}

impl RealDisk {
    pub(crate) fn start(storage_threads: usize) -> io::Result<RealDisk> {
        Ok(RealDisk { threads: Arc::new(StorageThreads::start(storage_threads)?) })
    }

    /// Runs `operation` on `path` on a storage thread; its error says which `action` failed on which path.
    async fn on_path<T: Send + 'static>(
        &self,
        lane: Lane,
        action: &'static str,
        path: &Path,
        operation: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let path = path.to_path_buf();
        self.threads.run(lane, move || operation(&path).map_err(|error| at_path(action, &path, error))).await
    }

    pub(crate) async fn create_dir_all(&self, lane: Lane, path: &Path) -> io::Result<()> {
        self.on_path(lane, "create directory", path, |path| fs::create_dir_all(path)).await
    }

    pub(crate) async fn open(&self, lane: Lane, path: &Path, mode: OpenMode) -> io::Result<RealFile> {
        let opened = self.on_path(lane, "open", path, move |path| options(mode).open(path)).await?;
        Ok(RealFile::new(opened, path.to_path_buf(), lane, self.threads.clone()))
    }

    /// A whole file, by one job.
    pub(crate) async fn read(&self, lane: Lane, path: &Path, len_max: usize) -> io::Result<Bytes> {
        self.on_path(lane, "read", path, move |path| {
            let mut file = options(OpenMode::Read).open(path)?;
            let len = file.metadata()?.len();
            check_len(len, len_max)?;
            let mut bytes = Vec::with_capacity(len as usize);
            // It may grow meanwhile.
            (&mut file).take(len).read_to_end(&mut bytes)?;
            Ok(bytes.into())
        })
        .await
    }

    /// As [`RealDisk::open`], on this thread.
    pub(crate) fn open_now(&self, lane: Lane, path: &Path, mode: OpenMode) -> io::Result<RealFile> {
        let opened = options(mode).open(path).map_err(|error| at_path("open", path, error))?;
        Ok(RealFile::new(opened, path.to_path_buf(), lane, self.threads.clone()))
    }

    pub(crate) async fn rename(&self, lane: Lane, from: &Path, to: &Path) -> io::Result<()> {
        let to = to.to_path_buf();
        self.on_path(lane, "rename", from, move |from| fs::rename(from, to)).await
    }

    pub(crate) async fn remove_file(&self, lane: Lane, path: &Path) -> io::Result<()> {
        self.on_path(lane, "remove", path, |path| fs::remove_file(path)).await
    }

    pub(crate) async fn remove_dir_all(&self, lane: Lane, path: &Path) -> io::Result<()> {
        self.on_path(lane, "remove directory", path, |path| fs::remove_dir_all(path)).await
    }

    pub(crate) async fn sync_dir(&self, lane: Lane, path: &Path) -> io::Result<()> {
        self.on_path(lane, "sync directory", path, |path| fs::File::open(path)?.sync_all()).await
    }

    pub(crate) async fn list(&self, lane: Lane, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.on_path(lane, "list", path, list).await
    }

    pub(crate) async fn exists(&self, lane: Lane, path: &Path) -> io::Result<bool> {
        self.on_path(lane, "look up", path, |path| path.try_exists()).await
    }

    pub(crate) async fn space(&self, lane: Lane, path: &Path) -> io::Result<Space> {
        self.on_path(lane, "ask for the space of", path, |path| {
            let found = statvfs(path)?;
            Ok(Space {
                total: found.f_blocks.saturating_mul(found.f_frsize),
                available: found.f_bavail.saturating_mul(found.f_frsize),
            })
        })
        .await
    }

    pub(crate) async fn lock(&self, lane: Lane, path: &Path) -> io::Result<LockGuard> {
        let owned = path.to_path_buf();
        self.threads.run(lane, move || lock(&owned)).await
    }
}

/// Lazy files that may be open at once. The other files, and the connections, have the rest.
pub(crate) fn lazy_files_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    limit.map_or(LAZY_FILES_MAX, |limit| limit / LAZY_FILES_PART).clamp(LAZY_FILES_MIN, LAZY_FILES_MAX)
}

fn options(mode: OpenMode) -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(mode != OpenMode::Read);
    options.create(mode == OpenMode::Create).create_new(mode == OpenMode::CreateNew);
    options
}

fn list(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut listed = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // Where a name does not tell its type, it is looked at; it may be gone by then.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let Ok(name) = entry.file_name().into_string() else { continue };
            listed.push(DirEntry { name, is_dir: true, len: 0 });
            continue;
        }
        let metadata = match fs::metadata(entry.path()) {
            Ok(metadata) => metadata,
            // Removed since it was listed, or a dangling link.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let is_dir = metadata.is_dir();
        let Ok(name) = entry.file_name().into_string() else { continue };
        listed.push(DirEntry { name, is_dir, len: if is_dir { 0 } else { metadata.len() } });
    }
    listed.sort();
    Ok(listed)
}

/// `flock`, which the kernel releases when the process ends however it ends. The file holds the owner's process id, for the
/// error that the next one gets.
fn lock(path: &Path) -> io::Result<LockGuard> {
    let mut file = options(OpenMode::Create).open(path).map_err(|error| at_path("open lock file", path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(locked_error(path, &holder_of(&mut file))),
        Err(error) => return Err(at_path("lock", path, error)),
    }
    let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.map_err(|error| at_path("write lock file", path, error))?;
    Ok(LockGuard::new(LockHeld::Real { _file: file }))
}

fn holder_of(file: &mut fs::File) -> String {
    let mut text = String::new();
    // The file is ours by name only; whatever stands in it must not fill memory.
    let read = file.take(32).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}
