//! Requests to typed bodies, and typed bodies to responses, as the broker's handlers do it.

use super::batches::Shape;
use super::measure::Prepared;
use bytes::Bytes;
use ottla_protocol::fetch_request::{FetchPartition, FetchRequestRef, FetchTopic};
use ottla_protocol::fetch_response::{FetchableTopicResponse, PartitionData};
use ottla_protocol::produce_request::{PartitionProduceData, ProduceRequestRef, TopicProduceData};
use ottla_protocol::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use ottla_protocol::{
    ApiKey, FetchRequest, FetchResponse, Message, ProduceRequest, ProduceResponse, Reader, Records, Request,
    RequestHeader, frame,
};
use ottla_records::Compression;
use ottla_types::Uuid;
use std::hint::black_box;

const TOPIC_ID: Uuid = Uuid([7; 16]);
const CLIENT_ID: &str = "a-client";
const SESSION_ID: i32 = 7;

/// A produce request of one topic with a batch for each partition.
pub(super) fn decode_produce(partitions: i32, shape: Shape) -> Prepared {
    let batch = shape.batch(Compression::None).to_bytes();
    let partition = |index| PartitionProduceData { index, records: Records::Inline(batch.clone()) };
    let topic = TopicProduceData {
        topic_id: TOPIC_ID,
        partition_data: (0..partitions).map(partition).collect(),
        ..TopicProduceData::default()
    };
    let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..ProduceRequest::default() };
    let decoded = decode(&request, |reader, version| {
        black_box(ProduceRequestRef::decode(reader, version).expect("the request is good"));
    });
    // Nobody looks at the records: they stay in the frame.
    Prepared { bytes: 0, ..decoded }
}

/// A fetch request of a session that changes so many of its partitions.
pub(super) fn decode_fetch(partitions: i32) -> Prepared {
    let partition = |partition| FetchPartition {
        partition,
        current_leader_epoch: 3,
        fetch_offset: 1_000_000,
        partition_max_bytes: 1024 * 1024,
        ..FetchPartition::default()
    };
    let topic = FetchTopic {
        topic_id: TOPIC_ID,
        partitions: (0..partitions).map(partition).collect(),
        ..FetchTopic::default()
    };
    let request = FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 50 * 1024 * 1024,
        session_id: SESSION_ID,
        session_epoch: 2,
        topics: vec![topic],
        ..FetchRequest::default()
    };
    decode(&request, |reader, version| {
        black_box(FetchRequestRef::decode(reader, version).expect("the request is good"));
    })
}

/// The header, then the body, which begins where the header ends.
fn decode<R: Request>(request: &R, body: impl Fn(&mut Reader<'_>, i16) + 'static) -> Prepared {
    let encoded = frame::request(request, R::MAX_VERSION, 1, Some(CLIENT_ID)).expect("the request is good");
    let frame = encoded.buf.slice(frame::SIZE_LEN..);
    Prepared::new(frame.len(), move || {
        let mut reader = Reader::new(black_box(&frame));
        let header = black_box(RequestHeader::decode(&mut reader).expect("the header is good"));
        let rest = reader.rest();
        body(&mut Reader::new(&rest), header.api_version);
    })
}

/// The answer to [`decode_produce`].
pub(super) fn encode_produce(partitions: i32) -> Prepared {
    encode(ApiKey::Produce, move || {
        let partition = |index| PartitionProduceResponse {
            index,
            base_offset: 1_000_000,
            log_append_time_ms: -1,
            ..PartitionProduceResponse::default()
        };
        let topic = TopicProduceResponse {
            topic_id: TOPIC_ID,
            partition_responses: (0..partitions).map(partition).collect(),
            ..TopicProduceResponse::default()
        };
        ProduceResponse { responses: vec![topic], ..ProduceResponse::default() }
    })
}

/// The answer to a fetch in a session where so many partitions have news, but no records.
pub(super) fn encode_fetch(partitions: i32) -> Prepared {
    encode(ApiKey::Fetch, move || {
        let partition = |partition_index| PartitionData {
            partition_index,
            high_watermark: 1_000_000,
            last_stable_offset: 1_000_000,
            records: Records::Inline(Bytes::new()),
            ..PartitionData::default()
        };
        let topics = (partitions > 0).then(|| FetchableTopicResponse {
            topic_id: TOPIC_ID,
            partitions: (0..partitions).map(partition).collect(),
            ..FetchableTopicResponse::default()
        });
        let responses = topics.into_iter().collect();
        FetchResponse { session_id: SESSION_ID, responses, ..FetchResponse::default() }
    })
}

/// A response, made and encoded.
fn encode<M: Message>(key: ApiKey, body: impl Fn() -> M + 'static) -> Prepared {
    let encode = move || frame::response(&body(), key, M::MAX_VERSION, 1).expect("the response is good");
    Prepared::new(encode().len(), move || {
        black_box(encode());
    })
}
