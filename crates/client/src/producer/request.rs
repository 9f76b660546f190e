//! One Produce request for several partitions of a broker, and its answer.

use super::accumulator::Key;
use crate::connection::{Connection, PendingResponse};
use crate::error::ClientError;
use crate::produce::{Acks, Produced};
use bytes::Bytes;
use ottla_protocol::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::{Message, ProduceRequest, ProduceResponse, Records};
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The first version that names topics by id (KIP-516).
const TOPIC_ID_VERSION: i16 = 13;
/// The first version by which the broker adds partitions to the transaction (KIP-890).
const TRANSACTION_V2_VERSION: i16 = 12;
/// The first version with a transactional id.
const TRANSACTIONAL_VERSION: i16 = 3;

/// Whose transaction the batches belong to.
pub(super) struct InTransaction {
    pub(super) transactional_id: String,
    pub(super) is_v2: bool,
}

/// A partition's part of a request.
pub(super) struct Part {
    pub(super) key: Key,
    pub(super) topic_id: Uuid,
    pub(super) bytes: Bytes,
}

/// What a broker answered, by topic name, id and partition.
pub(super) struct Answer {
    pub(super) throttle: Duration,
    results: BTreeMap<(String, Uuid, i32), Result<Produced, ClientError>>,
}

/// The version to speak, and whether it names topics by id.
fn version(connection: &Connection, parts: &[Part], transaction: Option<&InTransaction>) -> Result<i16, ClientError> {
    let has_ids = parts.iter().all(|part| !part.topic_id.is_zero());
    let max = if has_ids { ProduceRequest::MAX_VERSION } else { TOPIC_ID_VERSION - 1 };
    let range = match transaction {
        Some(transaction) if transaction.is_v2 => (TRANSACTION_V2_VERSION, max),
        Some(_) => (TRANSACTIONAL_VERSION, max.min(TRANSACTION_V2_VERSION - 1)),
        None => (ProduceRequest::MIN_VERSION, max),
    };
    connection.version_within::<ProduceRequest>(range)
}

/// Sends the request; `None` with acks=0.
pub(super) async fn begin(
    connection: &Connection,
    parts: &[Part],
    acks: Acks,
    timeout: Duration,
    transaction: Option<InTransaction>,
) -> Result<Option<PendingResponse<ProduceRequest>>, ClientError> {
    let version = version(connection, parts, transaction.as_ref())?;
    let mut topics: BTreeMap<Arc<str>, TopicProduceData> = BTreeMap::new();
    for (index, part) in (0_u32..).zip(parts) {
        let topic = topics.entry(part.key.0.clone()).or_insert_with(|| TopicProduceData {
            name: part.key.0.to_string(),
            topic_id: part.topic_id,
            partition_data: Vec::new(),
        });
        let len = u32::try_from(part.bytes.len()).expect("a batch is smaller than 4 GiB");
        topic
            .partition_data
            .push(PartitionProduceData { index: part.key.1, records: Records::External { len, index } });
    }
    let request = ProduceRequest {
        transactional_id: transaction.map(|transaction| transaction.transactional_id),
        acks: acks.code(),
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
        topic_data: topics.into_values().collect(),
    };
    let bytes: Vec<Bytes> = parts.iter().map(|part| part.bytes.clone()).collect();
    if acks == Acks::None {
        connection.send_without_answer(&request, version, &bytes).await?;
        return Ok(None);
    }
    Ok(Some(connection.begin(&request, version, &bytes).await?.allow(timeout)))
}

impl Answer {
    pub(super) fn new(response: ProduceResponse) -> Answer {
        let throttle = Duration::from_millis(u64::try_from(response.throttle_time_ms).unwrap_or(0));
        let mut results = BTreeMap::new();
        for topic in response.responses {
            for found in topic.partition_responses {
                let subject = || format!("{}-{}", topic.name, found.index);
                let checked = ClientError::check(found.error_code, found.error_message.as_deref(), subject);
                let produced = checked.map(|()| Produced {
                    base_offset: found.base_offset,
                    log_append_time_ms: found.log_append_time_ms,
                    log_start_offset: found.log_start_offset,
                });
                results.insert((topic.name.clone(), topic.topic_id, found.index), produced);
            }
        }
        Answer { throttle, results }
    }

    /// The result of one partition. Versions with topic ids leave the name empty, older ones the id zero.
    pub(super) fn take(&mut self, part: &Part) -> Result<Produced, ClientError> {
        let by_id = (String::new(), part.topic_id, part.key.1);
        let by_name = (part.key.0.to_string(), Uuid::ZERO, part.key.1);
        let found = self.results.remove(&by_id).or_else(|| self.results.remove(&by_name));
        let subject = format!("{}-{}", part.key.0, part.key.1);
        match found {
            Some(Err(ClientError::Broker { code, message, .. })) => Err(ClientError::Broker { subject, code, message }),
            Some(result) => result,
            None => Err(ClientError::missing("Produce", &subject)),
        }
    }
}
