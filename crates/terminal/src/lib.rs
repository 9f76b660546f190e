//! What every command of a command line shares: which cluster it is for, how it runs, what it prints, how it fails; records read one
//! by one; and what our commands and Kafka's tools both know of groups and transactions.
// A command line never runs in the simulator: it may use clock, files and threads directly.
#![allow(clippy::disallowed_methods)]

pub mod cluster;
pub mod colour;
pub mod executor;
pub mod failure;
pub mod group;
pub mod hanging;
pub mod input;
pub mod output;
pub mod profile;
pub mod progress;
pub mod reading;
pub mod share_reading;
pub mod table;
pub mod times;
pub mod tracker;
