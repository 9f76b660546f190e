//! The receiving half of a connection: bytes to frames, frames to requests, requests to the handler, one by one.

use crate::activity::Activity;
use crate::budget::{Charge, Claim};
use crate::close::Close;
use crate::frame::{Framer, Step};
use crate::handler::{ConnectionInfo, Request, RequestCharge};
use crate::malformed::Malformed;
use crate::outbound::{Outbound, Pending};
use crate::request::parse_header;
use crate::server::Context;
use crate::timing::Timing;
use bytes::Bytes;
use ottla_runtime::{Instant, Receiver};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

/// Reads the requests of one connection until it has to end.
pub(crate) struct Reader<'a> {
    pub(crate) context: &'a Context,
    pub(crate) connection: &'a Arc<ConnectionInfo>,
    pub(crate) outbound: &'a Outbound,
    pub(crate) activity: &'a Activity,
    /// Whether the node shuts down: no more requests are read. Whoever sets it polls the reader.
    pub(crate) draining: &'a AtomicBool,
    pub(crate) receiver: &'a mut Receiver,
    /// When bytes last came.
    pub(crate) received: Instant,
}

impl Reader<'_> {
    /// Runs until the client is gone or sends what is not a request, or the node shuts down; says why the connection
    /// ends. Requests before a malformed one are answered first.
    pub(crate) async fn run(&mut self) -> Close {
        let mut framer = Framer::new(self.context.config.socket_request_max_bytes);
        let draining = self.draining;
        loop {
            let next = tokio::select! {
                biased;
                () = poll_fn(|_| if draining.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }) => {
                    self.outbound.drained().await;
                    return Close::Shutdown;
                }
                next = self.next_request(&mut framer) => next,
            };
            match next {
                Ok((request, received)) => {
                    let ends_here = self.handle(request, received).await;
                    if ends_here {
                        return std::future::pending().await;
                    }
                }
                Err(Close::Malformed(malformed)) if !malformed.peer_is_gone() => {
                    self.outbound.push(Pending::Close(Close::Malformed(malformed)));
                    return std::future::pending().await;
                }
                Err(close) => return close,
            }
        }
    }

    /// The next request, and when its last byte came.
    async fn next_request(&mut self, framer: &mut Framer) -> Result<(Request, Instant), Close> {
        self.outbound.room().await;
        self.rest().await;
        let (frame, charge) = self.read_frame(framer).await?;
        self.context.metrics.requests.increment();
        self.activity.count_request();
        let size = frame.len();
        let handler = &*self.context.handler;
        let served = |api| handler.served_versions(&self.connection.listener, api);
        let (header, body) = parse_header(frame, served).map_err(Close::Malformed)?;
        self.connection.client_id.get_or_init(|| header.client_id.clone().unwrap_or_default());
        let charge = RequestCharge::new(charge);
        let request = Request { connection: self.connection.clone(), header, body, size, charge };
        Ok((request, self.received))
    }

    /// Returns whether the connection ends with this request: nothing after it is handled.
    async fn handle(&self, request: Request, received: Instant) -> bool {
        let context = self.context;
        let working = self.activity.working();
        let mut timing = Timing::begin(&request.header, received, context.runtime.now());
        let outcome = context.handler.call(request).await;
        drop(working);
        let now = context.runtime.now();
        timing.worked(now);
        let pending = match Pending::from_outcome(outcome, timing) {
            Ok(pending) => pending,
            Err(timing) => {
                context.request_times.finish(self.connection, timing, now);
                return false;
            }
        };
        let ends_here = pending.ends_connection();
        self.outbound.push(pending);
        ends_here
    }

    /// Waits out a throttle time (KIP-219).
    async fn rest(&self) {
        let muted_until = || self.outbound.muted_until().max(self.connection.muted_until());
        while let Some(until) = muted_until().filter(|until| *until > self.context.runtime.now()) {
            let _working = self.activity.working();
            self.context.runtime.sleep_until(until).await;
        }
    }

    async fn read_frame(&mut self, framer: &mut Framer) -> Result<(Bytes, Charge), Close> {
        let budget = &self.context.budget;
        if framer.release_when_empty() {
            self.receiver.readable().await.map_err(Close::Socket)?;
        }
        let mut claim = None;
        loop {
            match framer.step().map_err(Close::Malformed)? {
                Step::Read => self.read(framer, claim.as_ref()).await?,
                Step::Begin { size, received } => claim = Some(Claim::open(budget, size as u64, received as u64)),
                Step::Grow { want, at_least } => {
                    let claim = claim.as_mut().expect("a frame that grows has begun");
                    let _working = self.activity.working();
                    let granted = claim.grow(want as u64, at_least as u64).await.map_err(|_| evicted(framer))?;
                    framer.grow(usize::try_from(granted).expect("no more than was wanted"));
                }
                Step::Small(frame) => {
                    let _working = self.activity.working();
                    let charge = budget.admit(frame.len() as u64).await.map_err(|_| evicted(framer))?;
                    return Ok((frame, charge));
                }
                Step::Large(frame) => {
                    let claim = claim.take().expect("a frame that ends has begun");
                    return Ok((frame, claim.complete()));
                }
            }
        }
    }

    async fn read(&mut self, framer: &mut Framer, claim: Option<&Claim>) -> Result<(), Close> {
        let evicted_early = async {
            match claim {
                Some(claim) => claim.evicted().await,
                None => std::future::pending().await,
            }
        };
        let read = tokio::select! {
            biased;
            _ = evicted_early => return Err(evicted(framer)),
            read = self.receiver.read(framer.buffer()) => read,
        };
        let bytes = match read {
            Ok(0) => return Err(ended(framer)),
            Ok(bytes) => bytes as u64,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(ended(framer)),
            Err(error) => return Err(Close::Socket(error)),
        };
        if let Some(claim) = claim {
            claim.received(bytes);
        }
        self.context.metrics.bytes_received.add(bytes);
        self.received = self.context.runtime.now();
        self.activity.received(bytes, self.received);
        Ok(())
    }
}

fn evicted(framer: &Framer) -> Close {
    let (received, announced) = framer.unfinished().unwrap_or_default();
    Close::Evicted { received, announced: announced.unwrap_or(received) }
}

fn ended(framer: &Framer) -> Close {
    match framer.unfinished() {
        Some((received, announced)) => Close::Malformed(Malformed::EndedInsideFrame { received, announced }),
        None => Close::ByPeer,
    }
}
