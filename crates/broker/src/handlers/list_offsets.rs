//! ListOffsets (key 2), versions 1 to 11.
//!
//! v2 isolation level (KIP-98), v4 leader epochs (KIP-320), v7 -3 max timestamp (KIP-734), v8 -4 earliest local
//! (KIP-405), v9 -5 last tiered (KIP-1005), v10 timeout (KIP-1075), v11 -6 earliest pending upload (KIP-1023). A
//! duplicate partition answers INVALID_REQUEST, a special timestamp newer than the version UNSUPPORTED_VERSION.
//! "latest" and lookups by time wait (bounded) for records that are appended but not flushed yet, so that who got an
//! acknowledgement and then asks for the end sees its record; where that takes too long, OFFSET_NOT_AVAILABLE
//! (LEADER_NOT_AVAILABLE before v5) makes clients ask again. read_committed
//! consumers are told of nothing at or above the last stable offset, and of that as the end.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::partition::{OffsetFound, OffsetQuery, PartitionError};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest};
use ottla_protocol::generated::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use ottla_runtime::Instant;
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer waits for a flush, where the request names no shorter timeout.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(5);
/// Partitions of one request that wait, or search, at the same time.
const IN_PARALLEL: usize = 64;
/// `isolation_level` of consumers that see no open and no aborted transactions.
const READ_COMMITTED: i8 = 1;
/// First version that carries leader epochs.
const LEADER_EPOCHS_FROM: i16 = 4;
/// First version whose clients know OFFSET_NOT_AVAILABLE.
const OFFSET_NOT_AVAILABLE_FROM: i16 = 5;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ListOffsetsRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    let wait = match u64::try_from(body.timeout_ms) {
        Ok(timeout) if timeout > 0 => Duration::from_millis(timeout).min(FLUSH_WAIT_MAX),
        _ => FLUSH_WAIT_MAX,
    };
    let deadline = broker.runtime().now() + wait;
    Ok(Outcome::Later(Box::pin(async move {
        let response = answer(&broker, header.api_version, &body, deadline).await;
        respond(&broker, &header, &response)
    })))
}

async fn answer(broker: &Broker, version: i16, body: &ListOffsetsRequest, deadline: Instant) -> ListOffsetsResponse {
    let duplicates = duplicates(body);
    let read_committed = body.isolation_level == READ_COMMITTED;
    let mut topics = Vec::with_capacity(body.topics.len());
    for topic in &body.topics {
        let name = topic.name.as_str();
        let mut answers: Vec<BoxFuture<'_, _>> = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let is_duplicate = duplicates.contains(&(name, asked.partition_index));
            answers.push(Box::pin(async move {
                let found = match is_duplicate {
                    true => Err(PartitionError::of(ErrorCode::InvalidRequest, "the partition is named twice")),
                    false => find(broker, version, name, asked, read_committed, deadline).await,
                };
                partition_response(version, asked.partition_index, found)
            }));
        }
        let partitions = stream::iter(answers).buffered(IN_PARALLEL).collect().await;
        topics.push(ListOffsetsTopicResponse { name: topic.name.clone(), partitions });
    }
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

fn duplicates(body: &ListOffsetsRequest) -> BTreeSet<(&str, i32)> {
    let mut seen = BTreeSet::new();
    let all = body.topics.iter().flat_map(|t| t.partitions.iter().map(|p| (t.name.as_str(), p.partition_index)));
    all.filter(|partition| !seen.insert(*partition)).collect()
}

async fn find(
    broker: &Broker,
    version: i16,
    topic: &str,
    asked: &ListOffsetsPartition,
    read_committed: bool,
    deadline: Instant,
) -> Result<OffsetFound, PartitionError> {
    let query = OffsetQuery::parse(asked.timestamp, version)?;
    let partition = broker.partitions.by_name(topic, asked.partition_index)?;
    partition.find_offset(query, asked.current_leader_epoch, read_committed, deadline).await
}

fn partition_response(
    version: i16,
    partition_index: i32,
    found: Result<OffsetFound, PartitionError>,
) -> ListOffsetsPartitionResponse {
    match found {
        Ok(found) => ListOffsetsPartitionResponse {
            partition_index,
            error_code: 0,
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: if version >= LEADER_EPOCHS_FROM { found.leader_epoch } else { -1 },
        },
        Err(error) => {
            let code = match error.code {
                ErrorCode::OffsetNotAvailable if version < OFFSET_NOT_AVAILABLE_FROM => ErrorCode::LeaderNotAvailable,
                code => code,
            };
            ListOffsetsPartitionResponse {
                partition_index,
                error_code: code.code(),
                ..ListOffsetsPartitionResponse::default()
            }
        }
    }
}
