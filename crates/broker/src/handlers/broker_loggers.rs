//! Log levels as configs of the resource type BROKER_LOGGER (KIP-412): described and altered on the broker itself, never
//! recorded, gone with a restart. A logger is a module path such as `ottla_storage`, or `root`.
//!
//! Errors: INVALID_REQUEST (another broker's id, an operation other than SET and DELETE, `root` without a level),
//! INVALID_CONFIG (no such logger or level).

use crate::Broker;
use ottla_config::ConfigType;
use ottla_metadata::ApiError;
use ottla_protocol::generated::describe_configs_request::DescribeConfigsResource;
use ottla_protocol::generated::describe_configs_response::DescribeConfigsResourceResult;
use ottla_protocol::generated::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_telemetry::{LevelError, LogLevels, log_levels};
use ottla_types::ErrorCode;

/// Kafka's wire code of the resource type.
pub(super) const BROKER_LOGGER: i8 = 8;
/// Kafka's wire code of DYNAMIC_BROKER_LOGGER_CONFIG.
const SOURCE: i8 = 6;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Every logger with its level, or those that are asked for.
pub(super) fn describe(
    broker: &Broker,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, ApiError> {
    check_name(broker, &resource.resource_name)?;
    let keys = resource.configuration_keys.as_deref().unwrap_or_default();
    let is_asked_for = |name: &str| keys.is_empty() || keys.iter().any(|key| key == name);
    let loggers = levels()?.all().into_iter().filter(|(name, _)| is_asked_for(name));
    Ok(loggers
        .map(|(name, level)| DescribeConfigsResourceResult {
            name,
            value: Some(level),
            config_source: SOURCE,
            config_type: ConfigType::String.code(),
            ..DescribeConfigsResourceResult::default()
        })
        .collect())
}

/// Checks all changes of a request, then makes them, unless it is a rehearsal.
pub(super) fn alter(broker: &Broker, resource: &AlterConfigsResource, validate_only: bool) -> Result<(), ApiError> {
    check_name(broker, &resource.resource_name)?;
    let levels = levels()?;
    for change in &resource.configs {
        check(change)?;
    }
    if !validate_only {
        for change in &resource.configs {
            let changed = match (change.config_operation, &change.value) {
                (SET, Some(level)) => levels.set(&change.name, level),
                _ => levels.unset(&change.name),
            };
            changed.map_err(|error| api_error(change, &error))?;
        }
    }
    Ok(())
}

fn check(change: &AlterableConfig) -> Result<(), ApiError> {
    let refuse = |text: String| Err(ApiError::new(ErrorCode::InvalidRequest, text));
    let checked = match (change.config_operation, change.value.as_deref()) {
        (SET, Some(level)) => LogLevels::check(&change.name, Some(level)),
        (SET, None) => return refuse(format!("Null value not supported for : {}", change.name)),
        (DELETE, _) => LogLevels::check(&change.name, None),
        (2, _) => return refuse("APPEND operation is not allowed for the BROKER_LOGGER resource".to_string()),
        (3, _) => return refuse("SUBTRACT operation is not allowed for the BROKER_LOGGER resource".to_string()),
        (other, _) => {
            return refuse(format!("Unknown operation type {other} is not allowed for the BROKER_LOGGER resource"));
        }
    };
    checked.map_err(|error| api_error(change, &error))
}

fn api_error(change: &AlterableConfig, error: &LevelError) -> ApiError {
    match error {
        LevelError::NoLevel(level) => {
            let text = format!(
                "Cannot set the log level of {} to {level} as it is not a supported log level. Valid log levels are DEBUG, \
                 ERROR, FATAL, INFO, TRACE, WARN",
                change.name
            );
            ApiError::new(ErrorCode::InvalidConfig, text)
        }
        LevelError::NoLogger(_) => ApiError::new(ErrorCode::InvalidConfig, error.to_string()),
        LevelError::RootHasALevel | LevelError::TooMany | LevelError::Ended => {
            ApiError::new(ErrorCode::InvalidRequest, error.to_string())
        }
    }
}

fn check_name(broker: &Broker, name: &str) -> Result<(), ApiError> {
    let refuse = |text: String| Err(ApiError::new(ErrorCode::InvalidRequest, text));
    match name.parse::<i32>() {
        Ok(id) if id == broker.node_id().0 => Ok(()),
        Ok(id) => refuse(format!("Unexpected broker id, expected {} but received {id}", broker.node_id())),
        Err(_) if name.is_empty() => refuse("Broker id must not be empty".to_string()),
        Err(_) => refuse(format!("Node id must be an integer, but it is: {name}")),
    }
}

fn levels() -> Result<&'static LogLevels, ApiError> {
    let message = "this process has not set up logging: its log levels are those of the program around it";
    log_levels().ok_or_else(|| ApiError::new(ErrorCode::InvalidRequest, message))
}
