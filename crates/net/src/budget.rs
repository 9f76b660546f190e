//! The node-wide budget of request bytes: the [`Ledger`] behind a lock, with waiting as futures.
//!
//! Two uses. A frame that arrived whole with the first read is admitted with [`Budget::admit`]. A larger one opens a
//! [`Claim`], grows it step by step as bytes arrive, and turns it into a [`Charge`] when it is complete. The charge
//! lives in the [`Request`](crate::Request): dropping it gives the bytes back and wakes connections that wait.

mod ledger;

use ledger::{Event, FrameId, Holding, Ledger};
use ottla_runtime::Runtime;
use ottla_telemetry::NetMetrics;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The budget of one node, shared by all its listeners.
pub(crate) struct Budget {
    runtime: Runtime,
    state: Mutex<State>,
    /// Wakes [`Budget::relieve_pressure`] when the first frame begins to wait.
    pressure: Notify,
    timeout: Duration,
    metrics: NetMetrics,
}

struct State {
    ledger: Ledger,
    frames: BTreeMap<FrameId, Arc<Mailbox>>,
}

/// Where a connection finds what the ledger decided about its frame.
#[derive(Default)]
struct Mailbox {
    verdict: Mutex<Verdict>,
    arrived: Notify,
}

#[derive(Default)]
struct Verdict {
    granted: Option<u64>,
    evicted: bool,
}

/// The budget was exhausted and this frame had made the least progress: its connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evicted;

impl Budget {
    /// `shared_bytes` and `largest_frame` (`socket.request.max.bytes`) together are `queued.max.request.bytes`.
    pub(crate) fn new(
        runtime: Runtime,
        shared_bytes: u64,
        largest_frame: u64,
        timeout: Duration,
        metrics: NetMetrics,
    ) -> Arc<Budget> {
        let ledger = Ledger::new(shared_bytes, largest_frame, timeout);
        let state = Mutex::new(State { ledger, frames: BTreeMap::new() });
        Arc::new(Budget { runtime, state, pressure: Notify::new(), timeout, metrics })
    }

    /// Charges a frame of `size` bytes that has arrived whole; waits while there is no room.
    pub(crate) async fn admit(self: &Arc<Budget>, size: u64) -> Result<Charge, Evicted> {
        if let Some(holding) = self.admit_at_once(size) {
            return Ok(Charge { budget: self.clone(), holding });
        }
        let mut claim = Claim::open(self, size, size);
        claim.grow(size, size).await?;
        Ok(claim.complete())
    }

    fn admit_at_once(&self, size: u64) -> Option<Holding> {
        let mut state = self.lock();
        let holding = state.ledger.admit(size)?;
        self.metrics.request_bytes.set(state.ledger.charged().total());
        Some(holding)
    }

    /// Closes frames with too little progress while somebody waits. Runs as long as the node listens.
    pub(crate) async fn relieve_pressure(self: Arc<Budget>) {
        loop {
            self.pressure.notified().await;
            while self.waiting() > 0 {
                self.runtime.sleep(self.timeout / 8).await;
                let now = self.runtime.now();
                let mut state = self.lock();
                let events = state.ledger.tick(now);
                state.deliver(events);
            }
        }
    }

    /// Frames that wait for room.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().ledger.waiting()
    }

    fn release(&self, holding: Holding) {
        let now = self.runtime.now();
        let mut state = self.lock();
        let events = state.ledger.release(now, holding);
        state.deliver(events);
        self.metrics.request_bytes.set(state.ledger.charged().total());
    }

    /// The ledger's own assertions abort the node; a poisoned lock only means that a simulated node is being torn down.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn deliver(&mut self, events: Vec<Event>) {
        for event in events {
            let (id, granted) = match event {
                Event::Granted(id, bytes) => (id, Some(bytes)),
                Event::Close(id) => (id, None),
            };
            let mailbox = &self.frames[&id];
            let mut verdict = mailbox.lock();
            verdict.evicted |= granted.is_none();
            verdict.granted = granted.or(verdict.granted);
            mailbox.arrived.notify_one();
        }
    }
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Verdict> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A frame that is being received and the bytes charged to it so far. Dropping it gives them back.
pub(crate) struct Claim {
    budget: Arc<Budget>,
    id: FrameId,
    mailbox: Arc<Mailbox>,
    finished: bool,
}

impl Claim {
    /// Opens a claim for a frame of `announced` bytes of which `received` are here; nothing is charged yet.
    pub(crate) fn open(budget: &Arc<Budget>, announced: u64, received: u64) -> Claim {
        let mailbox = Arc::new(Mailbox::default());
        let now = budget.runtime.now();
        let mut state = budget.lock();
        let id = state.ledger.open(now, announced, received);
        state.frames.insert(id, mailbox.clone());
        drop(state);
        Claim { budget: budget.clone(), id, mailbox, finished: false }
    }

    /// Charges `want` more bytes, or at least `at_least`; waits while there is no room. Returns how many.
    pub(crate) async fn grow(&mut self, want: u64, at_least: u64) -> Result<u64, Evicted> {
        self.ask(want, at_least);
        loop {
            {
                let mut verdict = self.mailbox.lock();
                if verdict.evicted {
                    return Err(Evicted);
                }
                if let Some(bytes) = verdict.granted.take() {
                    return Ok(bytes);
                }
            }
            self.mailbox.arrived.notified().await;
        }
    }

    fn ask(&self, want: u64, at_least: u64) {
        if self.mailbox.lock().evicted {
            return;
        }
        let now = self.budget.runtime.now();
        let mut state = self.budget.lock();
        let events = state.ledger.request(now, self.id, want, at_least);
        state.deliver(events);
        self.budget.metrics.request_bytes.set(state.ledger.charged().total());
        if state.ledger.waiting() > 0 {
            self.budget.metrics.budget_waits.increment();
            self.budget.pressure.notify_one();
        }
    }

    /// Resolves when this frame must be closed to relieve the others.
    pub(crate) async fn evicted(&self) -> Evicted {
        while !self.mailbox.lock().evicted {
            self.mailbox.arrived.notified().await;
        }
        Evicted
    }

    /// `bytes` more of the frame have arrived.
    pub(crate) fn received(&self, bytes: u64) {
        self.budget.lock().ledger.received(self.id, bytes);
    }

    /// The frame is complete: what it holds stays charged until the result is dropped.
    pub(crate) fn complete(mut self) -> Charge {
        Charge { budget: self.budget.clone(), holding: self.finish() }
    }

    fn finish(&mut self) -> Holding {
        self.finished = true;
        let mut state = self.budget.lock();
        state.frames.remove(&self.id);
        state.ledger.finish(self.id)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.finished {
            let holding = self.finish();
            self.budget.release(holding);
        }
    }
}

/// Bytes of one complete frame, charged to the budget until this is dropped.
pub(crate) struct Charge {
    budget: Arc<Budget>,
    holding: Holding,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.release(self.holding);
    }
}

impl std::fmt::Debug for Charge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Charge({} bytes)", self.holding.total())
    }
}
