use super::*;
use proptest::prelude::*;

const MB: u64 = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(5);

fn start() -> Instant {
    Instant::now()
}

fn granted(events: &[Event], id: FrameId) -> Option<u64> {
    events.iter().find_map(|event| match event {
        Event::Granted(granted, bytes) if *granted == id => Some(*bytes),
        _ => None,
    })
}

/// A ledger whose shared pot is full of ordinary frames, and the frames.
fn exhausted(now: Instant) -> (Ledger, Vec<Holding>) {
    let mut ledger = Ledger::new(80, 100, TIMEOUT);
    let frames = (0..8).map(|_| ledger.admit(10).unwrap()).collect();
    assert_eq!((ledger.admit(1), ledger.tick(now)), (None, vec![]));
    (ledger, frames)
}

#[test]
fn whole_frames_are_charged_until_released() {
    let now = start();
    let (mut ledger, mut frames) = exhausted(now);
    assert_eq!(ledger.admit(10), None);
    ledger.release(now, frames.pop().unwrap());
    assert!(ledger.admit(10).is_some());
}

#[test]
fn a_frame_that_finds_the_shared_pot_empty_finishes_from_the_reserve() {
    let now = start();
    let (mut ledger, _frames) = exhausted(now);
    let frame = ledger.open(now, 100, 0);
    assert_eq!(granted(&ledger.request(now, frame, 40, 4), frame), Some(40));
    assert_eq!(granted(&ledger.request(now, frame, 60, 4), frame), Some(60));
    assert_eq!(ledger.charged(), Holding { ordinary: 80, large: 0, reserve: 100 });
}

#[test]
fn large_frames_leave_half_of_the_shared_pot_to_ordinary_ones() {
    let now = start();
    let mut ledger = Ledger::new(80, 100, TIMEOUT);
    for _ in 0..20 {
        let huge = ledger.open(now, 100, 0);
        ledger.request(now, huge, 10, 10);
    }
    assert_eq!(ledger.charged().large, 40);
    let frames: Vec<Holding> = (0..4).map(|_| ledger.admit(10).unwrap()).collect();
    assert_eq!(ledger.admit(10), None);
    for frame in frames {
        assert_eq!(ledger.release(now + TIMEOUT * 2, frame), vec![], "the huge ones that wait must not take it");
    }
    assert!(ledger.admit(10).is_some());
}

#[test]
fn a_second_huge_frame_waits_until_the_first_is_released() {
    let now = start();
    let (mut ledger, _frames) = exhausted(now);
    let (first, second) = (ledger.open(now, 100, 0), ledger.open(now, 100, 0));
    assert_eq!(granted(&ledger.request(now, first, 50, 4), first), Some(50));
    assert_eq!(ledger.request(now, second, 50, 4), vec![]);
    let holding = ledger.finish(first);
    assert_eq!(granted(&ledger.release(now, holding), second), Some(50));
}

#[test]
fn a_small_frame_passes_a_crowd_of_huge_ones() {
    let now = start();
    let (mut ledger, _frames) = exhausted(now);
    for _ in 0..10 {
        let huge = ledger.open(now, 100, 0);
        ledger.request(now, huge, 20, 4);
    }
    let small = ledger.open(now, 3, 3);
    assert_eq!(granted(&ledger.request(now, small, 3, 3), small), Some(3));
    assert_eq!(ledger.waiting(), 9);
}

/// Three frames that hold 10 bytes each and have brought 9, 8 and 7; one that holds the reserve; one that waits.
fn under_pressure(now: Instant) -> (Ledger, [FrameId; 5]) {
    let mut ledger = Ledger::new(60, 100, TIMEOUT);
    let open = |ledger: &mut Ledger, announced, want, received| {
        let frame = ledger.open(now, announced, 0);
        ledger.request(now, frame, want, 4);
        ledger.received(frame, received);
        frame
    };
    let holders = [9, 8, 7].map(|received| open(&mut ledger, 100, 10, received));
    let drawer = open(&mut ledger, 100, 100, 90);
    let waiting = open(&mut ledger, 60, 10, 0);
    assert_eq!(ledger.waiting(), 1);
    (ledger, [holders[0], holders[1], holders[2], drawer, waiting])
}

#[test]
fn the_slowest_sender_is_closed_when_a_wait_reaches_the_timeout() {
    let now = start();
    let (mut ledger, [_, _, slowest, _, waiting]) = under_pressure(now);
    assert_eq!(ledger.tick(now + TIMEOUT / 2), vec![]);
    assert_eq!(ledger.tick(now + TIMEOUT), vec![Event::Close(slowest)]);
    let holding = ledger.finish(slowest);
    assert_eq!(granted(&ledger.release(now + TIMEOUT, holding), waiting), Some(10));
    assert_eq!(ledger.tick(now + TIMEOUT * 2), vec![], "nobody waits any more");
}

#[test]
fn more_are_closed_while_the_pressure_lasts() {
    let now = start();
    let (mut ledger, [slow, slower, slowest, drawer, _]) = under_pressure(now);
    assert_eq!(ledger.tick(now + TIMEOUT), vec![Event::Close(slowest)]);
    assert_eq!(ledger.tick(now + TIMEOUT), vec![Event::Close(slower), Event::Close(slow)]);
    assert_eq!(ledger.tick(now + TIMEOUT), vec![Event::Close(drawer)]);
}

#[test]
fn time_spent_waiting_for_us_is_not_held_against_a_frame() {
    let now = start();
    let (mut ledger, mut frames) = exhausted(now);
    let drawer = ledger.open(now, 100, 0);
    ledger.request(now, drawer, 100, 4);
    ledger.received(drawer, 100);
    let stalled = ledger.open(now, 100, 4);
    ledger.request(now, stalled, 10, 4);
    assert_eq!(ledger.tick(now + TIMEOUT * 10), vec![], "the whole frame and the stalled one are not to blame");
    let events = ledger.release(now + TIMEOUT * 10, frames.pop().unwrap());
    assert_eq!(granted(&events, stalled), Some(10));
}

#[test]
fn a_huge_frame_that_waited_for_the_timeout_is_served_before_small_ones() {
    let now = start();
    let (mut ledger, mut frames) = exhausted(now);
    let drawer = ledger.open(now, 100, 0);
    ledger.request(now, drawer, 100, 4);
    ledger.received(drawer, 100);
    let huge = ledger.open(now, 90, 0);
    ledger.request(now, huge, 8, 8);
    let later = now + TIMEOUT;
    let small = ledger.open(later, 5, 5);
    ledger.request(later, small, 5, 5);
    assert_eq!(ledger.release(later, frames.pop().unwrap()), vec![Event::Granted(huge, 8)]);
}

#[derive(Debug, Clone)]
enum Step {
    Open(u64),
    Ask(usize, u64),
    Finish(usize),
    Release,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..100 * MB).prop_map(Step::Open),
        (any::<usize>(), 1..8 * MB).prop_map(|(index, want)| Step::Ask(index, want)),
        any::<usize>().prop_map(Step::Finish),
        Just(Step::Release),
        (0u64..3000).prop_map(Step::Pass),
    ]
}

/// What the driver of a ledger knows about its frames.
#[derive(Default)]
struct Driver {
    idle: Vec<(FrameId, u64)>,
    waiting: BTreeMap<FrameId, u64>,
    finished: Vec<Holding>,
}

impl Driver {
    fn take(&mut self, ledger: &mut Ledger, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Granted(id, bytes) => {
                    let lacks = self.waiting.remove(&id).unwrap();
                    ledger.received(id, bytes.min(1));
                    self.idle.push((id, lacks - bytes));
                }
                Event::Close(id) => {
                    self.waiting.remove(&id);
                    self.idle.retain(|(idle, _)| *idle != id);
                    self.finished.push(ledger.finish(id));
                }
            }
        }
    }
}

proptest! {
    /// Whatever happens: no pot overflows, and with every frame waiting and nothing left to release, one is served.
    #[test]
    fn pots_never_overflow_and_waiting_frames_never_block_each_other(steps in prop::collection::vec(step(), 1..200)) {
        let (shared, reserve) = (32 * MB, 100 * MB);
        let mut ledger = Ledger::new(shared, reserve, TIMEOUT);
        let mut driver = Driver::default();
        let mut now = start();
        for step in steps {
            match step {
                Step::Open(size) => driver.idle.push((ledger.open(now, size, 0), size)),
                Step::Ask(index, want) if !driver.idle.is_empty() => {
                    let index = index % driver.idle.len();
                    let (id, lacks) = driver.idle.swap_remove(index);
                    if lacks == 0 {
                        driver.finished.push(ledger.finish(id));
                    } else {
                        driver.waiting.insert(id, lacks);
                        let want = want.min(lacks);
                        let events = ledger.request(now, id, want, want.min(65536));
                        driver.take(&mut ledger, events);
                    }
                }
                Step::Finish(index) if !driver.idle.is_empty() => {
                    let index = index % driver.idle.len();
                    let (id, _) = driver.idle.swap_remove(index);
                    driver.finished.push(ledger.finish(id));
                }
                Step::Release => {
                    if let Some(holding) = driver.finished.pop() {
                        let events = ledger.release(now, holding);
                        driver.take(&mut ledger, events);
                    }
                }
                Step::Pass(millis) => {
                    now += Duration::from_millis(millis);
                    let events = ledger.tick(now);
                    driver.take(&mut ledger, events);
                }
                Step::Ask(..) | Step::Finish(..) => {}
            }
            let charged = ledger.charged();
            prop_assert!(charged.ordinary + charged.large <= shared && charged.reserve <= reserve);
            prop_assert_eq!(ledger.waiting(), driver.waiting.len());
            prop_assert!(
                driver.waiting.is_empty() || !driver.idle.is_empty() || !driver.finished.is_empty(),
                "every frame waits and nothing can be released"
            );
        }
        // Everything can finish without anything being closed.
        while !(driver.idle.is_empty() && driver.waiting.is_empty() && driver.finished.is_empty()) {
            for holding in std::mem::take(&mut driver.finished) {
                let events = ledger.release(now, holding);
                driver.take(&mut ledger, events);
            }
            for (id, lacks) in std::mem::take(&mut driver.idle) {
                if lacks == 0 {
                    driver.finished.push(ledger.finish(id));
                } else {
                    driver.waiting.insert(id, lacks);
                    let events = ledger.request(now, id, lacks.min(4 * MB), lacks.min(65536));
                    driver.take(&mut ledger, events);
                }
            }
            let stuck = driver.idle.is_empty() && driver.finished.is_empty() && !driver.waiting.is_empty();
            prop_assert!(!stuck, "{} frames wait for each other", driver.waiting.len());
        }
        prop_assert_eq!(ledger.charged(), Holding::default());
    }
}
