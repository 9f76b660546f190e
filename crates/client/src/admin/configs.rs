//! Reading and changing the configs of topics, brokers and groups.

use super::Admin;
use crate::call::Call;
use crate::connection::Connection;
use crate::error::ClientError;
use ottla_protocol::describe_configs_request::DescribeConfigsResource;
use ottla_protocol::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsSynonym};
use ottla_protocol::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::{DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest};
use std::fmt;

/// `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// What has configs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigResource {
    /// A topic.
    Topic(String),
    /// A broker by node id; `None` stands for what all brokers have in common.
    Broker(Option<i32>),
    /// A group.
    Group(String),
    /// A client metrics subscription (KIP-714).
    ClientMetrics(String),
    /// The log levels of a broker (KIP-412).
    BrokerLogger(i32),
}

impl ConfigResource {
    /// `ConfigResource.Type`.
    fn code(&self) -> i8 {
        match self {
            ConfigResource::Topic(_) => 2,
            ConfigResource::Broker(_) => 4,
            ConfigResource::BrokerLogger(_) => 8,
            ConfigResource::ClientMetrics(_) => 16,
            ConfigResource::Group(_) => 32,
        }
    }

    fn name(&self) -> String {
        match self {
            ConfigResource::Topic(name) | ConfigResource::Group(name) | ConfigResource::ClientMetrics(name) => {
                name.clone()
            }
            ConfigResource::Broker(node_id) => node_id.map(|id| id.to_string()).unwrap_or_default(),
            ConfigResource::BrokerLogger(node_id) => node_id.to_string(),
        }
    }

    /// Where what was set on this resource comes from.
    fn own_source(&self) -> ConfigSource {
        match self {
            ConfigResource::Topic(_) => ConfigSource::Topic,
            ConfigResource::Broker(Some(_)) => ConfigSource::DynamicBroker,
            ConfigResource::Broker(None) => ConfigSource::DynamicDefaultBroker,
            ConfigResource::Group(_) => ConfigSource::Group,
            ConfigResource::ClientMetrics(_) => ConfigSource::ClientMetrics,
            ConfigResource::BrokerLogger(_) => ConfigSource::BrokerLogger,
        }
    }

    /// The node that must be asked; any one for `None`.
    fn node_id(&self) -> Option<i32> {
        match self {
            ConfigResource::Broker(node_id) => *node_id,
            ConfigResource::BrokerLogger(node_id) => Some(*node_id),
            ConfigResource::Topic(_) | ConfigResource::Group(_) | ConfigResource::ClientMetrics(_) => None,
        }
    }

    /// `None` for a kind that this client does not know.
    fn from_wire(code: i8, name: String) -> Option<ConfigResource> {
        match code {
            2 => Some(ConfigResource::Topic(name)),
            4 => Some(ConfigResource::Broker(name.parse().ok())),
            8 => name.parse().ok().map(ConfigResource::BrokerLogger),
            16 => Some(ConfigResource::ClientMetrics(name)),
            32 => Some(ConfigResource::Group(name)),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigResource::Topic(name) => write!(f, "topic '{name}'"),
            ConfigResource::Broker(Some(id)) => write!(f, "broker {id}"),
            ConfigResource::Broker(None) => f.write_str("all brokers"),
            ConfigResource::Group(name) => write!(f, "group '{name}'"),
            ConfigResource::ClientMetrics(name) => write!(f, "client metrics subscription '{name}'"),
            ConfigResource::BrokerLogger(id) => write!(f, "loggers of broker {id}"),
        }
    }
}

/// Where a value comes from: Kafka's `ConfigEntry.ConfigSource`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Set at runtime for one broker.
    DynamicBroker,
    /// Set at runtime for all brokers.
    DynamicDefaultBroker,
    /// The broker's file or command line.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// A logger's level, set at runtime.
    BrokerLogger,
    /// Set on a client metrics subscription.
    ClientMetrics,
    /// Set on the group.
    Group,
    /// What this client does not know.
    #[default]
    Unknown,
}

/// One of the places that have a say in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The name there.
    pub name: String,
    /// The value there; `None` when it is null or hidden.
    pub value: Option<String>,
    /// Which place.
    pub source: ConfigSource,
}

impl ConfigSource {
    fn from_wire(code: i8) -> ConfigSource {
        match code {
            1 => ConfigSource::Topic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicDefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            6 => ConfigSource::BrokerLogger,
            7 => ConfigSource::ClientMetrics,
            8 => ConfigSource::Group,
            _ => ConfigSource::Unknown,
        }
    }

    /// Kafka's name, for example `DYNAMIC_TOPIC_CONFIG`.
    pub fn name(self) -> &'static str {
        match self {
            ConfigSource::Topic => "DYNAMIC_TOPIC_CONFIG",
            ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
            ConfigSource::Default => "DEFAULT_CONFIG",
            ConfigSource::BrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
            ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
            ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
            ConfigSource::Unknown => "UNKNOWN",
        }
    }
}

/// A config as it is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Name.
    pub name: String,
    /// Value; `None` when it is null or hidden.
    pub value: Option<String>,
    /// Whether it was set on this resource, rather than elsewhere or by default.
    pub is_set: bool,
    /// Whether the value is a secret.
    pub is_sensitive: bool,
    /// Whether it takes a restart to change it.
    pub is_read_only: bool,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// The places that have a say, strongest first.
    pub synonyms: Vec<ConfigSynonym>,
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
    /// Adds entries to a config that is a list, and leaves those that it has.
    Append {
        /// Name.
        name: String,
        /// The entries, separated by commas.
        value: String,
    },
    /// Takes entries out of a config that is a list; those that it lacks are passed over.
    Subtract {
        /// Name.
        name: String,
        /// The entries, separated by commas.
        value: String,
    },
}

impl ConfigChange {
    /// Sets a value.
    pub fn set(name: impl Into<String>, value: impl Into<String>) -> ConfigChange {
        ConfigChange::Set { name: name.into(), value: value.into() }
    }

    /// Adds entries to a list.
    pub fn append(name: impl Into<String>, value: impl Into<String>) -> ConfigChange {
        ConfigChange::Append { name: name.into(), value: value.into() }
    }

    /// Takes entries out of a list.
    pub fn subtract(name: impl Into<String>, value: impl Into<String>) -> ConfigChange {
        ConfigChange::Subtract { name: name.into(), value: value.into() }
    }

    fn to_wire(&self) -> AlterableConfig {
        let (name, config_operation, value) = match self {
            ConfigChange::Set { name, value } => (name, SET, Some(value)),
            ConfigChange::Delete { name } => (name, DELETE, None),
            ConfigChange::Append { name, value } => (name, APPEND, Some(value)),
            ConfigChange::Subtract { name, value } => (name, SUBTRACT, Some(value)),
        };
        AlterableConfig { name: name.clone(), config_operation, value: value.cloned() }
    }
}

impl Admin {
    /// All configs of a topic.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub fn describe_topic_configs<'a>(&'a self, topic: &'a str) -> Call<'a, Vec<ConfigEntry>> {
        Box::pin(async move { self.describe_configs(&ConfigResource::Topic(topic.to_string())).await })
    }

    /// Changes configs of a topic; those that are not named stay.
    ///
    /// # Errors
    /// INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub fn alter_topic_configs<'a>(&'a self, topic: &'a str, changes: &'a [ConfigChange]) -> Call<'a, ()> {
        Box::pin(async move { self.alter_configs(&ConfigResource::Topic(topic.to_string()), changes, false).await })
    }

    /// All configs of a resource.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION, BROKER_NOT_AVAILABLE ... and those of the connection.
    pub fn describe_configs<'a>(&'a self, resource: &'a ConfigResource) -> Call<'a, Vec<ConfigEntry>> {
        Box::pin(async move {
            let wanted = DescribeConfigsResource {
                resource_type: resource.code(),
                resource_name: resource.name(),
                configuration_keys: None,
            };
            let request =
                DescribeConfigsRequest { resources: vec![wanted], include_synonyms: true, ..Default::default() };
            self.patiently(|| async {
                let broker = match resource.node_id() {
                    Some(node_id) => self.client.broker(node_id).await?,
                    None => self.client.any_broker().await?,
                };
                let response = broker.send(&request).await?;
                let result = response.results.into_iter().next();
                let result = result.ok_or_else(|| ClientError::missing("DescribeConfigs", &resource.to_string()))?;
                let message = result.error_message.as_deref();
                ClientError::check(result.error_code, message, || format!("configs of {resource}"))?;
                Ok(result.configs.into_iter().map(|config| entry(config, resource)).collect())
            })
            .await
        })
    }

    /// Changes configs of a resource; those that are not named stay. With `validate_only` only says whether it could be done.
    ///
    /// # Errors
    /// INVALID_CONFIG, also for an entry appended to or subtracted from what is no list, UNKNOWN_TOPIC_OR_PARTITION ... and those of the connection.
    pub fn alter_configs<'a>(
        &'a self,
        resource: &'a ConfigResource,
        changes: &'a [ConfigChange],
        validate_only: bool,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            let wanted = AlterConfigsResource {
                resource_type: resource.code(),
                resource_name: resource.name(),
                configs: changes.iter().map(ConfigChange::to_wire).collect(),
            };
            let request = IncrementalAlterConfigsRequest { resources: vec![wanted], validate_only };
            self.patiently(|| async {
                let broker: Connection = match resource.node_id() {
                    Some(node_id) => self.client.broker(node_id).await?,
                    None => self.client.controller().await?,
                };
                let response = broker.send(&request).await?;
                let result = response.responses.into_iter().next();
                let result =
                    result.ok_or_else(|| ClientError::missing("IncrementalAlterConfigs", &resource.to_string()))?;
                let message = result.error_message.as_deref();
                ClientError::check(result.error_code, message, || format!("configs of {resource}"))
            })
            .await
        })
    }

    /// The resources that have configs; kinds that this client does not know are left out.
    ///
    /// # Errors
    /// `NoCommonVersion` with brokers before Kafka 4.1 ... and those of the connection.
    pub fn list_config_resources<'a>(&'a self) -> Call<'a, Vec<ConfigResource>> {
        Box::pin(async move {
            /// In version 0 the broker lists nothing but client metrics.
            const TYPES_VERSION: i16 = 1;
            self.patiently(|| async {
                let broker = self.client.any_broker().await?;
                let version = broker.version_within::<ListConfigResourcesRequest>((TYPES_VERSION, TYPES_VERSION))?;
                let request = ListConfigResourcesRequest { resource_types: Vec::new() };
                let response = broker.begin(&request, version, &[]).await?.wait().await?;
                ClientError::check(response.error_code, None, || "config resources".to_string())?;
                let listed = response.config_resources.into_iter();
                Ok(listed.filter_map(|row| ConfigResource::from_wire(row.resource_type, row.resource_name)).collect())
            })
            .await
        })
    }
}

fn entry(config: DescribeConfigsResourceResult, resource: &ConfigResource) -> ConfigEntry {
    let synonym = |synonym: DescribeConfigsSynonym| ConfigSynonym {
        name: synonym.name,
        value: synonym.value,
        source: ConfigSource::from_wire(synonym.source),
    };
    let source = ConfigSource::from_wire(config.config_source);
    ConfigEntry {
        name: config.name,
        value: config.value,
        is_set: source == resource.own_source(),
        is_sensitive: config.is_sensitive,
        is_read_only: config.read_only,
        source,
        synonyms: config.synonyms.into_iter().map(synonym).collect(),
    }
}
