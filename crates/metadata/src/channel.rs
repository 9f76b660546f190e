//! How a broker reaches the active controller, wherever that runs.

use crate::ApiError;
use ottla_protocol::{
    AddRaftVoterRequest, AddRaftVoterResponse, AllocateProducerIdsRequest, AllocateProducerIdsResponse,
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterConfigsRequest, AlterConfigsResponse,
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, ControllerRegistrationRequest, ControllerRegistrationResponse, CreatePartitionsRequest,
    CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeQuorumRequest, DescribeQuorumResponse, ElectLeadersRequest, ElectLeadersResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse,
    UnregisterBrokerRequest, UnregisterBrokerResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use ottla_types::{ErrorCode, NodeId};
use std::future::Future;
use std::pin::Pin;

macro_rules! controller_api {
    ($($name:ident($request:ident, $response:ident, $unwrap:ident),)*) => {
        /// What the controller is asked for: the protocol's own messages.
        #[derive(Debug, Clone, PartialEq)]
        pub enum ControllerRequest {
            $(#[doc = concat!("A `", stringify!($request), "`.")] $name($request),)*
        }

        /// What the controller answers, always of the request's kind.
        #[derive(Debug, Clone, PartialEq)]
        pub enum ControllerResponse {
            $(#[doc = concat!("The answer to a [`ControllerRequest::", stringify!($name), "`].")] $name($response),)*
        }

        impl ControllerRequest {
            /// The name of the request's kind, for logs.
            pub fn name(&self) -> &'static str {
                match self {
                    $(ControllerRequest::$name(_) => stringify!($name),)*
                }
            }
        }

        $(
            impl From<$request> for ControllerRequest {
                fn from(request: $request) -> ControllerRequest {
                    ControllerRequest::$name(request)
                }
            }

            impl From<$response> for ControllerResponse {
                fn from(response: $response) -> ControllerResponse {
                    ControllerResponse::$name(response)
                }
            }
        )*

        impl ControllerResponse {
            $(
                #[doc = concat!("The answer to a [`ControllerRequest::", stringify!($name), "`]. Another kind is a bug.")]
                pub fn $unwrap(self) -> $response {
                    match self {
                        ControllerResponse::$name(response) => response,
                        other => panic!("the controller answered {} with {other:?}", stringify!($name)),
                    }
                }
            )*
        }
    };
}

controller_api! {
    CreateTopics(CreateTopicsRequest, CreateTopicsResponse, into_create_topics),
    DeleteTopics(DeleteTopicsRequest, DeleteTopicsResponse, into_delete_topics),
    CreatePartitions(CreatePartitionsRequest, CreatePartitionsResponse, into_create_partitions),
    AlterConfigs(AlterConfigsRequest, AlterConfigsResponse, into_alter_configs),
    IncrementalAlterConfigs(
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, into_incremental_alter_configs
    ),
    RegisterBroker(BrokerRegistrationRequest, BrokerRegistrationOutcome, into_register_broker),
    RegisterController(ControllerRegistrationRequest, ControllerRegistrationResponse, into_register_controller),
    UnregisterBroker(UnregisterBrokerRequest, UnregisterBrokerResponse, into_unregister_broker),
    AllocateProducerIds(AllocateProducerIdsRequest, AllocateProducerIdsResponse, into_allocate_producer_ids),
    UpdateFeatures(UpdateFeaturesRequest, UpdateFeaturesResponse, into_update_features),
    ElectLeaders(ElectLeadersRequest, ElectLeadersResponse, into_elect_leaders),
    AlterPartitionReassignments(
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, into_alter_partition_reassignments
    ),
    AlterClientQuotas(AlterClientQuotasRequest, AlterClientQuotasResponse, into_alter_client_quotas),
    DescribeQuorum(DescribeQuorumRequest, DescribeQuorumResponse, into_describe_quorum),
    AddRaftVoter(AddRaftVoterRequest, AddRaftVoterResponse, into_add_raft_voter),
    RemoveRaftVoter(RemoveRaftVoterRequest, RemoveRaftVoterResponse, into_remove_raft_voter),
}

/// The answer to a registration. Kafka's message has no room for words, and a refused node must know what to do.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerRegistrationOutcome {
    /// Kafka's answer.
    pub response: BrokerRegistrationResponse,
    /// Why the registration was refused and what to do, when it was.
    pub error_message: Option<String>,
}

/// Why a request got no answer of its own kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControllerError {
    /// Another node is the active controller, or none is known. Nothing was done.
    #[error("this node is not the active controller")]
    NotController {
        /// The active controller, as far as known.
        leader: Option<NodeId>,
    },
    /// The controller has too much to do. Nothing was done.
    #[error("the controller is busy")]
    Busy,
    /// The metadata log cannot take the change, because its disk is full or failing. Nothing was done.
    #[error(
        "the metadata log cannot be written: {0}. Next step: look at the disk of metadata.log.dir; free space, or mend it and \
         restart the node"
    )]
    Storage(String),
    /// No answer in time, or leadership was lost meanwhile. The change may still be committed.
    #[error("the outcome is not known: {0}")]
    Unknown(String),
}

impl ControllerError {
    /// The error for the reply to a client.
    pub fn to_api_error(&self) -> ApiError {
        let code = match self {
            ControllerError::NotController { .. } => ErrorCode::NotController,
            ControllerError::Busy => ErrorCode::RequestTimedOut,
            ControllerError::Storage(_) => ErrorCode::KafkaStorageError,
            ControllerError::Unknown(_) => ErrorCode::RequestTimedOut,
        };
        ApiError::new(code, self.to_string())
    }
}

/// A request under way.
pub type ControllerFuture = Pin<Box<dyn Future<Output = Result<ControllerResponse, ControllerError>> + Send>>;

/// The way to the active controller.
///
/// The answer comes when the change is committed. Where the controller runs on this node, the image that the node
/// publishes holds the change by then; a remote controller's change reaches the image a little later.
pub trait ControllerChannel: Send + Sync {
    /// Hands `request` to the controller. The request counts from this call on, whether or not the future is polled.
    fn submit(&self, request: ControllerRequest) -> ControllerFuture;
}
