//! Reading and changing the configs of a topic.

use super::Admin;
use crate::error::ClientError;
use ottla_protocol::describe_configs_request::DescribeConfigsResource;
use ottla_protocol::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

/// `ConfigResource.Type.TOPIC`.
const TOPIC_RESOURCE: i8 = 2;
/// `ConfigSource.DYNAMIC_TOPIC_CONFIG`.
const SET_ON_THE_TOPIC: i8 = 1;
/// `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// A config as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Name.
    pub name: String,
    /// Value; `None` when it is null or hidden.
    pub value: Option<String>,
    /// Whether it was set on this topic, rather than on a broker or by default.
    pub is_set: bool,
    /// Whether the value is a secret.
    pub is_sensitive: bool,
}

/// A change of one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// Sets a value.
    Set {
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// Goes back to the default.
    Delete {
        /// Name.
        name: String,
    },
}

impl Admin {
    /// All configs of a topic.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub async fn describe_topic_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, ClientError> {
        let resource = DescribeConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: topic.to_string(),
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        self.patiently(|| async {
            let response = self.client.any_broker().await?.send(&request).await?;
            let result = response.results.into_iter().next();
            let result = result.ok_or_else(|| ClientError::missing("DescribeConfigs", topic))?;
            let message = result.error_message.as_deref();
            ClientError::check(result.error_code, message, || format!("configs of topic '{topic}'"))?;
            let entries = result.configs.into_iter().map(|config| ConfigEntry {
                name: config.name,
                value: config.value,
                is_set: config.config_source == SET_ON_THE_TOPIC,
                is_sensitive: config.is_sensitive,
            });
            Ok(entries.collect())
        })
        .await
    }

    /// Changes configs of a topic; those that are not named stay.
    ///
    /// # Errors
    /// INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub async fn alter_topic_configs(&self, topic: &str, changes: &[ConfigChange]) -> Result<(), ClientError> {
        let configs = changes.iter().map(|change| match change {
            ConfigChange::Set { name, value } => {
                AlterableConfig { name: name.clone(), config_operation: SET, value: Some(value.clone()) }
            }
            ConfigChange::Delete { name } => {
                AlterableConfig { name: name.clone(), config_operation: DELETE, value: None }
            }
        });
        let resource = AlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: topic.to_string(),
            configs: configs.collect(),
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        self.patiently(|| async {
            let response = self.client.controller().await?.send(&request).await?;
            let result = response.responses.into_iter().next();
            let result = result.ok_or_else(|| ClientError::missing("IncrementalAlterConfigs", topic))?;
            let message = result.error_message.as_deref();
            ClientError::check(result.error_code, message, || format!("configs of topic '{topic}'"))
        })
        .await
    }
}
