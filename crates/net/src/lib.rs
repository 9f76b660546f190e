//! Kafka's wire, served: listeners, connections, frames, limits.
//!
//! The node binds its listeners with [`BoundServer::bind`] and serves them with one [`Handler`]. Every connection is one
//! task with two halves: the reading half cuts frames out of the stream, charges them to the node-wide budget of
//! request bytes and calls the handler with one request after another; the writing half sends replies in request order.
//! Nothing that arrives can make this crate panic, allocate without bound, or disturb another connection.
//!
//! Where to look: `frame` (bytes to frames), `budget` (memory), `quotas` (how many connections), `reader` and `writer`
//! (the two halves), `malformed` and `close` (what the log says).

mod accept;
mod activity;
mod budget;
mod close;
mod config;
mod connection;
mod connections;
mod frame;
mod handler;
mod log_limit;
mod malformed;
mod outbound;
mod quotas;
mod reader;
mod request;
mod server;
mod timing;
mod writer;

pub use config::{ConnectionLimits, ListenerConfig, ListenerLimits, NetConfig, UNLIMITED};
pub use connections::ConnectionUsage;
pub use handler::{ClientSoftware, ConnectionInfo, Handler, Outcome, Reply, Request, RequestCharge};
pub use server::{BindError, BoundServer, Server};
