//! One connection of the floor: requests in turn, each answered before the next is read.

use super::log::{Log, Logs};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use ottla_protocol::{
    AnyResponse, ApiKey, ApiVersionsResponse, DescribeConfigsRequest, DescribeConfigsResponse, Encoded, FetchRequest,
    FetchResponse, InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse, Message, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse, Reader, Records, RequestHeader,
    api_versions_response::ApiVersion, describe_configs_response::DescribeConfigsResult, fetch_response, frame,
    list_offsets_response, metadata_response, produce_response,
};
use ottla_types::Uuid;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

const NODE_ID: i32 = 1;
/// What is answered, in which versions: the last ones in which topics have names.
const SERVED: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 3, 12),
    (ApiKey::Fetch, 4, 12),
    (ApiKey::ListOffsets, 1, 7),
    (ApiKey::Metadata, 0, 12),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::InitProducerId, 0, 4),
    (ApiKey::DescribeConfigs, 1, 4),
];
static NEXT_PRODUCER_ID: AtomicI64 = AtomicI64::new(1);

/// A stretch of a file that is sent behind the header of its partition.
struct Part {
    log: Arc<Log>,
    position: u64,
    len: u64,
}

/// Answers until the client goes.
pub(super) fn serve(mut stream: TcpStream, address: SocketAddr, logs: &Logs) -> Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut size = [0; 4];
        match stream.read_exact(&mut size) {
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                return Ok(());
            }
            other => other?,
        }
        let mut body = vec![0; u32::from_be_bytes(size) as usize];
        stream.read_exact(&mut body)?;
        let body = Bytes::from(body);
        let mut reader = Reader::new(&body);
        let header = RequestHeader::decode(&mut reader)?;
        let (version, rest) = (header.api_version, reader.rest());
        let mut parts = Vec::new();
        let response = match header.api_key {
            ApiKey::ApiVersions => AnyResponse::ApiVersions(api_versions(version)),
            ApiKey::Metadata => AnyResponse::Metadata(metadata(&rest, version, address, logs)?),
            ApiKey::InitProducerId => AnyResponse::InitProducerId(InitProducerIdResponse {
                producer_id: NEXT_PRODUCER_ID.fetch_add(1, Ordering::Relaxed),
                ..InitProducerIdResponse::default()
            }),
            ApiKey::DescribeConfigs => AnyResponse::DescribeConfigs(describe_configs(&rest, version)?),
            ApiKey::ListOffsets => AnyResponse::ListOffsets(list_offsets(&rest, version, logs)?),
            ApiKey::Produce => {
                let request = ProduceRequest::decode(&mut Reader::new(&rest), version)?;
                let response = produce(&request, logs)?;
                if request.acks == 0 {
                    continue;
                }
                AnyResponse::Produce(response)
            }
            ApiKey::Fetch => AnyResponse::Fetch(fetch(&rest, version, logs, &mut parts)?),
            other => bail!("{} is not answered here", other.name()),
        };
        // A version that is not known is answered in the first (KIP-511).
        let version = if header.api_key == ApiKey::ApiVersions && version > 4 { 0 } else { version };
        send(&mut stream, &frame::any_response(&response, version, header.correlation_id)?, &parts)?;
    }
}

fn send(stream: &mut TcpStream, encoded: &Encoded, parts: &[Part]) -> Result<()> {
    let mut sent = 0;
    for splice in &encoded.splices {
        stream.write_all(&encoded.buf[sent..splice.position])?;
        sent = splice.position;
        let part = &parts[splice.index as usize];
        send_file(stream, &part.log.file, part.position, part.len)?;
    }
    stream.write_all(&encoded.buf[sent..])?;
    Ok(())
}

fn send_file(stream: &TcpStream, file: &File, mut position: u64, mut left: u64) -> Result<()> {
    while left > 0 {
        let sent = rustix::fs::sendfile(stream, file, Some(&mut position), left as usize)?;
        left -= sent as u64;
    }
    Ok(())
}

fn api_versions(version: i16) -> ApiVersionsResponse {
    let row =
        |(key, min, max): &(ApiKey, i16, i16)| ApiVersion { api_key: key.code(), min_version: *min, max_version: *max };
    ApiVersionsResponse {
        error_code: if version > 4 { ottla_types::ErrorCode::UnsupportedVersion.code() } else { 0 },
        api_keys: SERVED.iter().map(row).collect(),
        ..ApiVersionsResponse::default()
    }
}

fn metadata(body: &Bytes, version: i16, address: SocketAddr, logs: &Logs) -> Result<MetadataResponse> {
    let request = MetadataRequest::decode(&mut Reader::new(body), version)?;
    let partition = |partition_index| metadata_response::MetadataResponsePartition {
        partition_index,
        leader_id: NODE_ID,
        replica_nodes: vec![NODE_ID],
        isr_nodes: vec![NODE_ID],
        ..Default::default()
    };
    let topic = |name: Option<String>| metadata_response::MetadataResponseTopic {
        topic_id: name.as_deref().map_or(Uuid::ZERO, id_of),
        name,
        partitions: (0..logs.partitions).map(partition).collect(),
        ..Default::default()
    };
    Ok(MetadataResponse {
        brokers: vec![metadata_response::MetadataResponseBroker {
            node_id: NODE_ID,
            host: address.ip().to_string(),
            port: i32::from(address.port()),
            ..Default::default()
        }],
        cluster_id: Some("floor".to_string()),
        controller_id: NODE_ID,
        topics: request.topics.unwrap_or_default().into_iter().map(|row| topic(row.name)).collect(),
        ..MetadataResponse::default()
    })
}

/// Nothing is configured.
fn describe_configs(body: &Bytes, version: i16) -> Result<DescribeConfigsResponse> {
    let request = DescribeConfigsRequest::decode(&mut Reader::new(body), version)?;
    let results = request.resources.into_iter().map(|row| DescribeConfigsResult {
        resource_type: row.resource_type,
        resource_name: row.resource_name,
        ..DescribeConfigsResult::default()
    });
    Ok(DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() })
}

/// The same name has the same id, and no two names that anybody measures with share one.
fn id_of(name: &str) -> Uuid {
    let mut id = [1; 16];
    id[12..].copy_from_slice(&crc32c::crc32c(name.as_bytes()).to_be_bytes());
    Uuid(id)
}

fn list_offsets(body: &Bytes, version: i16, logs: &Logs) -> Result<ListOffsetsResponse> {
    let request = ListOffsetsRequest::decode(&mut Reader::new(body), version)?;
    let mut topics = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for row in topic.partitions {
            let log = logs.get(&topic.name, row.partition_index)?;
            partitions.push(list_offsets_response::ListOffsetsPartitionResponse {
                partition_index: row.partition_index,
                // -2 is the earliest.
                offset: if row.timestamp == -2 { 0 } else { log.end_offset() },
                leader_epoch: -1,
                timestamp: -1,
                ..Default::default()
            });
        }
        topics.push(list_offsets_response::ListOffsetsTopicResponse { name: topic.name, partitions });
    }
    Ok(ListOffsetsResponse { topics, ..ListOffsetsResponse::default() })
}

fn produce(request: &ProduceRequest, logs: &Logs) -> Result<ProduceResponse> {
    let mut responses = Vec::new();
    for topic in &request.topic_data {
        let mut partition_responses = Vec::new();
        for row in &topic.partition_data {
            let records = row.records.bytes().context("a produce request without records")?;
            let base_offset = logs.get(&topic.name, row.index)?.append(records)?;
            partition_responses.push(produce_response::PartitionProduceResponse {
                index: row.index,
                base_offset,
                log_append_time_ms: -1,
                ..Default::default()
            });
        }
        let name = topic.name.clone();
        responses.push(produce_response::TopicProduceResponse { name, partition_responses, ..Default::default() });
    }
    logs.note_append();
    Ok(ProduceResponse { responses, ..ProduceResponse::default() })
}

fn fetch(body: &Bytes, version: i16, logs: &Logs, parts: &mut Vec<Part>) -> Result<FetchResponse> {
    let request = FetchRequest::decode(&mut Reader::new(body), version)?;
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    loop {
        let response = look(&request, logs, parts)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if !parts.is_empty() || left.is_zero() {
            return Ok(response);
        }
        logs.wait(left);
    }
}

fn look(request: &FetchRequest, logs: &Logs, parts: &mut Vec<Part>) -> Result<FetchResponse> {
    let mut left = u64::try_from(request.max_bytes).unwrap_or(0);
    let mut responses = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for row in &topic.partitions {
            let log = logs.get(&topic.topic, row.partition)?;
            let most = left.min(u64::try_from(row.partition_max_bytes).unwrap_or(0));
            let found = if left == 0 { None } else { log.find(row.fetch_offset, most) };
            let end_offset = log.end_offset();
            let records = match found {
                None => Records::Inline(Bytes::new()),
                Some((position, len)) => {
                    left = left.saturating_sub(len);
                    parts.push(Part { log, position, len });
                    Records::External { len: u32::try_from(len)?, index: parts.len() as u32 - 1 }
                }
            };
            partitions.push(fetch_response::PartitionData {
                partition_index: row.partition,
                high_watermark: end_offset,
                last_stable_offset: end_offset,
                preferred_read_replica: -1,
                records,
                ..Default::default()
            });
        }
        let topic = topic.topic.clone();
        responses.push(fetch_response::FetchableTopicResponse { topic, partitions, ..Default::default() });
    }
    Ok(FetchResponse { responses, ..FetchResponse::default() })
}
