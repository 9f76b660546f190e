//! AddRaftVoter (key 80), versions 0 and 1, and RemoveRaftVoter (key 81), version 0 (KIP-853).
//!
//! The voters of the quorum are fixed (level 0 of `kraft.version`): UNSUPPORTED_VERSION. Before that INCONSISTENT_CLUSTER_ID and
//! INVALID_REQUEST; NOT_CONTROLLER and REQUEST_TIMED_OUT where the controller cannot be asked.

use super::codec::{Handled, decode};
use super::controlled::{submit, timeout_ms};
use crate::Broker;
use ottla_net::Request;
use ottla_protocol::generated::add_raft_voter_request::AddRaftVoterRequest;
use ottla_protocol::generated::add_raft_voter_response::AddRaftVoterResponse;
use ottla_protocol::generated::remove_raft_voter_request::RemoveRaftVoterRequest;
use ottla_protocol::generated::remove_raft_voter_response::RemoveRaftVoterResponse;
use std::sync::Arc;

pub(super) fn add(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: AddRaftVoterRequest = decode(&request)?;
    let timeout = timeout_ms(body.timeout_ms);
    Ok(submit(broker, request.header, timeout, body, |outcome| match outcome {
        Ok(response) => response.into_add_raft_voter(),
        Err(error) => AddRaftVoterResponse {
            error_code: error.code.code(),
            error_message: error.message,
            ..AddRaftVoterResponse::default()
        },
    }))
}

pub(super) fn remove(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: RemoveRaftVoterRequest = decode(&request)?;
    let timeout = broker.request_timeout();
    Ok(submit(broker, request.header, timeout, body, |outcome| match outcome {
        Ok(response) => response.into_remove_raft_voter(),
        Err(error) => RemoveRaftVoterResponse {
            error_code: error.code.code(),
            error_message: error.message,
            ..RemoveRaftVoterResponse::default()
        },
    }))
}
