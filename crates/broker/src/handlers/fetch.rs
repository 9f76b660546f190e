//! Fetch (key 1), versions 4 to 18.
//!
//! v7 sessions (KIP-227), v9 leader epoch (KIP-320), v12 last fetched epoch and diverging epoch (KIP-595), v13
//! topic ids (KIP-516), v16 node endpoints (KIP-951). Long poll until `min_bytes` or `max_wait_ms`; the first
//! batch of the first partition with data is sent whole whatever the limits say. Record bytes leave as file
//! ranges. Errors: OFFSET_OUT_OF_RANGE, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER,
//! UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, KAFKA_STORAGE_ERROR (NOT_LEADER_OR_FOLLOWER before v6), and the
//! session errors at the top. Left out until there are followers: replica fetches, preferred read replicas.

mod read;
mod respond;

use super::codec::{Handled, decode_with};
use super::controlled::timeout_ms;
use crate::Broker;
use crate::fetch_session::{
    FINAL_EPOCH, FetchPartition, Fetching, INITIAL_EPOCH, PartitionKey, SessionRequest, TopicKey,
};
use ottla_net::{Outcome, Reply, Request};
use ottla_protocol::RequestHeader;
use ottla_protocol::generated::fetch_request::FetchRequestRef;
use ottla_types::Uuid;
use read::{ReadLimits, read_until_enough};
use std::sync::{Arc, PoisonError};

/// First version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

/// Admits the request to its session in the connection's order; reading and waiting come later.
pub(super) async fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let (fetching, limits, size) = {
        let body = decode_with(&request, FetchRequestRef::decode)?;
        match admit(broker, &request.header, &body) {
            Ok((fetching, size)) => (fetching, limits(broker, &request.header, &body), size),
            Err(error) => return Ok(Outcome::Reply(respond::session_error(broker, &request.header, error))),
        }
    };
    let (header, listener) = (request.header, Arc::clone(&request.connection.listener));
    // Neither frame nor charge is kept while the fetch waits.
    drop((request.body, request.charge));
    let Some(share) = broker.fetch_room.take(size) else {
        let limits = ReadLimits { deadline: broker.runtime().now(), ..limits };
        return Ok(Outcome::Reply(run(broker, &header, &listener, fetching, &limits).await));
    };
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let reply = run(&broker, &header, &listener, fetching, &limits).await;
        drop(share);
        reply
    })))
}

async fn run(
    broker: &Arc<Broker>,
    header: &RequestHeader,
    listener: &str,
    mut fetching: Fetching,
    limits: &ReadLimits,
) -> Reply {
    let loaded = broker.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner).load(&mut fetching);
    if let Err(error) = loaded {
        return respond::session_error(broker, header, error);
    }
    let answers = read_until_enough(broker, header, &fetching.partitions, limits).await;
    respond::respond(broker, header, listener, &fetching, answers)
}

/// Turns the request over to its session; also says how many partitions it will read.
fn admit(
    broker: &Broker,
    header: &RequestHeader,
    body: &FetchRequestRef<'_>,
) -> Result<(Fetching, usize), ottla_types::ErrorCode> {
    let uses_topic_ids = names_by_id(header);
    let session = SessionRequest {
        now_ms: broker.runtime().wall_clock_ms(),
        session_id: body.session_id,
        epoch: body.session_epoch,
        uses_topic_ids,
        privileged: false,
    };
    let (requested, forgotten) = (requested(body, uses_topic_ids), forgotten(body, uses_topic_ids));
    let is_full = body.session_epoch == INITIAL_EPOCH || body.session_epoch == FINAL_EPOCH;
    let mut sessions = broker.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner);
    let fetching = sessions.begin(&session, requested, &forgotten)?;
    let size = if is_full { fetching.partitions.len() } else { sessions.size(body.session_id) };
    Ok((fetching, size))
}

fn limits(broker: &Broker, header: &RequestHeader, body: &FetchRequestRef<'_>) -> ReadLimits {
    let bytes = |bytes: i32| u64::try_from(bytes).unwrap_or(0);
    let max_bytes = bytes(body.max_bytes).min(bytes(broker.config().fetch.fetch_max_bytes));
    let max_bytes = max_bytes.min(broker.quotas.fetch_bytes_max(header).unwrap_or(u64::MAX));
    ReadLimits {
        min_bytes: bytes(body.min_bytes).min(max_bytes),
        max_bytes,
        deadline: broker.runtime().now() + timeout_ms(body.max_wait_ms),
        read_committed: body.isolation_level == 1,
    }
}

fn requested(body: &FetchRequestRef<'_>, uses_topic_ids: bool) -> Vec<FetchPartition> {
    let mut requested = Vec::with_capacity(body.topics.iter().map(|topic| topic.partitions.len()).sum());
    for topic in &body.topics {
        let name = topic_key(&topic.topic, topic.topic_id, uses_topic_ids);
        requested.extend(topic.partitions.iter().map(|partition| FetchPartition {
            key: PartitionKey { topic: name.clone(), partition: partition.partition },
            fetch_offset: partition.fetch_offset,
            max_bytes: partition.partition_max_bytes,
            current_leader_epoch: partition.current_leader_epoch,
            last_fetched_epoch: partition.last_fetched_epoch,
            log_start_offset: partition.log_start_offset,
        }));
    }
    requested
}

fn forgotten(body: &FetchRequestRef<'_>, uses_topic_ids: bool) -> Vec<PartitionKey> {
    let mut forgotten = Vec::new();
    for topic in &body.forgotten_topics_data {
        let name = topic_key(&topic.topic, topic.topic_id, uses_topic_ids);
        let keys = topic.partitions.iter().map(|&partition| PartitionKey { topic: name.clone(), partition });
        forgotten.extend(keys);
    }
    forgotten
}

fn topic_key(name: &str, topic_id: Uuid, uses_topic_ids: bool) -> TopicKey {
    if uses_topic_ids { TopicKey::Id(topic_id) } else { TopicKey::Name(name.into()) }
}

/// Whether `header` is of a version that names topics by id.
fn names_by_id(header: &RequestHeader) -> bool {
    header.api_version >= TOPIC_IDS_FROM
}
