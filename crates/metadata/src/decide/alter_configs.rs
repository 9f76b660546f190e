//! AlterConfigs (replaces all configs of a resource) and IncrementalAlterConfigs (KIP-339).
//!
//! A resource is altered as a whole or not at all; the resources of a request are independent of each other.

use super::configs::check_resource;
use crate::image::records::config_record;
use crate::{ApiError, ConfigResource, DecideContext, Decision, Entry, MetadataImage, ResourceType};
use ottla_config::{ConfigKey, ConfigMap, ConfigType, DefaultValue, Scope, catalog};
use ottla_protocol::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    alter_configs_response, incremental_alter_configs_request, incremental_alter_configs_response,
};
use ottla_types::ErrorCode;
use std::collections::BTreeSet;

/// Replaces all configs of each resource by those of the request.
pub fn alter_configs(
    image: &MetadataImage,
    request: &AlterConfigsRequest,
    context: &DecideContext<'_>,
) -> Decision<AlterConfigsResponse> {
    let mut records = Entry::new();
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        let same = |other: &&ottla_protocol::alter_configs_request::AlterConfigsResource| {
            other.resource_type == resource.resource_type && other.resource_name == resource.resource_name
        };
        let configs: Vec<Change<'_>> = resource
            .configs
            .iter()
            .map(|config| Change { name: &config.name, operation: SET, value: config.value.as_deref() })
            .collect();
        let outcome = check_unique(request.resources.iter().filter(same).count())
            .and_then(|()| parse_resource(resource.resource_type, &resource.resource_name))
            .and_then(|parsed| {
                check_changes(&configs)?;
                alter(image, &parsed, ConfigMap::new(), &configs, context)
            });
        let error = commit(outcome, &mut records);
        responses.push(alter_configs_response::AlterConfigsResourceResponse {
            error_code: error.code.code(),
            error_message: error.message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        });
    }
    let entry = if request.validate_only { Entry::new() } else { records };
    Decision::atomic(entry, AlterConfigsResponse { throttle_time_ms: 0, responses })
}

/// Sets, deletes, appends to and subtracts from single configs of each resource.
pub fn incremental_alter_configs(
    image: &MetadataImage,
    request: &IncrementalAlterConfigsRequest,
    context: &DecideContext<'_>,
) -> Decision<IncrementalAlterConfigsResponse> {
    let mut records = Entry::new();
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        let same = |other: &&incremental_alter_configs_request::AlterConfigsResource| {
            other.resource_type == resource.resource_type && other.resource_name == resource.resource_name
        };
        let changes: Vec<Change<'_>> = resource
            .configs
            .iter()
            .map(|config| Change {
                name: &config.name,
                operation: config.config_operation,
                value: config.value.as_deref(),
            })
            .collect();
        let outcome = check_unique(request.resources.iter().filter(same).count())
            .and_then(|()| parse_resource(resource.resource_type, &resource.resource_name))
            .and_then(|parsed| {
                check_changes(&changes)?;
                let before = image.configs(&parsed).clone();
                alter(image, &parsed, before, &changes, context)
            });
        let error = commit(outcome, &mut records);
        responses.push(incremental_alter_configs_response::AlterConfigsResourceResponse {
            error_code: error.code.code(),
            error_message: error.message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
        });
    }
    let entry = if request.validate_only { Entry::new() } else { records };
    Decision::atomic(entry, IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses })
}

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// One change of one config.
struct Change<'a> {
    name: &'a str,
    operation: i8,
    value: Option<&'a str>,
}

fn commit(outcome: Result<Entry, ApiError>, records: &mut Entry) -> ApiError {
    match outcome {
        Ok(mut entry) => {
            records.append(&mut entry);
            ErrorCode::None.into()
        }
        Err(error) => error,
    }
}

fn check_unique(count: usize) -> Result<(), ApiError> {
    match count {
        1 => Ok(()),
        _ => Err(ApiError::new(ErrorCode::InvalidRequest, "Each resource must appear at most once.")),
    }
}

fn parse_resource(code: i8, name: &str) -> Result<ConfigResource, ApiError> {
    const BROKER_LOGGER: i8 = 8;
    match ResourceType::from_code(code) {
        Some(resource_type) => Ok(ConfigResource { resource_type, name: name.to_string() }),
        None if code == BROKER_LOGGER => {
            Err(ApiError::new(ErrorCode::InvalidRequest, "The levels of broker loggers cannot be altered at runtime"))
        }
        None => Err(ApiError::new(ErrorCode::InvalidRequest, format!("Unknown resource type {code}"))),
    }
}

fn check_changes(changes: &[Change<'_>]) -> Result<(), ApiError> {
    let refuse = |text: String| Err(ApiError::new(ErrorCode::InvalidRequest, text));
    let names: BTreeSet<&str> = changes.iter().map(|change| change.name).collect();
    if names.len() != changes.len() {
        return refuse("Error due to duplicate config keys".to_string());
    }
    let is_null = |change: &&Change<'_>| change.operation != DELETE && change.value.is_none();
    let nulls: Vec<&str> = changes.iter().filter(is_null).map(|change| change.name).collect();
    if !nulls.is_empty() {
        return refuse(format!("Null value not supported for : {}", nulls.join(", ")));
    }
    match changes.iter().find(|change| !(SET..=SUBTRACT).contains(&change.operation)) {
        Some(change) => refuse(format!("Unknown operations type {}", change.operation)),
        None => Ok(()),
    }
}

/// The records that make the configs of `resource` out of `base` and `changes`.
fn alter(
    image: &MetadataImage,
    resource: &ConfigResource,
    base: ConfigMap,
    changes: &[Change<'_>],
    context: &DecideContext<'_>,
) -> Result<Entry, ApiError> {
    let mut after = base;
    for change in changes {
        let value = match (change.operation, change.value) {
            (SET, Some(value)) => Some(value.to_string()),
            (APPEND | SUBTRACT, Some(value)) => {
                Some(edit_list(resource, change, value, after.get(change.name).map(String::as_str))?)
            }
            _ => None,
        };
        match value {
            Some(value) => after.insert(change.name.to_string(), value),
            None => after.remove(change.name),
        };
    }
    check_resource(image, resource, &after, context)?;
    let before = image.configs(resource);
    let mut records = Entry::new();
    for (name, value) in &after {
        // A broker's config is recorded also when it stays the same, so that brokers read secrets and files again.
        let touched = changes.iter().any(|change| change.name == name);
        let again = touched && resource.resource_type == ResourceType::Broker;
        if before.get(name) != Some(value) || again {
            records.push(config_record(resource, name, Some(value)));
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        records.push(config_record(resource, name, None));
    }
    Ok(records)
}

/// The list with entries appended or taken away; it starts from the default where nothing is set.
fn edit_list(
    resource: &ConfigResource,
    change: &Change<'_>,
    value: &str,
    before: Option<&str>,
) -> Result<String, ApiError> {
    let key = key_of(resource.resource_type, change.name);
    let Some(key) = key.filter(|key| key.kind == ConfigType::List) else {
        let verb = if change.operation == APPEND { "APPEND" } else { "SUBTRACT" };
        let text = format!("Can't {verb} to key {} because its type is not LIST.", change.name);
        return Err(ApiError::new(ErrorCode::InvalidConfig, text));
    };
    let default = match key.default {
        DefaultValue::Value(text) => text,
        DefaultValue::Null | DefaultValue::Derived(_) => "",
    };
    let mut entries: Vec<&str> = before.unwrap_or(default).split(',').filter(|entry| !entry.is_empty()).collect();
    for entry in value.split(',') {
        match change.operation {
            APPEND if !entries.contains(&entry) => entries.push(entry),
            APPEND => {}
            _ => entries.retain(|other| *other != entry),
        }
    }
    Ok(entries.join(","))
}

fn key_of(resource_type: ResourceType, name: &str) -> Option<&'static ConfigKey> {
    match resource_type {
        ResourceType::Topic => catalog::find(Scope::Topic, name),
        ResourceType::Broker => catalog::find(Scope::Broker, name).or_else(|| catalog::listener_override(name)),
        ResourceType::Group => catalog::find(Scope::Group, name),
        ResourceType::ClientMetrics => catalog::find(Scope::ClientMetrics, name),
    }
}

#[cfg(test)]
#[path = "alter_configs/tests.rs"]
mod tests;
