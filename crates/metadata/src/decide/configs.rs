//! What all changes of configs have in common.

use crate::{ApiError, ConfigResource, DecideContext, MetadataImage, ResourceType, limits, topic_name};
use ottla_config::{Cluster, ConfigError, ConfigMap, validate};
use ottla_protocol::create_topics_request::CreatableTopicConfig;
use ottla_types::{ErrorCode, NodeId};

/// The configs of a new topic. Of several values for a name the last one holds, as in Kafka.
pub(super) fn creation_configs(configs: &[CreatableTopicConfig]) -> Result<ConfigMap, ApiError> {
    let nulls: Vec<&str> =
        configs.iter().filter(|config| config.value.is_none()).map(|config| config.name.as_str()).collect();
    if !nulls.is_empty() {
        let text = format!("Null value not supported for topic configs: {}", nulls.join(","));
        return Err(ApiError::new(ErrorCode::InvalidConfig, text));
    }
    let pair = |config: &CreatableTopicConfig| Some((config.name.clone(), config.value.clone()?));
    Ok(configs.iter().filter_map(pair).collect())
}

/// Refuses values that no record can carry.
pub(super) fn check_value_sizes(configs: &ConfigMap) -> Result<(), ApiError> {
    let max = limits::CONFIG_VALUE_BYTES_MAX;
    if configs.values().all(|value| value.len() <= max) {
        return Ok(());
    }
    let text =
        format!("The configuration value cannot be added because it exceeds the maximum value size of {max} bytes.");
    Err(ApiError::new(ErrorCode::InvalidConfig, text))
}

/// Checks the configs of a resource as they will stand, and that the resource exists.
pub(super) fn check_resource(
    image: &MetadataImage,
    resource: &ConfigResource,
    configs: &ConfigMap,
    context: &DecideContext<'_>,
) -> Result<(), ApiError> {
    let invalid_request = |text: &str| Err(ApiError::new(ErrorCode::InvalidRequest, text));
    check_value_sizes(configs)?;
    let name = resource.name.as_str();
    match resource.resource_type {
        ResourceType::Topic if name.is_empty() => invalid_request("Default topic resources are not allowed."),
        ResourceType::Topic => check_topic(image, resource, configs, context),
        ResourceType::Broker => check_broker(image, name, configs, context),
        ResourceType::Group if name.is_empty() => invalid_request("Default group resources are not allowed."),
        ResourceType::Group => {
            let none = ConfigMap::new();
            validate::group(configs, &image.layers(context.config, &none, any_cluster(image)))?;
            Ok(())
        }
        ResourceType::ClientMetrics if name.is_empty() => invalid_request("Subscription name can't be empty"),
        ResourceType::ClientMetrics => validate::client_metrics(configs).map_err(|error| match error {
            // Kafka's own choice of codes.
            ConfigError::Invalid { .. } | ConfigError::Rule(_) => error.into(),
            ConfigError::Unknown { .. } => ApiError::new(ErrorCode::InvalidRequest, error.to_string()),
        }),
    }
}

fn check_topic(
    image: &MetadataImage,
    resource: &ConfigResource,
    configs: &ConfigMap,
    context: &DecideContext<'_>,
) -> Result<(), ApiError> {
    let name = resource.name.as_str();
    topic_name::validate(name).map_err(|text| ApiError::new(ErrorCode::InvalidTopicException, text))?;
    let topic = image.topic(name);
    let replication_factor = topic.map_or(1, |topic| topic.replication_factor());
    let layers = image.layers(context.config, configs, image.cluster(replication_factor));
    validate::topic(image.configs(resource), configs, &layers)?;
    match topic {
        Some(_) => Ok(()),
        None => {
            let text = format!("The topic '{name}' does not exist.");
            Err(ApiError::new(ErrorCode::UnknownTopicOrPartition, text))
        }
    }
}

fn check_broker(
    image: &MetadataImage,
    name: &str,
    configs: &ConfigMap,
    context: &DecideContext<'_>,
) -> Result<(), ApiError> {
    let invalid_request = |text: &str| Err(ApiError::new(ErrorCode::InvalidRequest, text));
    if !name.is_empty() {
        match name.parse::<i32>() {
            Err(_) => return invalid_request("Unable to parse broker name as a base 10 number."),
            Ok(..0) => return invalid_request("Invalid negative broker ID."),
            Ok(id) if image.broker(NodeId(id)).is_none() => {
                let text = format!("No node with id {id} found.");
                return Err(ApiError::new(ErrorCode::BrokerIdNotRegistered, text));
            }
            Ok(_) => {}
        }
    }
    // Kafka answers a wrong dynamic broker config with INVALID_REQUEST.
    let refuse = |text: String| ApiError::new(ErrorCode::InvalidRequest, text);
    validate::dynamic_broker(!name.is_empty(), configs).map_err(|error| refuse(error.to_string()))?;
    let (default_broker, broker) = match name {
        "" => (configs, image.configs(&ConfigResource::broker(context.config.node_id))),
        _ => (image.configs(&ConfigResource::DEFAULT_BROKER), configs),
    };
    context.config.check_dynamic(default_broker, broker).map_err(|errors| refuse(errors.to_string()))
}

fn any_cluster(image: &MetadataImage) -> Cluster {
    Cluster::of_brokers(image.broker_count())
}
