//! Groups from one line of test code.

use super::{Node, error};
use bytes::Bytes;
use ottla_protocol::generated::find_coordinator_request::FindCoordinatorRequest;
use ottla_protocol::generated::heartbeat_request::HeartbeatRequest;
use ottla_protocol::generated::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use ottla_protocol::generated::join_group_response::JoinGroupResponse;
use ottla_protocol::generated::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use ottla_protocol::generated::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::generated::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ottla_protocol::generated::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_protocol::generated::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use ottla_protocol::generated::sync_group_response::SyncGroupResponse;
use ottla_runtime::TaskHandle;
use std::time::Duration;

/// Versions that most tests speak.
pub(crate) const FIND_COORDINATOR: i16 = 6;
pub(crate) const JOIN_GROUP: i16 = 9;
pub(crate) const SYNC_GROUP: i16 = 5;
pub(crate) const HEARTBEAT: i16 = 4;
pub(crate) const LEAVE_GROUP: i16 = 5;
/// The last ones that name topics by name.
pub(crate) const OFFSET_COMMIT: i16 = 9;
pub(crate) const OFFSET_FETCH: i16 = 9;

/// Errors that clients answer by trying again.
pub(crate) fn passes(code: &str) -> bool {
    matches!(code, "NOT_COORDINATOR" | "COORDINATOR_LOAD_IN_PROGRESS" | "COORDINATOR_NOT_AVAILABLE")
}

pub(crate) fn find_group(group: &str) -> FindCoordinatorRequest {
    let coordinator_keys = vec![group.to_string()];
    FindCoordinatorRequest { coordinator_keys, ..FindCoordinatorRequest::default() }
}

pub(crate) fn join_request(group: &str, member_id: &str) -> JoinGroupRequest {
    let protocol =
        JoinGroupRequestProtocol { name: "range".to_string(), metadata: Bytes::from_static(b"subscription") };
    JoinGroupRequest {
        group_id: group.to_string(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 60_000,
        member_id: member_id.to_string(),
        protocol_type: "consumer".to_string(),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    }
}

pub(crate) fn sync_request(group: &str, member: &JoinGroupResponse) -> SyncGroupRequest {
    let assignment = |id: &String| SyncGroupRequestAssignment {
        member_id: id.clone(),
        assignment: Bytes::from(format!("for {id}").into_bytes()),
    };
    SyncGroupRequest {
        group_id: group.to_string(),
        generation_id: member.generation_id,
        member_id: member.member_id.clone(),
        protocol_type: Some("consumer".to_string()),
        protocol_name: Some("range".to_string()),
        assignments: member.members.iter().map(|member| assignment(&member.member_id)).collect(),
        ..SyncGroupRequest::default()
    }
}

pub(crate) fn commit_request(group: &str, topic: &str, offsets: &[(i32, i64)]) -> OffsetCommitRequest {
    let partition = |&(partition_index, committed_offset): &(i32, i64)| OffsetCommitRequestPartition {
        partition_index,
        committed_offset,
        committed_metadata: Some(format!("at {committed_offset}")),
        ..OffsetCommitRequestPartition::default()
    };
    let partitions = offsets.iter().map(partition).collect();
    let topics = vec![OffsetCommitRequestTopic { name: topic.to_string(), partitions, ..Default::default() }];
    OffsetCommitRequest { group_id: group.to_string(), topics, ..OffsetCommitRequest::default() }
}

pub(crate) fn fetch_offsets_request(group: &str, topic: &str, partitions: &[i32]) -> OffsetFetchRequest {
    let topics = vec![OffsetFetchRequestTopics {
        name: topic.to_string(),
        partition_indexes: partitions.to_vec(),
        ..OffsetFetchRequestTopics::default()
    }];
    let group = OffsetFetchRequestGroup {
        group_id: group.to_string(),
        topics: Some(topics),
        ..OffsetFetchRequestGroup::default()
    };
    OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() }
}

impl Node {
    /// Finds the group's coordinator, and waits until it serves.
    pub(crate) async fn coordinate(&self, group: &str) {
        let found = self.call(FIND_COORDINATOR, &find_group(group)).await.coordinators.remove(0);
        assert_eq!((error(found.error_code), found.node_id), ("NONE", 1), "{:?}", found.error_message);
        let deadline = self.runtime.now() + Duration::from_secs(60);
        loop {
            let answer = self.fetch_group(fetch_offsets_request(group, "none", &[0])).await;
            match error(answer.error_code) {
                "NONE" => return,
                code => assert!(passes(code) && self.runtime.now() < deadline, "{code}"),
            }
            self.runtime.sleep(Duration::from_millis(1)).await;
        }
    }

    /// Joins as a new member: asks for an id, then joins with it. The answer comes when the group has formed.
    pub(crate) async fn begin_join(&self, group: &str) -> TaskHandle<JoinGroupResponse> {
        let first = self.call(JOIN_GROUP, &join_request(group, "")).await;
        assert_eq!(error(first.error_code), "MEMBER_ID_REQUIRED");
        self.spawn_call(JOIN_GROUP, join_request(group, &first.member_id))
    }

    /// Joins alone.
    pub(crate) async fn join(&self, group: &str) -> JoinGroupResponse {
        let joined = self.begin_join(group).await.await.expect("an answer");
        assert_eq!(error(joined.error_code), "NONE");
        joined
    }

    pub(crate) async fn sync(&self, group: &str, member: &JoinGroupResponse) -> SyncGroupResponse {
        self.call(SYNC_GROUP, &sync_request(group, member)).await
    }

    /// The error of a heartbeat.
    pub(crate) async fn heartbeat(&self, group: &str, member: &JoinGroupResponse) -> &'static str {
        let request = HeartbeatRequest {
            group_id: group.to_string(),
            generation_id: member.generation_id,
            member_id: member.member_id.clone(),
            ..HeartbeatRequest::default()
        };
        error(self.call(HEARTBEAT, &request).await.error_code)
    }

    pub(crate) async fn leave(&self, group: &str, member_id: &str) -> &'static str {
        let member = MemberIdentity { member_id: member_id.to_string(), ..MemberIdentity::default() };
        let request = LeaveGroupRequest { group_id: group.to_string(), members: vec![member], ..Default::default() };
        let response = self.call(LEAVE_GROUP, &request).await;
        assert_eq!(error(response.error_code), "NONE");
        error(response.members[0].error_code)
    }

    /// Commits without being a member; the error of each partition.
    pub(crate) async fn commit(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Vec<&'static str> {
        let response = self.call(OFFSET_COMMIT, &commit_request(group, topic, offsets)).await;
        response
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|partition| error(partition.error_code))
            .collect()
    }

    pub(crate) async fn fetch_group(&self, request: OffsetFetchRequest) -> OffsetFetchResponseGroup {
        self.call(OFFSET_FETCH, &request).await.groups.remove(0)
    }

    /// Whether a transaction holds back what the group has committed for a partition.
    pub(crate) async fn is_unstable(&self, group: &str, topic: &str, partition: i32) -> bool {
        self.coordinate(group).await;
        let request = OffsetFetchRequest { require_stable: true, ..fetch_offsets_request(group, topic, &[partition]) };
        let answer = self.fetch_group(request).await;
        error(answer.topics[0].partitions[0].error_code) == "UNSTABLE_OFFSET_COMMIT"
    }

    /// The committed offset of one partition; -1 without one.
    pub(crate) async fn committed(&self, group: &str, topic: &str, partition: i32) -> i64 {
        let answer = self.fetch_group(fetch_offsets_request(group, topic, &[partition])).await;
        assert_eq!(error(answer.error_code), "NONE");
        let found = &answer.topics[0].partitions[0];
        assert_eq!(error(found.error_code), "NONE");
        found.committed_offset
    }
}
