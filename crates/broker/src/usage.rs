//! What a broker shows of itself to who looks into it: configs, and what its partitions hold and move.

use crate::Broker;
use ottla_config::{Cluster, ConfigEntry, NO_CONFIGS, describe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A partition with a replica here.
#[derive(Debug, Clone)]
pub struct PartitionUsage {
    /// Topic name.
    pub topic: Arc<str>,
    /// Index.
    pub partition: i32,
    /// `online`, `opening`, `offline: REASON` or `retired`.
    pub state: String,
    /// Node that leads it; -1 is none.
    pub leader: i32,
    /// Leader epoch.
    pub leader_epoch: i32,
    /// First offset that can be read; -1 while the log is not open, as all offsets here.
    pub log_start_offset: i64,
    /// Consumers see what is below.
    pub high_watermark: i64,
    /// Offset of the next record.
    pub log_end_offset: i64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Number of segments.
    pub segments: usize,
    /// Bytes of record batches from producers since the start.
    pub bytes_in: u64,
    /// Bytes of record batches sent to consumers since the start.
    pub bytes_out: u64,
}

/// Bytes that a partition has moved since the node started.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    bytes_in: AtomicU64,
    messages_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// What a partition has moved since the node started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    pub(crate) bytes_in: u64,
    pub(crate) messages_in: u64,
    pub(crate) bytes_out: u64,
}

/// How far an open log reaches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) bytes: u64,
    pub(crate) segments: usize,
}

impl Traffic {
    pub(crate) fn came_in(&self, bytes: u64, records: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
        self.messages_in.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn went_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn totals(&self) -> Moved {
        Moved {
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            messages_in: self.messages_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }
}

impl Broker {
    /// Every config of this broker with its value now; secrets have none.
    pub fn described_configs(&self) -> Vec<ConfigEntry> {
        let image = self.image();
        let cluster = Cluster::of_brokers(image.broker_count());
        describe::broker(&image.layers(self.static_config(), &NO_CONFIGS, cluster))
    }

    /// Every partition of this node. Takes each one's lock for a moment.
    pub fn partition_usage(&self) -> Vec<PartitionUsage> {
        self.partitions.all().iter().map(|partition| partition.shown()).collect()
    }
}
