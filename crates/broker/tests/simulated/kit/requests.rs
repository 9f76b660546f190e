//! Requests from one line of test code.

use super::Node;
use bytes::Bytes;
use ottla_protocol::Records;
use ottla_protocol::generated::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use ottla_protocol::generated::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use ottla_protocol::generated::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use ottla_protocol::generated::delete_records_response::DeleteRecordsPartitionResult;
use ottla_protocol::generated::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use ottla_protocol::generated::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use ottla_protocol::generated::fetch_response::{FetchResponse, PartitionData};
use ottla_protocol::generated::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use ottla_protocol::generated::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use ottla_protocol::generated::list_offsets_response::ListOffsetsPartitionResponse;
use ottla_protocol::generated::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use ottla_protocol::generated::produce_response::{PartitionProduceResponse, ProduceResponse};
use ottla_testkit::batches;
use ottla_types::{ErrorCode, Uuid};
use std::time::Duration;

/// Versions that name topics by name.
pub(crate) const PRODUCE: i16 = 12;
pub(crate) const FETCH: i16 = 12;
/// Versions that name topics by id.
pub(crate) const PRODUCE_BY_ID: i16 = 13;
pub(crate) const FETCH_BY_ID: i16 = 18;
pub(crate) const LIST_OFFSETS: i16 = 11;

pub(crate) const LATEST: i64 = -1;
pub(crate) const EARLIEST: i64 = -2;
pub(crate) const MAX_TIMESTAMP: i64 = -3;

/// What a code is called, for readable assertions.
pub(crate) fn error(code: i16) -> &'static str {
    ErrorCode::from_code(code).expect("a known code").name()
}

pub(crate) fn produce_request(topic: &str, index: i32, records: Bytes, acks: i16) -> ProduceRequest {
    let partition = PartitionProduceData { index, records: Records::Inline(records) };
    let topic =
        TopicProduceData { name: topic.to_string(), partition_data: vec![partition], ..TopicProduceData::default() };
    ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..ProduceRequest::default() }
}

pub(crate) fn the_partition(response: ProduceResponse) -> PartitionProduceResponse {
    let topic = response.responses.into_iter().next().expect("a topic");
    topic.partition_responses.into_iter().next().expect("a partition")
}

pub(crate) fn fetch_request(topic: &str, index: i32, fetch_offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition =
        FetchPartition { partition: index, fetch_offset, partition_max_bytes: 1 << 20, ..FetchPartition::default() };
    let topic = FetchTopic { topic: topic.to_string(), partitions: vec![partition], ..FetchTopic::default() };
    FetchRequest { max_wait_ms, min_bytes: 1, topics: vec![topic], ..FetchRequest::default() }
}

pub(crate) fn the_fetched(response: FetchResponse) -> PartitionData {
    assert_eq!(error(response.error_code), "NONE");
    let topic = response.responses.into_iter().next().expect("a topic");
    topic.partitions.into_iter().next().expect("a partition")
}

/// The values in a fetched partition.
pub(crate) fn values(data: &PartitionData) -> Vec<String> {
    batches::values(data.records.bytes().expect("records"))
}

pub(crate) fn topic_id(node: &Node, name: &str) -> Uuid {
    node.controller.image().topic_id(name).expect("a topic")
}

impl Node {
    pub(crate) async fn create_topic(&self, name: &str, num_partitions: i32, configs: &[(&str, &str)]) {
        let config = |&(name, value): &(&str, &str)| CreatableTopicConfig {
            name: name.to_string(),
            value: Some(value.to_string()),
        };
        let topic = CreatableTopic {
            name: name.to_string(),
            num_partitions,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..CreateTopicsRequest::default() };
        let response = self.call(7, &request).await;
        assert_eq!(error(response.topics[0].error_code), "NONE", "{:?}", response.topics[0].error_message);
    }

    pub(crate) async fn delete_topic(&self, name: &str) {
        let topic = DeleteTopicState { name: Some(name.to_string()), ..DeleteTopicState::default() };
        let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..DeleteTopicsRequest::default() };
        let response = self.call(6, &request).await;
        assert_eq!(error(response.responses[0].error_code), "NONE");
    }

    pub(crate) async fn add_partitions(&self, name: &str, count: i32) {
        let topic = CreatePartitionsTopic { name: name.to_string(), count, assignments: None };
        let topics = vec![topic];
        let request = CreatePartitionsRequest { topics, timeout_ms: 30_000, ..CreatePartitionsRequest::default() };
        let response = self.call(3, &request).await;
        assert_eq!(error(response.results[0].error_code), "NONE");
    }

    /// Sets configs of a topic (type 2) or a broker (type 4).
    pub(crate) async fn set_configs(&self, resource_type: i8, name: &str, configs: &[(&str, &str)]) {
        let config = |&(name, value): &(&str, &str)| AlterableConfig {
            name: name.to_string(),
            config_operation: 0,
            value: Some(value.to_string()),
        };
        let resource = AlterConfigsResource {
            resource_type,
            resource_name: name.to_string(),
            configs: configs.iter().map(config).collect(),
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let response = self.call(1, &request).await;
        assert_eq!(error(response.responses[0].error_code), "NONE", "{:?}", response.responses[0].error_message);
    }

    pub(crate) async fn produce_batch(
        &self,
        topic: &str,
        index: i32,
        records: Bytes,
        acks: i16,
    ) -> PartitionProduceResponse {
        the_partition(self.call(PRODUCE, &produce_request(topic, index, records, acks)).await)
    }

    /// Produces with acks=all; the offset of the first record.
    pub(crate) async fn produce(&self, topic: &str, index: i32, values: &[&str]) -> i64 {
        let answer = self.produce_batch(topic, index, batches::batch(values), -1).await;
        assert_eq!(error(answer.error_code), "NONE", "{:?}", answer.error_message);
        answer.base_offset
    }

    /// What a fetch without waiting finds.
    pub(crate) async fn fetch(&self, topic: &str, index: i32, offset: i64) -> PartitionData {
        the_fetched(self.call(FETCH, &fetch_request(topic, index, offset, 0)).await)
    }

    /// Waits until the partition's log is open.
    pub(crate) async fn ready(&self, topic: &str, index: i32) {
        let deadline = self.runtime.now() + Duration::from_secs(60);
        while error(self.fetch(topic, index, 0).await.error_code) == "NOT_LEADER_OR_FOLLOWER" {
            assert!(self.runtime.now() < deadline, "{topic}-{index} does not open");
            self.runtime.sleep(Duration::from_millis(1)).await;
        }
    }

    /// All values from `offset` to the end.
    pub(crate) async fn read_all(&self, topic: &str, index: i32, mut offset: i64) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let data = self.fetch(topic, index, offset).await;
            assert_eq!(error(data.error_code), "NONE");
            let records = batches::records(data.records.bytes().expect("records"));
            let Some(last) = records.last() else { return all };
            offset = last.offset + 1;
            all.extend(values(&data));
        }
    }

    pub(crate) async fn list_offset(&self, topic: &str, index: i32, timestamp: i64) -> ListOffsetsPartitionResponse {
        self.list_offset_in(LIST_OFFSETS, topic, index, timestamp).await
    }

    pub(crate) async fn list_offset_in(
        &self,
        version: i16,
        topic: &str,
        partition_index: i32,
        timestamp: i64,
    ) -> ListOffsetsPartitionResponse {
        let partition = ListOffsetsPartition { partition_index, timestamp, ..ListOffsetsPartition::default() };
        let topics = vec![ListOffsetsTopic { name: topic.to_string(), partitions: vec![partition] }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
        let response = self.call(version, &request).await;
        response.topics.into_iter().next().expect("a topic").partitions.into_iter().next().expect("a partition")
    }

    pub(crate) async fn delete_records(
        &self,
        topic: &str,
        partition_index: i32,
        offset: i64,
    ) -> DeleteRecordsPartitionResult {
        let partitions = vec![DeleteRecordsPartition { partition_index, offset }];
        let topics = vec![DeleteRecordsTopic { name: topic.to_string(), partitions }];
        let response = self.call(2, &DeleteRecordsRequest { topics, timeout_ms: 30_000 }).await;
        response.topics.into_iter().next().expect("a topic").partitions.into_iter().next().expect("a partition")
    }
}
