//! Who may hold how many request bytes: the pure core of the node-wide budget.
//!
//! Every byte of memory that requests occupy is charged here before it is allocated, and released when the request is
//! dropped. There are two pots:
//!
//! - the **reserve**, as large as the largest legal frame (`socket.request.max.bytes`);
//! - the **shared** pot, the rest of `queued.max.request.bytes`, which is used first. Large frames (above an eighth of it)
//!   may hold half of it at most, so that a crowd of them leaves room for ordinary ones.
//!
//! A frame that cannot be charged waits, and its connection stops reading. The reserve keeps half-read frames from
//! blocking each other for ever: a frame may draw on it only if *all* that the frame still lacks fits the free part of
//! the reserve. So whoever drew last can always finish without anybody else releasing a byte, and by induction so can
//! the one before it. Of those waiting, the frame that lacks least is served first, and beside it the one that has
//! waited longest, once it has waited for the timeout, so that small frames do not starve a large one.
//!
//! When a wait lasts as long as the timeout, the partial frame with the least progress is closed: bytes per second of
//! the time in which we would have read from it. Time that a frame spent waiting for us is not held against it, and a
//! frame that has had less than the timeout is left alone. While the pressure lasts, twice as many are closed at each
//! tick as at the one before.

use ottla_runtime::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Names one frame that is being received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FrameId(u64);

/// Frames above this part of the shared pot are large: together they may hold half of it.
const LARGE_PART: u64 = 8;

/// Bytes charged to each pot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Holding {
    /// In the shared pot, by ordinary frames.
    pub(crate) ordinary: u64,
    /// In the shared pot, by large frames.
    pub(crate) large: u64,
    pub(crate) reserve: u64,
}

impl Holding {
    /// Bytes in both pots.
    pub(crate) fn total(self) -> u64 {
        self.ordinary + self.large + self.reserve
    }

    fn add(&mut self, other: Holding) {
        self.ordinary += other.ordinary;
        self.large += other.large;
        self.reserve += other.reserve;
    }

    fn subtract(&mut self, other: Holding) {
        let enough = self.ordinary >= other.ordinary && self.large >= other.large && self.reserve >= other.reserve;
        assert!(enough, "released twice");
        self.ordinary -= other.ordinary;
        self.large -= other.large;
        self.reserve -= other.reserve;
    }
}

/// What became of a frame that waits or reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The frame's wait ended: this many more bytes are charged to it.
    Granted(FrameId, u64),
    /// The frame made the least progress under pressure: close its connection.
    Close(FrameId),
}

#[derive(Debug)]
struct Frame {
    announced: u64,
    received: u64,
    held: Holding,
    opened: Instant,
    /// Time spent waiting for the budget, without the current wait.
    waited: Duration,
    wait: Option<Wait>,
    closing: bool,
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    since: Instant,
    want: u64,
    at_least: u64,
}

impl Frame {
    fn lacks(&self) -> u64 {
        self.announced.saturating_sub(self.held.total())
    }

    /// How long the sender has had a chance to send.
    fn own_time(&self, now: Instant) -> Duration {
        let waiting = self.wait.map_or(Duration::ZERO, |wait| now - wait.since);
        (now - self.opened).saturating_sub(self.waited + waiting)
    }
}

/// The two pots, the frames that are being received and the frames that wait.
#[derive(Debug)]
pub(crate) struct Ledger {
    shared_limit: u64,
    reserve_limit: u64,
    timeout: Duration,
    charged: Holding,
    frames: BTreeMap<FrameId, Frame>,
    /// Waiting frames by what they lack, the smallest first.
    by_need: BTreeSet<(u64, FrameId)>,
    /// Waiting frames by the start of their wait, the oldest first.
    by_age: BTreeSet<(Instant, FrameId)>,
    /// How many frames the next tick closes when the pressure lasts.
    close_next: usize,
    next_id: u64,
}

impl Ledger {
    /// `reserve_limit` is the largest legal frame; `timeout` is how long a wait lasts before a frame is closed.
    pub(crate) fn new(shared_limit: u64, reserve_limit: u64, timeout: Duration) -> Ledger {
        Ledger {
            shared_limit,
            reserve_limit,
            timeout,
            charged: Holding::default(),
            frames: BTreeMap::new(),
            by_need: BTreeSet::new(),
            by_age: BTreeSet::new(),
            close_next: 1,
            next_id: 0,
        }
    }

    /// Bytes charged to each pot.
    pub(crate) fn charged(&self) -> Holding {
        self.charged
    }

    /// How many frames wait for the budget.
    pub(crate) fn waiting(&self) -> usize {
        self.by_need.len()
    }

    /// Charges a frame that has arrived whole, if that is possible at once and nobody who waits comes before it.
    pub(crate) fn admit(&mut self, size: u64) -> Option<Holding> {
        let is_next = self.by_need.first().is_none_or(|(lacks, _)| *lacks >= size);
        if !is_next || size > self.shared_free(size) {
            return None;
        }
        let holding = self.in_shared_pot(size, size);
        self.charged.add(holding);
        Some(holding)
    }

    /// A frame of `announced` bytes begins, of which `received` have arrived. Nothing is charged yet.
    pub(crate) fn open(&mut self, now: Instant, announced: u64, received: u64) -> FrameId {
        assert!(announced <= self.reserve_limit, "a frame of {announced} bytes is larger than the reserve");
        let id = FrameId(self.next_id);
        self.next_id += 1;
        let held = Holding::default();
        let frame =
            Frame { announced, received, held, opened: now, waited: Duration::ZERO, wait: None, closing: false };
        self.frames.insert(id, frame);
        id
    }

    /// Asks for `want` more bytes for a frame, content with `at_least`. The answer is among the events, now or later.
    pub(crate) fn request(&mut self, now: Instant, id: FrameId, want: u64, at_least: u64) -> Vec<Event> {
        let frame = self.frames.get_mut(&id).expect("a frame that asks is open");
        assert!(frame.wait.is_none(), "a frame asks once at a time");
        assert!(0 < at_least && at_least <= want && want <= frame.lacks(), "a frame asks for what it lacks");
        frame.wait = Some(Wait { since: now, want, at_least });
        self.by_need.insert((frame.lacks(), id));
        self.by_age.insert((now, id));
        self.settle(now)
    }

    /// `bytes` more of a frame have arrived.
    pub(crate) fn received(&mut self, id: FrameId, bytes: u64) {
        self.frames.get_mut(&id).expect("a frame that receives is open").received += bytes;
    }

    /// A frame is complete, or its connection is gone. What it holds stays charged until it is released.
    pub(crate) fn finish(&mut self, id: FrameId) -> Holding {
        self.stop_waiting(id);
        self.frames.remove(&id).expect("a frame finishes once").held
    }

    /// Gives bytes back and serves those who wait.
    pub(crate) fn release(&mut self, now: Instant, holding: Holding) -> Vec<Event> {
        self.charged.subtract(holding);
        self.settle(now)
    }

    /// Time passes: serves those who wait, and closes frames with too little progress where a wait lasts too long.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Event> {
        let mut events = self.settle(now);
        let under_pressure = self.by_age.first().is_some_and(|&(since, _)| now - since >= self.timeout);
        if !under_pressure {
            self.close_next = 1;
            return events;
        }
        for id in self.least_progress(now, self.close_next) {
            self.stop_waiting(id);
            self.frames.get_mut(&id).expect("chosen from the open frames").closing = true;
            events.push(Event::Close(id));
        }
        self.close_next = self.close_next.saturating_mul(2);
        events
    }

    /// Serves the frame that lacks least and the one that has waited longest, until neither can be served.
    fn settle(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let oldest = self.by_age.first().filter(|(since, _)| now - *since >= self.timeout).map(|&(_, id)| id);
            let neediest_last = self.by_need.first().map(|&(_, id)| id);
            let served = [oldest, neediest_last].into_iter().flatten().find_map(|id| self.try_grant(now, id));
            let Some(event) = served else { return events };
            events.push(event);
        }
    }

    fn try_grant(&mut self, now: Instant, id: FrameId) -> Option<Event> {
        let frame = &self.frames[&id];
        let wait = frame.wait.expect("a queued frame waits");
        let (announced, shared_free) = (frame.announced, self.shared_free(frame.announced));
        let grant = if shared_free >= wait.at_least {
            self.in_shared_pot(announced, wait.want.min(shared_free))
        } else if frame.lacks() <= self.reserve_limit - self.charged.reserve {
            Holding { reserve: wait.want, ..Holding::default() }
        } else {
            return None;
        };
        self.stop_waiting(id);
        let frame = self.frames.get_mut(&id).expect("looked up above");
        frame.waited += now - wait.since;
        frame.held.add(grant);
        self.charged.add(grant);
        Some(Event::Granted(id, grant.total()))
    }

    fn stop_waiting(&mut self, id: FrameId) {
        let frame = self.frames.get_mut(&id).expect("the frame is open");
        if let Some(wait) = frame.wait.take() {
            self.by_need.remove(&(frame.lacks(), id));
            self.by_age.remove(&(wait.since, id));
        }
    }

    /// What a frame of this size may still take from the shared pot.
    fn shared_free(&self, announced: u64) -> u64 {
        let free = self.shared_limit.saturating_sub(self.charged.ordinary + self.charged.large);
        match self.is_large(announced) {
            true => free.min((self.shared_limit / 2).saturating_sub(self.charged.large)),
            false => free,
        }
    }

    fn in_shared_pot(&self, announced: u64, bytes: u64) -> Holding {
        match self.is_large(announced) {
            true => Holding { large: bytes, ..Holding::default() },
            false => Holding { ordinary: bytes, ..Holding::default() },
        }
    }

    fn is_large(&self, announced: u64) -> bool {
        announced > self.shared_limit / LARGE_PART
    }

    /// The partial frames with the fewest bytes per second of their own time, among those that have had the timeout.
    fn least_progress(&self, now: Instant, count: usize) -> Vec<FrameId> {
        let rates = self.frames.iter().filter_map(|(&id, frame)| {
            let own_time = frame.own_time(now);
            let partial = frame.received < frame.announced && !frame.closing;
            (partial && own_time >= self.timeout).then(|| (frame.received as f64 / own_time.as_secs_f64(), id))
        });
        let mut rates: Vec<(f64, FrameId)> = rates.collect();
        rates.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        rates.into_iter().take(count).map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests;
