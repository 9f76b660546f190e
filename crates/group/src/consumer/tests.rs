//! Consumer groups end to end, without a runtime: stories with their traces, and random histories.

mod client;
mod random;
mod rules;
mod show;
mod stories;
mod world;
