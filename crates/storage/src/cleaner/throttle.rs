//! `log.cleaner.io.max.bytes.per.second`: reads and writes of all cleaners together keep to a rate.

use ottla_runtime::{Instant, Runtime};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The longest sleep before it is asked again whether to stop.
const NAP: Duration = Duration::from_millis(100);

/// Shared by all cleaners of a node.
#[derive(Debug)]
pub struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bytes_per_second: f64,
    /// When everything that was let through so far is paid for.
    paid_at: Option<Instant>,
}

impl Throttle {
    /// At most so many bytes a second on average.
    pub fn new(bytes_per_second: f64) -> Throttle {
        Throttle { state: Mutex::new(State { bytes_per_second, paid_at: None }) }
    }

    /// Changes the rate.
    pub fn set_rate(&self, bytes_per_second: f64) {
        self.lock().bytes_per_second = bytes_per_second;
    }

    /// `bytes` were read or written: waits until the rate allows it, or until `is_stopped`.
    pub(crate) async fn pay(&self, rt: &Runtime, bytes: u64, is_stopped: &(dyn Fn() -> bool + Send + Sync)) {
        let due = {
            let mut state = self.lock();
            let seconds = bytes as f64 / state.bytes_per_second.max(1.0);
            let from = state.paid_at.map_or(rt.now(), |paid_at| paid_at.max(rt.now()));
            let due = from + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
            state.paid_at = Some(due);
            due
        };
        while !is_stopped() {
            let left = due.saturating_duration_since(rt.now());
            if left.is_zero() {
                return;
            }
            rt.sleep(left.min(NAP)).await;
        }
    }

    /// The state is whole at any time.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_runtime::sim::World;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn bytes_take_their_time_and_a_stop_does_not_wait() {
        let world = World::new(1);
        world.run(async {
            let rt = world.node("node");
            let throttle = Throttle::new(1000.0);
            let began = rt.now();
            for _ in 0..4 {
                throttle.pay(&rt, 500, &|| false).await;
            }
            assert_eq!(rt.now() - began, Duration::from_secs(2));
            let stop = AtomicBool::new(true);
            throttle.pay(&rt, 1_000_000, &|| stop.load(Ordering::Relaxed)).await;
            assert_eq!(rt.now() - began, Duration::from_secs(2));
            let fast = Throttle::new(f64::MAX);
            fast.pay(&rt, u64::MAX, &|| false).await;
            assert_eq!(rt.now() - began, Duration::from_secs(2));
        });
    }
}
