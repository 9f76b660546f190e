//! [`LazyFile`]: a file of which a descriptor is held only while it is in use or has something unsynced; [`OpenFiles`] bounds how many
//! of them are open at once.
//!
//! 1. Opened by the first use, by name; it must be the file that it was before.
//! 2. When more are open than the bound allows, those are closed that were not used for the longest time (second chance).
//! 3. Never closed while a change of it is not synced: the system reports a failed write-back to descriptors that are open, and may
//!    forget it when there is none. For the same reason a file whose sync has failed is not opened again.

use crate::disk::{Disk, OpenMode};
use crate::error::{at_path, is_out_of_files};
use crate::file::FileKind;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

/// Open files that are looked at, at most, to find one to close.
const LOOKS_MAX: usize = 128;
/// Files that are closed when the system has no descriptor left.
const CLOSED_IN_NEED: usize = 64;

/// Which file a name led to: device and inode.
pub(crate) type FileIdentity = (u64, u64);

/// A file that is opened when it is used. See the module's story.
#[derive(Debug)]
pub(crate) struct LazyFile {
    disk: Disk,
    path: PathBuf,
    state: Mutex<LazyState>,
    /// Since it was last looked at.
    is_used: AtomicBool,
    /// Shared with the handles of the file.
    sync_failed: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct LazyState {
    open: Option<FileKind>,
    identity: Option<FileIdentity>,
    /// Counts the changes of the file, and those that are synced.
    changes: u64,
    synced: u64,
}

/// The lazy files of a disk that are open.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    queue: Mutex<VecDeque<Weak<LazyFile>>>,
}

impl LazyFile {
    pub(crate) fn closed(disk: Disk, path: &Path) -> LazyFile {
        LazyFile {
            disk,
            path: path.to_path_buf(),
            state: Mutex::default(),
            is_used: AtomicBool::new(false),
            sync_failed: Arc::default(),
        }
    }

    pub(crate) fn sync_failed(&self) -> &Arc<AtomicBool> {
        &self.sync_failed
    }

    /// The file, if it is open.
    pub(crate) fn if_open(&self) -> Option<FileKind> {
        self.is_used.store(true, Ordering::Relaxed);
        self.lock().open.clone()
    }

    /// The file, opened on this thread if need be.
    pub(crate) fn open_now(self: &Arc<Self>) -> io::Result<FileKind> {
        self.with_open(false, |open| Ok(open.clone()))
    }

    /// Changes the file, opened on this thread if need be. A sync that begins meanwhile waits, so that it covers the change or
    /// does not count it.
    pub(crate) fn change(self: &Arc<Self>, change: impl FnOnce(&FileKind) -> io::Result<()>) -> io::Result<()> {
        self.with_open(true, change)
    }

    fn with_open<T>(
        self: &Arc<Self>,
        is_change: bool,
        use_it: impl FnOnce(&FileKind) -> io::Result<T>,
    ) -> io::Result<T> {
        self.is_used.store(true, Ordering::Relaxed);
        let mut state = self.lock();
        let is_closed = state.open.is_none();
        if is_closed {
            self.check_not_failed()?;
            let opened = self.disk.open_now(&self.path, OpenMode::ReadWrite)?;
            self.install(&mut state, opened)?;
        }
        state.changes += u64::from(is_change);
        let used = use_it(state.open.as_ref().expect("it was opened above"));
        drop(state);
        if is_closed {
            self.disk.open_files().admit(self, self.disk.lazy_files_max());
        }
        used
    }

    /// Whether a change is not synced.
    pub(crate) fn has_unsynced(&self) -> bool {
        let state = self.lock();
        state.changes != state.synced
    }

    /// The file, opened on a storage thread if need be, as `mode` says.
    pub(crate) async fn open(self: &Arc<Self>, mode: OpenMode) -> io::Result<FileKind> {
        if let Some(open) = self.if_open() {
            return Ok(open);
        }
        self.check_not_failed()?;
        let opened = self.disk.open_kind(&self.path, mode).await?;
        let kind = {
            let mut state = self.lock();
            match &state.open {
                // Somebody was faster.
                Some(open) => return Ok(open.clone()),
                None => self.install(&mut state, opened)?,
            }
        };
        self.disk.open_files().admit(self, self.disk.lazy_files_max());
        Ok(kind)
    }

    /// A sync begins: the file, and which changes it covers.
    pub(crate) async fn begin_sync(self: &Arc<Self>) -> io::Result<(FileKind, u64)> {
        let kind = self.open(OpenMode::ReadWrite).await?;
        Ok((kind, self.lock().changes))
    }

    /// A sync has succeeded that began after the change `up_to`.
    pub(crate) fn note_synced(&self, up_to: u64) {
        let mut state = self.lock();
        state.synced = state.synced.max(up_to);
    }

    /// Closes the file if nothing of it is unsynced.
    pub(crate) fn let_go(&self) {
        self.is_used.store(false, Ordering::Relaxed);
        let closed = self.take_clean(&mut self.lock());
        drop(closed);
    }

    fn install(&self, state: &mut LazyState, opened: FileKind) -> io::Result<FileKind> {
        let identity = opened.identity()?;
        if *state.identity.get_or_insert(identity) != identity {
            let source = io::Error::new(io::ErrorKind::NotFound, "another file has taken its place");
            return Err(at_path("open again", &self.path, source));
        }
        state.open = Some(opened.clone());
        Ok(opened)
    }

    fn take_clean(&self, state: &mut LazyState) -> Option<FileKind> {
        let is_clean = state.changes == state.synced && !self.sync_failed.load(Ordering::Acquire);
        if is_clean { state.open.take() } else { None }
    }

    /// What is to be closed, of a file that was not used since it was last looked at; or whether it stays open.
    fn look(&self) -> Result<Option<FileKind>, StaysOpen> {
        if self.is_used.swap(false, Ordering::Relaxed) {
            return Err(StaysOpen);
        }
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It is being used.
            Err(TryLockError::WouldBlock) => return Err(StaysOpen),
        };
        if state.open.is_none() {
            return Ok(None);
        }
        self.take_clean(&mut state).map(Some).ok_or(StaysOpen)
    }

    fn check_not_failed(&self) -> io::Result<()> {
        match self.sync_failed.load(Ordering::Acquire) {
            true => Err(at_path("open again", &self.path, io::Error::other("a sync of this file has failed"))),
            false => Ok(()),
        }
    }

    /// Every step under the lock leaves the state consistent, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, LazyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is not to be closed now.
struct StaysOpen;

impl OpenFiles {
    /// `file` was opened; others are closed if more than `max` are open now.
    fn admit(&self, file: &Arc<LazyFile>, max: usize) {
        let closed = {
            let mut queue = self.lock();
            queue.push_back(Arc::downgrade(file));
            let surplus = queue.len().saturating_sub(max);
            close_some(&mut queue, surplus)
        };
        // Outside of the lock: closing takes a system call each.
        drop(closed);
    }

    /// Closes files because the system has no descriptor left; whether there were any.
    pub(crate) fn close_in_need(&self, error: &io::Error) -> bool {
        if !is_out_of_files(error) {
            return false;
        }
        let closed = take_clean(&mut self.lock(), CLOSED_IN_NEED);
        // At once, not on a storage thread: the caller tries again. They have names, so that no blocks are freed.
        closed.into_iter().map(FileKind::close_here).fold(false, |is_any, is_closed| is_any | is_closed)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Weak<LazyFile>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes up to `wanted` clean files out of the queue, also such as were just used: descriptors are needed now.
fn take_clean(queue: &mut VecDeque<Weak<LazyFile>>, wanted: usize) -> Vec<FileKind> {
    let mut closed = Vec::new();
    for _ in 0..queue.len() {
        if closed.len() >= wanted {
            break;
        }
        let Some(oldest) = queue.pop_front() else { break };
        let Some(file) = oldest.upgrade() else { continue };
        file.is_used.store(false, Ordering::Relaxed);
        match file.look() {
            Ok(open) => closed.extend(open),
            Err(StaysOpen) => queue.push_back(oldest),
        }
    }
    closed
}

/// Takes up to `wanted` files out of the queue, those at its front first.
fn close_some(queue: &mut VecDeque<Weak<LazyFile>>, wanted: usize) -> Vec<FileKind> {
    let (mut closed, mut left) = (Vec::new(), wanted);
    for _ in 0..LOOKS_MAX.max(2 * wanted).min(2 * queue.len()) {
        if left == 0 {
            break;
        }
        let Some(oldest) = queue.pop_front() else { break };
        let Some(file) = oldest.upgrade() else {
            left -= 1;
            continue;
        };
        match file.look() {
            Ok(open) => {
                left -= 1;
                closed.extend(open);
            }
            Err(StaysOpen) => queue.push_back(oldest),
        }
    }
    closed
}
