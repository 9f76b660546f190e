//! Handles of spawned tasks.

use crate::panics::PanicBoard;
use futures_util::FutureExt;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::JoinHandle;

/// A spawned task. Awaiting it gives its output, or why there is none. Dropping the handle lets the task run on; see
/// [`TaskHandle::abort_on_drop`] for the other wish.
#[derive(Debug)]
pub struct TaskHandle<T> {
    join: JoinHandle<T>,
}

/// Why a task gave no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnded {
    /// It was aborted, by its handle or because its node went down.
    Aborted,
    /// It panicked; the message was printed and reported to the runtime.
    Panicked,
}

impl fmt::Display for TaskEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TaskEnded::Aborted => "the task was aborted",
            TaskEnded::Panicked => "the task panicked",
        })
    }
}

impl std::error::Error for TaskEnded {}

impl<T> TaskHandle<T> {
    pub(crate) fn new(join: JoinHandle<T>) -> TaskHandle<T> {
        TaskHandle { join }
    }

    /// Ends the task at its next await; its future is dropped.
    pub fn abort(&self) {
        self.join.abort();
    }

    /// Whether the task has ended, in whatever way.
    pub fn is_finished(&self) -> bool {
        self.join.is_finished()
    }

    /// Ties the task to the returned guard.
    pub fn abort_on_drop(self) -> AbortOnDrop<T> {
        AbortOnDrop { task: self }
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, TaskEnded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.join)
            .poll(cx)
            .map(|ended| ended.map_err(|error| if error.is_panic() { TaskEnded::Panicked } else { TaskEnded::Aborted }))
    }
}

/// Aborts its task when dropped. Can be awaited like the handle itself.
#[derive(Debug)]
pub struct AbortOnDrop<T> {
    task: TaskHandle<T>,
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, TaskEnded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs `future`; a panic goes to the board before it goes on.
pub(crate) async fn report_panic<F: Future>(name: &'static str, board: Arc<PanicBoard>, future: F) -> F::Output {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(output) => output,
        Err(payload) => {
            board.report(name, payload.as_ref());
            std::panic::resume_unwind(payload)
        }
    }
}
