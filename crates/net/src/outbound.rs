//! The replies of one connection between handler and socket: in request order, and bounded in number and bytes.
//!
//! Both sides belong to one task, which polls the side that takes after the side that gives (see
//! [`connection`](crate::connection)): nothing here wakes anybody.

use crate::close::Close;
use crate::handler::{Outcome, Reply};
use crate::timing::Timing;
use futures_util::future::BoxFuture;
use ottla_runtime::{Instant, Part};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

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
#[derive(Default)]
pub(crate) struct Outbound {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Pending>,
    /// Replies queued, awaited or being sent.
    in_flight: usize,
    bytes: usize,
    muted_until: Option<Instant>,
    /// Whether the filling side waits for replies to leave, and whether some have left since.
    is_awaited: bool,
    has_left: bool,
}

impl Outbound {
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
    }

    /// The next in order, when there is one: to be polled after whoever pushes.
    pub(crate) async fn next(&self) -> Pending {
        poll_fn(|_| self.try_next().map_or(Poll::Pending, Poll::Ready)).await
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
        state.has_left |= state.is_awaited;
    }

    /// Whether the filling side waited for replies that have left since it was polled last.
    pub(crate) fn take_left(&self) -> bool {
        std::mem::take(&mut self.lock().has_left)
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
        poll_fn(|_| {
            let mut state = self.lock();
            state.is_awaited = !enough(&state);
            if state.is_awaited { Poll::Pending } else { Poll::Ready(()) }
        })
        .await
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
