//! The replies of one connection between handler and socket: in request order, and bounded in number and bytes.

use crate::close::Close;
use crate::handler::{Outcome, Reply};
use crate::timing::Timing;
use futures_util::future::BoxFuture;
use ottla_runtime::{Instant, Part};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Requests of one connection that may be handled and not yet answered.
pub(crate) const IN_FLIGHT_MAX: usize = 64;
/// Reply bytes that may wait in memory for a slow reader; the next request is not begun above it. File ranges are not
/// in memory and do not count.
pub(crate) const OUTBOUND_BYTES_MAX: usize = 1024 * 1024;

/// A place in the order of replies.
pub(crate) enum Pending {
    /// The reply is here.
    Ready(Reply, Timing),
    /// It will come.
    Later(BoxFuture<'static, Reply>, Timing),
    /// The connection ends here.
    Close(Close),
}

impl Pending {
    /// What the writer must do for an outcome; for requests that get no reply their timing comes back.
    pub(crate) fn from_outcome(outcome: Outcome, timing: Timing) -> Result<Pending, Timing> {
        match outcome {
            Outcome::Reply(reply) => Ok(Pending::Ready(reply, timing)),
            Outcome::Later(reply) => Ok(Pending::Later(reply, timing)),
            Outcome::NoReply => Err(timing),
            Outcome::Close { reason } => Ok(Pending::Close(Close::ByHandler(reason))),
        }
    }

    /// Whether the connection is known to end here. What is awaited may still decide so.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Pending::Ready(reply, _) => reply.close.is_some(),
            Pending::Later(..) => false,
            Pending::Close(_) => true,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Pending::Ready(reply, _) => bytes_in_memory(reply),
            Pending::Later(..) | Pending::Close(_) => 0,
        }
    }
}

/// Bytes of a reply that occupy memory.
pub(crate) fn bytes_in_memory(reply: &Reply) -> usize {
    let in_memory = |part: &Part| match part {
        Part::Bytes(bytes) => bytes.len(),
        Part::File(_) => 0,
    };
    reply.parts.iter().map(in_memory).sum()
}

/// The queue. One side fills it in request order, the other empties it.
pub(crate) struct Outbound {
    state: Mutex<State>,
    arrived: Notify,
    left: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Pending>,
    /// Replies queued, awaited or being sent.
    in_flight: usize,
    bytes: usize,
    muted_until: Option<Instant>,
}

impl Outbound {
    pub(crate) fn new() -> Outbound {
        Outbound { state: Mutex::default(), arrived: Notify::new(), left: Notify::new() }
    }

    /// Resolves when the next request may be handled.
    pub(crate) async fn room(&self) {
        self.wait_until(|state| state.in_flight < IN_FLIGHT_MAX && state.bytes < OUTBOUND_BYTES_MAX).await;
    }

    /// Resolves when every reply has left.
    pub(crate) async fn drained(&self) {
        self.wait_until(|state| state.in_flight == 0).await;
    }

    /// Appends to the order of replies.
    pub(crate) fn push(&self, pending: Pending) {
        let mut state = self.lock();
        state.in_flight += 1;
        if let Pending::Ready(reply, _) = &pending {
            state.rest_until(reply.mute_until);
        }
        state.bytes += pending.bytes();
        state.queue.push_back(pending);
        self.arrived.notify_one();
    }

    /// The next in order, when there is one.
    pub(crate) async fn next(&self) -> Pending {
        loop {
            if let Some(pending) = self.try_next() {
                return pending;
            }
            self.arrived.notified().await;
        }
    }

    /// The next in order, if it is here.
    pub(crate) fn try_next(&self) -> Option<Pending> {
        self.lock().queue.pop_front()
    }

    /// `replies` were sent, with `bytes` that had been counted when they were pushed.
    pub(crate) fn sent(&self, replies: usize, bytes: usize) {
        let mut state = self.lock();
        state.in_flight -= replies;
        state.bytes -= bytes;
        self.left.notify_one();
    }

    /// A reply that was awaited is here: no request is read before its `mute_until`.
    pub(crate) fn rest_until(&self, time: Option<Instant>) {
        self.lock().rest_until(time);
    }

    /// Until when the connection rests.
    pub(crate) fn muted_until(&self) -> Option<Instant> {
        self.lock().muted_until
    }

    async fn wait_until(&self, enough: impl Fn(&State) -> bool) {
        while !enough(&self.lock()) {
            self.left.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn rest_until(&mut self, time: Option<Instant>) {
        self.muted_until = self.muted_until.max(time);
    }
}
