//! The cores of replication: what a leader and its followers decide. Pure: no `async`, no clock, no log.
//!
//! [`LeaderState`] knows how far every replica of one partition has got, who is in sync, and therefore up to where
//! records are safe: the high watermark. [`truncation`] holds the two halves of finding where two logs part.
//!
//! Offsets here are ends: everything below is meant. `log_end_offset` is what a replica has (in its page cache at
//! least), `flushed_offset` what it has on stable storage.

mod durability;
mod isr;
mod leader;
mod replica;
pub mod truncation;

pub use durability::{Counted, WriteCaching};
pub use isr::{IsrChange, IsrProposal};
pub use leader::{LeaderConfig, LeaderState};
pub use replica::{FollowerReport, ReplicaProgress, UnknownReplica};
