//! AlterPartitionReassignments (key 45), versions 0 and 1 (KIP-455).
//!
//! v1 may forbid another replication factor (KIP-860). Errors of partitions: UNKNOWN_TOPIC_OR_PARTITION,
//! INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR, NO_REASSIGNMENT_IN_PROGRESS; of the whole: NOT_CONTROLLER,
//! REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{submit, timeout_ms};
use crate::Broker;
use ottla_net::Request;
use ottla_protocol::generated::alter_partition_reassignments_request::AlterPartitionReassignmentsRequest;
use ottla_protocol::generated::alter_partition_reassignments_response::AlterPartitionReassignmentsResponse;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: AlterPartitionReassignmentsRequest = decode(&request)?;
    let timeout = timeout_ms(body.timeout_ms);
    Ok(submit(broker, request.header, timeout, body, |outcome| match outcome {
        Ok(response) => response.into_alter_partition_reassignments(),
        Err(error) => AlterPartitionReassignmentsResponse {
            error_code: error.code.code(),
            error_message: error.message,
            ..AlterPartitionReassignmentsResponse::default()
        },
    }))
}
