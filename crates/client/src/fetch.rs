//! Fetch, one partition at a time and without a session: an offset in, record batches out.

use crate::call::Call;
use crate::client::Client;
use crate::connection::Connection;
use crate::error::ClientError;
use bytes::Bytes;
use ottla_protocol::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::{FetchRequest, FetchResponse, Message, Records};
use ottla_types::Uuid;
use std::time::Duration;

/// The first version that names topics by id (KIP-516).
const TOPIC_ID_VERSION: i16 = 13;
/// A full fetch that opens no session (KIP-227).
const NO_SESSION: (i32, i32) = (0, -1);

/// `isolation.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Up to the high watermark.
    #[default]
    ReadUncommitted,
    /// Up to the last stable offset.
    ReadCommitted,
}

impl Isolation {
    pub(crate) fn code(self) -> i8 {
        match self {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        }
    }
}

/// What to fetch.
#[derive(Debug, Clone)]
pub struct FetchSpec<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Topic id, if it is known; needed from Fetch v13 on.
    pub topic_id: Uuid,
    /// Partition index.
    pub partition: i32,
    /// The first offset wanted.
    pub offset: i64,
    /// The leader epoch that the metadata named, or -1.
    pub current_leader_epoch: i32,
    /// How long the broker may wait for `min_bytes`.
    pub max_wait: Duration,
    /// When fewer bytes are there, the broker waits.
    pub min_bytes: i32,
    /// At most this many bytes, but always at least one batch.
    pub max_bytes: i32,
    /// How far to read.
    pub isolation: Isolation,
}

impl<'a> FetchSpec<'a> {
    /// From `offset` on, waiting up to half a second for a first byte; at most 1 MiB.
    pub fn new(topic: &'a str, partition: i32, offset: i64) -> FetchSpec<'a> {
        FetchSpec {
            topic,
            topic_id: Uuid::ZERO,
            partition,
            offset,
            current_leader_epoch: -1,
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 1024 * 1024,
            isolation: Isolation::ReadUncommitted,
        }
    }
}

/// What a Fetch brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Record batches. The first may begin before the wanted offset, the last may be cut off.
    pub batches: Bytes,
    /// End of what consumers may read.
    pub high_watermark: i64,
    /// End of what is decided; -1 from brokers that do not tell.
    pub last_stable_offset: i64,
    /// The oldest offset; -1 from brokers that do not tell.
    pub log_start_offset: i64,
    /// Producer id and first offset of aborted transactions in the range, with read_committed.
    pub aborted_transactions: Vec<(i64, i64)>,
}

impl Client {
    /// Fetches from a partition's leader, once. Topic id and leader epoch are filled in.
    ///
    /// # Errors
    /// Those of the connection, and the partition's error code.
    pub fn fetch<'a>(&'a self, spec: &'a FetchSpec<'a>) -> Call<'a, Fetched> {
        Box::pin(async move {
            let (topic, partition, leader) = self.leader(spec.topic, spec.partition).await?;
            let filled =
                FetchSpec { topic_id: topic.topic_id, current_leader_epoch: partition.leader_epoch, ..spec.clone() };
            let fetched = leader.fetch(&filled).await;
            if fetched.as_ref().is_err_and(ClientError::is_retriable) {
                self.forget_topic(spec.topic);
            }
            fetched
        })
    }
}

impl Connection {
    /// Fetches from this broker.
    ///
    /// # Errors
    /// Those of the connection, and the partition's error code.
    pub fn fetch<'a>(&'a self, spec: &'a FetchSpec<'a>) -> Call<'a, Fetched> {
        Box::pin(async move {
            let max = if spec.topic_id.is_zero() { TOPIC_ID_VERSION - 1 } else { FetchRequest::MAX_VERSION };
            let version = self.version_within::<FetchRequest>((FetchRequest::MIN_VERSION, max))?;
            let pending = self.begin(&request(spec), version, &[]).await?;
            fetched(pending.allow(spec.max_wait).wait().await?, spec)
        })
    }
}

fn request(spec: &FetchSpec<'_>) -> FetchRequest {
    let partition = FetchPartition {
        partition: spec.partition,
        current_leader_epoch: spec.current_leader_epoch,
        fetch_offset: spec.offset,
        partition_max_bytes: spec.max_bytes,
        ..Default::default()
    };
    let topic = FetchTopic { topic: spec.topic.to_string(), topic_id: spec.topic_id, partitions: vec![partition] };
    FetchRequest {
        max_wait_ms: i32::try_from(spec.max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: spec.min_bytes,
        max_bytes: spec.max_bytes,
        isolation_level: spec.isolation.code(),
        session_id: NO_SESSION.0,
        session_epoch: NO_SESSION.1,
        topics: vec![topic],
        ..Default::default()
    }
}

fn fetched(response: FetchResponse, spec: &FetchSpec<'_>) -> Result<Fetched, ClientError> {
    let subject = || format!("{}-{} at offset {}", spec.topic, spec.partition, spec.offset);
    ClientError::check(response.error_code, None, subject)?;
    let partition = response.responses.into_iter().flat_map(|topic| topic.partitions).next();
    let partition = partition.ok_or_else(|| ClientError::missing("Fetch", &subject()))?;
    ClientError::check(partition.error_code, None, subject)?;
    let batches = match partition.records {
        Records::Inline(batches) => batches,
        Records::Null | Records::External { .. } => Bytes::new(),
    };
    let aborted = partition.aborted_transactions.unwrap_or_default();
    Ok(Fetched {
        batches,
        high_watermark: partition.high_watermark,
        last_stable_offset: partition.last_stable_offset,
        log_start_offset: partition.log_start_offset,
        aborted_transactions: aborted.iter().map(|aborted| (aborted.producer_id, aborted.first_offset)).collect(),
    })
}
