//! The configs of one node, resolved and checked: what its listeners, logs and handlers go by.
//!
//! 1. [`BrokerConfig::parse`] takes the texts of the file and the command line, checks every name, every value and the
//!    rules between them, and reports all that is wrong at once.
//! 2. [`BrokerConfig::with_dynamic`] lays what was changed at runtime over it.

mod rules;
mod views;

pub use views::{FetchConfig, LoggingConfig, NetworkConfig, QuorumConfig, Roles, StorageConfig, TopicDefaults, Voter};

use crate::catalog::{self, BrokerName, Scope};
use crate::error::{ConfigError, ConfigErrors};
use crate::layers::{Cluster, ConfigMap, Layers, NO_CONFIGS};
use crate::listener::{Listener, normalised, parse_listeners, parse_protocol_map};
use crate::value::ConfigValue;
use crate::{DefaultValue, SecurityProtocol, synonyms, topic::TopicConfig};
use ottla_types::NodeId;
use std::collections::BTreeMap;

/// A node's configs. Cheap to share behind an `Arc`; a dynamic change makes a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerConfig {
    /// `node.id`.
    pub node_id: NodeId,
    /// `process.roles`.
    pub roles: Roles,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `listeners`: all to bind, those of the controller included.
    pub listeners: Vec<Listener>,
    /// What clients are told; never a controller's listener, never a wildcard address. A host of `None` stands for
    /// this machine's name, port 0 for the port that was bound.
    pub advertised_listeners: Vec<Listener>,
    /// `controller.listener.names`, in upper case.
    pub controller_listener_names: Vec<String>,
    /// Name of the listener over which brokers talk to each other.
    pub inter_broker_listener_name: String,
    /// The metadata quorum.
    pub quorum: QuorumConfig,
    /// Connections and requests.
    pub network: NetworkConfig,
    /// The node's own log.
    pub logging: LoggingConfig,
    /// Where and how logs are kept.
    pub storage: StorageConfig,
    /// What new topics get.
    pub topics: TopicDefaults,
    /// Limits of fetching.
    pub fetch: FetchConfig,
    values: BTreeMap<&'static str, ConfigValue>,
    fixed: ConfigMap,
    default_broker: ConfigMap,
    broker: ConfigMap,
}

impl BrokerConfig {
    /// Checks and resolves the configs of a node. Unknown names and wrong values are refused, all at once.
    pub fn parse(mut fixed: ConfigMap) -> Result<BrokerConfig, ConfigErrors> {
        if let (None, Some(id)) = (fixed.get("node.id"), fixed.get("broker.id")) {
            fixed.insert("node.id".to_string(), id.clone());
        }
        BrokerConfig::build(fixed, ConfigMap::new(), ConfigMap::new())
    }

    /// Checks dynamic configs as they will stand, those of all brokers and of one, together with the fixed ones.
    pub fn check_dynamic(&self, default_broker: &ConfigMap, broker: &ConfigMap) -> Result<(), ConfigErrors> {
        BrokerConfig::build(self.fixed.clone(), default_broker.clone(), broker.clone()).map(|_| ())
    }

    /// This config with other dynamic configs laid over the fixed ones: those of all brokers and of this one.
    ///
    /// Texts that are not valid are passed over, because they were checked when they were set and a broker must run
    /// with what is stored; dynamic configs that contradict this node's fixed ones are passed over altogether.
    pub fn with_dynamic(&self, default_broker: &ConfigMap, broker: &ConfigMap) -> BrokerConfig {
        let valid = |configs: &ConfigMap| -> ConfigMap {
            let is_valid = |name: &str, text: &str| {
                catalog::find(Scope::Broker, name)
                    .is_some_and(|key| key.is_dynamic() && ConfigValue::parse(key, text).is_ok())
            };
            configs.iter().filter(|(name, text)| is_valid(name, text)).map(|(n, t)| (n.clone(), t.clone())).collect()
        };
        BrokerConfig::build(self.fixed.clone(), valid(default_broker), valid(broker))
            .or_else(|_| BrokerConfig::build(self.fixed.clone(), ConfigMap::new(), ConfigMap::new()))
            .unwrap_or_else(|errors| unreachable!("the fixed configs were valid before: {errors}"))
    }

    fn build(fixed: ConfigMap, default_broker: ConfigMap, broker: ConfigMap) -> Result<BrokerConfig, ConfigErrors> {
        let mut merged = fixed.clone();
        for layer in [&default_broker, &broker] {
            for (name, text) in layer {
                for synonym in synonyms::of_broker_config(name) {
                    merged.remove(synonym);
                }
                merged.insert(name.clone(), text.clone());
            }
        }
        let mut errors = Vec::new();
        let values = parse_values(&merged, &mut errors);
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let reader = views::Reader { values: &values };
        let listeners = Listeners::read(&reader, merged.contains_key("listener.security.protocol.map"))?;
        let config = BrokerConfig {
            node_id: NodeId(reader.int("node.id")),
            roles: Roles::read(&reader),
            rack: reader.optional_string("broker.rack"),
            listeners: listeners.listeners,
            advertised_listeners: listeners.advertised,
            controller_listener_names: listeners.controller_names,
            inter_broker_listener_name: listeners.inter_broker,
            quorum: QuorumConfig::read(&reader)?,
            network: NetworkConfig::read(&reader)?,
            logging: LoggingConfig::read(&reader),
            storage: StorageConfig::read(&reader),
            topics: TopicDefaults::read(&reader),
            fetch: FetchConfig::read(&reader),
            values,
            fixed,
            default_broker,
            broker,
        };
        let errors = rules::check(&config);
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
    }

    /// The value of a declared broker config; `None` if it has none. Derived defaults are computed for a cluster of
    /// one broker; see [`TopicDefaults`] and [`crate::describe`] for the others.
    pub fn get(&self, name: &str) -> Option<&ConfigValue> {
        assert!(catalog::find(Scope::Broker, name).is_some(), "{name} is not declared");
        self.values.get(name)
    }

    /// The number of a declared config of a numeric type without fraction.
    pub fn long(&self, name: &str) -> i64 {
        views::Reader { values: &self.values }.number(name)
    }

    /// The value of a declared boolean config.
    pub fn boolean(&self, name: &str) -> bool {
        views::Reader { values: &self.values }.boolean(name)
    }

    /// The texts of the file and the command line.
    pub fn fixed(&self) -> &ConfigMap {
        &self.fixed
    }

    /// The layers for a topic with these overrides of its own.
    pub fn layers<'a>(&'a self, topic: &'a ConfigMap, cluster: Cluster) -> Layers<'a> {
        Layers { topic, broker: &self.broker, default_broker: &self.default_broker, fixed: &self.fixed, cluster }
    }

    /// The configs of a topic with these overrides of its own.
    pub fn topic_config(&self, topic: &ConfigMap, cluster: Cluster) -> TopicConfig {
        TopicConfig::resolve(&self.layers(topic, cluster))
    }

    /// The layers of the broker itself, for DescribeConfigs.
    pub fn own_layers(&self, cluster: Cluster) -> Layers<'_> {
        self.layers(&NO_CONFIGS, cluster)
    }

    /// Whether clients may not use this listener.
    pub fn is_controller_listener(&self, name: &str) -> bool {
        self.controller_listener_names.iter().any(|controller| controller == name)
    }
}

/// Parses every text and fills in the defaults; what is wrong goes to `errors`.
fn parse_values(merged: &ConfigMap, errors: &mut Vec<ConfigError>) -> BTreeMap<&'static str, ConfigValue> {
    let mut values = BTreeMap::new();
    for key in catalog::all(Scope::Broker) {
        let derived = matches!(key.default, DefaultValue::Derived(_));
        if let Some(value) = crate::layers::default_of(key, Cluster::of_brokers(1)).filter(|_| !derived) {
            values.insert(key.name, value);
        }
    }
    for (name, text) in merged {
        let (key, plain) = match catalog::require_broker(name) {
            Ok(BrokerName::Plain(key)) => (key, true),
            Ok(BrokerName::Listener(key)) => (key, false),
            Ok(BrokerName::Plugin) => continue,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        match ConfigValue::parse(key, text) {
            Ok(value) if plain => {
                values.insert(key.name, value);
            }
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    values
}

/// The listener configs, read together because each needs the others.
struct Listeners {
    listeners: Vec<Listener>,
    advertised: Vec<Listener>,
    controller_names: Vec<String>,
    inter_broker: String,
}

impl Listeners {
    fn read(reader: &views::Reader<'_>, protocols_are_set: bool) -> Result<Listeners, ConfigError> {
        let controller_names: Vec<String> =
            reader.list("controller.listener.names").iter().map(|name| normalised(name)).collect();
        let mut protocols = parse_protocol_map(&reader.string("listener.security.protocol.map"))?;
        if !protocols_are_set {
            for name in &controller_names {
                protocols.entry(name.clone()).or_insert(SecurityProtocol::Plaintext);
            }
        }
        let listeners = parse_listeners("listeners", &reader.list("listeners"), &protocols, true)?;
        let advertised = match reader.optional_list("advertised.listeners") {
            Some(entries) => parse_listeners("advertised.listeners", &entries, &protocols, false)?,
            None => listeners.clone(),
        };
        let advertised: Vec<Listener> =
            advertised.into_iter().filter(|listener| !controller_names.contains(&listener.name)).collect();
        let inter_broker = match reader.optional_string("inter.broker.listener.name") {
            Some(name) => normalised(&name),
            None => {
                let protocol = reader.string("security.inter.broker.protocol");
                let preferred = advertised.iter().find(|listener| listener.name == protocol);
                preferred.or(advertised.first()).map(|listener| listener.name.clone()).unwrap_or(protocol)
            }
        };
        Ok(Listeners { listeners, advertised, controller_names, inter_broker })
    }
}

#[cfg(test)]
#[path = "broker/tests.rs"]
mod tests;
