//! A port, the connections on it, and their limits.

use crate::error;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ottla_runtime::{AbortOnDrop, Runtime};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Connections at a time; others wait in the backlog.
pub const CONNECTIONS_MAX: usize = 64;
/// Largest body of a request.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long the head of a request may take, and how long a connection may be idle before it.
const HEAD_PATIENCE: Duration = Duration::from_secs(20);
/// A connection ends after this time, whatever it does: nobody holds a place for ever.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(300);
/// How long a request that was begun may take once its connection has to end.
const LAST_REQUEST: Duration = Duration::from_secs(5);
/// After a failed accept (most often: out of files), how long until the next.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "http.listener cannot listen on {address}: {source}. Next step: choose another address (port 0 takes a free port)"
)]
pub struct HttpBindError {
    address: String,
    source: io::Error,
}

/// A port that is taken; connections wait until [`BoundHttp::serve`].
pub struct BoundHttp {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl BoundHttp {
    /// Takes a port.
    ///
    /// # Errors
    /// The address is none, not this machine's, or in use.
    pub async fn bind(address: &str) -> Result<BoundHttp, HttpBindError> {
        let error = |source| HttpBindError { address: address.to_string(), source };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let local_addr = listener.local_addr().map_err(error)?;
        Ok(BoundHttp { listener, local_addr })
    }

    /// The address with the actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves these routes until the returned server is dropped or shut down.
    pub fn serve(self, runtime: &Runtime, routes: Router) -> HttpServer {
        let routes = routes
            .fallback(error::no_such_page)
            .method_not_allowed_fallback(error::no_such_method)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
        let (stop, stopped) = watch::channel(());
        let accepting = accept(runtime.clone(), self.listener, routes, stopped);
        let task = runtime.spawn("http.accept", accepting).abort_on_drop();
        HttpServer { local_addr: self.local_addr, _stop: stop, _task: task }
    }
}

/// Serves. Dropping it ends every connection once what it has begun is answered, within seconds.
pub struct HttpServer {
    local_addr: SocketAddr,
    /// Connections end when this is gone.
    _stop: watch::Sender<()>,
    _task: AbortOnDrop<()>,
}

impl HttpServer {
    /// The address with the actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

async fn accept(runtime: Runtime, listener: TcpListener, routes: Router, stopped: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _peer)) => {
                let serving = serve(stream, routes.clone(), stopped.clone(), place);
                let _detached = runtime.spawn("http.connection", serving);
            }
            Err(error) => {
                let next = "it is tried again; if files ran out, raise the limit of open files (ulimit -n)";
                tracing::warn!(%error, next, "an HTTP connection could not be accepted");
                runtime.sleep(RETRY_AFTER).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, routes: Router, mut stopped: watch::Receiver<()>, _place: OwnedSemaphorePermit) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(BODY_BYTES_MAX);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        // The sender never sends: this resolves when it is dropped.
        _ = stopped.changed() => None,
        () = tokio::time::sleep(CONNECTION_AGE_MAX) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_REQUEST, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        // Strangers who send what is no HTTP were told so with a status; nothing of it concerns an operator.
        tracing::debug!(%error, "an HTTP connection ended");
    }
}
