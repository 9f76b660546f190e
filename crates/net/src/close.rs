//! Why a connection ends, and who hears of it.

use crate::handler::ConnectionInfo;
use crate::log_limit::LogLimit;
use crate::malformed::Malformed;
use ottla_runtime::{Instant, Runtime};
use ottla_telemetry::NetMetrics;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Close {
    #[error("the client closed it between requests")]
    ByPeer,
    /// Most often because the client is gone.
    #[error("the socket failed: {0}")]
    Socket(io::Error),
    #[error("{0}")]
    Malformed(Malformed),
    #[error("{0}")]
    ByHandler(String),
    #[error("nothing moved for connections.max.idle.ms")]
    Idle,
    #[error(
        "queued.max.request.bytes is exhausted and this connection's frame made the least progress ({received} of \
         {announced} bytes): the client sends too slowly; raise queued.max.request.bytes if it is a healthy one"
    )]
    Evicted { received: usize, announced: usize },
    #[error(
        "max.connections is reached and the inter-broker listener needs a place: this connection was used least \
         recently; raise max.connections or close connections"
    )]
    Displaced,
    #[error("the node is shutting down")]
    Shutdown,
}

/// Writes the lines about closed connections, thinned out when there are many.
pub(crate) struct Closing {
    limit: Mutex<LogLimit>,
}

impl Closing {
    pub(crate) fn new(now: Instant) -> Closing {
        Closing { limit: Mutex::new(LogLimit::new(now)) }
    }

    /// Counts and logs the end of a connection: exactly one line, unless they come in floods.
    pub(crate) fn report(&self, runtime: &Runtime, metrics: &NetMetrics, connection: &ConnectionInfo, close: &Close) {
        match close {
            Close::Malformed(_) | Close::ByHandler(_) => metrics.connections_malformed.increment(),
            Close::Idle => metrics.connections_idle.increment(),
            Close::Evicted { .. } => metrics.connections_evicted.increment(),
            Close::ByPeer | Close::Socket(_) | Close::Displaced | Close::Shutdown => {}
        }
        let (listener, peer, reason) = (&*connection.listener, connection.peer, close.to_string());
        if !close.is_worth_a_line() {
            tracing::debug!(listener, %peer, reason, "connection closed");
        } else if let Some(suppressed) = self.permit(runtime.now()) {
            tracing::warn!(listener, %peer, reason, suppressed, "connection closed by this node");
        }
    }

    /// A connection was refused before it began.
    pub(crate) fn report_refused(&self, now: Instant, listener: &str, peer: std::net::SocketAddr, limit: u32) {
        if let Some(suppressed) = self.permit(now) {
            let reason = "the address has as many connections as max.connections.per.ip (or its override) permits";
            tracing::warn!(listener, %peer, limit, reason, suppressed, "connection refused by this node");
        }
    }

    /// Accepting failed; the listener tries again.
    pub(crate) fn report_accept_error(&self, now: Instant, listener: &str, error: &io::Error) {
        if let Some(suppressed) = self.permit(now) {
            let next = "it is tried again; if files ran out, raise the limit of open files (ulimit -n)";
            tracing::warn!(listener, %error, next, suppressed, "a connection could not be accepted");
        }
    }

    fn permit(&self, now: Instant) -> Option<u64> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner).permit(now)
    }
}

impl Close {
    /// Whether the operator should read of it; the others are part of every day.
    fn is_worth_a_line(&self) -> bool {
        match self {
            Close::Malformed(_) | Close::ByHandler(_) | Close::Evicted { .. } | Close::Displaced => true,
            Close::ByPeer | Close::Socket(_) | Close::Idle | Close::Shutdown => false,
        }
    }
}
