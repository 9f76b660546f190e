//! Binding, serving, shutting down.
//!
//! 1. [`BoundServer::bind`] takes all ports, so that the node knows what to advertise before anyone is served.
//! 2. [`BoundServer::serve`] starts one accepting task per listener and one that relieves pressure on the budget.
//! 3. [`Server::shutdown`] stops accepting and reading, lets what was begun be answered, and closes what is left when
//!    its patience ends.

use crate::accept::accept_connections;
use crate::budget::Budget;
use crate::close::Closing;
use crate::config::{ConnectionLimits, ListenerLimits, NetConfig};
use crate::connections::{ConnectionUsage, Connections};
use crate::handler::Handler;
use crate::quotas::Quotas;
use crate::timing::RequestTimes;
use ottla_runtime::watch;
use ottla_runtime::{AbortOnDrop, Listener, Runtime};
use ottla_telemetry::NetMetrics;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("listener {listener} cannot listen on {address}: {source}; {advice}")]
pub struct BindError {
    /// Name of the listener.
    pub listener: String,
    /// What it should have listened on.
    pub address: String,
    advice: &'static str,
    source: io::Error,
}

impl BindError {
    fn new(listener: &str, address: &str, source: io::Error) -> BindError {
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "stop the program that has the port, or choose another (port 0 takes a free one)"
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose a higher one",
            io::ErrorKind::AddrNotAvailable => {
                "this machine does not have that address; listen on 0.0.0.0 and put the outside address into \
                 advertised.listeners"
            }
            _ => "check the host and port of the listener",
        };
        BindError { listener: listener.to_string(), address: address.to_string(), advice, source }
    }
}

/// Listeners that hold their ports; connections wait in the backlog until [`BoundServer::serve`].
pub struct BoundServer {
    runtime: Runtime,
    config: NetConfig,
    listeners: Vec<(Arc<str>, Listener)>,
}

impl BoundServer {
    /// Binds every listener.
    ///
    /// # Errors
    /// The first listener that cannot have its address; those bound before it are released.
    pub async fn bind(runtime: &Runtime, config: NetConfig) -> Result<BoundServer, BindError> {
        let mut listeners = Vec::new();
        for listener in &config.listeners {
            let bound = runtime.listen(&listener.address, listener.socket.clone()).await;
            let bound = bound.map_err(|source| BindError::new(&listener.name, &listener.address, source))?;
            listeners.push((Arc::from(listener.name.as_str()), bound));
        }
        Ok(BoundServer { runtime: runtime.clone(), config, listeners })
    }

    /// The address of a listener, with its actual port.
    pub fn local_addr(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners.iter().find(|(name, _)| **name == *listener).map(|(_, bound)| bound.local_addr())
    }

    /// Serves connections until [`Server::shutdown`], or until the server is dropped; counts into `metrics`.
    pub fn serve(self, handler: Arc<dyn Handler>, metrics: NetMetrics) -> Server {
        let BoundServer { runtime, config, listeners } = self;
        let now = runtime.now();
        let (phase, watched) = watch::channel(Phase::Serving);
        let quotas = Quotas::new(now, config.connections.clone(), &config.listener_limits());
        let connections = Connections::new(quotas, metrics.clone());
        let largest_frame = u64::from(config.socket_request_max_bytes);
        let budget = Budget::new(
            runtime.clone(),
            config.queued_max_request_bytes.saturating_sub(largest_frame),
            largest_frame,
            config.frame_timeout_under_pressure,
            metrics.clone(),
        );
        let relief = runtime.spawn("net.relieve_pressure", budget.clone().relieve_pressure()).abort_on_drop();
        let context = Arc::new(Context {
            runtime,
            request_times: RequestTimes::new(metrics.clone(), handler.clone(), config.slow_request_log_threshold, now),
            handler,
            budget,
            metrics,
            config,
            closing: Closing::new(now),
            connections,
            phase: watched,
            next_connection_id: AtomicU64::new(0),
            connections_held: AtomicUsize::new(0),
        });
        let addresses = listeners.iter().map(|(name, bound)| (name.clone(), bound.local_addr())).collect();
        let accepting = listeners.into_iter().map(|(name, listener)| {
            let accepting = accept_connections(context.clone(), name, listener);
            context.runtime.spawn("net.accept", accepting).abort_on_drop()
        });
        let tasks = accepting.chain([relief]).collect();
        Server { context, phase, addresses, _tasks: tasks }
    }
}

/// What all connections share.
pub(crate) struct Context {
    pub(crate) runtime: Runtime,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) config: NetConfig,
    pub(crate) budget: Arc<Budget>,
    pub(crate) metrics: NetMetrics,
    pub(crate) request_times: RequestTimes,
    pub(crate) closing: Closing,
    pub(crate) connections: Arc<Connections>,
    phase: watch::Receiver<Phase>,
    pub(crate) next_connection_id: AtomicU64,
    /// Connections that are held unread because they came too fast.
    pub(crate) connections_held: AtomicUsize,
}

impl Context {
    /// Resolves when the server has come to `phase` or beyond.
    pub(crate) async fn reached(&self, phase: Phase) {
        let mut watched = self.phase.clone();
        // A server that is gone has stopped.
        let _ = watched.wait_for(|current| *current >= phase).await;
    }
}

/// What the server as a whole is doing, in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// No new connections and no new requests; what was begun is answered.
    Draining,
    /// Every connection ends now.
    Stopped,
}

/// Listeners that serve. Dropping it ends every connection at once.
pub struct Server {
    context: Arc<Context>,
    phase: watch::Sender<Phase>,
    addresses: Vec<(Arc<str>, SocketAddr)>,
    _tasks: Vec<AbortOnDrop<()>>,
}

impl Server {
    /// The address of a listener, with its actual port.
    pub fn local_addr(&self, listener: &str) -> Option<SocketAddr> {
        self.addresses.iter().find(|(name, _)| **name == *listener).map(|(_, address)| *address)
    }

    /// What was counted so far.
    pub fn metrics(&self) -> &NetMetrics {
        &self.context.metrics
    }

    /// Every open connection, as it is now.
    pub fn connections(&self) -> Vec<ConnectionUsage> {
        self.context.connections.usage(self.context.runtime.now())
    }

    /// Replaces the limits of connections while running. Connections above a lowered limit stay.
    pub fn update_limits(&self, limits: ConnectionLimits, listeners: &[(String, ListenerLimits)]) {
        self.context.connections.update(self.context.runtime.now(), limits, listeners);
    }

    /// Stops accepting and reading, waits until every request that was begun is answered, at most `patience`, then
    /// closes what is left. Returns whether nothing was left.
    pub async fn shutdown(&self, patience: Duration) -> bool {
        self.phase.send_replace(Phase::Draining);
        let closed = self.context.runtime.timeout(patience, self.context.connections.all_closed()).await.is_ok();
        self.phase.send_replace(Phase::Stopped);
        self.context.connections.all_closed().await;
        closed
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Stopped);
    }
}
