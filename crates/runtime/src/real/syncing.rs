//! Syncs of many files of one directory tree: a few run side by side, more than that become one `syncfs`.
//!
//! With many partitions each flush is a few kilobytes of one file, and what it costs is the commit of the file system's journal.
//! One `syncfs` commits for all that wait, and costs the process about what one or two `fdatasync` do (docs/performance.md).
//!
//! What it must not cost is an error. `syncfs` reports a failed writeback once to every descriptor that was open when it failed
//! (Linux 5.8), so it is called on one that is opened before anything below the directory is written. After its first error it
//! is never used again: from then on each file answers for itself, those of the failed round at once. Files that wait are
//! thus told of every error that `fdatasync` would have told them of, or are synced by it.

use crate::disk::Lane;
use crate::real::threads::StorageThreads;
use rustix::fs::{fdatasync, fstat, fstatfs, syncfs};
use rustix::io::{Errno, pwrite, retry_on_intr};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Files that wait before one `syncfs` is worth it.
const TOGETHER_MIN: usize = 3;
/// Syncs of single files that run at the same time where `syncfs` may be used, and where it may not.
const ALONE_MAX: usize = 2;
const ALONE_MAX_WITHOUT: usize = 64;
/// A `syncfs` that took longer, and many times as long as a file alone, had the bytes of others to write.
const SLOW: Duration = Duration::from_millis(50);
const SLOW_RATIO: u32 = 8;
/// How long only single files are synced then; doubled each time in a row.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Each sync of a single file counts for one in so many in their mean time.
const MEAN_WEIGHT: u32 = 8;

/// File systems whose `syncfs` writes what is dirty, waits for it and flushes the disk's cache: ext4 and XFS.
const FILE_SYSTEMS: [u64; 2] = [0xEF53, 0x5846_5342];
/// The first Linux whose `syncfs` reports failed writeback.
const LINUX_MIN: (u32, u32) = (5, 8);

/// What is done to a file and to all files; tests put others in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    pub(super) alone: fn(&File) -> rustix::io::Result<()>,
    pub(super) together: fn(&File) -> rustix::io::Result<()>,
}

/// The files below one directory, as they are synced.
#[derive(Debug)]
pub(super) struct SyncGroup {
    path: PathBuf,
    device: u64,
    /// The directory, opened before anything below it was written; `None` where `syncfs` is not to be used.
    directory: Option<File>,
    calls: Calls,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    alone: usize,
    is_together: bool,
    has_failed: bool,
    alone_mean: Duration,
    paused_until: Option<Instant>,
    pause: Duration,
}

#[derive(Debug)]
struct Waiting {
    file: Arc<File>,
    done: oneshot::Sender<rustix::io::Result<()>>,
}

/// What a storage thread does next.
enum Next {
    Alone(Waiting),
    Together(Vec<Waiting>),
}

impl SyncGroup {
    /// The files below `path`, of which none must have been written by this process yet.
    pub(super) fn open(path: &Path, calls: Calls) -> io::Result<SyncGroup> {
        let directory = File::open(path)?;
        let is_usable = is_linux_since(LINUX_MIN) && FILE_SYSTEMS.contains(&(fstatfs(&directory)?.f_type as u64));
        let device = fstat(&directory)?.st_dev;
        let directory = is_usable.then_some(directory);
        Ok(SyncGroup { path: path.to_path_buf(), device, directory, calls, state: Mutex::default() })
    }

    /// Whether a file belongs to this group: by its path, and by where it really is.
    pub(super) fn holds(&self, path: &Path, file: &File) -> bool {
        path.starts_with(&self.path) && fstat(file).is_ok_and(|found| found.st_dev == self.device)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes durable what was written to the file before this is called.
    pub(super) async fn sync(
        self: &Arc<Self>,
        file: &Arc<File>,
        threads: &Arc<StorageThreads>,
    ) -> rustix::io::Result<()> {
        let (done, receiver) = oneshot::channel();
        self.lock().waiting.push_back(Waiting { file: file.clone(), done });
        self.start(threads);
        receiver.await.expect("every sync that waits is answered")
    }

    /// Starts what may run now.
    fn start(self: &Arc<Self>, threads: &Arc<StorageThreads>) {
        while let Some(next) = self.next() {
            let (group, on) = (self.clone(), threads.clone());
            threads.run_detached(Lane::Data, move || group.work(next, &on));
        }
    }

    /// Runs syncs on this thread while there is something to do.
    fn work(self: &Arc<Self>, first: Next, threads: &Arc<StorageThreads>) {
        let mut next = Some(first);
        while let Some(round) = next {
            match round {
                Next::Alone(waiting) => self.sync_alone(waiting),
                Next::Together(round) => self.sync_together(round),
            }
            next = self.next();
            if next.is_some() {
                self.start(threads);
            }
        }
    }

    fn next(&self) -> Option<Next> {
        let mut state = self.lock();
        if state.is_together {
            return None;
        }
        let may_be_together = self.directory.is_some() && !state.has_failed && !state.is_paused();
        if may_be_together && state.waiting.len() >= TOGETHER_MIN {
            state.is_together = true;
            return Some(Next::Together(std::mem::take(&mut state.waiting).into()));
        }
        if state.alone >= if may_be_together { ALONE_MAX } else { ALONE_MAX_WITHOUT } {
            return None;
        }
        let waiting = state.waiting.pop_front()?;
        state.alone += 1;
        Some(Next::Alone(waiting))
    }

    fn sync_alone(&self, waiting: Waiting) {
        let began = Instant::now();
        let synced = (self.calls.alone)(&waiting.file);
        let took = began.elapsed();
        {
            let mut state = self.lock();
            state.alone -= 1;
            state.alone_mean = (state.alone_mean * (MEAN_WEIGHT - 1) + took) / MEAN_WEIGHT;
        }
        waiting.answer(synced);
    }

    fn sync_together(&self, round: Vec<Waiting>) {
        let began = Instant::now();
        let directory = self.directory.as_ref().expect("checked when the round was made");
        let is_synced = (self.calls.together)(directory).is_ok();
        self.lock().note_round(is_synced, began.elapsed());
        for waiting in round {
            let synced = if is_synced { check_takes_writes(&waiting.file) } else { (self.calls.alone)(&waiting.file) };
            waiting.answer(synced);
        }
    }

    /// Every step under the lock leaves the state consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_paused(&self) -> bool {
        self.paused_until.is_some_and(|until| Instant::now() < until)
    }

    fn note_round(&mut self, is_synced: bool, took: Duration) {
        self.is_together = false;
        self.has_failed |= !is_synced;
        if took > SLOW && took > self.alone_mean * SLOW_RATIO {
            self.pause = (self.pause * 2).clamp(PAUSE, PAUSE_MAX);
            self.paused_until = Some(Instant::now() + self.pause);
        } else {
            self.pause = Duration::ZERO;
        }
    }
}

impl Waiting {
    /// Whoever waited may have gone.
    fn answer(self, synced: rustix::io::Result<()>) {
        let _ = self.done.send(synced);
    }
}

impl Calls {
    /// Those of the system.
    pub(super) const SYSTEM: Calls =
        Calls { alone: sync_blocking, together: |directory| retry_on_intr(|| syncfs(directory)) };
}

/// `fdatasync`, and then the question whether the file system still takes writes.
pub(super) fn sync_blocking(file: &File) -> rustix::io::Result<()> {
    retry_on_intr(|| fdatasync(file))?;
    check_takes_writes(file)
}

/// Success of a sync alone is not enough: when the journal of ext4 is aborted (a failed disk, or a file system that was shut
/// down) while several files wait for the same transaction, the one that looks after the others finds the transaction gone and
/// takes it for committed. The state that refuses writes is set before the journal is aborted, so a write of no bytes tells.
fn check_takes_writes(file: &File) -> rustix::io::Result<()> {
    match retry_on_intr(|| pwrite(file, &[], 0)) {
        // Opened for reading alone: nothing of ours was written through it.
        Ok(_) | Err(Errno::BADF) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the kernel is at least so new; one that does not tell is not.
fn is_linux_since(least: (u32, u32)) -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= least
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static ALONE: AtomicUsize = AtomicUsize::new(0);
    static TOGETHER: AtomicUsize = AtomicUsize::new(0);

    fn counted_alone(_: &File) -> rustix::io::Result<()> {
        ALONE.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(1));
        Ok(())
    }

    fn failing_alone(file: &File) -> rustix::io::Result<()> {
        if file.metadata().unwrap().len() == 13 { Err(Errno::IO) } else { Ok(()) }
    }

    /// As many files as wait, each synced through the group: whether that worked.
    fn synced(group: &Arc<SyncGroup>, files: &[Arc<File>]) -> Vec<bool> {
        let threads = Arc::new(StorageThreads::start(8).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let syncs = files.iter().map(|file| group.sync(file, &threads));
        runtime.block_on(futures_util::future::join_all(syncs)).iter().map(Result::is_ok).collect()
    }

    fn files(dir: &Path, count: usize) -> Vec<Arc<File>> {
        (0..count).map(|number| Arc::new(File::create(dir.join(number.to_string())).unwrap())).collect()
    }

    /// A group that may sync together wherever the test runs.
    fn group(dir: &Path, calls: Calls) -> Arc<SyncGroup> {
        let mut group = SyncGroup::open(dir, calls).unwrap();
        group.directory = Some(File::open(dir).unwrap());
        Arc::new(group)
    }

    #[test]
    fn what_waits_is_synced_together_and_a_single_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let together = |_: &File| {
            TOGETHER.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let group = group(dir.path(), Calls { alone: counted_alone, together });
        assert_eq!(synced(&group, &files(dir.path(), 1)), [true]);
        assert_eq!((ALONE.load(Ordering::Relaxed), TOGETHER.load(Ordering::Relaxed)), (1, 0));
        assert_eq!(synced(&group, &files(dir.path(), 100)), [true; 100]);
        let (alone, together) = (ALONE.load(Ordering::Relaxed), TOGETHER.load(Ordering::Relaxed));
        assert!((1..10).contains(&together) && alone < 20, "{alone} alone, {together} together");
    }

    #[test]
    fn after_a_failure_each_file_answers_for_itself() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path(), 50);
        files[40].set_len(13).unwrap();
        let group = group(dir.path(), Calls { alone: failing_alone, together: |_| Err(Errno::IO) });
        for _ in 0..2 {
            let failed: Vec<usize> =
                synced(&group, &files).iter().enumerate().filter(|(_, synced)| !**synced).map(|(at, _)| at).collect();
            assert_eq!(failed, [40]);
            assert!(group.lock().has_failed);
        }
    }

    #[test]
    fn a_file_system_with_much_else_to_write_is_left_alone_for_a_while() {
        let mut state = State { alone_mean: Duration::from_millis(10), ..State::default() };
        state.note_round(true, Duration::from_millis(79));
        assert!(!state.is_paused(), "that is what so many files may take");
        state.note_round(true, Duration::from_millis(81));
        assert!(state.is_paused());
        assert_eq!(state.pause, PAUSE);
        state.note_round(true, Duration::from_secs(1));
        assert_eq!(state.pause, 2 * PAUSE);
        state.note_round(true, Duration::from_millis(1));
        assert_eq!(state.pause, Duration::ZERO);
    }

    #[test]
    fn files_of_another_directory_do_not_belong_to_a_group() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = File::create(&path).unwrap();
        assert!(group(dir.path(), Calls::SYSTEM).holds(&path, &file));
        assert!(!group(&dir.path().join("."), Calls::SYSTEM).holds(Path::new("/elsewhere/file"), &file));
    }

    #[test]
    fn the_calls_of_the_system_work() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path(), 20);
        assert_eq!(synced(&group(dir.path(), Calls::SYSTEM), &files), [true; 20]);
        assert!(is_linux_since((2, 6)) && !is_linux_since((1000, 0)));
    }
}
