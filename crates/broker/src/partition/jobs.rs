//! What is at work on a partition outside its lock: flushes, rolls, openings, deletions of segments.
//!
//! Closing, deleting and reopening wait until nothing is: a file that a late job creates or renames could otherwise hit
//! the next log in a directory of the same name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Counts the jobs under way.
#[derive(Default)]
pub(crate) struct Jobs {
    running: AtomicUsize,
    ended: Notify,
}

/// One job; it has ended when this is dropped.
pub(crate) struct Job {
    jobs: Arc<Jobs>,
}

impl Jobs {
    /// A job begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Job {
        self.running.fetch_add(1, Ordering::SeqCst);
        Job { jobs: Arc::clone(self) }
    }

    /// Whether no job is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.load(Ordering::SeqCst) == 0
    }

    /// Whether the one that asks is the only job under way.
    pub(crate) fn is_last(&self) -> bool {
        self.running.load(Ordering::SeqCst) <= 1
    }

    /// Resolves when no job is under way. Whoever waits has seen to it that no new one begins.
    pub(crate) async fn settled(&self) {
        loop {
            // Made before the look, so that an end in between is not missed.
            let ended = self.ended.notified();
            if self.is_idle() {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.jobs.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.jobs.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn jobs_have_settled_when_the_last_one_ended() {
        let jobs = Arc::new(Jobs::default());
        assert!(jobs.settled().now_or_never().is_some());
        let (one, other) = (jobs.begin(), jobs.begin());
        let mut settled = Box::pin(jobs.settled());
        assert!((&mut settled).now_or_never().is_none());
        drop(one);
        assert!((&mut settled).now_or_never().is_none());
        drop(other);
        assert!(settled.now_or_never().is_some());
    }
}
