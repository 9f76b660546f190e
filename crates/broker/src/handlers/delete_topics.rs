//! DeleteTopics (key 20), versions 1 to 6.
//!
//! v5 error message, v6 topic ids (KIP-516). Errors: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INVALID_REQUEST (both
//! or neither of name and id, or one topic twice), THROTTLING_QUOTA_EXCEEDED (from v5 on), TOPIC_DELETION_DISABLED, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use super::codec::{Handled, decode};
use super::controlled::{quota_exceeded, submit_throttled, timeout_ms};
use crate::Broker;
use ottla_metadata::{ApiError, MetadataImage};
use ottla_net::Request;
use ottla_protocol::generated::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use ottla_protocol::generated::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// First version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_QUOTA_FROM: i16 = 5;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: DeleteTopicsRequest = decode(&request)?;
    let mut mutations = broker.quotas.mutations(&request.header, request.header.api_version >= STRICT_QUOTA_FROM);
    let over = without_quota(&broker.image(), &mut body, |partitions| mutations.take(partitions));
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

/// Takes out the topics for which there is no quota (`take` is asked once for each, with its partitions), and returns them. Items
/// that name the same topic go or stay together, so that the controller sees that it was named twice.
fn without_quota(
    image: &MetadataImage,
    body: &mut DeleteTopicsRequest,
    mut take: impl FnMut(usize) -> bool,
) -> Vec<DeleteTopicState> {
    let mut over = Vec::new();
    let mut verdicts: BTreeMap<Uuid, bool> = BTreeMap::new();
    let mut fits = |topic: DeleteTopicState| {
        let found = match &topic.name {
            Some(name) => image.topic(name),
            None => image.topic_by_id(topic.topic_id),
        };
        let fits = found.is_none_or(|found| *verdicts.entry(found.id).or_insert_with(|| take(found.partitions.len())));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_images::{image_of, topic_id};

    #[test]
    fn a_topic_named_by_name_and_by_id_needs_quota_once_and_is_not_split() {
        let image = image_of(&[("a", &[1]), ("b", &[1])]);
        let by_id = || DeleteTopicState { name: None, topic_id: topic_id(1) };
        for (quota, left, refused) in [(1, (1, 1), 1), (2, (1, 2), 0), (0, (0, 0), 3)] {
            let names = vec!["a".to_string(), "b".to_string()];
            let mut body =
                DeleteTopicsRequest { topics: vec![by_id()], topic_names: names, ..DeleteTopicsRequest::default() };
            let mut asked = 0;
            let over = without_quota(&image, &mut body, |partitions| {
                asked += partitions;
                asked <= quota
            });
            assert_eq!((body.topics.len(), body.topic_names.len()), left, "with a quota of {quota}");
            assert_eq!((over.len(), asked), (refused, 2), "with a quota of {quota}");
        }
    }
}
