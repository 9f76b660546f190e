//! A broker that keeps everything in memory and misbehaves when told to.

use crate::group_broker::{self, Groups};
use crate::share_broker::{self, Sharing};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ottla_client::{Client, ClientOptions};
use ottla_net::{BoundServer, Handler, ListenerConfig, NetConfig, Outcome, Request, Server};
use ottla_protocol::api_versions_response::ApiVersion;
use ottla_protocol::create_topics_response::CreatableTopicResult;
use ottla_protocol::delete_topics_response::DeletableTopicResult;
use ottla_protocol::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use ottla_protocol::describe_topic_partitions_response::{
    Cursor as NextCursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ottla_protocol::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::fetch_response::{FetchableTopicResponse, PartitionData};
use ottla_protocol::find_coordinator_response::Coordinator;
use ottla_protocol::incremental_alter_configs_response::AlterConfigsResourceResponse;
use ottla_protocol::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use ottla_protocol::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use ottla_protocol::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use ottla_protocol::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use ottla_protocol::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use ottla_protocol::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use ottla_protocol::{
    AnyRequest, AnyResponse, ApiKey, ApiVersionsResponse, CreatePartitionsResponse, CreateTopicsRequest,
    CreateTopicsResponse, DeleteTopicsResponse, DescribeConfigsResponse, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, FetchResponse, FindCoordinatorResponse, IncrementalAlterConfigsResponse,
    InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, OffsetForLeaderEpochResponse, ProduceResponse,
    Records, frame, versions,
};
use ottla_records::BatchHeader;
use ottla_runtime::Runtime;
use ottla_runtime::sim::World;
use ottla_telemetry::NetMetrics;
use ottla_types::{ErrorCode, LeaderEpoch, Uuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

/// What happens to the next Produce requests, one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is handled.
    Fine,
    /// The connection ends before it is handled.
    LoseRequest,
    /// It is handled, and the connection ends before the answer.
    LoseAnswer,
    /// It is answered with this code, not handled.
    Refuse(ErrorCode),
    /// It is never answered.
    Silence,
}

#[derive(Default)]
pub(crate) struct Topic {
    pub(crate) partitions: Vec<Partition>,
    pub(crate) configs: BTreeMap<String, String>,
}

#[derive(Default)]
pub(crate) struct Partition {
    pub(crate) batches: Vec<Bytes>,
    pub(crate) end: i64,
    /// By producer id and epoch: the next sequence, and the offset of every batch by its first sequence.
    producers: BTreeMap<(i64, i16), (i32, BTreeMap<i32, i64>)>,
}

#[derive(Default)]
pub(crate) struct Inside {
    pub(crate) topics: BTreeMap<String, Topic>,
    pub(crate) fates: VecDeque<Fate>,
    /// ApiVersions above this is answered as an old broker does.
    pub(crate) api_versions_max: Option<i16>,
    /// Offset and leader epoch by group, topic and partition.
    pub(crate) committed: BTreeMap<(String, String, i32), (i64, i32)>,
    pub(crate) next_producer_id: i64,
    pub(crate) metadata_requests: usize,
    pub(crate) sharing: Sharing,
    pub(crate) groups: Groups,
    /// `auto.create.topics.enable`; a topic that is made is there with the next request.
    pub(crate) makes_topics: bool,
    /// What happens to the next requests of administration.
    pub(crate) admin_fates: VecDeque<Fate>,
    /// Partitions that were asked for in each ListOffsets.
    pub(crate) listed: Vec<usize>,
    /// Partitions whose offsets another broker must be asked for, the next time.
    pub(crate) moved: BTreeSet<(String, i32)>,
    /// DescribeTopicPartitions requests.
    pub(crate) pages: usize,
    /// Brokers of the partitions that were made last, and whether it was meant.
    pub(crate) made: (Option<Vec<Vec<i32>>>, bool),
}

pub(crate) struct FakeBroker {
    host: String,
    port: Mutex<i32>,
    pub(crate) inside: Mutex<Inside>,
}

pub(crate) async fn start(runtime: &Runtime, host: &str) -> (Server, Arc<FakeBroker>, String) {
    let config = NetConfig::new(vec![ListenerConfig::new("PLAINTEXT", "0.0.0.0:0")]);
    let bound = BoundServer::bind(runtime, config).await.unwrap();
    let port = bound.local_addr("PLAINTEXT").unwrap().port();
    let (port_cell, inside) = (Mutex::new(i32::from(port)), Mutex::default());
    let broker = Arc::new(FakeBroker { host: host.to_string(), port: port_cell, inside });
    (bound.serve(broker.clone(), NetMetrics::default()), broker, format!("{host}:{port}"))
}

/// A broker on node `broker` with topic `events` of two partitions, and a client on node `client`.
pub(crate) async fn broker_and_client(world: &World) -> (Server, Arc<FakeBroker>, Client) {
    let (server, broker, address) = start(&world.node("broker"), "broker").await;
    broker.add_topic("events", 2);
    let client = Client::new(&world.node("client"), &address, ClientOptions::default()).unwrap();
    (server, broker, client)
}

impl FakeBroker {
    pub(crate) fn add_topic(&self, name: &str, partitions: usize) {
        let mut topic = Topic::default();
        topic.partitions.resize_with(partitions, Partition::default);
        self.inside.lock().unwrap().topics.insert(name.to_string(), topic);
    }

    pub(crate) fn grow_topic(&self, name: &str, partitions: usize) {
        let mut inside = self.inside.lock().unwrap();
        inside.topics.get_mut(name).unwrap().partitions.resize_with(partitions, Partition::default);
    }

    /// All batches of a partition in a row.
    pub(crate) fn log(&self, topic: &str, partition: usize) -> Bytes {
        self.inside.lock().unwrap().topics[topic].partitions[partition].batches.concat().into()
    }

    pub(crate) fn fates(&self, fates: &[Fate]) {
        self.inside.lock().unwrap().fates.extend(fates);
    }

    fn answer(&self, request: Request) -> Outcome {
        let header = &request.header;
        let (api, version, correlation_id) = (header.api_key, header.api_version, header.correlation_id);
        let mut inside = self.inside.lock().unwrap();
        if api == ApiKey::ApiVersions {
            let (response, version) = api_versions(&inside, version);
            return Outcome::Reply(frame::response(&response, api, version, correlation_id).unwrap().into());
        }
        let fates = match api {
            ApiKey::Produce => Some(&mut inside.fates),
            ApiKey::CreateTopics | ApiKey::DescribeConfigs | ApiKey::ListGroups => Some(&mut inside.admin_fates),
            _ => None,
        };
        let fate = fates.and_then(VecDeque::pop_front).unwrap_or(Fate::Fine);
        if fate == Fate::LoseRequest {
            return Outcome::Close { reason: "the request is lost".to_string() };
        }
        let decoded = AnyRequest::decode(api, version, &request.body).unwrap();
        let response = self.respond(&mut inside, decoded.clone(), fate);
        match fate {
            _ if expects_no_answer(&decoded) => Outcome::NoReply,
            Fate::LoseAnswer => Outcome::Close { reason: "the answer is lost".to_string() },
            Fate::Silence => Outcome::Later(std::future::pending().boxed()),
            _ => Outcome::Reply(frame::any_response(&response, version, correlation_id).unwrap().into()),
        }
    }

    fn respond(&self, inside: &mut Inside, request: AnyRequest, fate: Fate) -> AnyResponse {
        match request {
            AnyRequest::Metadata(request) => {
                inside.metadata_requests += 1;
                let asked = request.topics.map(|topics| topics.into_iter().filter_map(|t| t.name).collect::<Vec<_>>());
                let names = asked.unwrap_or_else(|| inside.topics.keys().cloned().collect());
                let topics = names.iter().map(|name| metadata_topic(name, inside.topics.get(name))).collect();
                if inside.makes_topics && request.allow_auto_topic_creation {
                    for name in names {
                        let partitions = vec![Partition::default()];
                        inside.topics.entry(name).or_insert(Topic { partitions, ..Topic::default() });
                    }
                }
                let (host, port) = (self.host.clone(), *self.port.lock().unwrap());
                let brokers = vec![MetadataResponseBroker { node_id: 0, host, port, rack: None }];
                MetadataResponse { brokers, controller_id: 0, topics, ..Default::default() }.into()
            }
            AnyRequest::Produce(request) => {
                let responses = request.topic_data.iter().map(|topic| produce_topic(inside, topic, fate)).collect();
                ProduceResponse { responses, ..Default::default() }.into()
            }
            AnyRequest::Fetch(request) => {
                let responses = request.topics.iter().map(|topic| fetch_topic(inside, topic)).collect();
                FetchResponse { responses, ..Default::default() }.into()
            }
            AnyRequest::ListOffsets(request) => list_offsets(inside, &request),
            AnyRequest::DescribeTopicPartitions(request) => describe_topic_partitions(inside, &request),
            AnyRequest::FindCoordinator(request) => {
                let (key, host, port) =
                    (request.coordinator_keys[0].clone(), self.host.clone(), *self.port.lock().unwrap());
                let coordinator = Coordinator { key, node_id: 0, host, port, ..Default::default() };
                FindCoordinatorResponse { coordinators: vec![coordinator], ..Default::default() }.into()
            }
            AnyRequest::OffsetForLeaderEpoch(request) => {
                let topic = &request.topics[0];
                let wanted = &topic.partitions[0];
                let end_offset = inside.topics[&topic.topic].partitions[wanted.partition as usize].end;
                let (partition, leader_epoch) = (wanted.partition, wanted.leader_epoch);
                let found = EpochEndOffset { error_code: 0, partition, leader_epoch, end_offset };
                let topic = OffsetForLeaderTopicResult { topic: topic.topic.clone(), partitions: vec![found] };
                OffsetForLeaderEpochResponse { topics: vec![topic], ..Default::default() }.into()
            }
            AnyRequest::OffsetCommit(request) => offset_commit(inside, &request),
            AnyRequest::OffsetFetch(request) => offset_fetch(inside, &request),
            AnyRequest::JoinGroup(request) => group_broker::join(inside, &request),
            AnyRequest::SyncGroup(request) => group_broker::sync(&request),
            AnyRequest::Heartbeat(_) => group_broker::heartbeat(),
            AnyRequest::LeaveGroup(_) => group_broker::leave(inside),
            AnyRequest::ConsumerGroupHeartbeat(request) => group_broker::beat(inside, &request),
            AnyRequest::ShareGroupHeartbeat(request) => share_broker::heartbeat(inside, topic_id("events"), &request),
            AnyRequest::ShareFetch(request) => share_broker::fetch(inside, topic_id("events"), &request),
            AnyRequest::ShareAcknowledge(request) => share_broker::acknowledge(inside, topic_id("events"), &request),
            AnyRequest::InitProducerId(_) => {
                inside.next_producer_id += 1;
                let producer_id = inside.next_producer_id;
                InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() }.into()
            }
            other => administer(inside, other),
        }
    }
}

impl Handler for FakeBroker {
    fn call(&self, request: Request) -> BoxFuture<'_, Outcome> {
        async move { self.answer(request) }.boxed()
    }
}

impl Partition {
    fn append(&mut self, batch: Bytes) -> Result<i64, ErrorCode> {
        let header = BatchHeader::parse(&batch).unwrap();
        if header.has_producer_id() {
            let (next, seen) = self.producers.entry((header.producer_id.0, header.producer_epoch.0)).or_default();
            if let Some(offset) = seen.get(&header.base_sequence) {
                return Ok(*offset);
            }
            if header.base_sequence != *next {
                return Err(ErrorCode::OutOfOrderSequenceNumber);
            }
            *next += header.record_count;
            seen.insert(header.base_sequence, self.end);
        }
        let mut stamped = batch.to_vec();
        ottla_records::stamp(stamped.first_chunk_mut().unwrap(), self.end, LeaderEpoch(0));
        let base_offset = self.end;
        self.end += i64::from(header.record_count);
        self.batches.push(stamped.into());
        Ok(base_offset)
    }

    fn read(&self, partition_index: i32, offset: i64) -> PartitionData {
        let wanted = self.batches.iter().filter(|batch| BatchHeader::parse(batch).unwrap().last_offset() >= offset);
        let batches: Bytes = wanted.cloned().collect::<Vec<_>>().concat().into();
        let error = if (0..=self.end).contains(&offset) { ErrorCode::None } else { ErrorCode::OffsetOutOfRange };
        PartitionData {
            partition_index,
            error_code: error.code(),
            high_watermark: self.end,
            last_stable_offset: self.end,
            log_start_offset: 0,
            preferred_read_replica: -1,
            records: Records::Inline(batches),
            ..Default::default()
        }
    }
}

fn fetch_topic(inside: &Inside, topic: &FetchTopic) -> FetchableTopicResponse {
    let name = inside.topics.keys().find(|name| **name == topic.topic || topic_id(name) == topic.topic_id);
    let read = |wanted: &FetchPartition| match name.and_then(|name| inside.topics.get(name)) {
        Some(topic) => topic.partitions[wanted.partition as usize].read(wanted.partition, wanted.fetch_offset),
        None => PartitionData {
            partition_index: wanted.partition,
            error_code: ErrorCode::UnknownTopicId.code(),
            records: Records::Inline(Bytes::new()),
            ..Default::default()
        },
    };
    let partitions = topic.partitions.iter().map(read).collect();
    FetchableTopicResponse { topic: topic.topic.clone(), topic_id: topic.topic_id, partitions }
}

fn offset_commit(inside: &mut Inside, request: &OffsetCommitRequest) -> AnyResponse {
    let mut topics = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for row in &topic.partitions {
            let offset = (row.committed_offset, row.committed_leader_epoch);
            inside.committed.insert((request.group_id.clone(), topic.name.clone(), row.partition_index), offset);
            partitions.push(OffsetCommitResponsePartition { partition_index: row.partition_index, error_code: 0 });
        }
        let name = topic.name.clone();
        topics.push(OffsetCommitResponseTopic { name, partitions, ..Default::default() });
    }
    OffsetCommitResponse { topics, ..Default::default() }.into()
}

fn offset_fetch(inside: &Inside, request: &OffsetFetchRequest) -> AnyResponse {
    let group = &request.groups[0];
    let mut topics = Vec::new();
    for topic in group.topics.iter().flatten() {
        let row = |index: &i32| {
            let key = (group.group_id.clone(), topic.name.clone(), *index);
            let (committed_offset, committed_leader_epoch) = inside.committed.get(&key).copied().unwrap_or((-1, -1));
            OffsetFetchResponsePartitions {
                partition_index: *index,
                committed_offset,
                committed_leader_epoch,
                ..Default::default()
            }
        };
        let partitions = topic.partition_indexes.iter().map(row).collect();
        topics.push(OffsetFetchResponseTopics { name: topic.name.clone(), partitions, ..Default::default() });
    }
    let group = OffsetFetchResponseGroup { group_id: group.group_id.clone(), topics, error_code: 0 };
    OffsetFetchResponse { groups: vec![group], ..Default::default() }.into()
}

fn produce_topic(inside: &mut Inside, topic: &TopicProduceData, fate: Fate) -> TopicProduceResponse {
    let name = name_of(inside, topic.topic_id, &topic.name);
    let append = |data: &PartitionProduceData| {
        let refused = match fate {
            Fate::Refuse(code) => Err(code),
            _ => Ok(()),
        };
        let batch = data.records.bytes().unwrap().clone();
        let partition = &mut inside.topics.get_mut(&name).unwrap().partitions[data.index as usize];
        let appended = refused.and_then(|()| partition.append(batch));
        let (error_code, base_offset) = appended.map_or_else(|code| (code.code(), -1), |offset| (0, offset));
        PartitionProduceResponse {
            index: data.index,
            error_code,
            base_offset,
            log_append_time_ms: -1,
            ..Default::default()
        }
    };
    let partition_responses = topic.partition_data.iter().map(append).collect();
    TopicProduceResponse { name: topic.name.clone(), topic_id: topic.topic_id, partition_responses }
}

fn list_offsets(inside: &mut Inside, request: &ListOffsetsRequest) -> AnyResponse {
    inside.listed.push(request.topics.iter().map(|topic| topic.partitions.len()).sum());
    let mut topics = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for wanted in &topic.partitions {
            let partition_index = wanted.partition_index;
            let end = inside.topics[&topic.name].partitions[partition_index as usize].end;
            let has_moved = inside.moved.remove(&(topic.name.clone(), partition_index));
            let error = if has_moved { ErrorCode::NotLeaderOrFollower } else { ErrorCode::None };
            let offset = if wanted.timestamp == -1 { end } else { 0 };
            partitions.push(ListOffsetsPartitionResponse {
                partition_index,
                error_code: error.code(),
                offset,
                leader_epoch: -1,
                ..Default::default()
            });
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name.clone(), partitions });
    }
    ListOffsetsResponse { topics, ..Default::default() }.into()
}

/// Pages of at most three partitions.
fn describe_topic_partitions(inside: &mut Inside, request: &DescribeTopicPartitionsRequest) -> AnyResponse {
    const PAGE: usize = 3;
    inside.pages += 1;
    let begin = request.cursor.as_ref().map_or(("", 0), |cursor| (&*cursor.topic_name, cursor.partition_index));
    let mut names: Vec<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
    names.sort_unstable();
    let (mut room, mut topics, mut next_cursor) = (PAGE, Vec::new(), None);
    for name in names.into_iter().filter(|name| *name >= begin.0) {
        let first = if name == begin.0 { begin.1 } else { 0 };
        if room == 0 {
            next_cursor = Some(NextCursor { topic_name: name.to_string(), partition_index: 0 });
            break;
        }
        let topic = inside.topics.get(name);
        let error = if topic.is_some() { ErrorCode::None } else { ErrorCode::UnknownTopicOrPartition };
        let count = topic.map_or(0, |topic| topic.partitions.len() as i32);
        let row = |partition_index| DescribeTopicPartitionsResponsePartition {
            partition_index,
            replica_nodes: vec![0],
            isr_nodes: vec![0],
            ..Default::default()
        };
        let partitions: Vec<_> = (first..count).take(room).map(row).collect();
        room -= partitions.len();
        let told = first + partitions.len() as i32;
        topics.push(DescribeTopicPartitionsResponseTopic {
            error_code: error.code(),
            name: Some(name.to_string()),
            topic_id: topic_id(name),
            partitions,
            ..Default::default()
        });
        if told < count {
            next_cursor = Some(NextCursor { topic_name: name.to_string(), partition_index: told });
            break;
        }
    }
    DescribeTopicPartitionsResponse { topics, next_cursor, ..Default::default() }.into()
}

fn expects_no_answer(request: &AnyRequest) -> bool {
    matches!(request, AnyRequest::Produce(produce) if produce.acks == 0)
}

fn api_versions(inside: &Inside, version: i16) -> (ApiVersionsResponse, i16) {
    if inside.api_versions_max.is_some_and(|max| version > max) {
        let row = ApiVersion { api_key: 18, min_version: 0, max_version: inside.api_versions_max.unwrap() };
        let error_code = ErrorCode::UnsupportedVersion.code();
        return (ApiVersionsResponse { error_code, api_keys: vec![row], ..Default::default() }, 0);
    }
    let max = |row: &versions::Row| match (row.api_key, inside.sharing.version_max) {
        (ApiKey::ShareFetch | ApiKey::ShareAcknowledge, Some(max)) => max,
        _ => row.max,
    };
    let rows = versions::BROKER.iter();
    let rows = rows.map(|row| ApiVersion { api_key: row.api_key.code(), min_version: row.min, max_version: max(row) });
    (ApiVersionsResponse { api_keys: rows.collect(), ..Default::default() }, version)
}

fn administer(inside: &mut Inside, request: AnyRequest) -> AnyResponse {
    match request {
        AnyRequest::CreateTopics(request) => create_topic(inside, &request),
        AnyRequest::DeleteTopics(request) => {
            let name = request.topics[0].name.clone().unwrap();
            let code = match inside.topics.remove(&name) {
                Some(_) => ErrorCode::None,
                None => ErrorCode::UnknownTopicOrPartition,
            };
            let result = DeletableTopicResult { name: Some(name), error_code: code.code(), ..Default::default() };
            DeleteTopicsResponse { responses: vec![result], ..Default::default() }.into()
        }
        AnyRequest::CreatePartitions(request) => {
            let wanted = &request.topics[0];
            let assignments = wanted.assignments.as_ref();
            let assignments = assignments.map(|rows| rows.iter().map(|row| row.broker_ids.clone()).collect());
            inside.made = (assignments, !request.validate_only);
            if !request.validate_only {
                let topic = inside.topics.get_mut(&wanted.name).unwrap();
                topic.partitions.resize_with(wanted.count as usize, Partition::default);
            }
            let result = ottla_protocol::create_partitions_response::CreatePartitionsTopicResult {
                name: wanted.name.clone(),
                ..Default::default()
            };
            CreatePartitionsResponse { results: vec![result], ..Default::default() }.into()
        }
        AnyRequest::DescribeConfigs(request) => {
            let name = request.resources[0].resource_name.clone();
            let set = inside.topics[&name].configs.clone();
            let entry = |(name, value): (String, String)| DescribeConfigsResourceResult {
                name,
                value: Some(value),
                config_source: 1,
                ..Default::default()
            };
            let configs = set.into_iter().map(entry).collect();
            let result = DescribeConfigsResult { resource_type: 2, resource_name: name, configs, ..Default::default() };
            DescribeConfigsResponse { results: vec![result], ..Default::default() }.into()
        }
        AnyRequest::IncrementalAlterConfigs(request) => {
            let resource = &request.resources[0];
            let topic = inside.topics.get_mut(&resource.resource_name).unwrap();
            for change in &resource.configs {
                let value = change.value.clone().unwrap_or_default();
                let list = topic.configs.get(&change.name).map(|list| list.split(',').map(str::to_string).collect());
                let mut list: Vec<String> = list.unwrap_or_default();
                // AlterConfigOp.OpType.
                match change.config_operation {
                    0 => list = vec![value],
                    1 => list.clear(),
                    2 => list.push(value),
                    3 => list.retain(|entry| !value.split(',').any(|out| out == entry)),
                    other => panic!("operation {other}"),
                }
                match list.is_empty() {
                    true => topic.configs.remove(&change.name),
                    false => topic.configs.insert(change.name.clone(), list.join(",")),
                };
            }
            let resource_name = resource.resource_name.clone();
            let result = AlterConfigsResourceResponse { resource_type: 2, resource_name, ..Default::default() };
            IncrementalAlterConfigsResponse { responses: vec![result], ..Default::default() }.into()
        }
        other => panic!("the fake broker does not serve {}", other.api_key()),
    }
}

fn create_topic(inside: &mut Inside, request: &CreateTopicsRequest) -> AnyResponse {
    let wanted = &request.topics[0];
    let exists = inside.topics.contains_key(&wanted.name);
    let code = if exists { ErrorCode::TopicAlreadyExists } else { ErrorCode::None };
    let count = if wanted.num_partitions < 0 { 1 } else { wanted.num_partitions };
    if !exists && !request.validate_only {
        let mut topic = Topic::default();
        topic.partitions.resize_with(count as usize, Partition::default);
        topic.configs.extend(wanted.configs.iter().map(|c| (c.name.clone(), c.value.clone().unwrap())));
        inside.topics.insert(wanted.name.clone(), topic);
    }
    let result = CreatableTopicResult {
        name: wanted.name.clone(),
        topic_id: topic_id(&wanted.name),
        error_code: code.code(),
        error_message: exists.then(|| "it is there already".to_string()),
        num_partitions: count,
        replication_factor: 1,
        ..Default::default()
    };
    CreateTopicsResponse { topics: vec![result], ..Default::default() }.into()
}

fn metadata_topic(name: &str, topic: Option<&Topic>) -> MetadataResponseTopic {
    let code = if topic.is_some() { ErrorCode::None } else { ErrorCode::UnknownTopicOrPartition };
    let partitions = (0..topic.map_or(0, |topic| topic.partitions.len())).map(|index| MetadataResponsePartition {
        partition_index: index as i32,
        leader_id: 0,
        leader_epoch: 0,
        replica_nodes: vec![0],
        isr_nodes: vec![0],
        ..Default::default()
    });
    MetadataResponseTopic {
        error_code: code.code(),
        name: Some(name.to_string()),
        topic_id: topic_id(name),
        partitions: partitions.collect(),
        ..Default::default()
    }
}

/// An id that can be told from the name.
pub(crate) fn topic_id(name: &str) -> Uuid {
    let mut id = [7; 16];
    for (byte, of_name) in id.iter_mut().zip(name.bytes()) {
        *byte = of_name;
    }
    Uuid(id)
}

fn name_of(inside: &Inside, id: Uuid, name: &str) -> String {
    if !name.is_empty() {
        return name.to_string();
    }
    inside.topics.keys().find(|name| topic_id(name) == id).cloned().expect("a known topic id")
}
