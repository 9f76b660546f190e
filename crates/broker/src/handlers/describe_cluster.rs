//! DescribeCluster (key 60), versions 0 to 2 (KIP-700).
//!
//! v1 endpoint type (KIP-919), v2 fenced brokers (KIP-1073). Errors: MISMATCHED_ENDPOINT_TYPE when a broker's listener is
//! asked for controllers, UNSUPPORTED_ENDPOINT_TYPE for unknown types.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_cluster_request::DescribeClusterRequest;
use ottla_protocol::generated::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use ottla_types::ErrorCode;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) fn handle(broker: &Broker, request: &Request) -> Handled {
    let body: DescribeClusterRequest = decode(request)?;
    let response = match body.endpoint_type {
        BROKERS => describe(broker, request, &body),
        CONTROLLERS => refused(
            ErrorCode::MismatchedEndpointType,
            "The request was sent to an endpoint of the wrong type: this is a broker listener",
        ),
        _ => refused(ErrorCode::UnsupportedEndpointType, "This endpoint type is not known"),
    };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn describe(broker: &Broker, request: &Request, body: &DescribeClusterRequest) -> DescribeClusterResponse {
    let image = broker.image();
    let listener = &request.connection.listener;
    let listed = image.brokers().filter(|other| !other.fenced || body.include_fenced_brokers);
    let brokers = listed.filter_map(|other| {
        let endpoint = other.endpoint(listener)?;
        Some(DescribeClusterBroker {
            broker_id: other.id.0,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: other.rack.clone(),
            is_fenced: other.fenced,
        })
    });
    DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: image.cluster_id().map(|id| id.to_string()).unwrap_or_default(),
        controller_id: broker.node_id().0,
        brokers: brokers.collect(),
        cluster_authorized_operations: match body.include_cluster_authorized_operations {
            true => super::metadata::CLUSTER_OPERATIONS,
            false => i32::MIN,
        },
        ..DescribeClusterResponse::default()
    }
}

fn refused(error: ErrorCode, message: &str) -> DescribeClusterResponse {
    DescribeClusterResponse {
        error_code: error.code(),
        error_message: Some(message.to_string()),
        ..DescribeClusterResponse::default()
    }
}
