//! Syncs of many files of one file system: a few run side by side, more than that become one `syncfs`.
//!
//! With many partitions each flush is a few kilobytes of one file, and what it costs is the commit of the file system's journal.
//! One `syncfs` commits for all that wait, and costs the process about what one or two `fdatasync` do (docs/performance.md).
//! Where it may be used, and how it hears of every error, is in [`super::whole_fs`].
//!
//! It is tried when more than [`ALONE_MAX_WITHOUT`] files are synced at the same time for the first time.
//!
//! 1. After the first error of a round nothing is synced together any more. The files of that round fail: what `fdatasync` of
//!    one of them would say afterwards is no proof that its data was written.
//! 2. The first sync of a descriptor is one of its file alone: it tells of failures from before the node was started.
//! 3. A round that takes long holds up nobody: after [`SLOW`] the files that wait for it are synced by themselves, after
//!    [`VERY_SLOW`] more also those that are in it.

use crate::disk::Lane;
use crate::real::threads::StorageThreads;
use crate::real::whole_fs::WholeFs;
use rustix::fs::{fdatasync, fstat};
use rustix::io::{Errno, pwrite, retry_on_intr};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Files that wait before one `syncfs` is worth it.
const TOGETHER_MIN: usize = 3;
/// Syncs of single files that run at the same time while files may be synced together, and otherwise: half of the storage
/// threads, so that reads have the rest.
const ALONE_MAX: usize = 2;
const ALONE_MAX_WITHOUT: usize = 32;
/// A round that took longer, and many times as long as a file alone, had the bytes of others to write.
const SLOW: Duration = Duration::from_millis(50);
const SLOW_RATIO: u32 = 8;
/// How long the files of a round wait for it in any case.
const VERY_SLOW: Duration = Duration::from_secs(1);
/// How long only single files are synced then; doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Each sync of a single file counts for one in so many in their mean time.
const MEAN_WEIGHT: u32 = 8;

const ANSWERED: &str = "every sync that waits is answered";

/// What is done to a file and to all files; tests put others in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    pub(super) alone: fn(&File) -> rustix::io::Result<()>,
    pub(super) together: fn(&WholeFs) -> rustix::io::Result<()>,
}

/// The files of one file system, as they are synced.
#[derive(Debug)]
pub(super) struct SyncGroup {
    device: u64,
    /// `None` where files are not to be synced together.
    whole: Option<WholeFs>,
    calls: Calls,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    alone: usize,
    together: Together,
    /// When the round that is under way began.
    together_since: Option<Instant>,
    alone_mean: Duration,
    paused_until: Option<Instant>,
    pause: Duration,
}

/// Whether files are synced together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Together {
    /// Nobody has tried. The first call tells of errors that are older than this process, so no file depends on it.
    #[default]
    Untried,
    Trying,
    Yes,
    No,
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
    Try,
}

impl SyncGroup {
    /// The files of the file system that holds the directory `path`, of which this process has written none yet.
    pub(super) fn open(path: &Path, calls: Calls) -> io::Result<SyncGroup> {
        let directory = File::open(path)?;
        let device = fstat(&directory)?.st_dev;
        Ok(SyncGroup { device, whole: WholeFs::open(directory, device), calls, state: Mutex::default() })
    }

    pub(super) fn device(&self) -> u64 {
        self.device
    }

    /// Whether a file belongs to this file system.
    pub(super) fn holds(&self, file: &File) -> bool {
        fstat(file).is_ok_and(|found| found.st_dev == self.device)
    }

    /// Makes durable what was written to the file before this is called. It has been synced before, through the same descriptor.
    pub(super) async fn sync(
        self: &Arc<Self>,
        file: &Arc<File>,
        threads: &Arc<StorageThreads>,
    ) -> rustix::io::Result<()> {
        let mut synced = self.enqueue(file, threads);
        if let Ok(answer) = tokio::time::timeout(SLOW, &mut synced).await {
            return answer.expect(ANSWERED);
        }
        // The round that is under way may take very long: what waits for it need not.
        self.start(threads);
        if let Ok(answer) = tokio::time::timeout(VERY_SLOW, &mut synced).await {
            return answer.expect(ANSWERED);
        }
        if !self.is_stuck() {
            return synced.await.expect(ANSWERED);
        }
        // Nor what is in it.
        let alone = self.enqueue(file, threads);
        tokio::select! {
            biased;
            answer = synced => answer.expect(ANSWERED),
            answer = alone => answer.expect(ANSWERED),
        }
    }

    fn enqueue(
        self: &Arc<Self>,
        file: &Arc<File>,
        threads: &Arc<StorageThreads>,
    ) -> oneshot::Receiver<rustix::io::Result<()>> {
        let synced = self.queue(file);
        self.start(threads);
        synced
    }

    fn queue(&self, file: &Arc<File>) -> oneshot::Receiver<rustix::io::Result<()>> {
        let (done, receiver) = oneshot::channel();
        self.lock().waiting.push_back(Waiting { file: file.clone(), done });
        receiver
    }

    fn is_stuck(&self) -> bool {
        self.lock().is_stuck()
    }

    /// Starts what may run now.
    fn start(self: &Arc<Self>, threads: &Arc<StorageThreads>) {
        while let Some(next) = self.next() {
            self.start_one(next, threads);
        }
    }

    fn start_one(self: &Arc<Self>, next: Next, threads: &Arc<StorageThreads>) {
        let (group, on) = (self.clone(), threads.clone());
        threads.run_detached(Lane::Data, move || group.work(next, &on));
    }

    /// Runs rounds while one follows the other. All else is queued behind the other jobs of the threads.
    fn work(self: &Arc<Self>, first: Next, threads: &Arc<StorageThreads>) {
        let mut now = first;
        loop {
            match now {
                Next::Alone(waiting) => self.sync_alone(waiting),
                Next::Together(round) => self.sync_together(round),
                Next::Try => self.try_together(),
            }
            match self.next() {
                Some(next @ Next::Together(_)) => now = next,
                Some(next) => {
                    self.start_one(next, threads);
                    return self.start(threads);
                }
                None => return,
            }
        }
    }

    fn next(&self) -> Option<Next> {
        let mut state = self.lock();
        let is_stuck = state.is_stuck();
        if state.together_since.is_some() && !is_stuck {
            return None;
        }
        let are_many = state.waiting.len() >= TOGETHER_MIN;
        if are_many && state.together == Together::Untried && self.whole.is_some() {
            state.together = Together::Trying;
            return Some(Next::Try);
        }
        let may_be_together = state.together == Together::Yes && !is_stuck && !state.is_paused();
        if may_be_together && are_many {
            state.together_since = Some(Instant::now());
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
        self.lock().note_alone(began.elapsed());
        waiting.answer(synced);
    }

    fn sync_together(&self, round: Vec<Waiting>) {
        let began = Instant::now();
        let synced = self.call_together();
        self.lock().note_round(synced.is_ok(), began.elapsed());
        for waiting in round {
            let synced = synced.and_then(|()| check_takes_writes(&waiting.file));
            waiting.answer(synced);
        }
    }

    fn try_together(&self) {
        let together = if self.call_together().is_ok() { Together::Yes } else { Together::No };
        self.lock().together = together;
    }

    fn call_together(&self) -> rustix::io::Result<()> {
        self.whole.as_ref().map_or(Err(Errno::NOSYS), self.calls.together)
    }

    /// Every step under the lock leaves the state consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_stuck(&self) -> bool {
        self.together_since.is_some_and(|since| since.elapsed() >= SLOW)
    }

    fn is_paused(&self) -> bool {
        self.paused_until.is_some_and(|until| Instant::now() < until)
    }

    fn note_alone(&mut self, took: Duration) {
        self.alone -= 1;
        self.alone_mean = (self.alone_mean * (MEAN_WEIGHT - 1) + took) / MEAN_WEIGHT;
    }

    fn note_round(&mut self, is_synced: bool, took: Duration) {
        self.together_since = None;
        if !is_synced {
            self.together = Together::No;
        }
        if took > SLOW && took > self.alone_mean * SLOW_RATIO {
            self.pause = (self.pause * 2).clamp(PAUSE, PAUSE_MAX);
            self.paused_until = Some(Instant::now() + self.pause);
        } else {
            self.pause /= 2;
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
    pub(super) const SYSTEM: Calls = Calls { alone: sync_blocking, together: WholeFs::sync };
}

/// `fdatasync`, and then the question whether the file system still takes writes.
pub(super) fn sync_blocking(file: &File) -> rustix::io::Result<()> {
    retry_on_intr(|| fdatasync(file))?;
    check_takes_writes(file)
}

/// Success of a sync alone is not enough: when the journal of ext4 is aborted (a failed disk, or a file system that was shut
/// down) while several files wait for the same transaction, the one that looks after the others finds the transaction gone and
/// takes it for committed. Where the file system was shut down, writes are refused before the journal is aborted, so a write
/// of no bytes tells.
fn check_takes_writes(file: &File) -> rustix::io::Result<()> {
    match retry_on_intr(|| pwrite(file, &[], 0)) {
        // Opened for reading alone: nothing of ours was written through it.
        Ok(_) | Err(Errno::BADF) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static ALONE: AtomicUsize = AtomicUsize::new(0);
    static TOGETHER: AtomicUsize = AtomicUsize::new(0);

    fn counted_alone(_: &File) -> rustix::io::Result<()> {
        ALONE.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// As many files as wait before any is synced: whether each was.
    fn synced(group: &Arc<SyncGroup>, files: &[Arc<File>]) -> Vec<bool> {
        let threads = Arc::new(StorageThreads::start(8).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let waiting: Vec<_> = files.iter().map(|file| group.queue(file)).collect();
        group.start(&threads);
        runtime.block_on(join_all(waiting)).into_iter().map(|answer| answer.unwrap().is_ok()).collect()
    }

    fn files(dir: &Path, count: usize) -> Vec<Arc<File>> {
        (0..count).map(|number| Arc::new(File::create(dir.join(number.to_string())).unwrap())).collect()
    }

    /// A group that syncs together wherever the test runs.
    fn group(dir: &Path, calls: Calls) -> Arc<SyncGroup> {
        let mut group = SyncGroup::open(dir, calls).unwrap();
        group.whole = Some(WholeFs::of(File::open(dir).unwrap()));
        group.lock().together = Together::Yes;
        Arc::new(group)
    }

    #[test]
    fn what_waits_is_synced_together_and_a_single_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let together = |_: &WholeFs| {
            TOGETHER.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let group = group(dir.path(), Calls { alone: counted_alone, together });
        assert_eq!(synced(&group, &files(dir.path(), 1)), [true]);
        assert_eq!((ALONE.load(Ordering::Relaxed), TOGETHER.load(Ordering::Relaxed)), (1, 0));
        assert_eq!(synced(&group, &files(dir.path(), 100)), [true; 100]);
        assert_eq!((ALONE.load(Ordering::Relaxed), TOGETHER.load(Ordering::Relaxed)), (1, 1));
    }

    #[test]
    fn a_round_that_fails_fails_all_its_files_and_is_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path(), 50);
        let group = group(dir.path(), Calls { alone: |_| Ok(()), together: |_| Err(Errno::IO) });
        assert_eq!(synced(&group, &files), [false; 50]);
        assert_eq!(group.lock().together, Together::No);
        assert_eq!(synced(&group, &files), [true; 50]);
    }

    #[test]
    fn an_error_from_before_the_first_round_fails_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let group = group(dir.path(), Calls { alone: |_| Ok(()), together: |_| Err(Errno::IO) });
        group.lock().together = Together::Untried;
        assert_eq!(synced(&group, &files(dir.path(), 50)), [true; 50]);
        let wait = std::iter::from_fn(|| (group.lock().together == Together::Trying).then(std::thread::yield_now));
        wait.for_each(|()| ());
        assert_eq!(group.lock().together, Together::No);
    }

    #[test]
    fn files_do_not_wait_for_a_round_that_does_not_end() {
        static ENDS: Barrier = Barrier::new(2);
        let dir = tempfile::tempdir().unwrap();
        let together = |_: &WholeFs| {
            ENDS.wait();
            Ok(())
        };
        let group = group(dir.path(), Calls { alone: |_| Ok(()), together });
        let threads = Arc::new(StorageThreads::start(8).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let files = files(dir.path(), 30);
        let (first, others) = files.split_at(10);
        runtime.block_on(async {
            let in_round: Vec<_> = first.iter().map(|file| group.queue(file)).collect();
            // The first of these begins the round and is in it.
            let answers = join_all(others.iter().map(|file| group.sync(file, &threads))).await;
            assert!(answers.iter().all(Result::is_ok));
            assert!(group.lock().together_since.is_some(), "the round has not ended");
            ENDS.wait();
            assert!(join_all(in_round).await.into_iter().all(|answer| answer.unwrap().is_ok()));
        });
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
        assert_eq!(state.pause, PAUSE);
    }

    #[test]
    fn the_calls_of_the_system_work() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path(), 20);
        let group = group(dir.path(), Calls::SYSTEM);
        assert!(group.holds(&files[0]));
        assert!(!group.holds(&File::open("/dev/null").unwrap()));
        assert_eq!(synced(&group, &files), [true; 20]);
    }
}
