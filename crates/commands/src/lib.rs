//! Our commands that need nothing but a client of a cluster. Each has a file of its own with `Args`, what it accepts, and `run`,
//! which does it.
// A command line never runs in the simulator: it may use clock, files and threads directly.
#![allow(clippy::disallowed_methods)]

pub mod cluster;
pub mod config;
pub mod consume;
pub mod group;
pub mod perf;
pub mod produce;
pub mod profile;
pub mod quota;
mod record;
pub mod share;
#[cfg(test)]
mod testing;
pub mod topic;
pub mod txn;
