//! The only door to the world: clock, randomness, disk, network and tasks.
//!
//! Everything above this crate holds a [`Runtime`]: one concrete, cheaply cloned handle. Behind it is one of three worlds:
//!
//! * [`Runtime::real`]: tokio's clock, network and scheduler; files through system calls on our own storage threads.
//! * [`Runtime::in_memory`]: the real clock and network, and a disk that lives in memory (`--data-dir :memory:`).
//! * [`sim::World`]: many nodes on one thread with a paused clock, an in-memory network and a disk that forgets what was not
//!   synced. Equal seeds give equal traces.
//!
//! Code above cannot tell which one it runs in. See this crate's README for the invariants.
// This crate is the one place where the banned calls (clock, files, sockets, spawn) are made.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod background;
mod disk;
mod error;
mod executor;
mod file;
mod lazy;
mod memory;
mod net;
mod panics;
mod real;
mod runtime;
pub mod sim;
mod task;
pub mod watch;

pub use background::give_way;
pub use disk::{DirEntry, Disk, Lane, LockGuard, OpenMode, Space};
pub use error::{is_disk_full, is_out_of_files};
pub use executor::Executor;
pub use file::{File, FileRange};
pub use net::{Connection, ListenOptions, Listener, Part, Receiver, Sender};
pub use panics::install_abort_on_panic_hook;
pub use real::RealOptions;
pub use runtime::{Elapsed, Runtime};
pub use task::{AbortOnDrop, TaskEnded, TaskHandle};
/// A point on the runtime's clock. Only [`Runtime::now`] makes one.
pub use tokio::time::Instant;

#[cfg(test)]
mod tests;
