//! The simulator of whole nodes: one ottla node on a simulated disk, network and clock, under load, with everything
//! going wrong that can, compared with what was promised.
//!
//! 1. A seed gives a [`World`](ottla_runtime::sim::World), and from it every choice below.
//! 2. `workload` keeps the node busy from client nodes of their own, with one of five [loads](Load). Logs: idempotent
//!    producers with several batches in flight, plain ones with every `acks`, consumers with fetch sessions, DeleteRecords,
//!    lookups, topics that come and go, configs and partitions that change. Under every load partitions move between the log
//!    directories. Groups: members of a classic group and of one
//!    of KIP-848 that come, go, fall silent and return, and a compacted topic. Transactions: clients that consume, transform and
//!    produce, and make zombies of one another. Shares: members of a share group that accept, release and reject records. Streams:
//!    members of a streams group that take tasks over from one another.
//! 3. `life` runs the node's process through many lives. `faults` draws what each of them meets, and how it ends: a
//!    crash, a power loss, SIGTERM, at a time or inside the n-th disk operation.
//! 4. `oracle` records every promise that a client was given and checks every answer against all of them; `verify` reads
//!    everything back after restarts.
//!
//! Equal seeds give equal runs, so a [`Failure`] is replayed by its seed. [`planted`] shows that errors are found.

mod faults;
mod life;
mod options;
mod oracle;
pub mod planted;
mod report;
mod run;
mod story;
mod verify;
mod workload;

#[cfg(test)]
mod tests;

pub use options::{Load, LoadedSeed, Options};
pub use report::{Counts, Failure, Report};
pub use run::run;

/// Name of the simulated node.
pub(crate) const NODE: &str = "node";
/// Its id, which its configs say too.
pub(crate) const NODE_ID: i32 = 1;
/// Its log directories.
pub(crate) const LOG_DIRS: &[&str] = &["/data/a", "/data/b"];
/// Where clients find it.
pub(crate) const BOOTSTRAP: &str = "node:9092";
