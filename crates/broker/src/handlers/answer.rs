//! What a response says went wrong, for the request counters.

use ottla_protocol::Message;
use ottla_protocol::generated::add_offsets_to_txn_response::AddOffsetsToTxnResponse;
use ottla_protocol::generated::add_partitions_to_txn_response::AddPartitionsToTxnResponse;
use ottla_protocol::generated::add_raft_voter_response::AddRaftVoterResponse;
use ottla_protocol::generated::alter_client_quotas_response::AlterClientQuotasResponse;
use ottla_protocol::generated::alter_configs_response::AlterConfigsResponse;
use ottla_protocol::generated::alter_partition_reassignments_response::AlterPartitionReassignmentsResponse;
use ottla_protocol::generated::alter_replica_log_dirs_response::AlterReplicaLogDirsResponse;
use ottla_protocol::generated::api_versions_response::ApiVersionsResponse;
use ottla_protocol::generated::consumer_group_describe_response::ConsumerGroupDescribeResponse;
use ottla_protocol::generated::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use ottla_protocol::generated::create_partitions_response::CreatePartitionsResponse;
use ottla_protocol::generated::create_topics_response::CreateTopicsResponse;
use ottla_protocol::generated::delete_groups_response::DeleteGroupsResponse;
use ottla_protocol::generated::delete_records_response::DeleteRecordsResponse;
use ottla_protocol::generated::delete_topics_response::DeleteTopicsResponse;
use ottla_protocol::generated::describe_client_quotas_response::DescribeClientQuotasResponse;
use ottla_protocol::generated::describe_cluster_response::DescribeClusterResponse;
use ottla_protocol::generated::describe_configs_response::DescribeConfigsResponse;
use ottla_protocol::generated::describe_groups_response::DescribeGroupsResponse;
use ottla_protocol::generated::describe_log_dirs_response::DescribeLogDirsResponse;
use ottla_protocol::generated::describe_producers_response::DescribeProducersResponse;
use ottla_protocol::generated::describe_quorum_response::DescribeQuorumResponse;
use ottla_protocol::generated::describe_topic_partitions_response::DescribeTopicPartitionsResponse;
use ottla_protocol::generated::describe_transactions_response::DescribeTransactionsResponse;
use ottla_protocol::generated::elect_leaders_response::ElectLeadersResponse;
use ottla_protocol::generated::end_txn_response::EndTxnResponse;
use ottla_protocol::generated::fetch_response::FetchResponse;
use ottla_protocol::generated::find_coordinator_response::FindCoordinatorResponse;
use ottla_protocol::generated::get_telemetry_subscriptions_response::GetTelemetrySubscriptionsResponse;
use ottla_protocol::generated::heartbeat_response::HeartbeatResponse;
use ottla_protocol::generated::incremental_alter_configs_response::IncrementalAlterConfigsResponse;
use ottla_protocol::generated::init_producer_id_response::InitProducerIdResponse;
use ottla_protocol::generated::join_group_response::JoinGroupResponse;
use ottla_protocol::generated::leave_group_response::LeaveGroupResponse;
use ottla_protocol::generated::list_config_resources_response::ListConfigResourcesResponse;
use ottla_protocol::generated::list_groups_response::ListGroupsResponse;
use ottla_protocol::generated::list_offsets_response::ListOffsetsResponse;
use ottla_protocol::generated::list_partition_reassignments_response::ListPartitionReassignmentsResponse;
use ottla_protocol::generated::list_transactions_response::ListTransactionsResponse;
use ottla_protocol::generated::metadata_response::MetadataResponse;
use ottla_protocol::generated::offset_commit_response::OffsetCommitResponse;
use ottla_protocol::generated::offset_delete_response::OffsetDeleteResponse;
use ottla_protocol::generated::offset_fetch_response::OffsetFetchResponse;
use ottla_protocol::generated::offset_for_leader_epoch_response::OffsetForLeaderEpochResponse;
use ottla_protocol::generated::produce_response::ProduceResponse;
use ottla_protocol::generated::push_telemetry_response::PushTelemetryResponse;
use ottla_protocol::generated::remove_raft_voter_response::RemoveRaftVoterResponse;
use ottla_protocol::generated::streams_group_describe_response::StreamsGroupDescribeResponse;
use ottla_protocol::generated::streams_group_heartbeat_response::StreamsGroupHeartbeatResponse;
use ottla_protocol::generated::sync_group_response::SyncGroupResponse;
use ottla_protocol::generated::txn_offset_commit_response::TxnOffsetCommitResponse;
use ottla_protocol::generated::unregister_broker_response::UnregisterBrokerResponse;
use ottla_protocol::generated::update_features_response::UpdateFeaturesResponse;
use ottla_protocol::generated::write_txn_markers_response::WriteTxnMarkersResponse;
use ottla_protocol::{
    AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsResponse, DeleteShareGroupStateResponse,
    DescribeShareGroupOffsetsResponse, InitializeShareGroupStateResponse, ReadShareGroupStateResponse,
    ReadShareGroupStateSummaryResponse, ShareAcknowledgeResponse, ShareFetchResponse, ShareGroupDescribeResponse,
    ShareGroupHeartbeatResponse, WriteShareGroupStateResponse,
};

/// A response that a handler sends.
pub(in crate::handlers) trait Answer: Message + Clone {
    /// The first error code in it; 0 if all went well.
    fn first_error(&self) -> i16;

    /// Tells the client to wait. Versions that cannot say so leave it out.
    fn set_throttle_time_ms(&mut self, wait_ms: i32);
}

fn first(mut codes: impl Iterator<Item = i16>) -> i16 {
    codes.find(|code| *code != 0).unwrap_or(0)
}

macro_rules! answers {
    ($($response:ty => |$this:ident| $first:expr;)*) => {
        $(impl Answer for $response {
            fn first_error(&self) -> i16 {
                let $this = self;
                $first
            }

            fn set_throttle_time_ms(&mut self, wait_ms: i32) {
                self.throttle_time_ms = wait_ms;
            }
        })*
    };
}

answers! {
    ProduceResponse => |r| first(r.responses.iter().flat_map(|t| &t.partition_responses).map(|p| p.error_code));
    FetchResponse => |r| match r.error_code {
        0 => first(r.responses.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)),
        error => error,
    };
    ListOffsetsResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    MetadataResponse => |r| match r.error_code {
        0 => first(r.topics.iter().map(|t| t.error_code)),
        error => error,
    };
    ApiVersionsResponse => |r| r.error_code;
    CreateTopicsResponse => |r| first(r.topics.iter().map(|t| t.error_code));
    DeleteTopicsResponse => |r| first(r.responses.iter().map(|t| t.error_code));
    DeleteRecordsResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    InitProducerIdResponse => |r| r.error_code;
    OffsetForLeaderEpochResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    DescribeConfigsResponse => |r| first(r.results.iter().map(|result| result.error_code));
    AlterConfigsResponse => |r| first(r.responses.iter().map(|result| result.error_code));
    IncrementalAlterConfigsResponse => |r| first(r.responses.iter().map(|result| result.error_code));
    AlterReplicaLogDirsResponse => |r| first(r.results.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    DescribeLogDirsResponse => |r| match r.error_code {
        0 => first(r.results.iter().map(|result| result.error_code)),
        error => error,
    };
    CreatePartitionsResponse => |r| first(r.results.iter().map(|result| result.error_code));
    DescribeClusterResponse => |r| r.error_code;
    DescribeProducersResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    ListConfigResourcesResponse => |r| r.error_code;
    DescribeTopicPartitionsResponse => |r| first(r.topics.iter().map(|t| t.error_code));
    FindCoordinatorResponse => |r| match r.error_code {
        0 => first(r.coordinators.iter().map(|coordinator| coordinator.error_code)),
        error => error,
    };
    JoinGroupResponse => |r| r.error_code;
    SyncGroupResponse => |r| r.error_code;
    HeartbeatResponse => |r| r.error_code;
    LeaveGroupResponse => |r| match r.error_code {
        0 => first(r.members.iter().map(|member| member.error_code)),
        error => error,
    };
    OffsetCommitResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    OffsetFetchResponse => |r| match (r.error_code, r.groups.is_empty()) {
        (0, true) => first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)),
        (0, false) => first(r.groups.iter().map(|group| group.error_code)),
        (error, _) => error,
    };
    OffsetDeleteResponse => |r| match r.error_code {
        0 => first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)),
        error => error,
    };
    DescribeGroupsResponse => |r| first(r.groups.iter().map(|group| group.error_code));
    ListGroupsResponse => |r| r.error_code;
    DeleteGroupsResponse => |r| first(r.results.iter().map(|result| result.error_code));
    ConsumerGroupHeartbeatResponse => |r| r.error_code;
    ConsumerGroupDescribeResponse => |r| first(r.groups.iter().map(|group| group.error_code));
    StreamsGroupHeartbeatResponse => |r| r.error_code;
    StreamsGroupDescribeResponse => |r| first(r.groups.iter().map(|group| group.error_code));
    ShareGroupHeartbeatResponse => |r| r.error_code;
    ShareGroupDescribeResponse => |r| first(r.groups.iter().map(|group| group.error_code));
    ShareFetchResponse => |r| match r.error_code {
        0 => first(
            r.responses.iter().flat_map(|t| &t.partitions).flat_map(|p| [p.error_code, p.acknowledge_error_code]),
        ),
        error => error,
    };
    ShareAcknowledgeResponse => |r| match r.error_code {
        0 => first(r.responses.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)),
        error => error,
    };
    DescribeShareGroupOffsetsResponse => |r| first(r.groups.iter().map(|group| group.error_code));
    AlterShareGroupOffsetsResponse => |r| match r.error_code {
        0 => first(r.responses.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)),
        error => error,
    };
    DeleteShareGroupOffsetsResponse => |r| match r.error_code {
        0 => first(r.responses.iter().map(|t| t.error_code)),
        error => error,
    };
    AddPartitionsToTxnResponse => |r| {
        let topics = r.results_by_transaction.iter().flat_map(|result| &result.topic_results);
        let topics = topics.chain(&r.results_by_topic_v3_and_below);
        let codes = topics.flat_map(|topic| &topic.results_by_partition).map(|result| result.partition_error_code);
        first(std::iter::once(r.error_code).chain(codes))
    };
    AddOffsetsToTxnResponse => |r| r.error_code;
    EndTxnResponse => |r| r.error_code;
    TxnOffsetCommitResponse => |r| first(r.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code));
    DescribeTransactionsResponse => |r| first(r.transaction_states.iter().map(|state| state.error_code));
    ListTransactionsResponse => |r| r.error_code;
    UnregisterBrokerResponse => |r| r.error_code;
    UpdateFeaturesResponse => |r| r.error_code;
    ElectLeadersResponse => |r| match r.error_code {
        0 => first(r.replica_election_results.iter().flat_map(|t| &t.partition_result).map(|p| p.error_code)),
        error => error,
    };
    AlterPartitionReassignmentsResponse => |r| match r.error_code {
        0 => first(r.responses.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)),
        error => error,
    };
    ListPartitionReassignmentsResponse => |r| r.error_code;
    DescribeClientQuotasResponse => |r| r.error_code;
    AlterClientQuotasResponse => |r| first(r.entries.iter().map(|entry| entry.error_code));
    AddRaftVoterResponse => |r| r.error_code;
    RemoveRaftVoterResponse => |r| r.error_code;
    GetTelemetrySubscriptionsResponse => |r| r.error_code;
    PushTelemetryResponse => |r| r.error_code;
}

impl Answer for DescribeQuorumResponse {
    fn first_error(&self) -> i16 {
        match self.error_code {
            0 => first(self.topics.iter().flat_map(|t| &t.partitions).map(|p| p.error_code)),
            error => error,
        }
    }

    /// Its message has no room for it; the connection rests all the same.
    fn set_throttle_time_ms(&mut self, _wait_ms: i32) {}
}

impl Answer for WriteTxnMarkersResponse {
    fn first_error(&self) -> i16 {
        let topics = self.markers.iter().flat_map(|marker| &marker.topics);
        first(topics.flat_map(|topic| &topic.partitions).map(|partition| partition.error_code))
    }

    /// Brokers send it to each other; its message has no room for it.
    fn set_throttle_time_ms(&mut self, _wait_ms: i32) {}
}

/// Between brokers nobody is throttled.
macro_rules! answers_between_brokers {
    ($($response:ty),*) => {
        $(impl Answer for $response {
            fn first_error(&self) -> i16 {
                first(self.results.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code))
            }

            fn set_throttle_time_ms(&mut self, _wait_ms: i32) {}
        })*
    };
}

answers_between_brokers!(
    InitializeShareGroupStateResponse,
    ReadShareGroupStateResponse,
    WriteShareGroupStateResponse,
    DeleteShareGroupStateResponse,
    ReadShareGroupStateSummaryResponse
);
