//! `reserve.space`: disk space that is allocated while there is some and becomes a segment of the log when there is none.
//!
//! Freeing a reserve would let anyone take the space; so it is not freed but renamed into a segment and written to.
//! That way topics can be deleted, and other metadata be written, on a disk that data has filled.

use ottla_runtime::{Disk, OpenMode};
use std::io;
use std::path::{Path, PathBuf};

const RESERVE_FILE: &str = "reserve.space";

/// The space kept for the log.
pub(crate) struct Reserve {
    disk: Disk,
    path: PathBuf,
    bytes: u64,
    /// There is a file that can become a segment.
    held: bool,
    /// This run has seen that the space is allocated.
    is_allocated: bool,
}

impl Reserve {
    /// A reserve of `bytes` in `dir`; nothing is allocated yet. One that a former run left is used as it is, unless it was
    /// written to: a power loss can undo its becoming a segment, and old frames must not be taken for new ones.
    pub(crate) async fn open(disk: &Disk, dir: &Path, bytes: u64) -> io::Result<Reserve> {
        let path = dir.join(RESERVE_FILE);
        let left = disk.list(dir).await?.into_iter().find(|entry| entry.name == RESERVE_FILE);
        let held = bytes > 0 && left.as_ref().is_some_and(|left| left.len == 0);
        if left.is_some() && !held {
            disk.remove_file(&path).await?;
        }
        Ok(Reserve { disk: disk.clone(), path, bytes, held, is_allocated: false })
    }

    /// Whether a reserve is wanted but not there, or there from a former run and not looked at.
    pub(crate) fn is_missing(&self) -> bool {
        self.bytes > 0 && !self.is_allocated
    }

    /// Allocates the reserve. On a full disk nothing is kept, and the error says so.
    pub(crate) async fn fill(&mut self) -> io::Result<()> {
        let allocated = self.allocate().await;
        self.held = allocated.is_ok();
        self.is_allocated = allocated.is_ok();
        if allocated.is_err() {
            // Whatever was made of it is in the way of others; if removing it fails too, the next attempt finds it.
            let _ = self.disk.remove_file(&self.path).await;
        }
        allocated
    }

    /// Turns the reserve into the file `segment`. Returns its bytes, or `None` if there is no reserve to take.
    pub(crate) async fn take(&mut self, segment: &Path) -> io::Result<Option<u64>> {
        if !self.held {
            return Ok(None);
        }
        self.held = false;
        self.is_allocated = false;
        self.disk.rename(&self.path, segment).await?;
        Ok(Some(self.bytes))
    }

    async fn allocate(&self) -> io::Result<()> {
        let file = self.disk.open(&self.path, OpenMode::Create).await?;
        file.allocate(self.bytes).await
    }
}
