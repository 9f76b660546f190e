//! One partition of this node: the log, who leads it, how far it is flushed and who waits for it.
//!
//! The state is behind one lock; the order in which appends take it is the order of the log. Nothing is awaited under the
//! lock: long work (flush, roll, read, reopen) is begun under it, runs without it, and is finished under it.
//!
//! Lifecycle: 1. `Opening` while the log is recovered; 2. `Online`; 3. `Offline` after a failed fsync, a damaged log or a
//! failed disk, with a reason that names the next step; a failed fsync leads back to 2 by itself. Appends are accepted
//! only for a leader epoch whose bump is committed in the metadata log.

mod append;
mod flushing;
mod lookup;
mod opening;
mod retention;
mod state;

pub(crate) use append::Appended;
pub(crate) use lookup::{OffsetFound, OffsetQuery, ReadOutcome, ReadRequest};
pub(crate) use state::{Leadership, PartitionError};

use crate::flush::FlushControl;
use ottla_runtime::Runtime;
use ottla_storage::LogDirs;
use ottla_telemetry::Metrics;
use ottla_types::{NodeId, Uuid};
use state::State;
use std::sync::{Arc, Mutex};

/// The reason of a partition that was deleted or closed; it never comes back.
pub(crate) const RETIRED: &str = "the partition is closed";

/// What every partition of a node uses.
pub(crate) struct Shared {
    pub(crate) runtime: Runtime,
    pub(crate) node_id: NodeId,
    pub(crate) log_dirs: LogDirs,
    pub(crate) flush: Arc<FlushControl>,
    pub(crate) metrics: Metrics,
    /// `producer.id.expiration.ms`.
    pub(crate) producer_id_expiration_ms: i64,
    /// `replica.lag.time.max.ms`.
    pub(crate) replica_lag_time_max_ms: i64,
}

/// A partition; see the module's story.
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) topic_id: Uuid,
    pub(crate) index: i32,
    shared: Arc<Shared>,
    state: Mutex<State>,
}
