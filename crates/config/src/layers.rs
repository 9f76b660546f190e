//! The layers of which a config's value is resolved, strongest first: the topic's own, the broker's dynamic ones, the
//! dynamic ones of all brokers, the file and command line, the default.

use crate::catalog::{self, Scope};
use crate::key::{ConfigKey, DefaultValue};
use crate::synonyms;
use crate::value::ConfigValue;
use std::collections::BTreeMap;

/// Configs as text, by name.
pub type ConfigMap = BTreeMap<String, String>;

/// What derived defaults are computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// Registered brokers.
    pub brokers: usize,
    /// Replicas of the topic in question; for a broker's own configs, what a new topic would get.
    pub replication_factor: usize,
}

impl Cluster {
    /// What holds for a new topic in a cluster of `brokers` brokers, unless a replication factor is configured.
    pub fn of_brokers(brokers: usize) -> Cluster {
        Cluster { brokers, replication_factor: default_replication_factor(brokers) }
    }
}

/// Replicas of a topic that is created without a number: three where there are three brokers.
pub fn default_replication_factor(brokers: usize) -> usize {
    brokers.clamp(1, 3)
}

/// How many replicas must have a record before acks=all is acknowledged, when nobody says: one may be missing.
pub fn default_min_insync_replicas(replication_factor: usize) -> usize {
    if replication_factor >= 3 { 2 } else { 1 }
}

/// The value of a derived default.
pub(crate) fn derived(name: &str, cluster: Cluster) -> ConfigValue {
    let factor = default_replication_factor(cluster.brokers);
    match name {
        "default.replication.factor" => ConfigValue::Int(factor as i32),
        "offsets.topic.replication.factor"
        | "transaction.state.log.replication.factor"
        | "share.coordinator.state.topic.replication.factor" => ConfigValue::Short(factor as i16),
        "min.insync.replicas" => ConfigValue::Int(default_min_insync_replicas(cluster.replication_factor) as i32),
        "transaction.state.log.min.isr" => ConfigValue::Int(default_min_insync_replicas(factor) as i32),
        "share.coordinator.state.topic.min.isr" => ConfigValue::Short(default_min_insync_replicas(factor) as i16),
        _ => unreachable!("{name} has no derived default"),
    }
}

/// The default of `key`; `None` if it has none.
pub(crate) fn default_of(key: &ConfigKey, cluster: Cluster) -> Option<ConfigValue> {
    match key.default {
        DefaultValue::Null => None,
        DefaultValue::Derived(_) => Some(derived(key.name, cluster)),
        DefaultValue::Value(text) => match ConfigValue::parse(key, text) {
            Ok(value) => Some(value),
            Err(error) => unreachable!("a declared default is valid: {error}"),
        },
    }
}

/// The layers that hold for one topic on one broker, or, with an empty `topic`, for the broker itself.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// The topic's own configs.
    pub topic: &'a ConfigMap,
    /// Dynamic configs of this broker.
    pub broker: &'a ConfigMap,
    /// Dynamic configs of all brokers.
    pub default_broker: &'a ConfigMap,
    /// Configs of the file and the command line.
    pub fixed: &'a ConfigMap,
    /// What derived defaults are computed from.
    pub cluster: Cluster,
}

/// No configs at all.
pub static NO_CONFIGS: ConfigMap = ConfigMap::new();

impl Layers<'_> {
    /// Only defaults.
    pub fn defaults(cluster: Cluster) -> Layers<'static> {
        Layers { topic: &NO_CONFIGS, broker: &NO_CONFIGS, default_broker: &NO_CONFIGS, fixed: &NO_CONFIGS, cluster }
    }

    /// The value of a topic config. A stored text that is not valid (any more) is passed over.
    pub(crate) fn topic_value(&self, key: &ConfigKey) -> Option<ConfigValue> {
        if let Some(value) = self.topic.get(key.name).and_then(|text| ConfigValue::parse(key, text).ok()) {
            return Some(value);
        }
        for layer in [self.broker, self.default_broker, self.fixed] {
            for synonym in synonyms::of_topic_config(key.name) {
                let Some(text) = layer.get(synonym.broker_config) else { continue };
                let Some(broker_key) = catalog::find(Scope::Broker, synonym.broker_config) else { continue };
                if let Some(value) = ConfigValue::parse(broker_key, text).ok().and_then(|value| synonym.convert(value))
                {
                    return Some(value);
                }
            }
        }
        default_of(key, self.cluster)
    }

    /// The value of a broker config, by its own name. A stored text that is not valid (any more) is passed over.
    pub(crate) fn broker_value(&self, key: &ConfigKey) -> Option<ConfigValue> {
        for layer in [self.broker, self.default_broker, self.fixed] {
            if let Some(value) = layer.get(key.name).and_then(|text| ConfigValue::parse(key, text).ok()) {
                return Some(value);
            }
        }
        default_of(key, self.cluster)
    }
}
