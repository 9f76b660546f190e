//! One file per API key. A handler decodes its request, asks partitions, image or controller, and encodes
//! the response; each opens with its contract: versions, errors, what is left out.
//!
//! What is waited for happens in [`Outcome::Later`], which is polled only when the replies before it have left, and not at
//! all while a slow client has to take those: deadlines are taken before, and no lock is held across a wait in one.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod alter_share_group_offsets;
mod answer;
mod api_versions;
mod broker_loggers;
mod codec;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod controlled;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_share_group_offsets;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_share_group_offsets;
mod describe_topic_partitions;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod raft_voters;
mod share_acknowledge;
mod share_fetch;
mod share_group_describe;
mod share_group_heartbeat;
mod share_group_state;
mod share_groups;
mod streams_group_describe;
mod streams_group_heartbeat;
mod sync_group;
mod telemetry;
mod txn_offset_commit;
mod unregister_broker;
mod update_features;
mod write_txn_markers;

pub(crate) use controlled::quota_exceeded;
pub(crate) use metadata::auto_create::{Failed, create as create_topics};

use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::{ApiKey, versions};
use std::sync::Arc;

/// Starts one request. What must happen in the order of the connection's requests happens before this
/// resolves; waiting goes into [`Outcome::Later`].
pub(crate) async fn dispatch(broker: Arc<Broker>, request: Request) -> Outcome {
    let outcome = match request.header.api_key {
        ApiKey::Produce => produce::handle(&broker, &request).await,
        ApiKey::Fetch => fetch::handle(&broker, request).await,
        ApiKey::Metadata => metadata::handle(&broker, request),
        ApiKey::ListOffsets => list_offsets::handle(&broker, request),
        ApiKey::OffsetForLeaderEpoch => offset_for_leader_epoch::handle(&broker, &request),
        ApiKey::DeleteRecords => delete_records::handle(&broker, request),
        ApiKey::InitProducerId => init_producer_id::handle(&broker, request),
        ApiKey::AddPartitionsToTxn => add_partitions_to_txn::handle(&broker, request),
        ApiKey::AddOffsetsToTxn => add_offsets_to_txn::handle(&broker, request),
        ApiKey::EndTxn => end_txn::handle(&broker, request),
        ApiKey::WriteTxnMarkers => write_txn_markers::handle(&broker, request),
        ApiKey::TxnOffsetCommit => txn_offset_commit::handle(&broker, request),
        ApiKey::DescribeTransactions => describe_transactions::handle(&broker, request),
        ApiKey::ListTransactions => list_transactions::handle(&broker, request),
        ApiKey::CreateTopics => create_topics::handle(&broker, request),
        ApiKey::DeleteTopics => delete_topics::handle(&broker, request),
        ApiKey::CreatePartitions => create_partitions::handle(&broker, request),
        ApiKey::DescribeTopicPartitions => describe_topic_partitions::handle(&broker, &request),
        ApiKey::DescribeConfigs => describe_configs::handle(&broker, &request),
        ApiKey::AlterConfigs => alter_configs::handle(&broker, request),
        ApiKey::IncrementalAlterConfigs => incremental_alter_configs::handle(&broker, request),
        ApiKey::ListConfigResources => list_config_resources::handle(&broker, &request),
        ApiKey::AlterReplicaLogDirs => alter_replica_log_dirs::handle(&broker, request),
        ApiKey::DescribeLogDirs => describe_log_dirs::handle(&broker, request),
        ApiKey::DescribeProducers => describe_producers::handle(&broker, &request),
        ApiKey::FindCoordinator => find_coordinator::handle(&broker, request),
        ApiKey::JoinGroup => join_group::handle(&broker, request),
        ApiKey::SyncGroup => sync_group::handle(&broker, request),
        ApiKey::Heartbeat => heartbeat::handle(&broker, request),
        ApiKey::LeaveGroup => leave_group::handle(&broker, request),
        ApiKey::OffsetCommit => offset_commit::handle(&broker, request),
        ApiKey::OffsetFetch => offset_fetch::handle(&broker, request),
        ApiKey::OffsetDelete => offset_delete::handle(&broker, request),
        ApiKey::DescribeGroups => describe_groups::handle(&broker, request),
        ApiKey::ListGroups => list_groups::handle(&broker, request),
        ApiKey::DeleteGroups => delete_groups::handle(&broker, request),
        ApiKey::ConsumerGroupHeartbeat => consumer_group_heartbeat::handle(&broker, request),
        ApiKey::ConsumerGroupDescribe => consumer_group_describe::handle(&broker, request),
        ApiKey::StreamsGroupHeartbeat => streams_group_heartbeat::handle(&broker, request),
        ApiKey::StreamsGroupDescribe => streams_group_describe::handle(&broker, request),
        ApiKey::ShareGroupHeartbeat => share_group_heartbeat::handle(&broker, request),
        ApiKey::ShareGroupDescribe => share_group_describe::handle(&broker, request),
        ApiKey::ShareFetch => share_fetch::handle(&broker, request).await,
        ApiKey::ShareAcknowledge => share_acknowledge::handle(&broker, request),
        ApiKey::InitializeShareGroupState => share_group_state::initialize(&broker, request),
        ApiKey::ReadShareGroupState => share_group_state::read(&broker, request),
        ApiKey::WriteShareGroupState => share_group_state::write(&broker, request),
        ApiKey::DeleteShareGroupState => share_group_state::delete(&broker, request),
        ApiKey::ReadShareGroupStateSummary => share_group_state::read_summary(&broker, request),
        ApiKey::DescribeShareGroupOffsets => describe_share_group_offsets::handle(&broker, request),
        ApiKey::AlterShareGroupOffsets => alter_share_group_offsets::handle(&broker, request),
        ApiKey::DeleteShareGroupOffsets => delete_share_group_offsets::handle(&broker, request),
        ApiKey::UnregisterBroker => unregister_broker::handle(&broker, request),
        ApiKey::UpdateFeatures => update_features::handle(&broker, request),
        ApiKey::ElectLeaders => elect_leaders::handle(&broker, request),
        ApiKey::AlterPartitionReassignments => alter_partition_reassignments::handle(&broker, request),
        ApiKey::ListPartitionReassignments => list_partition_reassignments::handle(&broker, &request),
        ApiKey::DescribeQuorum => describe_quorum::handle(&broker, request),
        ApiKey::AddRaftVoter => raft_voters::add(&broker, request),
        ApiKey::RemoveRaftVoter => raft_voters::remove(&broker, request),
        ApiKey::DescribeClientQuotas => describe_client_quotas::handle(&broker, &request),
        ApiKey::AlterClientQuotas => alter_client_quotas::handle(&broker, request),
        ApiKey::GetTelemetrySubscriptions => telemetry::subscribe(&broker, &request),
        ApiKey::PushTelemetry => telemetry::push(&broker, &request),
        key => Err(codec::Refused::not_served(key)),
    };
    finished(outcome)
}

/// ApiVersions, which depends on the listener: `table` is what that one serves.
pub(crate) fn api_versions(broker: &Broker, request: &Request, table: &[versions::Row]) -> Outcome {
    finished(api_versions::handle(broker, request, table))
}

/// DescribeCluster, which depends on the kind of the listener too.
pub(crate) fn describe_cluster(broker: &Broker, request: &Request, is_controllers_listener: bool) -> Outcome {
    finished(describe_cluster::handle(broker, request, is_controllers_listener))
}

fn finished(handled: codec::Handled) -> Outcome {
    handled.unwrap_or_else(|refused| Outcome::Close { reason: refused.to_string() })
}
