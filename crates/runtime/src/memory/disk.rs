//! The disk of `--data-dir :memory:`: durable as long as the process, nothing pending, no faults, no storage threads.

use crate::disk::{DirEntry, LockGuard, LockHeld, OpenMode, Space, locked_error};
use crate::error::at_path;
use crate::memory::content::Content;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

/// All files by path.
#[derive(Debug, Default)]
pub(crate) struct MemoryDisk {
    entries: Mutex<BTreeMap<PathBuf, Entry>>,
    locks: Arc<Mutex<BTreeSet<PathBuf>>>,
}

#[derive(Debug, Clone)]
enum Entry {
    Directory,
    File(Arc<MemoryFile>),
}

impl MemoryDisk {
    pub(crate) fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Entry>> {
        self.entries.lock().expect("nothing panics under this lock")
    }

    pub(crate) fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut entries = self.entries();
        for directory in path.ancestors().filter(|path| !is_root(path)) {
            match entries.entry(directory.to_path_buf()).or_insert(Entry::Directory) {
                Entry::Directory => {}
                Entry::File(_) => return Err(at_path("create directory", directory, io::ErrorKind::AlreadyExists)),
            }
        }
        Ok(())
    }

    pub(crate) fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<MemoryFile>> {
        let mut entries = self.entries();
        match (entries.get(path), mode) {
            (Some(Entry::Directory), _) => Err(at_path("open", path, io::ErrorKind::IsADirectory)),
            (Some(Entry::File(_)), OpenMode::CreateNew) => Err(at_path("create", path, io::ErrorKind::AlreadyExists)),
            (Some(Entry::File(file)), _) => Ok(file.clone()),
            (None, OpenMode::Read | OpenMode::ReadWrite) => Err(at_path("open", path, io::ErrorKind::NotFound)),
            (None, OpenMode::CreateNew | OpenMode::Create) => {
                require_directory(&entries, parent(path)).map_err(|error| at_path("open", path, error))?;
                let file = Arc::new(MemoryFile::default());
                entries.insert(path.to_path_buf(), Entry::File(file.clone()));
                Ok(file)
            }
        }
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut entries = self.entries();
        let entry = entries.get(from).ok_or_else(|| at_path("rename", from, io::ErrorKind::NotFound))?;
        require_directory(&entries, parent(to)).map_err(|error| at_path("rename to", to, error))?;
        match (entry, entries.get(to)) {
            (Entry::File(_), Some(Entry::Directory)) => {
                return Err(at_path("rename over directory", to, io::ErrorKind::IsADirectory));
            }
            (Entry::Directory, Some(_)) => return Err(at_path("rename over", to, io::ErrorKind::AlreadyExists)),
            _ => {}
        }
        let moved: Vec<PathBuf> = subtree(&entries, from).map(|(path, _)| path.clone()).collect();
        for path in moved {
            let entry = entries.remove(&path).expect("just listed");
            let rest = path.strip_prefix(from).expect("in the subtree");
            let target = if rest.as_os_str().is_empty() { to.to_path_buf() } else { to.join(rest) };
            entries.insert(target, entry);
        }
        Ok(())
    }

    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut entries = self.entries();
        match entries.get(path) {
            Some(Entry::File(_)) => entries.remove(path),
            Some(Entry::Directory) => return Err(at_path("remove file", path, io::ErrorKind::IsADirectory)),
            None => return Err(at_path("remove", path, io::ErrorKind::NotFound)),
        };
        Ok(())
    }

    pub(crate) fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut entries = self.entries();
        require_directory(&entries, path).map_err(|error| at_path("remove directory", path, error))?;
        let gone: Vec<PathBuf> = subtree(&entries, path).map(|(path, _)| path.clone()).collect();
        for path in gone {
            entries.remove(&path);
        }
        Ok(())
    }

    pub(crate) fn sync_dir(&self, path: &Path) -> io::Result<()> {
        require_directory(&self.entries(), path).map_err(|error| at_path("sync directory", path, error))
    }

    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let entries = self.entries();
        require_directory(&entries, path).map_err(|error| at_path("list", path, error))?;
        let children = subtree(&entries, path).filter(|(child, _)| child.parent() == Some(path));
        let mut listed: Vec<DirEntry> = children.filter_map(|(child, entry)| dir_entry(child, entry)).collect();
        listed.sort();
        Ok(listed)
    }

    pub(crate) fn exists(&self, path: &Path) -> bool {
        is_root(path) || self.entries().contains_key(path)
    }

    /// The machine's memory; what is "available" is what the kernel estimates could be used without swapping.
    pub(crate) fn space(&self) -> io::Result<Space> {
        let path = Path::new("/proc/meminfo");
        let text = std::fs::read_to_string(path).map_err(|error| at_path("read", path, error))?;
        let bytes_of = |field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()).map(|kib| kib * 1024)
        };
        let missing = || at_path("understand", path, io::ErrorKind::InvalidData);
        let total = bytes_of("MemTotal:").ok_or_else(missing)?;
        Ok(Space { total, available: bytes_of("MemAvailable:").unwrap_or(total) })
    }

    pub(crate) fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        self.open(path, OpenMode::Create)?;
        if !self.locks.lock().expect("nothing panics under this lock").insert(path.to_path_buf()) {
            return Err(locked_error(path, "this process"));
        }
        let lock = MemoryLock { locks: self.locks.clone(), path: path.to_path_buf() };
        Ok(LockGuard::new(LockHeld::Memory { _lock: lock }))
    }
}

/// Gives the path free again when dropped.
#[derive(Debug)]
pub(crate) struct MemoryLock {
    locks: Arc<Mutex<BTreeSet<PathBuf>>>,
    path: PathBuf,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.locks.lock().expect("nothing panics under this lock").remove(&self.path);
    }
}

/// One file. It lives as long as its entry or a handle.
#[derive(Debug, Default)]
pub(crate) struct MemoryFile {
    content: RwLock<Content>,
}

impl MemoryFile {
    pub(crate) fn write_at(&self, offset: u64, bufs: &[&[u8]]) -> io::Result<()> {
        let total: u64 = bufs.iter().map(|buf| buf.len() as u64).sum();
        if offset.checked_add(total).is_none_or(|end| end > i64::MAX as u64) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut content = self.content.write().expect("nothing panics under this lock");
        let mut position = offset;
        for buf in bufs {
            content.write(position, buf);
            position += buf.len() as u64;
        }
        Ok(())
    }

    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        self.content.write().expect("nothing panics under this lock").set_len(len);
        Ok(())
    }

    pub(crate) fn len(&self) -> u64 {
        self.content.read().expect("nothing panics under this lock").len()
    }

    pub(crate) fn read_at(&self, offset: u64, len: usize) -> Bytes {
        self.content.read().expect("nothing panics under this lock").read(offset, len).into()
    }
}

/// `/`, `.` and the empty path always exist.
fn is_root(path: &Path) -> bool {
    path.as_os_str().is_empty() || path == Path::new("/") || path == Path::new(".")
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn require_directory(entries: &BTreeMap<PathBuf, Entry>, path: &Path) -> io::Result<()> {
    match entries.get(path) {
        Some(Entry::Directory) => Ok(()),
        Some(Entry::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
        None if is_root(path) => Ok(()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// `path` and everything below it. Paths sort by their components, so a subtree is one run of the map.
fn subtree<'a>(
    entries: &'a BTreeMap<PathBuf, Entry>,
    path: &'a Path,
) -> impl Iterator<Item = (&'a PathBuf, &'a Entry)> {
    let from = (Bound::Included(path), Bound::Unbounded);
    entries.range::<Path, _>(from).take_while(move |(entry, _)| entry.starts_with(path))
}

fn dir_entry(path: &Path, entry: &Entry) -> Option<DirEntry> {
    let name = path.file_name()?.to_str()?.to_owned();
    let (is_dir, len) = match entry {
        Entry::Directory => (true, 0),
        Entry::File(file) => (false, file.len()),
    };
    Some(DirEntry { name, is_dir, len })
}
