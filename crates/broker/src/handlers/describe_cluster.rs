//! DescribeCluster (key 60), versions 0 to 2 (KIP-700).
//!
//! v1 endpoint type (KIP-919), v2 fenced brokers (KIP-1073). A broker's listener tells of brokers, a controller's of controllers.
//! Errors: MISMATCHED_ENDPOINT_TYPE where one is asked for the other, UNSUPPORTED_ENDPOINT_TYPE for unknown types; INVALID_REQUEST
//! for both in version 0.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_cluster_request::DescribeClusterRequest;
use ottla_protocol::generated::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use ottla_types::ErrorCode;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
/// First version that knows of endpoint types.
const ENDPOINT_TYPES_FROM: i16 = 1;

pub(super) fn handle(broker: &Broker, request: &Request, is_controllers_listener: bool) -> Handled {
    let body: DescribeClusterRequest = decode(request)?;
    let served = if is_controllers_listener { CONTROLLERS } else { BROKERS };
    let version = request.header.api_version;
    let response = match body.endpoint_type {
        asked if asked == served => describe(broker, request, &body, served),
        BROKERS | CONTROLLERS => refused(
            version,
            ErrorCode::MismatchedEndpointType,
            format!(
                "The request was sent to an endpoint of type {}, but we wanted an endpoint of type {}",
                name(served),
                name(body.endpoint_type)
            ),
        ),
        other => refused(version, ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}")),
    };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn name(endpoint_type: i8) -> &'static str {
    if endpoint_type == CONTROLLERS { "CONTROLLER" } else { "BROKER" }
}

fn describe(broker: &Broker, request: &Request, body: &DescribeClusterRequest, served: i8) -> DescribeClusterResponse {
    let image = broker.image();
    let nodes = if served == CONTROLLERS { controllers(broker, request) } else { brokers(broker, request, body) };
    // Whoever answers leads: here every node is both. One that is not among them cannot be named.
    let leads = broker.node_id().0;
    let controller_id = if nodes.iter().any(|node| node.broker_id == leads) { leads } else { -1 };
    DescribeClusterResponse {
        endpoint_type: served,
        cluster_id: image.cluster_id().map(|id| id.to_string()).unwrap_or_default(),
        controller_id,
        brokers: nodes,
        cluster_authorized_operations: match body.include_cluster_authorized_operations {
            true => super::metadata::CLUSTER_OPERATIONS,
            false => i32::MIN,
        },
        ..DescribeClusterResponse::default()
    }
}

fn brokers(broker: &Broker, request: &Request, body: &DescribeClusterRequest) -> Vec<DescribeClusterBroker> {
    let image = broker.image();
    let listed = image.brokers().filter(|other| !other.fenced || body.include_fenced_brokers);
    let listed = listed.filter_map(|other| {
        let endpoint = other.endpoint(&request.connection.listener)?;
        Some(DescribeClusterBroker {
            broker_id: other.id.0,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: other.rack.clone(),
            is_fenced: other.fenced,
        })
    });
    listed.collect()
}

fn controllers(broker: &Broker, request: &Request) -> Vec<DescribeClusterBroker> {
    let image = broker.image();
    let listed = image.controllers().filter_map(|other| {
        let endpoint = other.endpoint(&request.connection.listener)?;
        Some(DescribeClusterBroker {
            broker_id: other.id.0,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: None,
            is_fenced: false,
        })
    });
    listed.collect()
}

fn refused(version: i16, error: ErrorCode, message: String) -> DescribeClusterResponse {
    let error = if version < ENDPOINT_TYPES_FROM { ErrorCode::InvalidRequest } else { error };
    DescribeClusterResponse {
        error_code: error.code(),
        error_message: Some(message),
        ..DescribeClusterResponse::default()
    }
}
