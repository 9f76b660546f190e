//! `log.cleaner.io.max.bytes.per.second` and `replica.alter.log.dirs.io.max.bytes.per.second`: reads and writes of all cleaners,
//! and of all moves, together keep to a rate.

use ottla_runtime::{Instant, Runtime};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The longest sleep before it is asked again whether to stop.
const NAP: Duration = Duration::from_millis(100);

/// Shared by all cleaners, or all moves, of a node.
#[derive(Debug)]
pub struct Throttle {
    state: Mutex<State>,
}

/// A clock that counts bytes: what is asked for runs ahead of what the rate has let through.
#[derive(Debug)]
struct State {
    bytes_per_second: f64,
    asked: f64,
    let_through: f64,
    /// When `let_through` was right.
    as_of: Option<Instant>,
}

impl State {
    fn advance(&mut self, now: Instant) {
        let elapsed = self.as_of.map_or(Duration::ZERO, |as_of| now.saturating_duration_since(as_of));
        self.as_of = Some(now);
        self.let_through = (self.let_through + elapsed.as_secs_f64() * self.rate()).min(self.asked);
    }

    /// When everything up to `target` is let through, if the rate stays.
    fn wait_for(&self, target: f64) -> Duration {
        Duration::try_from_secs_f64((target - self.let_through).max(0.0) / self.rate()).unwrap_or(Duration::MAX)
    }

    fn rate(&self) -> f64 {
        self.bytes_per_second.max(1.0)
    }
}

impl Throttle {
    /// At most so many bytes a second on average.
    pub fn new(bytes_per_second: f64) -> Throttle {
        Throttle { state: Mutex::new(State { bytes_per_second, asked: 0.0, let_through: 0.0, as_of: None }) }
    }

    /// Changes the rate, also of what waits.
    pub fn set_rate(&self, bytes_per_second: f64) {
        self.lock().bytes_per_second = bytes_per_second;
    }

    /// `bytes` were read or written: waits until the rate allows it, or until `is_stopped`.
    pub(crate) async fn pay(&self, rt: &Runtime, bytes: u64, is_stopped: &(dyn Fn() -> bool + Send + Sync)) {
        let target = {
            let mut state = self.lock();
            state.advance(rt.now());
            state.asked += bytes as f64;
            state.asked
        };
        while !is_stopped() {
            let left = {
                let mut state = self.lock();
                state.advance(rt.now());
                state.wait_for(target)
            };
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

    #[test]
    fn what_waits_under_a_low_rate_goes_on_when_it_is_raised() {
        let world = World::new(2);
        world.run(async {
            let rt = world.node("node");
            let throttle = std::sync::Arc::new(Throttle::new(0.0));
            let began = rt.now();
            let (paying, own) = (throttle.clone(), rt.clone());
            let paid = rt.spawn("paying", async move { paying.pay(&own, 1 << 20, &|| false).await });
            rt.sleep(Duration::from_secs(1)).await;
            throttle.set_rate(f64::from(1 << 20));
            paid.await.unwrap();
            assert!(rt.now() - began < Duration::from_secs(3), "{:?}", rt.now() - began);
        });
    }
}
