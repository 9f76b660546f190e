//! Consumer groups end to end, without a runtime: stories with their traces, and random histories.

mod client;
mod random;
mod rules;
pub(crate) mod show;
mod stories;
pub(crate) mod world;
