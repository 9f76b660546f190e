//! Threads of its own for a node inside somebody else's process.

use crate::task::{TaskEnded, TaskHandle};
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;

/// A set of threads that run tasks, apart from those of the process around it: an embedded node keeps answering while a test
/// blocks its own thread or pauses its own clock, and can be ended as a whole. Clones are the same threads. Dropping the last
/// one ends every task.
#[derive(Clone)]
pub struct Executor {
    handle: Handle,
    threads: Arc<Threads>,
}

struct Threads(Mutex<Option<tokio::runtime::Runtime>>);

impl Executor {
    /// Starts `worker_threads` threads, at least one.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start(name: &str, worker_threads: usize) -> io::Result<Executor> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(worker_threads.max(1))
            .thread_name(name)
            .enable_all()
            .build()?;
        Ok(Executor { handle: threads.handle().clone(), threads: Arc::new(Threads(Mutex::new(Some(threads)))) })
    }

    /// Runs a future on these threads. The handle can be awaited from any other runtime, or dropped: the task goes on.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> TaskHandle<T> {
        TaskHandle::new(self.handle.spawn(future))
    }

    /// As [`Executor::spawn`], waiting for the output on the calling thread.
    ///
    /// # Panics
    /// When called from an async task, whose thread must not wait.
    ///
    /// # Errors
    /// See [`TaskEnded`].
    pub fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, TaskEnded> {
        self.handle.block_on(self.spawn(future))
    }

    /// Ends every task at its next await. Does not wait for that, so it may be called from anywhere, also from such a task.
    pub fn stop(&self) {
        self.threads.stop();
    }
}

impl Threads {
    fn stop(&self) {
        if let Some(threads) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            threads.shutdown_background();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Executor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;

    #[tokio::test(start_paused = true)]
    async fn it_runs_beside_a_runtime_with_another_clock() {
        let executor = Executor::start("test", 1).unwrap();
        let runtime = executor.spawn(async { Runtime::in_memory() }).await.unwrap();
        let same = runtime.clone();
        assert_eq!(executor.spawn(async move { same.random_range(3..4) }).await, Ok(3));
    }

    #[test]
    fn stopping_ends_every_task_and_may_come_from_one_of_them() {
        let executor = Executor::start("test", 1).unwrap();
        assert_eq!(executor.block_on(async { 7 }), Ok(7));
        let same = executor.clone();
        let ended = executor.spawn(async move {
            same.stop();
            std::future::pending::<()>().await;
        });
        let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(waiting.block_on(ended), Err(TaskEnded::Aborted));
    }
}
