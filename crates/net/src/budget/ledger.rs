//! Who may hold how many request bytes: the pure core of the node-wide budget.
//!
//! Every byte of memory that requests occupy is charged here before it is allocated, and released when the request is
//! dropped. There are two pots:
//!
//! - the **reserve**, as large as the largest legal frame (`socket.request.max.bytes`);
//! - the **shared** pot, the rest of `queued.max.request.bytes`: open to everybody, and used first.
//!
//! A frame that cannot be charged waits, and its connection stops reading. The reserve keeps half-read frames from
//! blocking each other for ever: a frame may draw on it only if *all* that the frame still lacks fits the free part of
//! the reserve. So whoever drew last can always finish without anybody else releasing a byte, and by induction so can
//! the one before it. Of those waiting, the frame that lacks least is served first, and beside it the one that has
//! waited longest, once it has waited for the timeout; ordinary frames thus pass a crowd of huge ones, and a huge one
//! is not starved by ordinary ones.
//!
//! When a wait lasts as long as the timeout, the partial frame with the least progress is closed: bytes per second of
//! the time in which we would have read from it. Time that a frame spent waiting for us is not held against it, and a
//! frame that has had less than the timeout is left alone. At most one frame is closed per timeout.

use ottla_runtime::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Names one frame that is being received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FrameId(u64);

/// Bytes charged to each pot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Holding {
    pub(crate) shared: u64,
    pub(crate) reserve: u64,
}

impl Holding {
    /// Bytes in both pots.
    pub(crate) fn total(self) -> u64 {
        self.shared + self.reserve
    }

    fn add(&mut self, other: Holding) {
        self.shared += other.shared;
        self.reserve += other.reserve;
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
    last_close: Option<Instant>,
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
            last_close: None,
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

    /// Charges a frame that has arrived whole, if that is possible at once and nobody waits.
    pub(crate) fn admit(&mut self, size: u64) -> Option<Holding> {
        if self.waiting() > 0 || size > self.shared_limit.saturating_sub(self.charged.shared) {
            return None;
        }
        self.charged.shared += size;
        Some(Holding { shared: size, reserve: 0 })
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
        assert!(holding.shared <= self.charged.shared && holding.reserve <= self.charged.reserve, "released twice");
        self.charged.shared -= holding.shared;
        self.charged.reserve -= holding.reserve;
        self.settle(now)
    }

    /// Time passes: serves those who wait and closes the frame with the least progress where a wait lasts too long.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Event> {
        let mut events = self.settle(now);
        let someone_waits_too_long = self.by_age.first().is_some_and(|&(since, _)| now - since >= self.timeout);
        let closed_lately = self.last_close.is_some_and(|last| now - last < self.timeout);
        let under_pressure = someone_waits_too_long && !closed_lately;
        if let Some(id) = under_pressure.then(|| self.least_progress(now)).flatten() {
            self.stop_waiting(id);
            self.frames.get_mut(&id).expect("chosen from the open frames").closing = true;
            self.last_close = Some(now);
            events.push(Event::Close(id));
        }
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
        let shared_free = self.shared_limit.saturating_sub(self.charged.shared);
        let reserve_free = self.reserve_limit - self.charged.reserve;
        let grant = if shared_free >= wait.at_least {
            Holding { shared: wait.want.min(shared_free), reserve: 0 }
        } else if frame.lacks() <= reserve_free {
            Holding { shared: 0, reserve: wait.want }
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

    /// The partial frame with the fewest bytes per second of its own time, among those that have had the timeout.
    fn least_progress(&self, now: Instant) -> Option<FrameId> {
        let rates = self.frames.iter().filter_map(|(&id, frame)| {
            let own_time = frame.own_time(now);
            let partial = frame.received < frame.announced && !frame.closing;
            (partial && own_time >= self.timeout).then(|| (frame.received as f64 / own_time.as_secs_f64(), id))
        });
        rates.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests;
