//! Storage threads: where every disk operation that may block runs, so that no network worker ever waits for a disk.
//!
//! There are two lanes. `Data` has many threads: fsyncs of many partitions run side by side and the file system's journal
//! merges them; a thread is started when a job comes and all others are busy. `Metadata` has one of its own, so that the quorum's
//! fsync never waits behind theirs. Each lane's queue is bounded: a submitter waits for room before its job is queued.

use crate::disk::Lane;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

/// Jobs of one lane that are queued or running; more wait in their submitters.
const LANE_JOBS_MAX: usize = 1024;

type Job = Box<dyn FnOnce() + Send>;

/// The threads of both lanes. They end, after the jobs already queued, when this is dropped.
#[derive(Debug)]
pub(crate) struct StorageThreads {
    data: LaneThreads,
    metadata: LaneThreads,
}

impl StorageThreads {
    /// The data lane has up to `data_threads` threads.
    pub(crate) fn start(data_threads: usize) -> io::Result<StorageThreads> {
        assert!(data_threads > 0, "the data lane needs a thread");
        Ok(StorageThreads {
            data: LaneThreads::start("storage-data", data_threads)?,
            metadata: LaneThreads::start("storage-meta", 1)?,
        })
    }

    /// Runs `job` on a thread of `lane` and returns its output. When the caller is dropped meanwhile the job still runs.
    pub(crate) async fn run<T: Send + 'static>(&self, lane: Lane, job: impl FnOnce() -> T + Send + 'static) -> T {
        let lane = self.lane(lane);
        let permit = lane.room.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (sender, receiver) = oneshot::channel();
        lane.queue.push(Box::new(move || {
            let output = job();
            drop(permit);
            // The caller may have gone; then nobody wants the output.
            let _ = sender.send(output);
        }));
        receiver.await.expect("a storage job panicked")
    }

    /// Queues `job` without waiting and beyond the lane's bound: only for closing files, whose number is bounded itself.
    pub(crate) fn run_detached(&self, lane: Lane, job: impl FnOnce() + Send + 'static) {
        self.lane(lane).queue.push(Box::new(job));
    }

    fn lane(&self, lane: Lane) -> &LaneThreads {
        match lane {
            Lane::Data => &self.data,
            Lane::Metadata => &self.metadata,
        }
    }
}

#[derive(Debug)]
struct LaneThreads {
    queue: Arc<Queue>,
    room: Arc<Semaphore>,
}

impl LaneThreads {
    fn start(name: &'static str, threads_max: usize) -> io::Result<LaneThreads> {
        let state = QueueState { threads: 1, ..QueueState::default() };
        let queue = Arc::new(Queue { name, threads_max, state: Mutex::new(state), changed: Condvar::new() });
        // Without the first one nothing works; without the others jobs only wait longer.
        queue.clone().start_thread(0)?;
        Ok(LaneThreads { queue, room: Arc::new(Semaphore::new(LANE_JOBS_MAX)) })
    }
}

impl Drop for LaneThreads {
    fn drop(&mut self) {
        self.queue.close();
    }
}

struct Queue {
    name: &'static str,
    threads_max: usize,
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<Job>,
    /// Threads that were started, and those of them that wait for a job.
    threads: usize,
    idle: usize,
    is_closed: bool,
}

impl Queue {
    fn push(self: &Arc<Self>, job: Job) {
        let mut state = self.state.lock().expect("no job runs under this lock");
        state.jobs.push_back(job);
        let is_short = state.jobs.len() > state.idle && state.threads < self.threads_max;
        let index = state.threads;
        state.threads += usize::from(is_short);
        drop(state);
        self.changed.notify_one();
        if is_short && self.clone().start_thread(index).is_err() {
            self.state.lock().expect("no job runs under this lock").threads -= 1;
        }
    }

    fn start_thread(self: Arc<Self>, index: usize) -> io::Result<()> {
        std::thread::Builder::new().name(format!("{}-{index}", self.name)).spawn(move || self.work())?;
        Ok(())
    }

    fn close(&self) {
        self.state.lock().expect("no job runs under this lock").is_closed = true;
        self.changed.notify_all();
    }

    /// A thread's life: jobs in order until the queue is closed and empty.
    fn work(&self) {
        while let Some(job) = self.next() {
            // The panic has been printed; the job's dropped reply tells its submitter. The thread lives on for the others.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock().expect("no job runs under this lock");
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state.idle += 1;
            state = self.changed.wait(state).expect("no job runs under this lock");
            state.idle -= 1;
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::mpsc;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn thread_name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_busy_data_lane_does_not_hold_up_the_metadata_lane() {
        let threads = StorageThreads::start(1).unwrap();
        let (release, wait) = mpsc::channel::<()>();
        threads.run_detached(Lane::Data, move || wait.recv().unwrap());
        assert_eq!(block_on(threads.run(Lane::Metadata, thread_name)), "storage-meta-0");
        release.send(()).unwrap();
        assert_eq!(block_on(threads.run(Lane::Data, thread_name)), "storage-data-0");
    }

    #[test]
    fn threads_are_started_when_all_others_are_busy() {
        let threads = StorageThreads::start(3).unwrap();
        for _ in 0..10 {
            block_on(threads.run(Lane::Data, || ()));
        }
        let (started, starts) = mpsc::channel();
        let (release, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..5 {
            let (started, wait) = (started.clone(), wait.clone());
            threads.run_detached(Lane::Data, move || {
                started.send(thread_name()).unwrap();
                wait.lock().unwrap().recv().unwrap();
            });
        }
        let mut names: Vec<String> = starts.iter().take(3).collect();
        names.sort();
        assert_eq!(names, ["storage-data-0", "storage-data-1", "storage-data-2"]);
        (0..5).for_each(|_| release.send(()).unwrap());
    }

    #[test]
    fn a_panicking_job_fails_its_submitter_and_spares_the_thread() {
        let threads = StorageThreads::start(1).unwrap();
        let failed = catch_unwind(AssertUnwindSafe(|| block_on(threads.run(Lane::Data, || panic!("on purpose")))));
        assert!(failed.is_err());
        assert_eq!(block_on(threads.run(Lane::Data, || 42)), 42);
    }

    #[test]
    fn queued_jobs_run_although_the_threads_are_dropped() {
        let threads = StorageThreads::start(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        for number in 0..100 {
            let sender = sender.clone();
            threads.run_detached(Lane::Data, move || sender.send(number).unwrap());
        }
        drop((threads, sender));
        assert_eq!(receiver.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_lane_makes_submitters_wait() {
        let threads = StorageThreads::start(1).unwrap();
        let (release, wait) = mpsc::channel::<()>();
        block_on(async {
            let mut blocked = std::pin::pin!(threads.run(Lane::Data, move || wait.recv().unwrap()));
            let mut jobs: Vec<_> = (1..LANE_JOBS_MAX).map(|_| Box::pin(threads.run(Lane::Data, || ()))).collect();
            let mut beyond = std::pin::pin!(threads.run(Lane::Data, || ()));
            assert!(blocked.as_mut().now_or_never().is_none());
            for job in &mut jobs {
                assert!(job.as_mut().now_or_never().is_none());
            }
            assert!(beyond.as_mut().now_or_never().is_none());
            assert_eq!(threads.data.room.available_permits(), 0);
            release.send(()).unwrap();
            beyond.await;
        });
    }
}
