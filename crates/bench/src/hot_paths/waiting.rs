//! A request that is parked and woken: a timer is armed, what was waited for comes first, the timer is given up.

use super::measure::Prepared;
use ottla_runtime::{Runtime, watch};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::runtime::Builder;

/// How long the request would wait.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A timer that is due before, as a busy node always has one: otherwise each new one would wake the thread that waits for timers.
const EARLIER: Duration = Duration::from_secs(20);

/// The wait itself, without the task's turn.
pub(super) fn park() -> Prepared {
    let executor = Builder::new_current_thread().enable_all().build().expect("an executor can be made");
    executor.spawn(async { tokio::time::sleep(EARLIER).await });
    let runtime = executor.block_on(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Runtime::in_memory()
    });
    let (sender, mut receiver) = watch::channel(0_u64);
    Prepared::new(0, move || {
        let _inside = executor.enter();
        let mut turn = Context::from_waker(Waker::noop());
        let mut wait = pin!(runtime.timeout(TIMEOUT, receiver.changed()));
        assert!(wait.as_mut().poll(&mut turn).is_pending(), "nothing has changed");
        sender.send_modify(|count| *count += 1);
        assert!(wait.as_mut().poll(&mut turn).is_ready(), "the change is seen");
    })
}
