//! What ends the wait of a poll: something came, or somebody called `wakeup`.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Wakes the one task that polls.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    news: Notify,
    is_woken: AtomicBool,
}

impl Signal {
    /// There is something to look at.
    pub(crate) fn notify(&self) {
        self.news.notify_one();
    }

    /// The wait is to end with `Wakeup`.
    pub(crate) fn wakeup(&self) {
        self.is_woken.store(true, Ordering::SeqCst);
        self.news.notify_one();
    }

    /// Whether somebody called `wakeup`; said once.
    pub(crate) fn take(&self) -> bool {
        self.is_woken.swap(false, Ordering::SeqCst)
    }

    /// Waits for either.
    pub(crate) async fn notified(&self) {
        self.news.notified().await;
    }
}
