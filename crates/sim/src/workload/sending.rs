//! A producer without idempotence: every version and `acks`, several partitions in a request, several requests in
//! flight, nothing sent twice.

use super::Actor;
use crate::oracle::{Backing, Check, PartitionKey, Sent, broken};
use bytes::Bytes;
use ottla_client::{ClientError, Connection, PendingResponse};
use ottla_protocol::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::{ProduceRequest, ProduceResponse, Records};
use ottla_records::{BatchBuilder, Compression, Record, TimestampType};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;

/// The first version that Kafka 4 accepts.
const FIRST_VERSION: i16 = 3;
/// The first version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;
/// The first version whose batches may be compressed with zstd.
const ZSTD_VERSION: i16 = 7;
/// Requests in flight.
const IN_FLIGHT_MAX: u64 = 4;

/// Sends until the run is over.
pub(super) async fn run(actor: Actor) -> Check {
    while actor.pause(200).await {
        match several(&actor).await? {
            Ok(()) => {}
            Err(error) => actor.expect("Produce", &error, &[])?,
        }
    }
    Ok(())
}

/// A request under way: what it carries by topic and partition.
struct Underway {
    pending: PendingResponse<ProduceRequest>,
    parts: Vec<(Sent, Vec<u64>)>,
    backing: Backing,
}

async fn several(actor: &Actor) -> Check<Result<(), ClientError>> {
    let connection = match actor.client.any_broker().await {
        Ok(connection) => connection,
        Err(error) => return Ok(Err(error)),
    };
    let mut underway = Vec::new();
    for _ in 0..1 + actor.below(IN_FLIGHT_MAX) {
        match begin(actor, &connection).await {
            Ok(begun) => underway.extend(begun),
            Err(error) => return Ok(Err(error)),
        }
    }
    for request in underway {
        match request.pending.wait().await {
            Ok(response) => judge(actor, &request.parts, request.backing, response)?,
            Err(error) => actor.expect("Produce", &error, &[])?,
        }
    }
    Ok(Ok(()))
}

/// Sends one request; `None` when nothing waits for an answer.
async fn begin(actor: &Actor, connection: &Connection) -> Result<Option<Underway>, ClientError> {
    let max = connection.version_of::<ProduceRequest>()?;
    let version = FIRST_VERSION + actor.below((max - FIRST_VERSION + 1) as u64) as i16;
    let acks = *actor.one_of(&[0, 1, 1, -1, -1]).expect("there are some");
    let mut topics: BTreeMap<String, TopicProduceData> = BTreeMap::new();
    let mut parts = Vec::new();
    for key in actor.oracle.partitions(true) {
        let topic_id = actor.oracle.topic_id(&key.topic).unwrap_or(Uuid::ZERO);
        let is_nameable = version < TOPIC_ID_VERSION || !topic_id.is_zero();
        let Some(sent) = actor.oracle.sending(&key).filter(|_| is_nameable && actor.chance(30)) else { continue };
        let (numbers, batch) = batch(actor, &key, version);
        let topic = topics.entry(key.topic.to_string()).or_insert_with(|| TopicProduceData {
            name: key.topic.to_string(),
            topic_id,
            ..TopicProduceData::default()
        });
        topic.partition_data.push(PartitionProduceData { index: key.partition, records: Records::Inline(batch) });
        parts.push((sent, numbers));
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let timeout_ms = 500 + actor.below(4000) as i32;
    let topic_data = topics.into_values().collect();
    let request = ProduceRequest { transactional_id: None, acks, timeout_ms, topic_data };
    if acks == 0 {
        connection.send_without_answer(&request, version, &[]).await?;
        return Ok(None);
    }
    let pending = connection.begin(&request, version, &[]).await?;
    let backing = if acks == 1 { Backing::Appended } else { Backing::Acknowledged };
    Ok(Some(Underway { pending, parts, backing }))
}

/// A batch of new records, and their numbers.
fn batch(actor: &Actor, key: &PartitionKey, version: i16) -> (Vec<u64>, Bytes) {
    let timestamp = actor.runtime.wall_clock_ms();
    let records = actor.oracle.new_records(key, 1 + actor.below(6) as usize, timestamp);
    let (numbers, records): (Vec<u64>, Vec<Record>) = records.into_iter().unzip();
    let compression = match actor.compression() {
        Compression::Zstd if version < ZSTD_VERSION => Compression::Lz4,
        compression => compression,
    };
    let mut builder = BatchBuilder::new(compression, TimestampType::CreateTime);
    for record in &records {
        builder.append_record(record).expect("a small record fits");
    }
    (numbers, builder.build().expect("a small batch is built").to_bytes())
}

fn judge(actor: &Actor, parts: &[(Sent, Vec<u64>)], backing: Backing, response: ProduceResponse) -> Check {
    let mut answers = BTreeMap::new();
    for topic in response.responses {
        for partition in topic.partition_responses {
            answers.insert((topic.name.clone(), topic.topic_id, partition.index), partition);
        }
    }
    for (sent, numbers) in parts {
        let key = &sent.key;
        let topic_id = actor.oracle.topic_id(&key.topic).unwrap_or(Uuid::ZERO);
        let by_name = answers.get(&(key.topic.to_string(), Uuid::ZERO, key.partition));
        let Some(answer) = by_name.or_else(|| answers.get(&(String::new(), topic_id, key.partition))) else {
            return broken(format!("Produce to {key} was not answered"));
        };
        match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::None) => {
                actor.oracle.acknowledged(sent, numbers, answer.base_offset, backing, actor.now())?;
                // Older versions do not tell it.
                if answer.log_start_offset >= 0 {
                    actor.oracle.log_start(sent, answer.log_start_offset, actor.runtime.wall_clock_ms())?;
                }
            }
            code => {
                let code = code.unwrap_or(ErrorCode::UnknownServerError);
                let message = answer.error_message.as_deref().filter(|message| !message.is_empty());
                actor.expect_code(&format!("Produce to {key}"), code, message, &[])?;
            }
        }
    }
    Ok(())
}
