//! Fetch (key 1), versions 4 to 18.
//!
//! v7 sessions (KIP-227), v9 leader epoch (KIP-320), v12 last fetched epoch and diverging epoch (KIP-595), v13
//! topic ids (KIP-516), v16 node endpoints (KIP-951). Long poll until `min_bytes` or `max_wait_ms`; the first
//! batch of the first partition with data is sent whole whatever the limits say. Record bytes leave as file
//! ranges. Errors: OFFSET_OUT_OF_RANGE, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER,
//! UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, KAFKA_STORAGE_ERROR, and the session errors at the top.
//! Left out until there are followers: replica fetches, preferred read replicas.

mod read;
mod respond;

use super::codec::{Handled, decode};
use crate::Broker;
use crate::fetch_session::{FetchPartition, PartitionKey, TopicKey};
use ottla_net::{Outcome, Request};
use ottla_protocol::RequestHeader;
use ottla_protocol::generated::fetch_request::FetchRequest;
use read::{ReadLimits, read_until_enough};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// First version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

/// Admits the request to its session in the connection's order; reading and waiting come later.
pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: FetchRequest = decode(&request)?;
    let listener = Arc::clone(&request.connection.listener);
    let header = request.header;
    let uses_topic_ids = header.api_version >= TOPIC_IDS_FROM;
    let requested = requested(&body, uses_topic_ids);
    let forgotten = forgotten(&body, uses_topic_ids);
    let now_ms = broker.runtime().wall_clock_ms();
    let admitted = broker.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner).begin(
        now_ms,
        body.session_id,
        body.session_epoch,
        uses_topic_ids,
        false,
        requested,
        &forgotten,
    );
    let fetching = match admitted {
        Ok(fetching) => fetching,
        Err(error) => return respond::session_error(&header, error),
    };
    let limits = limits(broker, &body);
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let answers = read_until_enough(&broker, &header, &fetching, &limits).await;
        respond::respond(&broker, &header, &listener, fetching, answers)
    })))
}

fn limits(broker: &Broker, body: &FetchRequest) -> ReadLimits {
    ReadLimits {
        min_bytes: body.min_bytes.max(0) as u64,
        max_bytes: (body.max_bytes.max(0) as u64).min(broker.config().fetch.fetch_max_bytes.max(0) as u64),
        wait: Duration::from_millis(body.max_wait_ms.max(0) as u64),
        read_committed: body.isolation_level == 1,
    }
}

fn requested(body: &FetchRequest, uses_topic_ids: bool) -> Vec<FetchPartition> {
    let mut requested = Vec::new();
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

fn forgotten(body: &FetchRequest, uses_topic_ids: bool) -> Vec<PartitionKey> {
    let mut forgotten = Vec::new();
    for topic in &body.forgotten_topics_data {
        let name = topic_key(&topic.topic, topic.topic_id, uses_topic_ids);
        let keys = topic.partitions.iter().map(|&partition| PartitionKey { topic: name.clone(), partition });
        forgotten.extend(keys);
    }
    forgotten
}

fn topic_key(name: &str, topic_id: ottla_types::Uuid, uses_topic_ids: bool) -> TopicKey {
    if uses_topic_ids { TopicKey::Id(topic_id) } else { TopicKey::Name(name.into()) }
}

/// Whether `header` is of a version that names topics by id.
fn names_by_id(header: &RequestHeader) -> bool {
    header.api_version >= TOPIC_IDS_FROM
}
