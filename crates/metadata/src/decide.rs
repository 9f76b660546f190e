//! The controller's decisions, one file per concern.
//!
//! Every decision is a pure function: image, request and context in; records and the reply out. Nothing changes until
//! the records are committed and replayed.

mod alter_client_quotas;
mod alter_configs;
mod bootstrap;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod elect_leaders;
mod election;
mod producer_ids;
mod quorum;
mod reassign_partitions;
mod register_broker;
mod register_controller;
mod replicas;
mod unregister_broker;
mod update_features;

#[cfg(test)]
mod testing;

pub use alter_client_quotas::alter_client_quotas;
pub use alter_configs::{alter_configs, incremental_alter_configs};
pub use bootstrap::bootstrap;
pub use create_partitions::create_partitions;
pub use create_topics::create_topics;
pub use delete_topics::delete_topics;
pub use elect_leaders::elect_leaders;
pub use producer_ids::allocate_producer_ids;
pub use quorum::{add_raft_voter, describe_quorum, remove_raft_voter};
pub use reassign_partitions::alter_partition_reassignments;
pub use register_broker::register_broker;
pub use register_controller::register_controller;
pub use unregister_broker::unregister_broker;
pub use update_features::update_features;

use crate::{BrokerRegistrationOutcome, ControllerRequest, ControllerResponse, DecideContext, Decision, MetadataImage};

/// Decides a request of any kind.
///
/// `has_live_session` tells whether the registered incarnation of a broker still reports to the controller; it matters
/// to registrations only.
pub fn decide(
    image: &MetadataImage,
    request: &ControllerRequest,
    has_live_session: bool,
    context: &DecideContext<'_>,
) -> Decision<ControllerResponse> {
    match request {
        ControllerRequest::CreateTopics(request) => create_topics(image, request, context).map(Into::into),
        ControllerRequest::DeleteTopics(request) => delete_topics(image, request, context).map(Into::into),
        ControllerRequest::CreatePartitions(request) => create_partitions(image, request, context).map(Into::into),
        ControllerRequest::AlterConfigs(request) => alter_configs(image, request, context).map(Into::into),
        ControllerRequest::IncrementalAlterConfigs(request) => {
            incremental_alter_configs(image, request, context).map(Into::into)
        }
        ControllerRequest::RegisterBroker(request) => {
            let decision: Decision<BrokerRegistrationOutcome> =
                register_broker(image, request, has_live_session, context);
            decision.map(Into::into)
        }
        ControllerRequest::RegisterController(request) => register_controller(image, request).map(Into::into),
        ControllerRequest::UnregisterBroker(request) => unregister_broker(image, request, context).map(Into::into),
        ControllerRequest::AllocateProducerIds(request) => allocate_producer_ids(image, request).map(Into::into),
        ControllerRequest::UpdateFeatures(request) => update_features(image, request, context).map(Into::into),
        ControllerRequest::ElectLeaders(request) => elect_leaders(image, request).map(Into::into),
        ControllerRequest::AlterPartitionReassignments(request) => {
            alter_partition_reassignments(image, request).map(Into::into)
        }
        ControllerRequest::AlterClientQuotas(request) => alter_client_quotas(image, request).map(Into::into),
        ControllerRequest::DescribeQuorum(request) => Decision::none(describe_quorum(image, request, context).into()),
        ControllerRequest::AddRaftVoter(request) => Decision::none(add_raft_voter(image, request).into()),
        ControllerRequest::RemoveRaftVoter(request) => Decision::none(remove_raft_voter(image, request).into()),
    }
}
