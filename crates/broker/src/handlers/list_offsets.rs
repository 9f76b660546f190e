//! ListOffsets (key 2), versions 1 to 11.
//!
//! v2 isolation level (KIP-98), v4 leader epochs (KIP-320), v7 -3 max timestamp (KIP-734), v8 -4 earliest local
//! (KIP-405), v9 -5 last tiered (KIP-1005), v10 timeout (KIP-1075), v11 -6 earliest pending upload (KIP-1023). A
//! duplicate partition answers INVALID_REQUEST, a special timestamp newer than the version UNSUPPORTED_VERSION.
//! "latest" and lookups by time wait (bounded) for records that are appended but not flushed yet, so that who got an
//! acknowledgement and then asks for the end sees its record.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use crate::partition::{OffsetFound, OffsetQuery, PartitionError};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest};
use ottla_protocol::generated::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer waits for a flush, where the request names no timeout.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(5);

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: ListOffsetsRequest = decode(&request)?;
    let header = request.header.clone();
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move { respond(&header, &answer(&broker, header.api_version, body).await) })))
}

async fn answer(broker: &Broker, version: i16, body: ListOffsetsRequest) -> ListOffsetsResponse {
    let duplicates = duplicates(&body);
    let wait = match body.timeout_ms {
        timeout if timeout > 0 => Duration::from_millis(timeout as u64).min(FLUSH_WAIT_MAX),
        _ => FLUSH_WAIT_MAX,
    };
    let deadline = broker.runtime().now() + wait;
    let mut topics = Vec::with_capacity(body.topics.len());
    for topic in &body.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let found = match duplicates.contains(&(topic.name.as_str(), asked.partition_index)) {
                true => Err(PartitionError::of(ErrorCode::InvalidRequest, "the partition is named twice")),
                false => find(broker, version, &topic.name, asked, body.isolation_level == 1, deadline).await,
            };
            partitions.push(partition_response(asked.partition_index, found));
        }
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
    deadline: ottla_runtime::Instant,
) -> Result<OffsetFound, PartitionError> {
    let query = OffsetQuery::parse(asked.timestamp, version)?;
    let partition = broker.partitions.by_name(topic, asked.partition_index)?;
    partition.find_offset(query, asked.current_leader_epoch, read_committed, deadline).await
}

fn partition_response(partition_index: i32, found: Result<OffsetFound, PartitionError>) -> ListOffsetsPartitionResponse {
    match found {
        Ok(found) => ListOffsetsPartitionResponse {
            partition_index,
            error_code: 0,
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch: found.leader_epoch,
        },
        Err(error) => ListOffsetsPartitionResponse {
            partition_index,
            error_code: error.code.code(),
            timestamp: -1,
            offset: -1,
            leader_epoch: -1,
        },
    }
}
