//! CreateTopics (key 19), versions 2 to 7.
//!
//! v4 -1 for partitions and replication factor (KIP-464), v5 configs in the response (KIP-525), v7 topic id (KIP-516).
//! Decided by the controller: see `ottla_metadata::decide` for names, counts, assignments, configs and their errors.
//! NOT_CONTROLLER and REQUEST_TIMED_OUT where it cannot be reached in time.

use super::codec::{Handled, decode};
use super::controlled::{submit, timeout_ms};
use crate::Broker;
use ottla_metadata::ApiError;
use ottla_net::Request;
use ottla_protocol::generated::create_topics_request::CreateTopicsRequest;
use ottla_protocol::generated::create_topics_response::{CreatableTopicResult, CreateTopicsResponse};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: CreateTopicsRequest = decode(&request)?;
    let names: Vec<String> = body.topics.iter().map(|topic| topic.name.clone()).collect();
    let timeout = timeout_ms(body.timeout_ms);
    Ok(submit(broker, request.header, timeout, body, move |outcome| match outcome {
        Ok(response) => response.into_create_topics(),
        Err(error) => refused(&names, &error),
    }))
}

fn refused(names: &[String], error: &ApiError) -> CreateTopicsResponse {
    let result = |name: &String| CreatableTopicResult {
        name: name.clone(),
        error_code: error.code.code(),
        error_message: error.message.clone(),
        ..CreatableTopicResult::default()
    };
    CreateTopicsResponse { topics: names.iter().map(result).collect(), ..CreateTopicsResponse::default() }
}
