//! The connections that are open: their quotas, and which of them must go when another needs the place.

use crate::config::{ConnectionLimits, ListenerLimits};
use crate::connection::ConnectionHandle;
use crate::handler::ConnectionInfo;
use crate::quotas::{Admission, Quotas, RefusedAddress};
use ottla_runtime::Instant;
use ottla_runtime::watch;
use ottla_telemetry::NetMetrics;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All open connections of a node.
pub(crate) struct Connections {
    state: Mutex<State>,
    /// Changes when a connection ends or the limits change.
    changed: watch::Sender<u64>,
    metrics: NetMetrics,
}

struct State {
    quotas: Quotas,
    open: BTreeMap<u64, Arc<ConnectionHandle>>,
}

/// An open connection and what it has moved.
#[derive(Debug, Clone)]
pub struct ConnectionUsage {
    /// Who it is.
    pub info: Arc<ConnectionInfo>,
    /// How long it is open.
    pub age: Duration,
    /// How long nothing has moved on it.
    pub idle: Duration,
    /// Complete requests.
    pub requests: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
}

/// A connection's place among the open ones, free again when this is dropped.
pub(crate) struct Place {
    connections: Arc<Connections>,
    handle: Arc<ConnectionHandle>,
}

impl Connections {
    pub(crate) fn new(quotas: Quotas, metrics: NetMetrics) -> Arc<Connections> {
        let state = Mutex::new(State { quotas, open: BTreeMap::new() });
        Arc::new(Connections { state, changed: watch::Sender::new(0), metrics })
    }

    /// Whether `listener` may accept now.
    pub(crate) fn admission(&self, now: Instant, listener: &str) -> Admission {
        self.lock().quotas.admission(now, listener)
    }

    /// Learns of every end of a connection.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Gives an accepted connection its place; may tell another one to go.
    pub(crate) fn open(self: &Arc<Self>, now: Instant, handle: Arc<ConnectionHandle>) -> Result<Place, RefusedAddress> {
        let mut state = self.lock();
        state.quotas.open(now, &handle.info.listener, handle.info.peer.ip().to_canonical())?;
        if let Some(displaced) = state.must_make_room() {
            displaced.displaced.notify_one();
        }
        state.open.insert(handle.info.id, handle.clone());
        self.metrics.connections.set(u64::from(state.quotas.total()));
        Ok(Place { connections: self.clone(), handle })
    }

    /// Every open connection, oldest first.
    pub(crate) fn usage(&self, now: Instant) -> Vec<ConnectionUsage> {
        let usage = |handle: &Arc<ConnectionHandle>| {
            let (requests, bytes_received, bytes_sent) = handle.activity.totals();
            let since = |then: Instant| now.saturating_duration_since(then);
            let (age, idle) = (since(handle.activity.opened()), since(handle.activity.last()));
            ConnectionUsage { info: handle.info.clone(), age, idle, requests, bytes_received, bytes_sent }
        };
        self.lock().open.values().map(usage).collect()
    }

    /// Replaces the limits.
    pub(crate) fn update(&self, now: Instant, limits: ConnectionLimits, listeners: &[(String, ListenerLimits)]) {
        self.lock().quotas.update(now, limits, listeners);
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Resolves when no connection is open.
    pub(crate) async fn all_closed(&self) {
        let mut changes = self.changes();
        while !self.lock().open.is_empty() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The least recently used unprotected connection, when there are too many.
    fn must_make_room(&self) -> Option<&Arc<ConnectionHandle>> {
        if !self.quotas.over_node_limit() {
            return None;
        }
        let unprotected = self.open.values().filter(|handle| !self.quotas.is_protected(&handle.info.listener));
        unprotected.min_by_key(|handle| (handle.activity.last(), handle.info.id))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let info = &self.handle.info;
        let mut state = self.connections.lock();
        state.quotas.close(&info.listener, info.peer.ip().to_canonical());
        state.open.remove(&info.id);
        self.connections.metrics.connections.set(u64::from(state.quotas.total()));
        drop(state);
        self.connections.changed.send_modify(|changes| *changes += 1);
    }
}
