//! Encoding a Fetch response: header bytes from the codec, record bytes as file ranges between them.

use super::names_by_id;
use super::read::Answer;
use crate::Broker;
use crate::fetch_session::{Fetching, News, PartitionKey, TopicKey};
use crate::handlers::codec::{Handled, respond as reply, respond_with_ranges};
use crate::partition::ReadOutcome;
use ottla_net::{Outcome, Reply};
use ottla_protocol::generated::fetch_response::{
    EpochEndOffset, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use ottla_protocol::{Records, RequestHeader};
use ottla_runtime::FileRange;
use ottla_types::ErrorCode;
use std::sync::PoisonError;

/// First version whose errors name the current leader and its endpoint (KIP-951).
const NODE_ENDPOINTS_FROM: i16 = 16;

/// The answer to a request whose session is not as it says.
pub(super) fn session_error(header: &RequestHeader, error: ErrorCode) -> Handled {
    let response = FetchResponse { error_code: error.code(), ..FetchResponse::default() };
    Ok(Outcome::Reply(reply(header, &response)))
}

/// Completes the session and encodes what it says is to be sent.
pub(super) fn respond(
    broker: &Broker,
    header: &RequestHeader,
    listener: &str,
    fetching: Fetching,
    answers: Vec<Answer>,
) -> Reply {
    let news: Vec<(PartitionKey, News)> = answers.iter().map(|a| (a.wanted.key.clone(), news(a))).collect();
    let runtime = broker.runtime();
    let outcome = broker.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner).complete(
        runtime.wall_clock_ms(),
        fetching,
        &news,
        || runtime.random_u64() as i32,
    );
    let mut ranges = Vec::new();
    let mut response =
        FetchResponse { error_code: outcome.error.code(), session_id: outcome.session_id, ..FetchResponse::default() };
    let mut misdirected = false;
    for (answer, _) in answers.into_iter().zip(outcome.send).filter(|(_, send)| *send) {
        misdirected |= answer.result.as_ref().is_err_and(|e| e.code == ErrorCode::NotLeaderOrFollower);
        let data = partition_data(&answer, &mut ranges);
        let topic = topic_entry(&mut response.responses, header, &answer.wanted.key.topic);
        topic.partitions.push(data);
    }
    if misdirected && header.api_version >= NODE_ENDPOINTS_FROM {
        response.node_endpoints = node_endpoints(broker, listener, &response);
    }
    broker.metrics().fetch_bytes.add(ranges.iter().map(|range: &FileRange| range.len).sum());
    respond_with_ranges(header, header.api_version, &response, &ranges)
}

fn news(answer: &Answer) -> News {
    match &answer.result {
        Ok(outcome) => News {
            has_records: outcome.bytes > 0,
            is_error: false,
            high_watermark: outcome.high_watermark,
            log_start_offset: outcome.log_start_offset,
            redirects: outcome.diverging_epoch.is_some(),
        },
        Err(_) => {
            News { has_records: false, is_error: true, high_watermark: -1, log_start_offset: -1, redirects: false }
        }
    }
}

/// Partitions of one topic that follow one another share an entry.
fn topic_entry<'a>(
    topics: &'a mut Vec<FetchableTopicResponse>,
    header: &RequestHeader,
    key: &TopicKey,
) -> &'a mut FetchableTopicResponse {
    let is_same = topics.last().is_some_and(|last| match key {
        TopicKey::Id(id) => last.topic_id == *id,
        TopicKey::Name(name) => !names_by_id(header) && last.topic == **name,
    });
    if !is_same {
        let mut topic = FetchableTopicResponse::default();
        match key {
            TopicKey::Id(id) => topic.topic_id = *id,
            TopicKey::Name(name) => topic.topic = name.to_string(),
        }
        topics.push(topic);
    }
    let last = topics.len() - 1;
    &mut topics[last]
}

fn partition_data(answer: &Answer, ranges: &mut Vec<FileRange>) -> PartitionData {
    let partition_index = answer.wanted.key.partition;
    match &answer.result {
        Ok(outcome) => readable(partition_index, outcome, ranges),
        Err(error) => PartitionData {
            partition_index,
            error_code: error.code.code(),
            high_watermark: -1,
            records: Records::Inline(bytes::Bytes::new()),
            current_leader: error
                .leader
                .map(|(leader_id, leader_epoch)| LeaderIdAndEpoch { leader_id: leader_id.0, leader_epoch: leader_epoch.0 })
                .unwrap_or_default(),
            aborted_transactions: None,
            ..PartitionData::default()
        },
    }
}

fn readable(partition_index: i32, outcome: &ReadOutcome, ranges: &mut Vec<FileRange>) -> PartitionData {
    let records = match &outcome.range {
        Some(range) => {
            ranges.push(range.clone());
            Records::External { len: range.len as u32, index: (ranges.len() - 1) as u32 }
        }
        None => Records::Inline(bytes::Bytes::new()),
    };
    PartitionData {
        partition_index,
        high_watermark: outcome.high_watermark,
        last_stable_offset: outcome.last_stable_offset,
        log_start_offset: outcome.log_start_offset,
        diverging_epoch: outcome
            .diverging_epoch
            .map(|(epoch, end_offset)| EpochEndOffset { epoch: epoch.0, end_offset })
            .unwrap_or_default(),
        aborted_transactions: outcome.read_committed.then(Vec::new),
        records,
        ..PartitionData::default()
    }
}

fn node_endpoints(broker: &Broker, listener: &str, response: &FetchResponse) -> Vec<NodeEndpoint> {
    let mut ids: Vec<i32> =
        response.responses.iter().flat_map(|t| &t.partitions).map(|p| p.current_leader.leader_id).collect();
    ids.sort_unstable();
    ids.dedup();
    broker
        .endpoints_of(&ids, listener)
        .into_iter()
        .map(|e| NodeEndpoint { node_id: e.node_id, host: e.host, port: e.port, rack: e.rack })
        .collect()
}
