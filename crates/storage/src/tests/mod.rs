//! Tests of whole logs, on a disk in memory or in the simulator.

mod append;
mod dirs;
pub(crate) mod kit;
mod model;
mod open_files;
mod read;
mod real_disk;
mod recover;
mod repair;
mod retain;
mod sim;
mod transactions;
