//! Encoding a Fetch response: header bytes from the codec, record bytes as file ranges between them.

use super::names_by_id;
use super::read::Answer;
use crate::Broker;
use crate::fetch_session::{Fetching, News, TopicKey};
use crate::handlers::codec::{respond as reply, respond_throttled, respond_with_ranges};
use crate::partition::{PartitionError, ReadOutcome};
use bytes::Bytes;
use ottla_net::Reply;
use ottla_protocol::generated::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};
use ottla_protocol::{Records, RequestHeader};
use ottla_runtime::FileRange;
use ottla_storage::txn_index::AbortedTxn;
use ottla_types::ErrorCode;
use std::sync::PoisonError;

/// First version whose errors name the current leader and its endpoint (KIP-951).
const LEADERS_FROM: i16 = 16;
/// What a partition takes in a response beside its records, about.
const PARTITION_BYTES: u64 = 40;
/// First version whose clients know KAFKA_STORAGE_ERROR; older ones are told what makes them ask again.
const STORAGE_ERROR_FROM: i16 = 6;

/// The answer to a request whose session is not as it says.
pub(super) fn session_error(broker: &Broker, header: &RequestHeader, error: ErrorCode) -> Reply {
    let response = FetchResponse { error_code: error.code(), ..FetchResponse::default() };
    reply(broker, header, &response)
}

/// Completes the session and encodes what it says is to be sent.
pub(super) fn respond(
    broker: &Broker,
    header: &RequestHeader,
    listener: &str,
    fetching: &Fetching,
    answers: Vec<Answer>,
) -> Reply {
    let wait_ms = wait_ms(broker, header, &answers);
    if wait_ms > 0 {
        // The session stays as it was: what was read is asked for again.
        let response = FetchResponse { session_id: fetching.session_id(), ..FetchResponse::default() };
        return respond_throttled(broker, header, &response, wait_ms);
    }
    let news: Vec<News> = answers.iter().map(news).collect();
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
    let sent = fetching.partitions.iter().zip(answers).zip(outcome.send).filter(|(_, send)| *send);
    for ((wanted, answer), _) in sent {
        let data = match answer {
            Ok(outcome) => readable(wanted.key.partition, outcome, &mut ranges),
            Err(error) => failed(wanted.key.partition, header.api_version, &error),
        };
        topic_entry(&mut response.responses, header, &wanted.key.topic).partitions.push(data);
    }
    if header.api_version >= LEADERS_FROM {
        response.node_endpoints = node_endpoints(broker, listener, &response);
    }
    broker.topic_totals().bytes_out.add(ranges.iter().map(|range: &FileRange| range.len).sum());
    respond_with_ranges(broker, header, &response, ranges)
}

/// How long the client has to wait; it then gets no records, as in Kafka.
fn wait_ms(broker: &Broker, header: &RequestHeader, answers: &[Answer]) -> i64 {
    let records: u64 = answers.iter().flatten().map(ReadOutcome::bytes).sum();
    let wait_ms = broker.quotas.request_wait_ms(header);
    wait_ms.max(broker.quotas.fetched(header, records + PARTITION_BYTES * answers.len() as u64))
}

fn news(answer: &Answer) -> News {
    match answer {
        Ok(outcome) => News {
            has_records: outcome.range.is_some(),
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

fn failed(partition_index: i32, version: i16, error: &PartitionError) -> PartitionData {
    let code = match error.code {
        ErrorCode::KafkaStorageError if version < STORAGE_ERROR_FROM => ErrorCode::NotLeaderOrFollower,
        code => code,
    };
    let leader = error.leader.filter(|_| version >= LEADERS_FROM);
    PartitionData {
        partition_index,
        error_code: code.code(),
        high_watermark: -1,
        records: Records::Inline(Bytes::new()),
        current_leader: leader
            .map(|(id, epoch)| LeaderIdAndEpoch { leader_id: id.0, leader_epoch: epoch.0 })
            .unwrap_or_default(),
        aborted_transactions: None,
        ..PartitionData::default()
    }
}

fn readable(partition_index: i32, outcome: ReadOutcome, ranges: &mut Vec<FileRange>) -> PartitionData {
    let records = match outcome.range {
        Some(range) => {
            let len = u32::try_from(range.len).expect("a segment's positions are 31 bits");
            ranges.push(range);
            Records::External { len, index: (ranges.len() - 1) as u32 }
        }
        None => Records::Inline(Bytes::new()),
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
        aborted_transactions: outcome.aborted.map(|aborted| aborted.iter().map(aborted_transaction).collect()),
        records,
        ..PartitionData::default()
    }
}

fn aborted_transaction(aborted: &AbortedTxn) -> AbortedTransaction {
    AbortedTransaction { producer_id: aborted.producer_id.0, first_offset: aborted.first_offset }
}

fn node_endpoints(broker: &Broker, listener: &str, response: &FetchResponse) -> Vec<NodeEndpoint> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let leaders = partitions.map(|partition| partition.current_leader.leader_id);
    let endpoints = broker.endpoints_of(leaders, listener).into_iter();
    endpoints.map(|e| NodeEndpoint { node_id: e.node_id, host: e.host, port: e.port, rack: e.rack }).collect()
}
