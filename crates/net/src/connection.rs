//! One connection: a reading half, a writing half, an idle timer and two ways to be told to end, in one task.
//!
//! All of them are polled by the same task: a connection needs one spawn, ends in one place, and whatever it held
//! (frames, parked replies, its place in the quotas) is gone when the task is.

use crate::activity::Activity;
use crate::close::Close;
use crate::handler::ConnectionInfo;
use crate::outbound::Outbound;
use crate::reader::Reader;
use crate::server::{Context, Phase};
use crate::writer::Writer;
use bytes::BytesMut;
use ottla_runtime::{Connection, Receiver, Sender};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// After the last reply, how long bytes that still arrive are read and thrown away, so that the reply is not lost to
/// a reset.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes thrown away while lingering, at most.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// What the node keeps of a connection while it is open.
pub(crate) struct ConnectionHandle {
    pub(crate) info: Arc<ConnectionInfo>,
    pub(crate) activity: Activity,
    /// Told when another connection needs the place.
    pub(crate) displaced: Notify,
}

/// Serves one connection to its end, and reports why it ended.
pub(crate) async fn serve(context: &Context, handle: &ConnectionHandle, connection: Connection) {
    let outbound = Outbound::new();
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
            receiver: &mut receiver,
            received: activity.opened(),
        };
        tokio::select! {
            biased;
            () = context.reached(Phase::Stopped) => Close::Shutdown,
            () = handle.displaced.notified() => Close::Displaced,
            close = writer.run() => close,
            close = reader.run() => close,
            () = idle(context, activity) => Close::Idle,
        }
    };
    context.closing.report(&context.runtime, &context.metrics, &handle.info, &close);
    if matches!(close, Close::Shutdown | Close::ByHandler(_) | Close::Malformed(_)) {
        linger(context, &mut receiver, sender).await;
    }
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
