//! What all our web services share: a listener with limits, errors as JSON, and the pages that show how a node is.
//!
//! [`BoundHttp`] takes a port, [`HttpServer`] serves a [`Router`] on it; [`error`] is how requests fail; [`observe`] holds
//! `/metrics`, `/healthz`, `/readyz` and `/debug`; `otlp` (feature `otel`) exports the metrics.
// A leaf that never runs in the simulator: it uses tokio's sockets and clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod error;
mod exposition;
mod json;
pub mod observe;
#[cfg(feature = "otel")]
pub mod otlp;
mod server;

pub use axum::Router;
pub use json::Json;
pub use server::{BODY_BYTES_MAX, BoundHttp, CONNECTIONS_MAX, HttpBindError, HttpServer};
