//! The broker's own tasks, and how they end: each finishes what it is at, so that nothing is left half written.

use ottla_runtime::watch;
use ottla_runtime::{Runtime, TaskHandle};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The tasks of one broker. They end when this is dropped, too.
pub(crate) struct Tasks {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    handles: Mutex<Vec<TaskHandle<()>>>,
}

/// Tells a task when to end.
#[derive(Clone)]
pub(crate) struct Stopping {
    stop: watch::Receiver<bool>,
}

impl Tasks {
    pub(crate) fn new(runtime: &Runtime) -> Tasks {
        Tasks { runtime: runtime.clone(), stop: watch::Sender::new(false), handles: Mutex::default() }
    }

    /// Starts a task that looks at [`Stopping`] wherever it waits.
    pub(crate) fn spawn<F>(&self, name: &'static str, task: impl FnOnce(Stopping) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let handle = self.runtime.spawn(name, task(Stopping { stop: self.stop.subscribe() }));
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|handle| !handle.is_finished());
        handles.push(handle);
    }

    /// Asks every task to end and waits for it; those that have not ended after `patience` are aborted.
    pub(crate) async fn stop(&self, patience: Duration) {
        self.stop.send_replace(true);
        let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        let deadline = self.runtime.now() + patience;
        for mut handle in handles {
            let left = deadline.saturating_duration_since(self.runtime.now());
            if self.runtime.timeout(left, &mut handle).await.is_err() {
                handle.abort();
            }
        }
    }
}

impl Stopping {
    /// Whether to end now.
    pub(crate) fn is_set(&self) -> bool {
        *self.stop.borrow()
    }

    /// Resolves when it is time to end.
    pub(crate) async fn set(&mut self) {
        // The sender is gone when the broker was dropped.
        let _ = self.stop.wait_for(|stop| *stop).await;
    }

    /// Sleeps; `false` as soon as it is time to end.
    pub(crate) async fn sleep(&mut self, runtime: &Runtime, time: Duration) -> bool {
        runtime.timeout(time, self.set()).await.is_err()
    }
}
