//! How each request says that it failed as a whole: the shard is not here, is loading, or an append failed.

use crate::event::{GroupReply, GroupRequest, OffsetFetch};
use crate::streams::StreamsHeartbeat;
use ottla_protocol::{
    ConsumerGroupHeartbeatResponse, HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse, OffsetCommitResponse,
    OffsetDeleteResponse, StreamsGroupHeartbeatResponse, SyncGroupResponse, TxnOffsetCommitResponse,
    consumer_group_describe_response, describe_groups_response, offset_commit_response as commit,
    offset_fetch_response as fetch, streams_group_describe_response, txn_offset_commit_response as txn_commit,
};
use ottla_types::ErrorCode;

impl GroupRequest {
    /// The group that the request is about; None for ListGroups.
    pub fn group_id(&self) -> Option<&str> {
        Some(match self {
            GroupRequest::JoinGroup(request) => &request.group_id,
            GroupRequest::SyncGroup(request) => &request.group_id,
            GroupRequest::Heartbeat(request) => &request.group_id,
            GroupRequest::LeaveGroup(request) => &request.group_id,
            GroupRequest::OffsetCommit(request) => &request.group_id,
            GroupRequest::TxnOffsetCommit(request, _) => &request.group_id,
            GroupRequest::OffsetFetch(request) => &request.group.group_id,
            GroupRequest::OffsetDelete(request) => &request.group_id,
            GroupRequest::ConsumerGroupHeartbeat(request) => &request.group_id,
            GroupRequest::StreamsGroupHeartbeat(request) => &request.group_id,
            GroupRequest::DescribeGroup(group_id)
            | GroupRequest::DeleteGroup(group_id)
            | GroupRequest::ConsumerGroupDescribe(group_id)
            | GroupRequest::StreamsGroupDescribe(group_id) => group_id,
            GroupRequest::Share(request) => request.group_id(),
            GroupRequest::ListGroups(_) | GroupRequest::Observe(_) => return None,
        })
    }

    /// The answer when the whole request fails with `error`; the broker shows it as the request's version wants. A ListGroups has no place for an error in the list of one
    /// shard: it lists nothing, and the broker sets the error of the response.
    ///
    /// A heartbeat to a shard that is loading succeeds: its group will be there again.
    pub fn failed(&self, error: ErrorCode) -> GroupReply {
        let is_loading = error == ErrorCode::CoordinatorLoadInProgress;
        let error_code = error.code();
        match self {
            GroupRequest::JoinGroup(request) => GroupReply::JoinGroup(join(&request.member_id, error)),
            GroupRequest::SyncGroup(_) => GroupReply::SyncGroup(sync(error)),
            GroupRequest::Heartbeat(_) => {
                let error_code = if is_loading { 0 } else { error_code };
                GroupReply::Heartbeat(HeartbeatResponse { throttle_time_ms: 0, error_code })
            }
            GroupRequest::LeaveGroup(_) => GroupReply::LeaveGroup(leave(error)),
            GroupRequest::OffsetCommit(request) => GroupReply::OffsetCommit(offset_commit(request, error)),
            GroupRequest::TxnOffsetCommit(request, _) => GroupReply::TxnOffsetCommit(txn_offset_commit(request, error)),
            GroupRequest::OffsetFetch(request) => GroupReply::OffsetFetch(offset_fetch(request, error)),
            GroupRequest::OffsetDelete(_) => {
                GroupReply::OffsetDelete(OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() })
            }
            GroupRequest::DescribeGroup(group_id) => {
                GroupReply::DescribeGroup(describe_groups_response::DescribedGroup {
                    group_id: group_id.clone(),
                    error_code,
                    ..Default::default()
                })
            }
            GroupRequest::Observe(_) => GroupReply::Observe(crate::admin::Observed::default()),
            GroupRequest::ListGroups(_) => GroupReply::ListGroups(Vec::new()),
            GroupRequest::DeleteGroup(_) => GroupReply::DeleteGroup(error),
            GroupRequest::Share(request) => request.failed(error),
            GroupRequest::ConsumerGroupHeartbeat(_) => {
                GroupReply::ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse {
                    error_code,
                    ..ConsumerGroupHeartbeatResponse::default()
                })
            }
            GroupRequest::StreamsGroupHeartbeat(_) => {
                let response = StreamsGroupHeartbeatResponse { error_code, ..StreamsGroupHeartbeatResponse::default() };
                GroupReply::StreamsGroupHeartbeat(StreamsHeartbeat { response, internal_topics: Vec::new() })
            }
            GroupRequest::StreamsGroupDescribe(group_id) => {
                GroupReply::StreamsGroupDescribe(streams_group_describe_response::DescribedGroup {
                    group_id: group_id.clone(),
                    error_code,
                    ..Default::default()
                })
            }
            GroupRequest::ConsumerGroupDescribe(group_id) => {
                GroupReply::ConsumerGroupDescribe(consumer_group_describe_response::DescribedGroup {
                    group_id: group_id.clone(),
                    error_code,
                    ..Default::default()
                })
            }
        }
    }
}

/// A JoinGroup that failed.
pub(crate) fn join(member_id: &str, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: error.code(),
        generation_id: -1,
        member_id: member_id.to_string(),
        ..JoinGroupResponse::default()
    }
}

/// A SyncGroup that failed.
pub(crate) fn sync(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() }
}

/// A LeaveGroup that failed as a whole.
pub(crate) fn leave(error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse { error_code: error.code(), ..LeaveGroupResponse::default() }
}

/// An OffsetCommit that failed: every partition carries the error.
pub(crate) fn offset_commit(request: &ottla_protocol::OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| commit::OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| commit::OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: error.code(),
            })
            .collect(),
    });
    OffsetCommitResponse { throttle_time_ms: 0, topics: topics.collect() }
}

/// A TxnOffsetCommit that failed: every partition carries the error.
pub(crate) fn txn_offset_commit(
    request: &ottla_protocol::TxnOffsetCommitRequest,
    error: ErrorCode,
) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| txn_commit::TxnOffsetCommitResponseTopic {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| txn_commit::TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: error.code(),
            })
            .collect(),
    });
    TxnOffsetCommitResponse { throttle_time_ms: 0, topics: topics.collect() }
}

/// An OffsetFetch of one group that failed as a whole. NOT_COORDINATOR stands for COORDINATOR_NOT_AVAILABLE, which consumers
/// before Kafka 3.9 do not expect here and would not retry.
pub(crate) fn offset_fetch(request: &OffsetFetch, error: ErrorCode) -> fetch::OffsetFetchResponseGroup {
    let error = match error {
        ErrorCode::CoordinatorNotAvailable => ErrorCode::NotCoordinator,
        other => other,
    };
    fetch::OffsetFetchResponseGroup {
        group_id: request.group.group_id.clone(),
        topics: Vec::new(),
        error_code: error.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_coordinator::CoordinatorError;

    #[test]
    fn an_offset_fetch_that_cannot_be_served_now_looks_for_another_coordinator() {
        let group = ottla_protocol::offset_fetch_request::OffsetFetchRequestGroup::default();
        let request = GroupRequest::OffsetFetch(OffsetFetch { group, require_stable: true });
        for (why, expected) in [
            (CoordinatorError::WriteTimedOut, ErrorCode::NotCoordinator),
            (CoordinatorError::NotEnoughReplicas, ErrorCode::NotCoordinator),
            (CoordinatorError::Busy, ErrorCode::NotCoordinator),
            (CoordinatorError::NotCoordinator, ErrorCode::NotCoordinator),
            (CoordinatorError::LoadInProgress, ErrorCode::CoordinatorLoadInProgress),
        ] {
            let GroupReply::OffsetFetch(failed) = request.failed(why.code()) else { panic!("another answer") };
            assert_eq!(failed.error_code, expected.code(), "{why}");
        }
        let other = GroupRequest::DeleteGroup("g".to_string()).failed(CoordinatorError::WriteTimedOut.code());
        assert_eq!(other, GroupReply::DeleteGroup(ErrorCode::CoordinatorNotAvailable));
    }
}
