//! ShareFetch (key 78), versions 1 and 2 (KIP-932).
//!
//! v2 acquire modes (KIP-1206), renewal of locks (KIP-1222). A session names the partitions once; acknowledgements may come
//! along, and are taken before anything is acquired. The first answer of a session names every partition that was read, later
//! ones those with something to tell, those that are new, and those that had an error before. Waits until there are records or
//! `max_wait_ms` has passed; a request that renews locks asks for nothing else, so that its answer comes at once. A client above
//! `consumer_byte_rate` gets nothing until it has waited; unlike in Kafka nothing is acquired for it meanwhile. Errors:
//! UNSUPPORTED_VERSION where share groups are switched off, INVALID_REQUEST, SHARE_SESSION_NOT_FOUND,
//! INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED (after `max_wait_ms`, so that clients do not spin); by partition
//! UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, COORDINATOR_NOT_AVAILABLE, GROUP_ID_NOT_FOUND,
//! KAFKA_STORAGE_ERROR, UNKNOWN_SERVER_ERROR, and for acknowledgements INVALID_RECORD_STATE.

mod respond;

use super::codec::{Handled, decode};
use super::controlled::timeout_ms;
use super::share_groups::{ack_batch, are_enabled, names, session_code};
use crate::Broker;
use crate::share::{Acknowledgement, Wanted};
use ottla_net::{Outcome, Request};
use ottla_protocol::RequestHeader;
use ottla_protocol::generated::share_fetch_request::{FetchPartition, ShareFetchRequest};
use ottla_share::{AcquireMode, FINAL_EPOCH, SessionError, SessionKey, TopicIdPartition};
use ottla_types::ErrorCode;
use std::sync::Arc;

/// First version with acquire modes and renewal.
const MODES_FROM: i16 = 2;
/// `share_acquire_mode` of strict limits.
const RECORD_LIMIT: i8 = 1;

/// Admits the request to its session and takes its acknowledgements in the connection's order; reading and waiting come later.
pub(super) async fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ShareFetchRequest = decode(&request)?;
    let header = request.header;
    let refuse =
        |error: ErrorCode, message: &str| Ok(Outcome::Reply(respond::refused(broker, &header, error, message)));
    if !are_enabled(broker) {
        return refuse(ErrorCode::UnsupportedVersion, "share groups are switched off (share.version)");
    }
    let is_renew_ack = header.api_version >= MODES_FROM && body.is_renew_ack;
    let (group_id, member_id) = match names(body.group_id.as_deref(), body.member_id.as_deref()) {
        Ok(names) => names,
        Err(message) => return refuse(ErrorCode::InvalidRequest, message),
    };
    let asks_for_records = [body.max_bytes, body.min_bytes, body.max_records, body.max_wait_ms] != [0; 4];
    if is_renew_ack && asks_for_records {
        let message = "maxBytes, minBytes, maxRecords and maxWaitMs must be 0 if isRenewAck is true.";
        return refuse(ErrorCode::InvalidRequest, message);
    }
    let key = SessionKey { group_id, member_id };
    let (added, forgotten) = places(&body);
    let acknowledges = partitions(&body).any(|(_, partition)| !partition.acknowledgement_batches.is_empty());
    let epoch = body.share_session_epoch;
    let sessions = broker.share_partitions();
    let admitted = sessions.admit(&key, epoch, (&added, &forgotten), acknowledges, &request.connection);
    let wait = timeout_ms(body.max_wait_ms);
    let places = match admitted {
        Ok(places) => places,
        Err(error @ SessionError::LimitReached(_)) => {
            let (broker, runtime) = (Arc::clone(broker), broker.runtime().clone());
            return Ok(Outcome::Later(Box::pin(async move {
                runtime.sleep(wait).await;
                respond::refused(&broker, &header, session_code(error), &error.to_string())
            })));
        }
        Err(error) => return refuse(session_code(error), &error.to_string()),
    };
    let wait_ms = broker.quotas.share_fetch_wait_ms(&header);
    let wants_none =
        wait_ms > 0 || is_renew_ack || epoch == FINAL_EPOCH || body.max_records <= 0 || body.max_bytes <= 0;
    let places = if wants_none { Vec::new() } else { places };
    // Before acknowledgements are taken: who is refused is told that they failed.
    let Some(share) = broker.fetch_room.take(places.len()) else {
        return refuse(ErrorCode::ThrottlingQuotaExceeded, "too many fetches wait already; try again");
    };
    let acknowledgements = if acknowledges { acknowledgements(&body, is_renew_ack) } else { Vec::new() };
    let acknowledging = sessions.acknowledge(&key, acknowledgements);
    let wanted = wanted(broker, &key, &body, &header);
    // Neither frame nor charge is kept while the fetch waits.
    drop((request.body, request.charge));
    let (broker, listener) = (Arc::clone(broker), Arc::clone(&request.connection.listener));
    Ok(Outcome::Later(Box::pin(async move {
        let acknowledged = acknowledging.await;
        let partitions = broker.share_partitions();
        let fetched = if places.is_empty() { Vec::new() } else { partitions.fetch(&wanted, &places).await };
        if epoch == FINAL_EPOCH {
            partitions.close(&key);
        }
        drop(share);
        let answer = respond::answer(&broker, &listener, (&key, epoch), places, fetched, acknowledged);
        respond::respond(&broker, &header, &answer, wait_ms)
    })))
}

fn partitions(body: &ShareFetchRequest) -> impl Iterator<Item = (ottla_types::Uuid, &FetchPartition)> {
    body.topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, partition)))
}

/// Partitions that are named, and those that are forgotten.
fn places(body: &ShareFetchRequest) -> (Vec<TopicIdPartition>, Vec<TopicIdPartition>) {
    let added = partitions(body).map(|(topic_id, partition)| (topic_id, partition.partition_index)).collect();
    let forgotten = body.forgotten_topics_data.iter();
    let forgotten = forgotten.flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, *partition)));
    (added, forgotten.collect())
}

/// Of a request that acknowledges anything: of every partition, also where there is nothing, as in Kafka.
fn acknowledgements(body: &ShareFetchRequest, is_renew_ack: bool) -> Vec<Acknowledgement> {
    partitions(body)
        .map(|(topic_id, partition)| {
            let batches = partition.acknowledgement_batches.iter();
            let batches = batches
                .map(|batch| ack_batch(batch.first_offset, batch.last_offset, &batch.acknowledge_types, is_renew_ack));
            ((topic_id, partition.partition_index), batches.collect())
        })
        .collect()
}

fn wanted(broker: &Broker, key: &SessionKey, body: &ShareFetchRequest, header: &RequestHeader) -> Wanted {
    let bytes = |bytes: i32| u64::try_from(bytes).unwrap_or(0);
    let max_bytes = bytes(body.max_bytes).min(bytes(broker.config().fetch.fetch_max_bytes));
    let max_bytes = max_bytes.min(broker.quotas.fetch_bytes_max(header).unwrap_or(u64::MAX));
    let is_strict = header.api_version >= MODES_FROM && body.share_acquire_mode == RECORD_LIMIT;
    Wanted {
        session: key.clone(),
        mode: if is_strict { AcquireMode::RecordLimit } else { AcquireMode::BatchOptimized },
        records_max: i64::from(body.max_records),
        batch_size: i64::from(body.batch_size),
        min_bytes: bytes(body.min_bytes).min(max_bytes),
        max_bytes,
        deadline: broker.runtime().now() + timeout_ms(body.max_wait_ms),
    }
}
