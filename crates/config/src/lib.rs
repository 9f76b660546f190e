//! Every config as data.
//!
//! A config is one row of a table in [`catalog`]: Kafka's name, type, default, accepted values, importance, how it is
//! changed, whether it does something yet, and one sentence of documentation. Validation, DescribeConfigs, the typed
//! views and `docs/configuration.md` all read these rows.
//!
//! Values travel as text (a [`ConfigMap`]), as in Kafka: a file, a command line, the metadata log and the
//! protocol all carry strings. Two typed views are resolved from them once and then trusted: [`TopicConfig`] for a
//! partition and [`BrokerConfig`] for a node.

pub mod broker;
pub mod catalog;
pub mod describe;
pub mod docs;
mod duration;
mod error;
mod key;
mod layers;
pub mod listener;
mod properties;
pub mod synonyms;
pub mod topic;
pub mod validate;
mod value;

pub use broker::BrokerConfig;
pub use catalog::Scope;
pub use describe::{ConfigEntry, ConfigSource, ConfigSynonym};
pub use duration::parse_iso8601_ms;
pub use error::{ConfigError, ConfigErrors};
pub use key::{Check, ConfigKey, ConfigType, DefaultValue, Differs, Effect, Importance, UpdateMode};
pub use layers::{Cluster, ConfigMap, Layers, NO_CONFIGS, default_min_insync_replicas, default_replication_factor};
pub use listener::{Listener, SecurityProtocol};
pub use properties::{parse_override, parse_properties};
pub use topic::TopicConfig;
pub use value::{ConfigValue, Password};
