//! What the network layer asks of the node: one [`Handler`] that turns requests into replies.

use crate::budget::Charge;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use ottla_protocol::{ApiKey, Encoded, RequestHeader, versions};
use ottla_runtime::{Instant, Part};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Answers requests. Shared by all connections of all listeners.
pub trait Handler: Send + Sync + 'static {
    /// Handles one request. Calls for one connection are strictly in order: the next one begins when this one has
    /// returned. Work that must keep that order (an append) belongs here; waiting (for a watermark, for data) belongs
    /// into [`Outcome::Later`].
    fn call(&self, request: Request) -> BoxFuture<'_, Outcome>;

    /// Whether `listener` serves this API, and in which versions. What lies outside never reaches [`Handler::call`];
    /// only ApiVersions does so in every version, because its answer to an unknown one is how clients find a common
    /// version.
    fn served_versions(&self, listener: &str, api: ApiKey) -> Option<(i16, i16)> {
        let _ = listener;
        let row = versions::BROKER.iter().find(|row| row.api_key == api)?;
        Some((row.served_from, row.max))
    }

    /// The answer to a request of `connection` has left, or there is none; `worked` is how long the node was busy with it,
    /// without what it waited for.
    fn request_finished(&self, connection: &ConnectionInfo, worked: Duration) {
        let _ = (connection, worked);
    }

    /// The connection is gone; nothing more of it will come.
    fn connection_closed(&self, connection: &Arc<ConnectionInfo>) {
        let _ = connection;
    }
}

/// One request, as it came from the wire.
#[derive(Debug)]
pub struct Request {
    /// Where it came from.
    pub connection: Arc<ConnectionInfo>,
    /// Its header.
    pub header: RequestHeader,
    /// What follows the header. Slices of it share its memory.
    pub body: Bytes,
    /// Bytes of the whole frame, without the four of its size.
    pub size: usize,
    /// Keeps the frame charged to the node's budget of request bytes. Keep it as long as slices of `body` live.
    pub charge: RequestCharge,
}

/// The bytes of one request in the node-wide budget, given back when this is dropped.
#[derive(Debug)]
pub struct RequestCharge {
    _charge: Option<Charge>,
}

impl RequestCharge {
    pub(crate) fn new(charge: Charge) -> RequestCharge {
        RequestCharge { _charge: Some(charge) }
    }

    /// A charge of nothing, for requests that did not come from a socket.
    pub fn none() -> RequestCharge {
        RequestCharge { _charge: None }
    }
}

/// One connection, for as long as it lives.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Unique within the node's life.
    pub id: u64,
    /// Name of the listener that accepted it.
    pub listener: Arc<str>,
    /// The other end.
    pub peer: SocketAddr,
    /// Its address as Kafka writes it: `/` and the IP address.
    pub host: Arc<str>,
    /// What the client said of itself with ApiVersions (KIP-511); set once, by the handler.
    pub software: OnceLock<ClientSoftware>,
    /// `client.id` of its first request.
    pub client_id: OnceLock<String>,
    muted_until: Mutex<Option<Instant>>,
}

impl ConnectionInfo {
    /// A connection that has sent nothing yet.
    pub fn new(id: u64, listener: Arc<str>, peer: SocketAddr) -> ConnectionInfo {
        let (host, muted_until) = (Arc::from(format!("/{}", peer.ip())), Mutex::default());
        ConnectionInfo { id, listener, peer, host, software: OnceLock::new(), client_id: OnceLock::new(), muted_until }
    }

    /// From now on no request of this connection is read before `time` (KIP-219). [`Reply::mute_until`] does the same from
    /// when the reply is ready.
    pub fn mute_until(&self, time: Instant) {
        let mut muted = self.muted_until.lock().unwrap_or_else(PoisonError::into_inner);
        *muted = (*muted).max(Some(time));
    }

    /// Until when the connection rests.
    pub fn muted_until(&self) -> Option<Instant> {
        *self.muted_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `client_software_name` and `client_software_version` of ApiVersions v3 and later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSoftware {
    /// For example `apache-kafka-java`.
    pub name: String,
    /// For example `4.3.0`.
    pub version: String,
}

/// What a request led to.
pub enum Outcome {
    /// The reply is here.
    Reply(Reply),
    /// The reply will come; the connection's next request begins meanwhile. Replies still leave in request order, and
    /// the future is polled only when those before it have left: it must wait for something, not do the work itself.
    Later(BoxFuture<'static, Reply>),
    /// Nothing is sent: a Produce with acks=0.
    NoReply,
    /// Nothing is sent and the connection is closed, after the replies before it, with this reason in the log.
    Close {
        /// What was wrong, and what to do about it.
        reason: String,
    },
}

/// What goes back to the client.
#[derive(Debug, Default)]
pub struct Reply {
    /// The whole frame in order: size, response header, body. Empty: nothing is sent.
    pub parts: Vec<Part>,
    /// No request of this connection is read before this time (`throttle_time_ms`, KIP-219).
    pub mute_until: Option<Instant>,
    /// The connection is closed once the reply has left, with this reason in the log.
    pub close: Option<String>,
}

impl Reply {
    /// A reply of these parts, which together are one frame with its size.
    pub fn new(parts: Vec<Part>) -> Reply {
        Reply { parts, mute_until: None, close: None }
    }

    /// A reply made by `ottla_protocol::frame::response`, with a part for every hole that it left for record batches.
    /// Part `i` fills the holes with index `i`.
    pub fn encoded(encoded: &Encoded, records: &[Part]) -> Reply {
        let mut parts = Vec::with_capacity(2 * encoded.splices.len() + 1);
        let mut from = 0;
        for splice in &encoded.splices {
            let part = &records[splice.index as usize];
            assert_eq!(part.len(), u64::from(splice.len), "a part must fill its hole exactly");
            parts.push(Part::Bytes(encoded.buf.slice(from..splice.position)));
            parts.push(part.clone());
            from = splice.position;
        }
        parts.push(Part::Bytes(encoded.buf.slice(from..)));
        parts.retain(|part| !part.is_empty());
        Reply::new(parts)
    }

    /// Nothing is sent.
    pub fn none() -> Reply {
        Reply::default()
    }

    /// The same reply, after which the connection rests until `time`.
    pub fn mute_until(mut self, time: Instant) -> Reply {
        self.mute_until = Some(time);
        self
    }

    /// The same reply, after which the connection is closed.
    pub fn close(mut self, reason: impl Into<String>) -> Reply {
        self.close = Some(reason.into());
        self
    }
}

impl From<Encoded> for Reply {
    /// A reply without record batches from elsewhere.
    fn from(encoded: Encoded) -> Reply {
        Reply::encoded(&encoded, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::Splice;

    #[test]
    fn record_batches_go_into_their_holes() {
        let splices = vec![Splice { position: 2, index: 1, len: 3 }, Splice { position: 2, index: 0, len: 2 }];
        let encoded = Encoded { buf: Bytes::from_static(b"abcd"), splices };
        let records = [Part::Bytes("XY".into()), Part::Bytes("123".into())];
        let reply = Reply::encoded(&encoded, &records);
        let texts: Vec<_> = reply.parts.iter().map(|part| format!("{part:?}")).collect();
        assert_eq!(texts, [r#"Bytes(b"ab")"#, r#"Bytes(b"123")"#, r#"Bytes(b"XY")"#, r#"Bytes(b"cd")"#]);
    }
}
