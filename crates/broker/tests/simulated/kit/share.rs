//! Members of share groups from one line of test code.

use super::{FIND_COORDINATOR, Node, error, find_group, passes, topic_id};
use ottla_protocol::generated::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
};
use ottla_protocol::generated::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch, ShareAcknowledgeRequest,
};
use ottla_protocol::generated::share_fetch_request::{FetchPartition, FetchTopic, ShareFetchRequest};
use ottla_protocol::generated::share_fetch_response::ShareFetchResponse;
use ottla_protocol::generated::share_group_heartbeat_request::ShareGroupHeartbeatRequest;
use ottla_protocol::generated::share_group_heartbeat_response::ShareGroupHeartbeatResponse;
use ottla_testkit::batches;
use std::time::Duration;

/// Types of acknowledgement.
pub(crate) const ACCEPT: i8 = 1;
pub(crate) const RELEASE: i8 = 2;
pub(crate) const REJECT: i8 = 3;
pub(crate) const RENEW: i8 = 4;

/// A resource of type GROUP in requests.
pub(crate) const GROUP: i8 = 32;

/// A node with the topic `t`, whose share group begins at the beginning.
pub(crate) async fn prepared(node: &Node, values: &[&str]) -> ShareMember {
    node.create_topic("t", 1, &[]).await;
    node.ready("t", 0).await;
    node.set_configs(GROUP, "g", &[("share.auto.offset.reset", "earliest")]).await;
    if !values.is_empty() {
        node.produce("t", 0, values).await;
    }
    let mut member = ShareMember::new("a", "t");
    assert_eq!(member.join(node).await, [0]);
    member
}

/// Start offset and lag.
pub(crate) async fn share_offsets(node: &Node) -> (i64, i64) {
    let group = DescribeShareGroupOffsetsRequestGroup { group_id: "g".to_string(), topics: None };
    let request = DescribeShareGroupOffsetsRequest { groups: vec![group] };
    let group = node.call(1, &request).await.groups.remove(0);
    assert_eq!(error(group.error_code), "NONE", "{:?}", group.error_message);
    let partition = &group.topics[0].partitions[0];
    assert_eq!(error(partition.error_code), "NONE", "{:?}", partition.error_message);
    (partition.start_offset, partition.lag)
}

/// A member of the share group `g` that reads one topic.
#[derive(Clone)]
pub(crate) struct ShareMember {
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) member_epoch: i32,
    pub(crate) session_epoch: i32,
}

/// Records that a member got: values, and first offset, last offset and delivery count of what it acquired.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) values: Vec<String>,
    pub(crate) acquired: Vec<(i64, i64, i16)>,
}

impl ShareMember {
    pub(crate) fn new(id: &str, topic: &str) -> ShareMember {
        ShareMember { id: id.to_string(), topic: topic.to_string(), member_epoch: 0, session_epoch: 0 }
    }

    pub(crate) async fn beat(&mut self, node: &Node) -> ShareGroupHeartbeatResponse {
        let request = ShareGroupHeartbeatRequest {
            group_id: "g".to_string(),
            member_id: self.id.clone(),
            member_epoch: self.member_epoch,
            subscribed_topic_names: (self.member_epoch == 0).then(|| vec![self.topic.clone()]),
            ..ShareGroupHeartbeatRequest::default()
        };
        let response = node.call(1, &request).await;
        if response.error_code == 0 {
            self.member_epoch = response.member_epoch;
        }
        response
    }

    /// Sends heartbeats until its group is there.
    pub(crate) async fn found(&mut self, node: &Node) -> ShareGroupHeartbeatResponse {
        let found = node.call(FIND_COORDINATOR, &find_group("g")).await.coordinators.remove(0);
        assert_eq!(error(found.error_code), "NONE", "{:?}", found.error_message);
        let deadline = node.runtime.now() + Duration::from_secs(60);
        loop {
            let response = self.beat(node).await;
            match error(response.error_code) {
                "NONE" => return response,
                code => assert!(passes(code) && node.runtime.now() < deadline, "{code}: {:?}", response.error_message),
            }
            node.runtime.sleep(Duration::from_millis(1)).await;
        }
    }

    /// Joins, and sends heartbeats until it has partitions.
    pub(crate) async fn join(&mut self, node: &Node) -> Vec<i32> {
        let deadline = node.runtime.now() + Duration::from_secs(60);
        loop {
            let response = self.found(node).await;
            let topics = response.assignment.map(|assignment| assignment.topic_partitions).unwrap_or_default();
            if !topics.is_empty() {
                return topics.into_iter().flat_map(|topic| topic.partitions).collect();
            }
            assert!(node.runtime.now() < deadline, "no assignment");
            node.runtime.sleep(Duration::from_millis(500)).await;
        }
    }

    /// A fetch of partition 0 that waits this long, in the next epoch of its session.
    pub(crate) fn request(&self, node: &Node, max_wait_ms: i32) -> ShareFetchRequest {
        let partition = FetchPartition { partition_index: 0, ..FetchPartition::default() };
        let topic = FetchTopic { topic_id: topic_id(node, &self.topic), partitions: vec![partition] };
        ShareFetchRequest {
            group_id: Some("g".to_string()),
            member_id: Some(self.id.clone()),
            share_session_epoch: self.session_epoch,
            max_wait_ms,
            min_bytes: 1,
            max_bytes: 1_000_000,
            max_records: 500,
            batch_size: 500,
            topics: if self.session_epoch == 0 { vec![topic] } else { Vec::new() },
            ..ShareFetchRequest::default()
        }
    }

    pub(crate) async fn fetch(&mut self, node: &Node, max_wait_ms: i32) -> Got {
        let response = node.call(2, &self.request(node, max_wait_ms)).await;
        assert_eq!(error(response.error_code), "NONE", "{:?}", response.error_message);
        self.session_epoch += 1;
        got(response)
    }

    /// Acknowledges records of partition 0; the error of the partition.
    pub(crate) async fn acknowledge(&mut self, node: &Node, offsets: (i64, i64), types: &[i8]) -> &'static str {
        let batch =
            AcknowledgementBatch { first_offset: offsets.0, last_offset: offsets.1, acknowledge_types: types.to_vec() };
        let partition = AcknowledgePartition { partition_index: 0, acknowledgement_batches: vec![batch] };
        let topic = AcknowledgeTopic { topic_id: topic_id(node, &self.topic), partitions: vec![partition] };
        let request = ShareAcknowledgeRequest {
            group_id: Some("g".to_string()),
            member_id: Some(self.id.clone()),
            share_session_epoch: self.session_epoch,
            is_renew_ack: types.contains(&RENEW),
            topics: vec![topic],
        };
        let response = node.call(2, &request).await;
        if response.error_code != 0 {
            return error(response.error_code);
        }
        self.session_epoch += 1;
        error(response.responses[0].partitions[0].error_code)
    }

    /// Ends its session.
    pub(crate) async fn close(&mut self, node: &Node) {
        self.session_epoch = -1;
        let response = node.call(2, &self.request(node, 0)).await;
        assert_eq!(error(response.error_code), "NONE");
        self.session_epoch = 0;
    }
}

pub(crate) fn got(response: ShareFetchResponse) -> Got {
    let mut got = Got { values: Vec::new(), acquired: Vec::new() };
    for partition in response.responses.into_iter().flat_map(|topic| topic.partitions) {
        assert_eq!(error(partition.error_code), "NONE", "{:?}", partition.error_message);
        assert_eq!(error(partition.acknowledge_error_code), "NONE");
        if let Some(bytes) = partition.records.bytes() {
            got.values.extend(batches::values(bytes));
        }
        got.acquired
            .extend(partition.acquired_records.iter().map(|r| (r.first_offset, r.last_offset, r.delivery_count)));
    }
    got
}
