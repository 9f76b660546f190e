//! The network layer on simulated sockets and a paused clock.

mod common;
mod limits;
mod malformed;
mod pipelining;
mod pressure;
