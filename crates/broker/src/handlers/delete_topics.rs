//! DeleteTopics (key 20), versions 1 to 6.
//!
//! v5 error message, v6 topic ids (KIP-516). Errors: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INVALID_REQUEST (both
//! or neither of name and id, or one topic twice), THROTTLING_QUOTA_EXCEEDED (from v5 on), TOPIC_DELETION_DISABLED, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{quota_exceeded, submit_throttled, timeout_ms};
use crate::Broker;
use crate::quotas::Mutations;
use ottla_metadata::ApiError;
use ottla_net::Request;
use ottla_protocol::generated::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use ottla_protocol::generated::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use std::sync::Arc;

/// First version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_QUOTA_FROM: i16 = 5;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: DeleteTopicsRequest = decode(&request)?;
    let mut mutations = broker.quotas.mutations(&request.header, request.header.api_version >= STRICT_QUOTA_FROM);
    let over = without_quota(broker, &mut body, &mut mutations);
    let mut asked = body.topics.clone();
    asked.extend(body.topic_names.iter().map(|name| named(name)));
    let timeout = timeout_ms(body.timeout_ms);
    Ok(submit_throttled(broker, request.header, timeout, body, move |outcome| {
        let mut response = match outcome {
            Ok(response) => response.into_delete_topics(),
            Err(error) => refused(&asked, &error),
        };
        response.responses.extend(refused(&over, &quota_exceeded()).responses);
        (response, mutations.wait_ms())
    }))
}

fn named(name: &str) -> DeleteTopicState {
    DeleteTopicState { name: Some(name.to_string()), ..Default::default() }
}

/// Takes out the topics for which there is no quota, and returns them.
fn without_quota(broker: &Broker, body: &mut DeleteTopicsRequest, mutations: &mut Mutations) -> Vec<DeleteTopicState> {
    let image = broker.image();
    let mut over = Vec::new();
    let mut fits = |topic: DeleteTopicState| {
        let found = match &topic.name {
            Some(name) => image.topic(name),
            None => image.topic_by_id(topic.topic_id),
        };
        let fits = found.is_none_or(|found| mutations.take(found.partitions.len()));
        if !fits {
            over.push(topic);
        }
        fits
    };
    body.topics.retain(|topic| fits(topic.clone()));
    body.topic_names.retain(|name| fits(named(name)));
    over
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
