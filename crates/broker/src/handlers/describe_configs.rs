//! DescribeConfigs (key 32), versions 1 to 4 (KIP-133).
//!
//! v1 synonyms and sources (KIP-226), v3 types and documentation (KIP-569). Topics, brokers (by id, or all with an empty
//! name), this broker's loggers, groups and client metrics subscriptions. Secrets have no value. Errors:
//! UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_REQUEST (another broker's id).

use super::broker_loggers::{self, BROKER_LOGGER};
use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_config::{Cluster, ConfigEntry, NO_CONFIGS, describe};
use ottla_metadata::{ApiError, ConfigResource, MetadataImage, ResourceType, topic_name};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use ottla_protocol::generated::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_types::ErrorCode;

pub(super) fn handle(broker: &Broker, request: &Request) -> Handled {
    let body: DescribeConfigsRequest = decode(request)?;
    let image = broker.image();
    let configs = |resource: &DescribeConfigsResource| match resource.resource_type {
        BROKER_LOGGER => broker_loggers::describe(broker, resource),
        _ => {
            let entries = entries(broker, &image, resource)?;
            Ok(entries.iter().filter(|e| is_asked_for(resource, e)).map(|e| config(&body, e)).collect())
        }
    };
    let results = body.resources.iter().map(|resource| match configs(resource) {
        Ok(configs) => DescribeConfigsResult {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs,
            ..DescribeConfigsResult::default()
        },
        Err(error) => DescribeConfigsResult {
            error_code: error.code.code(),
            error_message: error.message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            ..DescribeConfigsResult::default()
        },
    });
    let response = DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn entries(
    broker: &Broker,
    image: &MetadataImage,
    resource: &DescribeConfigsResource,
) -> Result<Vec<ConfigEntry>, ApiError> {
    let name = resource.resource_name.as_str();
    let own_cluster = Cluster::of_brokers(image.broker_count());
    let static_config = broker.static_config();
    let own_layers = image.layers(static_config, &NO_CONFIGS, own_cluster);
    let Some(resource_type) = ResourceType::from_code(resource.resource_type) else {
        let message = format!("configs of resource type {} cannot be described", resource.resource_type);
        return Err(ApiError::new(ErrorCode::InvalidRequest, message));
    };
    let set = image.configs(&ConfigResource { resource_type, name: name.to_string() });
    match resource_type {
        ResourceType::Topic => {
            topic_name::validate(name).map_err(|text| ApiError::new(ErrorCode::InvalidTopicException, text))?;
            let topic = image.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
            let cluster = image.cluster(topic.replication_factor());
            Ok(describe::topic(&image.layers(static_config, set, cluster)))
        }
        ResourceType::Broker if name.is_empty() => Ok(describe::default_broker(&own_layers)),
        ResourceType::Broker if name == broker.node_id().to_string() => Ok(describe::broker(&own_layers)),
        ResourceType::Broker => Err(ApiError::new(
            ErrorCode::InvalidRequest,
            format!("Unexpected broker id, expected {} or empty string, but received {name}", broker.node_id()),
        )),
        ResourceType::ClientMetrics if name.is_empty() => {
            Err(ApiError::new(ErrorCode::InvalidRequest, "Client metrics subscription name must not be empty"))
        }
        ResourceType::ClientMetrics => Ok(describe::client_metrics(set, &own_layers)),
        ResourceType::Group if name.is_empty() => {
            Err(ApiError::new(ErrorCode::InvalidRequest, "Group name must not be empty"))
        }
        ResourceType::Group => Ok(describe::group(set, &own_layers)),
    }
}

fn is_asked_for(resource: &DescribeConfigsResource, entry: &ConfigEntry) -> bool {
    match &resource.configuration_keys {
        None => true,
        // As in Kafka, an empty list asks for all.
        Some(keys) if keys.is_empty() => true,
        Some(keys) => keys.iter().any(|key| key == entry.key.name),
    }
}

fn config(body: &DescribeConfigsRequest, entry: &ConfigEntry) -> DescribeConfigsResourceResult {
    let synonyms = match body.include_synonyms {
        false => Vec::new(),
        true => entry
            .synonyms
            .iter()
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name.clone(),
                value: synonym.value.clone(),
                source: synonym.source.code(),
            })
            .collect(),
    };
    DescribeConfigsResourceResult {
        name: entry.key.name.to_string(),
        value: entry.value.clone(),
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: entry.key.is_sensitive(),
        synonyms,
        config_type: entry.key.kind.code(),
        documentation: body.include_documentation.then(|| entry.key.doc.to_string()),
    }
}
