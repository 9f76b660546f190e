//! One partition of this node: the log, who leads it, how far it is flushed and who waits for it.
//!
//! The state is behind one lock; the order in which appends take it is the order of the log. Nothing is awaited under the
//! lock: long work (flush, roll, read, reopen) is begun under it, runs without it as a [`jobs`] entry and a task of its own
//! (so that a client that goes away leaves nothing half done), and is finished under it.
//!
//! Lifecycle: 1. `Opening` while the log is created or recovered; 2. `Online`; 3. `Offline` after a failed fsync, a damaged
//! log or a failed disk, with a reason that names the next step; a failed fsync leads back to 2 by itself; 4. `Retired` when
//! the topic is deleted or the node shuts down. Each time a log comes online is an incarnation: results of what was begun
//! before are dropped, and what was appended before is never acknowledged. Appends are accepted only for a leader epoch
//! whose bump is committed in the metadata log.

mod append;
pub(crate) mod cleaning;
mod compacting;
mod coordinated;
mod delete_records;
mod failing;
mod flushing;
pub(crate) mod jobs;
mod leaving;
mod moving;
mod offsets;
mod opening;
mod reading;
mod refused;
mod retention;
mod rolling;
mod state;
mod update;
mod verification;

pub(crate) use append::{AppendAs, Appended};
pub(crate) use moving::{MoveEnd, MoveTicket, Place};
pub(crate) use offsets::{OffsetFound, OffsetQuery};
pub(crate) use reading::{ReadOutcome, ReadRequest};
pub(crate) use refused::Refused;
pub(crate) use state::{Leadership, PartitionError};
pub(crate) use verification::Writer;

use crate::flush::FlushControl;
use crate::usage::{Extent, Moved, PartitionUsage, Traffic};
use jobs::{Job, Jobs};
use ottla_config::TopicConfig;
use ottla_runtime::Runtime;
use ottla_storage::{FoundPartition, LogConfig, LogDirs};
use ottla_telemetry::Metrics;
use ottla_types::{NodeId, TopicPartition, Uuid};
use state::{State, Status};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What every partition of a node uses.
pub(crate) struct Shared {
    pub(crate) runtime: Runtime,
    pub(crate) node_id: NodeId,
    pub(crate) log_dirs: LogDirs,
    pub(crate) flush: Arc<FlushControl>,
    /// Batches that were refused and may come again.
    pub(crate) refused: Refused,
    pub(crate) metrics: Metrics,
    /// `producer.id.expiration.ms`; changes at runtime.
    pub(crate) producer_id_expiration_ms: AtomicI64,
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
    /// Bytes moved since the start.
    traffic: Traffic,
    /// What runs outside the lock.
    jobs: Arc<Jobs>,
    /// A roll or a switch of log directories has ended, or there will be none: appends that wait for one try again.
    rolled: Notify,
    /// The partition is leaving: whoever pauses stops.
    leaving: Notify,
}

/// What the gauges and DescribeLogDirs say of an open log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// The log directory.
    pub(crate) dir: Uuid,
    /// Bytes of all segments.
    pub(crate) bytes: u64,
    /// Number of segments.
    pub(crate) segments: usize,
}

impl Partition {
    /// A partition whose log is not open yet; `found` is its directory, unless it is new.
    pub(crate) fn new(
        shared: Arc<Shared>,
        topic_id: Uuid,
        name: &TopicPartition,
        leadership: Leadership,
        config: Arc<TopicConfig>,
        found: Option<FoundPartition>,
    ) -> Arc<Partition> {
        let mut state = State::new(leadership, config, found);
        state.recount(&shared.metrics.broker);
        Arc::new(Partition {
            topic: Arc::clone(&name.topic),
            topic_id,
            index: name.partition,
            shared,
            state: Mutex::new(state),
            traffic: Traffic::default(),
            jobs: Arc::default(),
            rolled: Notify::new(),
            leaving: Notify::new(),
        })
    }

    pub(crate) fn name(&self) -> TopicPartition {
        TopicPartition::new(Arc::clone(&self.topic), self.index)
    }

    pub(crate) fn is_internal(&self) -> bool {
        ottla_metadata::topic_name::is_internal(&self.topic)
    }

    /// Size and place of the log, while it is open.
    pub(crate) fn usage(&self) -> Option<Usage> {
        match &self.lock().status {
            Status::Online(online) => {
                let log = &online.open.log;
                let (bytes, segments) = (log.size_bytes(), log.segment_count());
                Some(Usage { dir: log.log_dir().id(), bytes, segments })
            }
            Status::Opening | Status::Offline(_) | Status::Retired(_) => None,
        }
    }

    /// Record batches of these bytes were sent to a consumer.
    pub(crate) fn count_fetched(&self, bytes: u64) {
        self.traffic.went_out(bytes);
    }

    /// What it has moved since the start. Takes no lock.
    pub(crate) fn moved(&self) -> Moved {
        self.traffic.totals()
    }

    /// How far its log reaches, while it is open.
    pub(crate) fn extent(&self) -> Option<Extent> {
        match &self.lock().status {
            Status::Online(online) => {
                let log = &online.open.log;
                Some(Extent {
                    log_start_offset: log.log_start_offset(),
                    log_end_offset: log.log_end_offset(),
                    bytes: log.size_bytes(),
                    segments: log.segment_count(),
                })
            }
            Status::Opening | Status::Offline(_) | Status::Retired(_) => None,
        }
    }

    /// What the partition shows of itself.
    pub(crate) fn shown(&self) -> PartitionUsage {
        let Moved { bytes_in, bytes_out, .. } = self.moved();
        let state = self.lock();
        let log = match &state.status {
            Status::Online(online) => Some(&online.open.log),
            Status::Opening | Status::Offline(_) | Status::Retired(_) => None,
        };
        PartitionUsage {
            topic: Arc::clone(&self.topic),
            partition: self.index,
            state: state.status.to_string(),
            leader: state.leadership.leader.map_or(-1, |leader| leader.0),
            leader_epoch: state.leadership.leader_epoch.0,
            log_start_offset: log.map_or(-1, |log| log.log_start_offset()),
            high_watermark: if log.is_some() { state.high_watermark } else { -1 },
            log_end_offset: log.map_or(-1, |log| log.log_end_offset()),
            bytes: log.map_or(0, |log| log.size_bytes()),
            segments: log.map_or(0, |log| log.segment_count()),
            bytes_in,
            bytes_out,
        }
    }

    /// The id of the log directory that holds the log, while it is open.
    pub(crate) fn dir_id(&self) -> Option<Uuid> {
        match &self.lock().status {
            Status::Online(online) => Some(online.open.log.log_dir().id()),
            Status::Opening | Status::Offline(_) | Status::Retired(_) => None,
        }
    }

    /// Something begins outside the lock that the partition's end has to wait for.
    pub(crate) fn begin_job(&self) -> Job {
        self.jobs.begin()
    }

    fn log_config(&self, config: &TopicConfig) -> LogConfig {
        LogConfig::of_topic(config, self.shared.producer_id_expiration_ms.load(Ordering::Relaxed))
    }

    /// Every step under the lock leaves the state consistent, and a panic ends the node.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
