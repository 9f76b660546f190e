//! The simulated inside: many nodes on one thread, a paused clock, an in-memory network, a disk that forgets.
//!
//! A [`World`] is made from a seed. Every choice it makes (latencies, what survives a power loss, where a read is split, the
//! random numbers the nodes draw) comes from generators seeded by it, and everything runs on one thread, so equal seeds give
//! equal runs; [`World::trace_hash`] proves it.
//!
//! 1. [`World::run`] drives the test's own future; the clock jumps to the next timer whenever every task waits.
//! 2. [`World::node`] starts a node's process and gives its [`crate::Runtime`].
//! 3. [`World::crash`] ends the process: its tasks and connections die, files stay as the process left them.
//! 4. [`World::power_loss`] ends the machine: of what was not synced, a random part survives.
//! 5. [`World::node`] again starts the next process on the same disk.
//!
//! [`DiskFaults`] makes single operations fail, fills the disk, and turns named sync sites into no-ops.

mod disk;
mod files;
mod life;
mod network;
mod trace;
mod world;

pub use disk::faults::DiskFaults;
pub(crate) use files::{SimDisk, SimFile, SimLock};
pub(crate) use life::Life;
pub(crate) use network::pipe::{SimReceiver, SimSender};
pub(crate) use network::{SimConnection, SimListener};
pub use world::{Outage, World};
