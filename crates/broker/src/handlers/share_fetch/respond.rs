//! The answer of a ShareFetch: records, and how the acknowledgements went, by partition.

use crate::Broker;
use crate::handlers::codec;
use crate::partition::PartitionError;
use crate::share::Fetched;
use ottla_net::Reply;
use ottla_protocol::generated::share_fetch_response::{
    AcquiredRecords, LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareFetchResponse, ShareFetchableTopicResponse,
};
use ottla_protocol::{Records, RequestHeader};
use ottla_share::{SessionKey, TopicIdPartition};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a partition of an answer weighs beside its records, about: enough to measure a client's rate.
const PARTITION_BYTES: u64 = 40;

/// A request that is refused as a whole.
pub(super) fn refused(broker: &Broker, header: &RequestHeader, error: ErrorCode, message: &str) -> Reply {
    let response = ShareFetchResponse {
        error_code: error.code(),
        error_message: Some(message.to_string()),
        ..ShareFetchResponse::default()
    };
    codec::respond(broker, header, &response)
}

/// Sends the answer to a client that waits for at least `wait_ms`: longer, if this answer brings it above its quota.
pub(super) fn respond(broker: &Broker, header: &RequestHeader, answer: &ShareFetchResponse, wait_ms: i64) -> Reply {
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let (bytes, count) = partitions.fold((0, 0), |(bytes, count), data| (bytes + data.records.len() as u64, count + 1));
    broker.topic_totals().bytes_out.add(bytes);
    let wait_ms = match wait_ms {
        0 => broker.quotas.share_fetched(header, bytes + PARTITION_BYTES * count),
        waits_already => waits_already,
    };
    codec::respond_throttled(broker, header, answer, wait_ms)
}

/// Partitions with records, errors or acknowledgements, and those that the session owes the client an answer about; the others
/// are left out.
pub(super) fn answer(
    broker: &Arc<Broker>,
    listener: &str,
    (key, epoch): (&SessionKey, i32),
    places: Vec<TopicIdPartition>,
    fetched: Vec<Fetched>,
    acknowledged: Vec<(TopicIdPartition, Result<(), PartitionError>)>,
) -> ShareFetchResponse {
    let mut by_place: BTreeMap<TopicIdPartition, PartitionData> = BTreeMap::new();
    let read = places.iter().zip(&fetched).filter(|(_, fetched)| fetched.is_read || fetched.error.is_some());
    let read = read.map(|(place, fetched)| (*place, fetched.error.is_some()));
    let named = broker.share_partitions().must_name(key, epoch, read);
    for (place, fetched) in places.into_iter().zip(fetched) {
        if !fetched.records.is_empty()
            && let Ok(partition) = broker.partitions.by_id(place.0, place.1)
        {
            partition.count_fetched(fetched.records.len() as u64);
        }
        if named.contains(&place) || !fetched.acquired.is_empty() {
            by_place.insert(place, data(place.1, fetched));
        }
    }
    for (place, result) in acknowledged {
        let data = by_place.entry(place).or_insert_with(|| data(place.1, Fetched::default()));
        if let Err(error) = result {
            data.acknowledge_error_code = error.code.code();
            data.acknowledge_error_message = Some(error.message.into_owned());
        }
    }
    let lock_ms = broker.share_partitions().settings(&key.group_id).limits.lock_duration_ms;
    let mut response = ShareFetchResponse {
        acquisition_lock_timeout_ms: i32::try_from(lock_ms).unwrap_or(i32::MAX),
        ..ShareFetchResponse::default()
    };
    let leaders: Vec<i32> = by_place.values().map(|data| data.current_leader.leader_id).collect();
    for ((topic_id, _), data) in by_place {
        match response.responses.last_mut().filter(|topic| topic.topic_id == topic_id) {
            Some(topic) => topic.partitions.push(data),
            None => response.responses.push(ShareFetchableTopicResponse { topic_id, partitions: vec![data] }),
        }
    }
    let endpoints = broker.endpoints_of(leaders.into_iter(), listener).into_iter();
    response.node_endpoints =
        endpoints.map(|e| NodeEndpoint { node_id: e.node_id, host: e.host, port: e.port, rack: e.rack }).collect();
    response
}

fn data(partition_index: i32, fetched: Fetched) -> PartitionData {
    let acquired = fetched.acquired.iter().map(|records| AcquiredRecords {
        first_offset: records.first_offset,
        last_offset: records.last_offset,
        delivery_count: records.delivery_count,
    });
    let no_leader = LeaderIdAndEpoch { leader_id: -1, leader_epoch: -1 };
    let mut data = PartitionData {
        partition_index,
        acquired_records: acquired.collect(),
        records: Records::Inline(fetched.records),
        current_leader: no_leader,
        ..PartitionData::default()
    };
    if let Some(error) = fetched.error {
        data.error_code = error.code.code();
        if let Some((id, epoch)) = error.leader {
            data.current_leader = LeaderIdAndEpoch { leader_id: id.0, leader_epoch: epoch.0 };
        }
        data.error_message = Some(error.message.into_owned());
    }
    data
}
