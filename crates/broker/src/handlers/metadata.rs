//! Metadata (key 3), versions 0 to 13.
//!
//! v1 null = all, empty = none (in v0 empty = all); v4 auto-create is asked for; v7 leader epochs; v8 authorized operations
//! (KIP-430); v10 topic ids, v12 also in requests (KIP-516); v13 top-level error (KIP-1102). Brokers and leaders are told
//! with the endpoint of the listener that was asked. A missing topic is created where `auto.create.topics.enable` and the
//! request allow it, and the answer waits for it, so that the first try of a client already succeeds (Kafka answers
//! UNKNOWN_TOPIC_OR_PARTITION until it is there). Errors: INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_OR_PARTITION,
//! UNKNOWN_TOPIC_ID, INVALID_REQUEST, LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND (v6 and later).

pub(super) mod auto_create;
pub(super) mod topics;

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_metadata::MetadataImage;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::metadata_request::MetadataRequest;
use ottla_protocol::generated::metadata_response::{MetadataResponse, MetadataResponseBroker};
use ottla_types::ErrorCode;
use std::sync::Arc;
use topics::Asked;

/// Operations on a topic that a client may do where nothing is forbidden: bits of READ, WRITE, CREATE, DELETE, ALTER,
/// DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS.
pub(super) const TOPIC_OPERATIONS: i32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;
/// The same for the cluster: CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE.
pub(super) const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: MetadataRequest = decode(&request)?;
    let version = request.header.api_version;
    let Some(asked) = Asked::parse(&body, version) else {
        let error_code = ErrorCode::InvalidRequest.code();
        let refused = MetadataResponse { error_code, topics: topics::refused(&body), ..MetadataResponse::default() };
        return Ok(Outcome::Reply(respond(broker, &request.header, &refused)));
    };
    let listener = Arc::clone(&request.connection.listener);
    let header = request.header;
    let missing = auto_create::missing(broker, &asked, body.allow_auto_topic_creation || version < 4);
    if missing.is_empty() {
        let response = answer(broker, &broker.image(), &body, &asked, &listener, version);
        return Ok(Outcome::Reply(respond(broker, &header, &response)));
    }
    let creation = auto_create::submit(broker, missing);
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let failed = creation.await;
        let mut response = answer(&broker, &broker.image(), &body, &asked, &listener, version);
        auto_create::report(&mut response, &failed);
        respond(&broker, &header, &response)
    })))
}

fn answer(
    broker: &Broker,
    image: &MetadataImage,
    body: &MetadataRequest,
    asked: &Asked,
    listener: &str,
    version: i16,
) -> MetadataResponse {
    let operations = |wanted: bool, operations: i32| if wanted { operations } else { i32::MIN };
    let wants_topic_operations = version >= 8 && body.include_topic_authorized_operations;
    let mut topics = topics::describe(image, asked, listener, version);
    for topic in topics.iter_mut().filter(|topic| topic.error_code == 0) {
        topic.topic_authorized_operations = operations(wants_topic_operations, TOPIC_OPERATIONS);
    }
    MetadataResponse {
        brokers: brokers(image, listener),
        cluster_id: image.cluster_id().map(|id| id.to_string()),
        controller_id: broker.node_id().0,
        topics,
        cluster_authorized_operations: operations(
            (8..=10).contains(&version) && body.include_cluster_authorized_operations,
            CLUSTER_OPERATIONS,
        ),
        ..MetadataResponse::default()
    }
}

fn brokers(image: &MetadataImage, listener: &str) -> Vec<MetadataResponseBroker> {
    let alive = image.brokers().filter(|broker| !broker.fenced);
    let told = alive.filter_map(|broker| {
        let endpoint = broker.endpoint(listener)?;
        Some(MetadataResponseBroker {
            node_id: broker.id.0,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
        })
    });
    told.collect()
}
