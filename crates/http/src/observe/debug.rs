//! What `/debug` shows, as JSON.

use serde::Serialize;
use std::collections::BTreeMap;

/// The page.
#[derive(Debug, Clone, Serialize)]
pub struct Debug {
    /// Version of the program.
    pub version: &'static str,
    /// `node.id`.
    pub node_id: i32,
    /// The cluster's id, once the node has joined one.
    pub cluster_id: Option<String>,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Bound address of every listener by name.
    pub listeners: BTreeMap<String, String>,
    /// Levels of the log, as `--log-level` takes them.
    pub log_levels: Option<String>,
    /// How many connections are open.
    pub connection_count: usize,
    /// Those that have moved the most bytes.
    pub top_connections: Vec<Connection>,
    /// How many partitions have a replica here.
    pub partition_count: usize,
    /// Those that have moved the most bytes since the start, then the largest.
    pub top_partitions: Vec<Partition>,
    /// Every config by name.
    pub configs: BTreeMap<String, Config>,
}

/// An open connection.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    /// Address of the other end.
    pub peer: String,
    /// Name of the listener.
    pub listener: String,
    /// `client.id` of its first request.
    pub client_id: String,
    /// Name and version that the client gave of its library.
    pub software: Option<String>,
    /// Milliseconds since it was accepted.
    pub age_ms: u64,
    /// Milliseconds since bytes last moved.
    pub idle_ms: u64,
    /// Complete requests.
    pub requests: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
}

/// A partition with a replica here.
#[derive(Debug, Clone, Serialize)]
pub struct Partition {
    /// Topic name.
    pub topic: String,
    /// Index.
    pub partition: i32,
    /// `online`, `opening`, `offline: REASON` or `retired`.
    pub state: String,
    /// Node that leads it; -1 is none.
    pub leader: i32,
    /// Leader epoch.
    pub leader_epoch: i32,
    /// First offset that can be read.
    pub log_start_offset: i64,
    /// Consumers see what is below.
    pub high_watermark: i64,
    /// Offset of the next record.
    pub log_end_offset: i64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Number of segments.
    pub segments: usize,
    /// Bytes of record batches appended since the start.
    pub bytes_in: u64,
    /// Bytes of record batches sent to consumers since the start.
    pub bytes_out: u64,
}

/// A config.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Its value; `(hidden)` for a secret that is set.
    pub value: Option<String>,
    /// Where it comes from, in Kafka's words: `STATIC_BROKER_CONFIG`, `DEFAULT_CONFIG` ...
    pub source: &'static str,
}
