//! Streams groups end to end, without a runtime: stories with their traces, and random histories.

mod client;
mod random;
pub(crate) mod show;
mod stories;
mod topologies;
