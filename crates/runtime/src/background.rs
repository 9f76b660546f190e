//! [`give_way`]: work that nobody waits for takes less of the CPU the more the rest of the process does.

use crate::Runtime;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is measured what the rest of the process does.
const WINDOW: Duration = Duration::from_millis(20);
/// Rests are put together until they are worth a timer, whose resolution is a millisecond.
const REST_MIN: Duration = Duration::from_millis(3);
/// The longest rest at once. Work that was asked to stop sees it after that at the latest.
const REST_MAX: Duration = Duration::from_millis(100);
/// Cores that are to stay free for clients and the rest of the machine; on a single core it is that one.
const FREE_CORES: f64 = 2.0;
/// The rest behind each second of work, in seconds, for each core of those that is in use ...
const REST_PER_CORE: f64 = 5.0;
/// ... and at most: however busy the process is, background work gets a quarter of a core.
const REST_SHARE_MAX: f64 = 3.0;

/// CPU nanoseconds that went into all such work of this process.
static WORKED_NANOS: AtomicU64 = AtomicU64::new(0);

/// Runs `future`, and lets it rest after its polls once the rest of the process leaves less than two cores free: the less is
/// free, the longer, from 60 % of a core on three times as long as it worked. So it keeps a quarter of a core under any load. Other
/// such work does not count as the rest of the process: each has its quarter. `future` must await something every millisecond or so;
/// who needs what it holds meanwhile may have to wait, up to 100 ms each time. In the simulator, where work takes no time, it never
/// rests.
pub async fn give_way<F: Future>(rt: &Runtime, future: F) -> F::Output {
    give_way_on(rt, rt.cores(), future).await
}

async fn give_way_on<F: Future>(rt: &Runtime, cores: usize, future: F) -> F::Output {
    let mut future = pin!(future);
    let used = || Used {
        process: rt.process_cpu_time(),
        background: Duration::from_nanos(WORKED_NANOS.load(Ordering::Relaxed)),
    };
    let mut pace = Pace::new(rt.now(), used(), cores);
    loop {
        let polled = poll_fn(|cx| {
            let began = rt.thread_cpu_time();
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let worked = rt.thread_cpu_time().saturating_sub(began);
            WORKED_NANOS.fetch_add(u64::try_from(worked.as_nanos()).unwrap_or(0), Ordering::Relaxed);
            pace.worked(worked);
            let rest = pace.rest(rt.now(), used);
            rest.map_or(Poll::Pending, |rest| Poll::Ready(Err(rest)))
        });
        match polled.await {
            Ok(output) => return output,
            // What woke the future meanwhile is seen in its next poll.
            Err(rest) => rt.sleep(rest).await,
        }
    }
}

/// CPU time since the process began.
#[derive(Clone, Copy, Default)]
struct Used {
    process: Duration,
    /// Of it, what gives way.
    background: Duration,
}

/// How much rest is owed.
struct Pace {
    cores: f64,
    window_began: Instant,
    /// When the window began.
    used: Used,
    /// Seconds of rest for each second of work.
    rest_share: f64,
    owed: Duration,
}

impl Pace {
    fn new(now: Instant, used: Used, cores: usize) -> Pace {
        Pace { cores: cores as f64, window_began: now, used, rest_share: 0.0, owed: Duration::ZERO }
    }

    /// However long it worked at once, it does not rest several times for that.
    fn worked(&mut self, cpu: Duration) {
        self.owed = REST_MAX.min(self.owed + cpu.mul_f64(self.rest_share));
    }

    /// The rest to take now, if any. `used` is asked at the end of each window.
    fn rest(&mut self, now: Instant, used: impl FnOnce() -> Used) -> Option<Duration> {
        let elapsed = now.saturating_duration_since(self.window_began);
        if elapsed >= WINDOW {
            let used = used();
            let background = used.background.saturating_sub(self.used.background);
            let others = used.process.saturating_sub(self.used.process).saturating_sub(background);
            let free = self.cores - others.as_secs_f64() / elapsed.as_secs_f64();
            let missing = FREE_CORES.min(self.cores) - free;
            self.rest_share = (missing * REST_PER_CORE).clamp(0.0, REST_SHARE_MAX);
            (self.window_began, self.used) = (now, used);
        }
        (self.owed >= REST_MIN).then(|| std::mem::take(&mut self.owed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::World;

    const MS: Duration = Duration::from_millis(1);

    /// Works `worked` of each of 101 windows of 20 ms while the others use `others` of them, and other work that gives way as much
    /// as this one. Returns all rests; the first window is not judged.
    fn rests(cores: usize, worked: Duration, others: Duration) -> Duration {
        let began = Instant::now();
        let mut pace = Pace::new(began, Used::default(), cores);
        let mut rests = Duration::ZERO;
        for window in 1..=101 {
            pace.worked(worked);
            let used = Used { process: (2 * worked + others) * window, background: 2 * worked * window };
            while let Some(rest) = pace.rest(began + WINDOW * window, || used) {
                assert!((REST_MIN..=REST_MAX).contains(&rest), "{rest:?}");
                rests += rest;
            }
        }
        rests
    }

    fn assert_near(rests: Duration, expected: Duration) {
        assert!((expected.saturating_sub(REST_MIN)..=expected).contains(&rests), "{rests:?} is not {expected:?}");
    }

    #[test]
    fn who_is_alone_does_not_rest() {
        for cores in [1, 2, 16] {
            assert_eq!(rests(cores, WINDOW, Duration::ZERO), Duration::ZERO);
        }
    }

    #[test]
    fn the_less_the_others_leave_the_longer_the_rest() {
        for cores in [1usize, 2, 16] {
            let beyond = 20 * MS * u32::try_from(cores.saturating_sub(2)).unwrap();
            // 10, 60 and 100 % of the last cores.
            assert_near(rests(cores, 4 * MS, beyond + 2 * MS), 200 * MS);
            assert_near(rests(cores, 4 * MS, beyond + 12 * MS), 1200 * MS);
            assert_near(rests(cores, 4 * MS, beyond + 20 * MS), 1200 * MS);
        }
    }

    #[test]
    fn work_of_a_second_at_once_is_followed_by_one_rest() {
        let began = Instant::now();
        let mut pace = Pace::new(began, Used::default(), 1);
        let used = |process| move || Used { process, background: Duration::ZERO };
        assert_eq!(pace.rest(began + WINDOW, used(WINDOW)), None);
        pace.worked(Duration::from_secs(1));
        assert_eq!(pace.rest(began + WINDOW, used(WINDOW)), Some(REST_MAX));
        assert_eq!(pace.rest(began + WINDOW, used(WINDOW)), None);
    }

    #[test]
    fn two_free_cores_are_enough() {
        assert_eq!(rests(16, 20 * MS, 14 * 20 * MS), Duration::ZERO);
    }

    #[test]
    fn time_without_work_is_no_debt() {
        assert_eq!(rests(2, Duration::ZERO, 40 * MS), Duration::ZERO);
    }

    #[test]
    fn the_output_comes_and_simulated_work_never_rests() {
        let world = World::new(1);
        world.run(async {
            let rt = world.node("node");
            let began = rt.now();
            let work = async {
                for _ in 0..1000 {
                    tokio::task::yield_now().await;
                }
                rt.sleep(MS).await;
                7
            };
            assert_eq!(give_way(&rt, work).await, 7);
            assert_eq!(rt.now() - began, MS);
        });
    }

    #[tokio::test]
    async fn real_work_beside_real_work_rests() {
        let rt = Runtime::in_memory();
        let until = rt.now() + Duration::from_millis(400);
        let spin = |time: Duration| {
            let began = rt.thread_cpu_time();
            while rt.thread_cpu_time() - began < time {}
        };
        let (mut rounds, mut rounds_of_others) = (0, 0);
        let others = async {
            while rt.now() < until {
                spin(MS);
                rounds_of_others += 1;
                tokio::task::yield_now().await;
            }
        };
        let work = async {
            while rt.now() < until {
                spin(MS);
                rounds += 1;
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(others, give_way_on(&rt, 1, work));
        assert!(rounds > 0 && 2 * rounds < rounds_of_others, "{rounds} rounds beside {rounds_of_others}");
    }
}
