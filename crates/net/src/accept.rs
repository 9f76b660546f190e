//! The accepting loop of one listener.

use crate::activity::Activity;
use crate::connection::{self, ConnectionHandle};
use crate::connections::Place;
use crate::handler::ConnectionInfo;
use crate::quotas::{Admission, RefusedAddress};
use crate::server::{Context, Phase};
use ottla_runtime::{Connection, Instant, Listener};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;

/// After a failed accept (most often: out of files), how long until the next.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Connections that are held because their address opens too many per second, at most.
const HELD_MAX: usize = 1000;

/// Accepts until the server drains; every connection gets a task of its own.
pub(crate) async fn accept_connections(context: Arc<Context>, listener_name: Arc<str>, listener: Listener) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = context.reached(Phase::Draining) => return,
            accepted = accept_when_permitted(&context, &listener_name, &listener) => accepted,
        };
        match accepted {
            Ok((connection, peer)) => begin(&context, &listener_name, connection, peer),
            Err(error) => {
                context.closing.report_accept_error(context.runtime.now(), &listener_name, &error);
                context.runtime.sleep(RETRY_AFTER).await;
            }
        }
    }
}

async fn accept_when_permitted(
    context: &Context,
    name: &str,
    listener: &Listener,
) -> std::io::Result<(Connection, SocketAddr)> {
    let mut changes = context.connections.changes();
    loop {
        changes.borrow_and_update();
        let wait = match context.connections.admission(context.runtime.now(), name) {
            Admission::Open => return listener.accept().await,
            Admission::NotBefore(time) => Some(time),
            Admission::Full => None,
        };
        let rest = async {
            match wait {
                Some(time) => context.runtime.sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = changes.changed() => {}
            () = rest => {}
        }
    }
}

fn begin(context: &Arc<Context>, listener: &Arc<str>, connection: Connection, peer: SocketAddr) {
    let now = context.runtime.now();
    let id = context.next_connection_id.fetch_add(1, Ordering::Relaxed);
    let info = Arc::new(ConnectionInfo::new(id, listener.clone(), peer));
    let handle = Arc::new(ConnectionHandle { info, activity: Activity::new(now), displaced: Notify::new() });
    match context.connections.open(now, handle.clone()) {
        Ok(place) => {
            context.metrics.connections_accepted.increment();
            let _detached = context.runtime.spawn("net.connection", run(context.clone(), handle, place, connection));
        }
        Err(RefusedAddress::TooMany { limit }) => {
            context.metrics.connections_refused.increment();
            context.closing.report_refused(now, listener, peer, limit);
        }
        Err(RefusedAddress::TooFast { due }) => hold(context, connection, due),
    }
}

/// Keeps a connection that came too early until it would have been due, so that its client does not try again at once, and
/// closes it then. Of these there is a limit, too: beyond it a connection is closed at once.
fn hold(context: &Arc<Context>, connection: Connection, due: Instant) {
    context.metrics.connections_throttled.increment();
    let held = context.connections_held.fetch_add(1, Ordering::Relaxed);
    let context = Arc::clone(context);
    if held >= HELD_MAX {
        context.connections_held.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let _detached = context.runtime.clone().spawn("net.held", async move {
        tokio::select! {
            biased;
            () = context.reached(Phase::Draining) => {}
            () = context.runtime.sleep_until(due) => {}
        }
        drop(connection);
        context.connections_held.fetch_sub(1, Ordering::Relaxed);
    });
}

async fn run(context: Arc<Context>, handle: Arc<ConnectionHandle>, place: Place, connection: Connection) {
    connection::serve(&context, &handle, connection).await;
    context.handler.connection_closed(&handle.info);
    drop(place);
}
