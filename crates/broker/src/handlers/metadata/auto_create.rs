//! Creating topics because somebody asked for their metadata.

use super::topics::Asked;
use crate::Broker;
use ottla_metadata::topic_name;
use ottla_protocol::generated::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use ottla_protocol::generated::metadata_response::MetadataResponse;
use ottla_runtime::Instant;
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

/// Names in the request that have no topic and may get one.
pub(super) fn missing(broker: &Broker, asked: &Asked, is_allowed: bool) -> Vec<String> {
    if !is_allowed || !broker.config().topics.auto_create_topics_enable {
        return Vec::new();
    }
    let image = broker.image();
    asked
        .names()
        .filter(|name| image.topic(name).is_none() && topic_name::validate(name).is_ok())
        .filter(|name| *name != topic_name::CLUSTER_METADATA)
        .map(str::to_string)
        .collect()
}

/// A topic that could not be created.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) name: String,
    pub(crate) error: ErrorCode,
    /// The controller's words.
    pub(crate) message: Option<String>,
}

/// Asks the controller for `names`; resolves to those that could not be created, with their errors.
pub(super) fn submit(
    broker: &Arc<Broker>,
    names: Vec<String>,
) -> impl Future<Output = BTreeMap<String, ErrorCode>> + Send + use<> {
    let (own, names): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| topic_name::is_internal(name));
    let own: Vec<_> = own.into_iter().filter_map(|name| Some((create_own(broker, &name)?, name))).collect();
    let topic =
        |name: String| CreatableTopic { name, num_partitions: -1, replication_factor: -1, ..CreatableTopic::default() };
    let deadline = broker.runtime().now() + broker.request_timeout();
    let under_way = (!names.is_empty()).then(|| create(broker, names.into_iter().map(topic).collect(), deadline));
    let broker = Arc::clone(broker);
    async move {
        let mut failed = BTreeMap::new();
        if let Some(under_way) = under_way {
            failed.extend(under_way.await.into_iter().map(|failed| (failed.name, told(failed.error))));
        }
        if own.is_empty() {
            return failed;
        }
        for (creation, name) in own {
            if creation.await.is_err() {
                failed.insert(name, ErrorCode::LeaderNotAvailable);
            }
        }
        broker.wait_until_applied(deadline).await;
        failed
    }
}

/// The platform's own topics are created with settings of their own.
fn create_own(broker: &Broker, name: &str) -> Option<impl Future<Output = Result<(), String>> + Send + use<>> {
    let topics = [broker.offsets_topic(), broker.transaction_state_topic(), broker.share_states().topic()];
    let topic = topics.into_iter().find(|topic| topic.name() == name)?;
    Some(topic.create(&broker.image(), &broker.config()))
}

/// Asks the controller for `topics`; resolves, when this node knows those that were created, to those that could not be.
pub(crate) fn create(
    broker: &Arc<Broker>,
    topics: Vec<CreatableTopic>,
    deadline: Instant,
) -> impl Future<Output = Vec<Failed>> + Send + use<> {
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let timeout = deadline.saturating_duration_since(broker.runtime().now());
    let request = CreateTopicsRequest {
        topics,
        timeout_ms: timeout.as_millis().min(i32::MAX as u128) as i32,
        validate_only: false,
    };
    let under_way = broker.controller().submit(request.into());
    let broker = Arc::clone(broker);
    async move {
        let left = deadline.saturating_duration_since(broker.runtime().now());
        let outcome = broker.runtime().timeout(left, under_way).await;
        let Ok(Ok(response)) = outcome else {
            let failed = |name| Failed { name, error: ErrorCode::LeaderNotAvailable, message: None };
            return names.into_iter().map(failed).collect();
        };
        broker.wait_until_applied(deadline).await;
        let results = response.into_create_topics().topics.into_iter();
        let failed = results.filter_map(|result| {
            let error = ErrorCode::from_code(result.error_code).unwrap_or(ErrorCode::UnknownServerError);
            // Somebody else was faster: the topic is there.
            let is_failed = error.is_error() && error != ErrorCode::TopicAlreadyExists;
            is_failed.then_some(Failed { name: result.name, error, message: result.error_message })
        });
        failed.collect()
    }
}

/// Errors as Kafka's auto-creation tells them: what a retry cannot mend stays, the rest reads as "not yet".
fn told(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::InvalidTopicException | ErrorCode::InvalidPartitions | ErrorCode::PolicyViolation => code,
        ErrorCode::InvalidReplicationFactor | ErrorCode::InvalidConfig => code,
        _ => ErrorCode::LeaderNotAvailable,
    }
}

/// Writes the errors of failed creations into the response.
pub(super) fn report(response: &mut MetadataResponse, failed: &BTreeMap<String, ErrorCode>) {
    for topic in response.topics.iter_mut().filter(|topic| topic.error_code != 0) {
        if let Some(code) = topic.name.as_ref().and_then(|name| failed.get(name)) {
            topic.error_code = code.code();
        }
    }
}
