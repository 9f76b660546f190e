//! Produce, one partition at a time: record batches in, an offset out.

use crate::call::Call;
use crate::client::Client;
use crate::connection::{Connection, PendingResponse};
use crate::error::ClientError;
use bytes::Bytes;
use ottla_protocol::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::{Message, ProduceRequest, ProduceResponse, Records};
use ottla_types::Uuid;
use std::time::Duration;

/// The first version that names topics by id (KIP-516).
const TOPIC_ID_VERSION: i16 = 13;

/// When a Produce is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Never: nothing is answered.
    None,
    /// When the leader has appended it.
    Leader,
    /// When every in-sync replica has it.
    All,
}

/// One batch, or several in a row, for one partition.
#[derive(Debug, Clone)]
pub struct ProduceSpec<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Topic id, if it is known; needed from Produce v13 on.
    pub topic_id: Uuid,
    /// Partition index.
    pub partition: i32,
    /// Whole record batches, as they go to the log.
    pub batches: Bytes,
    /// When to acknowledge.
    pub acks: Acks,
    /// How long the broker may wait for the in-sync replicas.
    pub timeout: Duration,
}

/// An acknowledged Produce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Produced {
    /// Offset of the first record; -1 when the broker does not tell (a duplicate that is no longer remembered).
    pub base_offset: i64,
    /// The broker's time in ms, for topics with log append time; else -1.
    pub log_append_time_ms: i64,
    /// The partition's log start offset; -1 from brokers that do not tell.
    pub log_start_offset: i64,
}

impl Acks {
    pub(crate) fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

impl Client {
    /// Sends batches to a partition's leader, once, and waits for the acknowledgement; `None` with acks=0.
    ///
    /// # Errors
    /// Those of the connection, and the partition's error code. Nothing is retried.
    pub fn produce<'a>(
        &'a self,
        topic: &'a str,
        partition: i32,
        batches: Bytes,
        acks: Acks,
    ) -> Call<'a, Option<Produced>> {
        Box::pin(async move {
            let (metadata, _, leader) = self.leader(topic, partition).await?;
            let timeout = self.options().request_timeout;
            let spec = ProduceSpec { topic, topic_id: metadata.topic_id, partition, batches, acks, timeout };
            let produced = leader.produce(&spec).await;
            if produced.as_ref().is_err_and(ClientError::is_retriable) {
                self.forget_topic(topic);
            }
            produced
        })
    }
}

/// A Produce that is on its way.
pub(crate) struct PendingProduce {
    response: PendingResponse<ProduceRequest>,
    subject: String,
}

impl Connection {
    /// Sends batches and waits for the acknowledgement; `None` with acks=0.
    ///
    /// # Errors
    /// Those of the connection, and the partition's error code.
    pub fn produce<'a>(&'a self, spec: &'a ProduceSpec<'a>) -> Call<'a, Option<Produced>> {
        Box::pin(async move {
            if spec.acks == Acks::None {
                let (request, version) = (request(spec), self.produce_version(spec.topic_id)?);
                self.send_without_answer(&request, version, std::slice::from_ref(&spec.batches)).await?;
                return Ok(None);
            }
            self.begin_produce(spec).await?.wait().await.map(Some)
        })
    }

    /// Sends batches; the order of calls is the order on the wire.
    pub(crate) async fn begin_produce(&self, spec: &ProduceSpec<'_>) -> Result<PendingProduce, ClientError> {
        assert!(spec.acks != Acks::None, "a Produce with acks=0 is not answered");
        let version = self.produce_version(spec.topic_id)?;
        let response = self.begin(&request(spec), version, std::slice::from_ref(&spec.batches)).await?;
        Ok(PendingProduce { response, subject: format!("{}-{}", spec.topic, spec.partition) })
    }

    fn produce_version(&self, topic_id: Uuid) -> Result<i16, ClientError> {
        let max = if topic_id.is_zero() { TOPIC_ID_VERSION - 1 } else { ProduceRequest::MAX_VERSION };
        self.version_within::<ProduceRequest>((ProduceRequest::MIN_VERSION, max))
    }
}

impl PendingProduce {
    pub(crate) async fn wait(self) -> Result<Produced, ClientError> {
        let response = self.response.wait().await?;
        acknowledged(response, &self.subject)
    }
}

fn request(spec: &ProduceSpec<'_>) -> ProduceRequest {
    let len = u32::try_from(spec.batches.len()).expect("a request is smaller than 4 GiB");
    let partition = PartitionProduceData { index: spec.partition, records: Records::External { len, index: 0 } };
    let topic =
        TopicProduceData { name: spec.topic.to_string(), topic_id: spec.topic_id, partition_data: vec![partition] };
    ProduceRequest {
        transactional_id: None,
        acks: spec.acks.code(),
        timeout_ms: i32::try_from(spec.timeout.as_millis()).unwrap_or(i32::MAX),
        topic_data: vec![topic],
    }
}

fn acknowledged(response: ProduceResponse, subject: &str) -> Result<Produced, ClientError> {
    let partition = response.responses.into_iter().flat_map(|topic| topic.partition_responses).next();
    let partition = partition.ok_or_else(|| ClientError::missing("Produce", subject))?;
    ClientError::check(partition.error_code, partition.error_message.as_deref(), || subject.to_string())?;
    Ok(Produced {
        base_offset: partition.base_offset,
        log_append_time_ms: partition.log_append_time_ms,
        log_start_offset: partition.log_start_offset,
    })
}
