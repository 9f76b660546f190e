//! DeleteTopics (key 20), versions 1 to 6.
//!
//! v5 error message, v6 topic ids (KIP-516). Errors: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INVALID_REQUEST (both
//! or neither of name and id, or one topic twice), TOPIC_DELETION_DISABLED, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{submit, timeout_ms};
use crate::Broker;
use ottla_metadata::ApiError;
use ottla_net::Request;
use ottla_protocol::generated::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use ottla_protocol::generated::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DeleteTopicsRequest = decode(&request)?;
    let mut asked = body.topics.clone();
    asked.extend(
        body.topic_names.iter().map(|name| DeleteTopicState { name: Some(name.clone()), ..Default::default() }),
    );
    let timeout = timeout_ms(body.timeout_ms);
    Ok(submit(broker, request.header, timeout, body, move |outcome| match outcome {
        Ok(response) => response.into_delete_topics(),
        Err(error) => refused(&asked, &error),
    }))
}

fn refused(asked: &[DeleteTopicState], error: &ApiError) -> DeleteTopicsResponse {
    let result = |topic: &DeleteTopicState| DeletableTopicResult {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        error_code: error.code.code(),
        error_message: error.message.clone(),
    };
    DeleteTopicsResponse { responses: asked.iter().map(result).collect(), ..DeleteTopicsResponse::default() }
}
