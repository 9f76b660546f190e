//! One connection: a reading half, a writing half, an idle timer and two ways to be told to end, in one task.
//!
//! All of them are polled by the same task: a connection needs one spawn, ends in one place, and whatever it held
//! (frames, parked replies, its place in the quotas) is gone when the task is. The writing half is polled right after the
//! reading half, so that a reply leaves without anybody being woken for it; what rarely happens is polled only when it does.

use crate::activity::Activity;
use crate::close::Close;
use crate::handler::ConnectionInfo;
use crate::outbound::Outbound;
use crate::reader::Reader;
use crate::server::{Context, Phase};
use crate::writer::Writer;
use bytes::BytesMut;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use ottla_runtime::{Connection, Receiver, Sender};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;

/// After the last reply, how long bytes that still arrive are read and thrown away, so that the reply is not lost to
/// a reset.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes thrown away while lingering, at most.
const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// How often the two halves may wait for each other before other tasks have their turn.
const TURNS_MAX: usize = 4;

/// What the node keeps of a connection while it is open.
pub(crate) struct ConnectionHandle {
    pub(crate) info: Arc<ConnectionInfo>,
    pub(crate) activity: Activity,
    /// Told when another connection needs the place.
    pub(crate) displaced: Notify,
}

/// Serves one connection to its end, and reports why it ended.
pub(crate) async fn serve(context: &Context, handle: &ConnectionHandle, connection: Connection) {
    let outbound = Outbound::default();
    let draining = AtomicBool::new(false);
    let (mut receiver, mut sender) = connection.split();
    let activity = &handle.activity;
    let close = {
        let mut writer = Writer {
            runtime: &context.runtime,
            outbound: &outbound,
            activity,
            metrics: &context.metrics,
            request_times: &context.request_times,
            connection: &handle.info,
            sender: &mut sender,
        };
        let mut reader = Reader {
            context,
            connection: &handle.info,
            outbound: &outbound,
            activity,
            draining: &draining,
            receiver: &mut receiver,
            received: activity.opened(),
        };
        let (mut reading, mut writing) = (pin!(reader.run()), pin!(writer.run()));
        let mut signals = signals(context, handle);
        poll_fn(|cx| {
            for _ in 0..TURNS_MAX {
                let read = reading.as_mut().poll(cx);
                // Also when the client sends no more: what is ready leaves.
                let written = writing.as_mut().poll(cx);
                if let Some(close) = [written, read].into_iter().find(Poll::is_ready) {
                    return close;
                }
                // After the halves: a connection that was not polled for long is not idle when something has come.
                let mut is_told = false;
                while let Poll::Ready(Some(signal)) = signals.poll_next_unpin(cx) {
                    match signal {
                        Signal::Drain => draining.store(true, Ordering::Relaxed),
                        Signal::End(close) => return Poll::Ready(close),
                    }
                    is_told = true;
                }
                if !outbound.take_left() && !is_told {
                    return Poll::Pending;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    };
    context.closing.report(&context.runtime, &context.metrics, &handle.info, &close);
    if matches!(close, Close::Shutdown | Close::ByHandler(_) | Close::Malformed(_)) {
        linger(context, &mut receiver, sender).await;
    }
}

/// What is told to a connection from outside.
enum Signal {
    /// Answer what was begun, then end.
    Drain,
    /// End now.
    End(Close),
}

/// Each is polled only when it was woken.
fn signals<'a>(context: &'a Context, handle: &'a ConnectionHandle) -> FuturesUnordered<BoxFuture<'a, Signal>> {
    let signals: [BoxFuture<'a, Signal>; 4] = [
        Box::pin(async {
            context.reached(Phase::Stopped).await;
            Signal::End(Close::Shutdown)
        }),
        Box::pin(async {
            handle.displaced.notified().await;
            Signal::End(Close::Displaced)
        }),
        Box::pin(async {
            context.reached(Phase::Draining).await;
            Signal::Drain
        }),
        Box::pin(async {
            idle(context, &handle.activity).await;
            Signal::End(Close::Idle)
        }),
    ];
    signals.into_iter().collect()
}

/// Resolves when nothing has moved for `connections.max.idle.ms`, unless the client waits for us.
async fn idle(context: &Context, activity: &Activity) {
    let Some(patience) = context.config.connections_max_idle else {
        return std::future::pending().await;
    };
    loop {
        let (now, deadline) = (context.runtime.now(), activity.last() + patience);
        if now < deadline {
            context.runtime.sleep_until(deadline).await;
        } else if activity.is_working() {
            context.runtime.sleep(patience).await;
        } else {
            return;
        }
    }
}

/// Ends the sending side and reads what the client had already sent: closing with unread bytes would reset the
/// connection and could take the last reply with it.
async fn linger(context: &Context, receiver: &mut Receiver, sender: Sender) {
    drop(sender);
    let discard = async {
        let (mut buffer, mut discarded) = (BytesMut::with_capacity(4096), 0);
        while discarded < LINGER_BYTES_MAX {
            buffer.clear();
            match receiver.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(bytes) => discarded += bytes,
            }
        }
    };
    tokio::select! {
        biased;
        () = context.reached(Phase::Stopped) => {}
        _ = context.runtime.timeout(LINGER, discard) => {}
    }
}
