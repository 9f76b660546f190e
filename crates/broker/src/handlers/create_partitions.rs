//! CreatePartitions (key 37), versions 0 to 3 (KIP-195).
//!
//! Partitions can only be added. Errors: INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, UNKNOWN_TOPIC_OR_PARTITION,
//! INVALID_TOPIC_EXCEPTION, INVALID_REQUEST (a topic twice), NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{submit, timeout_ms};
use crate::Broker;
use ottla_metadata::ApiError;
use ottla_net::Request;
use ottla_protocol::generated::create_partitions_request::CreatePartitionsRequest;
use ottla_protocol::generated::create_partitions_response::{CreatePartitionsResponse, CreatePartitionsTopicResult};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: CreatePartitionsRequest = decode(&request)?;
    let names: Vec<String> = body.topics.iter().map(|topic| topic.name.clone()).collect();
    let timeout = timeout_ms(body.timeout_ms);
    Ok(submit(broker, request.header, timeout, body, move |outcome| match outcome {
        Ok(response) => response.into_create_partitions(),
        Err(error) => refused(&names, &error),
    }))
}

fn refused(names: &[String], error: &ApiError) -> CreatePartitionsResponse {
    let result = |name: &String| CreatePartitionsTopicResult {
        name: name.clone(),
        error_code: error.code.code(),
        error_message: error.message.clone(),
    };
    CreatePartitionsResponse { results: names.iter().map(result).collect(), ..CreatePartitionsResponse::default() }
}
