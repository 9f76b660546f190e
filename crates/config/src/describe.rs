//! What DescribeConfigs tells: every config of a resource with its value, where that comes from, and the synonyms that
//! would count without it, strongest first.

use crate::catalog::{self, Scope};
use crate::key::ConfigKey;
use crate::layers::{ConfigMap, Layers, default_of};
use crate::synonyms;
use crate::value::ConfigValue;

/// Where a value comes from, with Kafka's wire code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set for the topic.
    Topic = 1,
    /// Set at runtime for one broker.
    DynamicBroker = 2,
    /// Set at runtime for all brokers.
    DynamicDefaultBroker = 3,
    /// The file or the command line.
    StaticBroker = 4,
    /// Nobody set it.
    Default = 5,
    /// Set for a client metrics subscription.
    ClientMetrics = 7,
    /// Set for a group.
    Group = 8,
}

impl ConfigSource {
    /// The code in a DescribeConfigs response.
    pub fn code(self) -> i8 {
        self as i8
    }

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            ConfigSource::Topic => "DYNAMIC_TOPIC_CONFIG",
            ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
            ConfigSource::Default => "DEFAULT_CONFIG",
            ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
            ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
        }
    }
}

/// One place that has a say in a config's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The name there.
    pub name: String,
    /// The value there; `None` for secrets and for "no value".
    pub value: Option<String>,
    /// Which place.
    pub source: ConfigSource,
}

/// One config of a resource.
#[derive(Debug, Clone)]
pub struct ConfigEntry {
    /// Its row in the catalog.
    pub key: &'static ConfigKey,
    /// Its value; `None` for secrets and for "no value".
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it can only be changed with a restart.
    pub read_only: bool,
    /// The places that have a say, strongest first.
    pub synonyms: Vec<ConfigSynonym>,
}

impl ConfigEntry {
    fn new(
        key: &'static ConfigKey,
        value: Option<ConfigValue>,
        read_only: bool,
        synonyms: Vec<ConfigSynonym>,
    ) -> ConfigEntry {
        let value = value.filter(|_| !key.is_sensitive()).map(|value| value.to_string());
        let source = synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source);
        ConfigEntry { key, value, source, read_only, synonyms }
    }
}

fn described(scope: Scope) -> impl Iterator<Item = &'static ConfigKey> {
    catalog::all(scope).filter(|key| !key.is_internal())
}

/// All configs of a topic.
pub fn topic(layers: &Layers<'_>) -> Vec<ConfigEntry> {
    let entry = |key: &'static ConfigKey| {
        let mut places = own_value(key, layers.topic, ConfigSource::Topic);
        if let Some(strongest) = synonyms::of_topic_config(key.name).first() {
            places.extend(broker_places(strongest.broker_config, layers));
        }
        ConfigEntry::new(key, layers.topic_value(key), false, places)
    };
    described(Scope::Topic).map(entry).collect()
}

/// All configs of one broker.
pub fn broker(layers: &Layers<'_>) -> Vec<ConfigEntry> {
    let entry = |key: &'static ConfigKey| {
        let places = broker_places(key.name, layers);
        ConfigEntry::new(key, layers.broker_value(key), !key.is_dynamic(), places)
    };
    described(Scope::Broker).map(entry).collect()
}

/// The configs that are set at runtime for all brokers.
pub fn default_broker(layers: &Layers<'_>) -> Vec<ConfigEntry> {
    let entry = |(name, text): (&String, &String)| {
        let key = catalog::find(Scope::Broker, name).or_else(|| catalog::listener_override(name))?;
        let places = own_value(key, layers.default_broker, ConfigSource::DynamicDefaultBroker);
        Some(ConfigEntry::new(key, ConfigValue::parse(key, text).ok(), !key.is_dynamic(), places))
    };
    layers.default_broker.iter().filter_map(entry).collect()
}

/// All configs of a group.
pub fn group(own: &ConfigMap, layers: &Layers<'_>) -> Vec<ConfigEntry> {
    let entry = |key: &'static ConfigKey| {
        let mut places = own_value(key, own, ConfigSource::Group);
        let broker_key = synonyms::of_group_config(key.name).and_then(|name| catalog::find(Scope::Broker, name));
        let inherited = match broker_key {
            Some(broker_key) => {
                places.extend(broker_places(broker_key.name, layers));
                layers.broker_value(broker_key)
            }
            None => {
                let default = default_of(key, layers.cluster);
                let value = default.as_ref().map(ToString::to_string);
                places.push(ConfigSynonym { name: key.name.to_string(), value, source: ConfigSource::Default });
                default
            }
        };
        let value = own.get(key.name).and_then(|text| ConfigValue::parse(key, text).ok()).or(inherited);
        ConfigEntry::new(key, value, false, places)
    };
    described(Scope::Group).map(entry).collect()
}

/// All configs of a client metrics subscription.
pub fn client_metrics(own: &ConfigMap, layers: &Layers<'_>) -> Vec<ConfigEntry> {
    let entry = |key: &'static ConfigKey| {
        let value = own.get(key.name).and_then(|text| ConfigValue::parse(key, text).ok());
        let places = own_value(key, own, ConfigSource::ClientMetrics);
        ConfigEntry::new(key, value.or_else(|| default_of(key, layers.cluster)), false, places)
    };
    described(Scope::ClientMetrics).map(entry).collect()
}

fn own_value(key: &ConfigKey, own: &ConfigMap, source: ConfigSource) -> Vec<ConfigSynonym> {
    let place = |text: &String| ConfigSynonym {
        name: key.name.to_string(),
        value: (!key.is_sensitive()).then(|| text.clone()),
        source,
    };
    own.get(key.name).map(place).into_iter().collect()
}

/// Every place that has a say in the broker config `name`, from the one that sets `name` itself on.
fn broker_places(name: &str, layers: &Layers<'_>) -> Vec<ConfigSynonym> {
    let names = synonyms::of_broker_config(name);
    let mut places = Vec::new();
    let sources = [
        (layers.broker, ConfigSource::DynamicBroker),
        (layers.default_broker, ConfigSource::DynamicDefaultBroker),
        (layers.fixed, ConfigSource::StaticBroker),
    ];
    for (layer, source) in sources {
        for synonym in &names {
            let key = catalog::find(Scope::Broker, synonym).or_else(|| catalog::listener_override(synonym));
            if let (Some(text), Some(key)) = (layer.get(*synonym), key) {
                let value = (!key.is_sensitive()).then(|| text.clone());
                places.push(ConfigSynonym { name: synonym.to_string(), value, source });
            }
        }
    }
    for synonym in &names {
        let Some(key) = catalog::find(Scope::Broker, synonym) else { continue };
        if let Some(value) = default_of(key, layers.cluster) {
            let value = (!key.is_sensitive()).then(|| value.to_string());
            places.push(ConfigSynonym { name: synonym.to_string(), value, source: ConfigSource::Default });
        }
    }
    // As in Kafka: a synonym counts only after a place that sets this very name.
    places.into_iter().skip_while(|place| place.name != name).collect()
}

#[cfg(test)]
#[path = "describe/tests.rs"]
mod tests;
