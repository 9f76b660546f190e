//! DescribeQuorum (key 55), versions 0 to 2 (KIP-595).
//!
//! v1 times of the last fetch (KIP-836), v2 directory ids, endpoints and messages (KIP-853). Answered by the leader of the quorum
//! for partition 0 of `__cluster_metadata`; UNKNOWN_TOPIC_OR_PARTITION for others, NOT_CONTROLLER and REQUEST_TIMED_OUT where
//! it cannot be asked.

use super::codec::{Handled, decode};
use super::controlled::submit;
use crate::Broker;
use ottla_net::Request;
use ottla_protocol::generated::describe_quorum_request::DescribeQuorumRequest;
use ottla_protocol::generated::describe_quorum_response::DescribeQuorumResponse;
use std::sync::Arc;

/// First version that says where the voters are.
const NODES_FROM: i16 = 2;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DescribeQuorumRequest = decode(&request)?;
    let (timeout, version) = (broker.request_timeout(), request.header.api_version);
    Ok(submit(broker, request.header, timeout, body, move |outcome| match outcome {
        Ok(response) => {
            let mut response = response.into_describe_quorum();
            if version < NODES_FROM {
                response.nodes.clear();
            }
            response
        }
        Err(error) => DescribeQuorumResponse {
            error_code: error.code.code(),
            error_message: error.message,
            ..DescribeQuorumResponse::default()
        },
    }))
}
