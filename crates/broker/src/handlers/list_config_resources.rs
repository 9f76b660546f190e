//! ListConfigResources (key 74), versions 0 and 1 (KIP-714, KIP-1142).
//!
//! v0 lists client metrics subscriptions; v1 lists the types that are asked for, without any: all. UNSUPPORTED_VERSION for
//! an unknown type.

use super::broker_loggers::BROKER_LOGGER;
use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_metadata::{MetadataImage, ResourceType};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::list_config_resources_request::ListConfigResourcesRequest;
use ottla_protocol::generated::list_config_resources_response::{ConfigResource, ListConfigResourcesResponse};
use ottla_types::ErrorCode;
use std::collections::BTreeSet;

const EVERY_TYPE: [i8; 5] = [
    ResourceType::Topic as i8,
    ResourceType::Broker as i8,
    BROKER_LOGGER,
    ResourceType::ClientMetrics as i8,
    ResourceType::Group as i8,
];

pub(super) fn handle(broker: &Broker, request: &Request) -> Handled {
    let body: ListConfigResourcesRequest = decode(request)?;
    let asked: BTreeSet<i8> = match (request.header.api_version, body.resource_types.is_empty()) {
        (0, _) => BTreeSet::from([ResourceType::ClientMetrics.code()]),
        (_, true) => BTreeSet::from(EVERY_TYPE),
        (_, false) => body.resource_types.into_iter().collect(),
    };
    let response = match asked.iter().all(|code| EVERY_TYPE.contains(code)) {
        false => ListConfigResourcesResponse { error_code: ErrorCode::UnsupportedVersion.code(), ..Default::default() },
        true => {
            let image = broker.image();
            let config_resources = asked.iter().flat_map(|&code| resources(&image, code)).collect();
            ListConfigResourcesResponse { config_resources, ..Default::default() }
        }
    };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn resources(image: &MetadataImage, resource_type: i8) -> Vec<ConfigResource> {
    let resource = |resource_name: String| ConfigResource { resource_name, resource_type };
    match ResourceType::from_code(resource_type) {
        Some(ResourceType::Topic) => image.topics().map(|topic| resource(topic.name.to_string())).collect(),
        // Every broker has a logger resource of its own, too.
        Some(ResourceType::Broker) | None => image.brokers().map(|broker| resource(broker.id.to_string())).collect(),
        Some(set) => image.resources_with_configs(set).map(|found| resource(found.name.clone())).collect(),
    }
}
