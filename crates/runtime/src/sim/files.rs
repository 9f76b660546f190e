//! Disk and file handles of a simulated process: each operation meets the fault plan, changes the disk's state, and is traced.

mod file;
mod sync;

use crate::disk::{DirEntry, LockGuard, LockHeld, OpenMode, Space, locked_error};
use crate::error::at_path;
use crate::sim::disk::DiskState;
use crate::sim::disk::names::Names;
use crate::sim::life::Life;
use crate::sim::world::Outage;
pub(crate) use file::SimFile;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use sync::{Sync, SyncFate};

/// Lazy files that may be open at once where no limit of open files is set: few, so that they are opened again and again.
const LAZY_FILES_MAX: usize = 8;

/// A simulated process's disk.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk {
    life: Arc<Life>,
}

impl SimDisk {
    pub(crate) fn new(life: Arc<Life>) -> SimDisk {
        SimDisk { life }
    }

    pub(crate) async fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change_names("create directory", path, |names| names.create_dir_all(path)).await
    }

    pub(crate) async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.life.event(format_args!("rename to {}", to.display()));
        self.change_names("rename", from, |names| names.rename(from, to)).await
    }

    pub(crate) async fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change_names("remove", path, |names| names.remove_file(path)).await
    }

    pub(crate) async fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change_names("remove directory", path, |names| names.remove_dir_all(path)).await
    }

    pub(crate) async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<SimFile>> {
        self.pause("open", path).await?;
        let outage = match mode {
            OpenMode::Read | OpenMode::ReadWrite => None,
            OpenMode::CreateNew | OpenMode::Create => self.life.node.disk().faults.step(),
        };
        let file = self.open_now(path, mode)?;
        go_down(&self.life, outage)?;
        Ok(file)
    }

    /// As [`SimDisk::open`], at once; for a file that exists.
    pub(crate) fn open_now(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<SimFile>> {
        let error = |error| at_path("open", path, error);
        self.life.check_alive().map_err(error)?;
        let number = self.life.node.disk().open(path, mode).map_err(error)?;
        self.life.event(format_args!("open {} {mode:?} is {number}", path.display()));
        Ok(Arc::new(SimFile::new(self.life.clone(), number, path.to_path_buf(), mode)))
    }

    pub(crate) fn lazy_files_max(&self) -> usize {
        let limit = self.life.node.disk().faults.open_files_max;
        limit.map_or(LAZY_FILES_MAX, |limit| (limit / 4).max(1))
    }

    pub(crate) async fn sync_dir(&self, path: &Path, site: &str) -> io::Result<()> {
        let error = |error| at_path("sync directory", path, error);
        let begin = |disk: &mut DiskState| Ok((disk.names.directory(path)?, disk.names.next_order()));
        let sync = Sync { life: &self.life, path, site };
        let ((directory, up_to), fate) = sync.wait(begin).await.map_err(error)?;
        match fate {
            SyncFate::Done => self.life.node.disk().sync_dir(directory, up_to),
            SyncFate::Ignored => {}
            // The names stay pending: a file system's journal does not forget them, it stops.
            SyncFate::Failed(failure) => return Err(error(failure)),
        }
        sync.reported().map_err(error)
    }

    pub(crate) async fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.pause("list", path).await?;
        self.life.node.disk().list(path).map_err(|error| at_path("list", path, error))
    }

    pub(crate) async fn exists(&self, path: &Path) -> io::Result<bool> {
        self.pause("look up", path).await?;
        match self.life.node.disk().names.find(path) {
            Ok(found) => Ok(found.is_some()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(at_path("look up", path, error)),
        }
    }

    pub(crate) async fn space(&self, path: &Path) -> io::Result<Space> {
        self.pause("ask for the space of", path).await?;
        Ok(self.life.node.disk().space())
    }

    pub(crate) async fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        self.open(path, OpenMode::Create).await?;
        if !self.life.locks.lock().expect("the world is intact").insert(path.to_path_buf()) {
            return Err(locked_error(path, "this process"));
        }
        let lock = SimLock { life: self.life.clone(), path: path.to_path_buf() };
        Ok(LockGuard::new(LockHeld::Sim { _lock: lock }))
    }

    async fn change_names(
        &self,
        action: &'static str,
        path: &Path,
        change: impl FnOnce(&mut Names) -> io::Result<()> + Send,
    ) -> io::Result<()> {
        self.pause(action, path).await?;
        let (outage, changed) = {
            let mut disk = self.life.node.disk();
            let outage = disk.faults.step();
            // A process can die before or after the kernel has done what it asked for.
            let is_too_late = outage == Some(Outage::Crash) && disk.rng.bool();
            (outage, if is_too_late { Ok(()) } else { change(&mut disk.names) })
        };
        let result = changed.as_ref().map_err(io::Error::kind);
        self.life.event(format_args!("{action} {} {result:?}", path.display()));
        go_down(&self.life, outage)?;
        changed.map_err(|error| at_path(action, path, error))
    }

    /// What a storage thread's hop costs: other tasks run meanwhile.
    async fn pause(&self, action: &'static str, path: &Path) -> io::Result<()> {
        let pause = Duration::from_millis(self.life.node.disk().rng.u64(0..2));
        rest(pause).await;
        self.life.check_alive().map_err(|error| at_path(action, path, error))
    }
}

/// Lets other tasks run, for `time` if it is not zero.
async fn rest(time: Duration) {
    if time.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(time).await;
    }
}

/// Ends the life when an outage was planned for this operation; the operation is then not reported as done.
fn go_down(life: &Life, outage: Option<Outage>) -> io::Result<()> {
    if let Some(outage) = outage {
        life.end(outage);
    }
    life.check_alive()
}

/// Frees the path when dropped.
#[derive(Debug)]
pub(crate) struct SimLock {
    life: Arc<Life>,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.life.locks.lock().expect("the world is intact").remove(&self.path);
    }
}
