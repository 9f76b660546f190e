//! Rules between the configs of a node: Kafka's own, and what is refused because it would only fail later.

use super::BrokerConfig;
use crate::error::ConfigError;
use crate::listener::SecurityProtocol;
use crate::synonyms::of_topic_config;
use crate::value::ConfigValue;
use crate::{Cluster, validate};

/// Everything that is wrong with `config`.
pub(super) fn check(config: &BrokerConfig) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for rule in [ids, served_protocols, controller_listeners, advertised, inter_broker, quorum, limits, log_times] {
        if let Err(error) = rule(config) {
            errors.push(error);
        }
    }
    let cluster = Cluster::of_brokers(1);
    if let Err(error) = validate::topic(&Default::default(), &Default::default(), &config.own_layers(cluster)) {
        errors.push(error);
    }
    errors
}

fn refuse(text: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Rule(text.into()))
}

fn ids(config: &BrokerConfig) -> Result<(), ConfigError> {
    let node_id = config.long("node.id");
    if node_id < 0 {
        return Err(ConfigError::invalid("node.id", node_id, "Value must be at least 0"));
    }
    if config.fixed().contains_key("broker.id") && config.long("broker.id") != node_id {
        return refuse("You must set `node.id` to the same value as `broker.id`.");
    }
    Ok(())
}

fn served_protocols(config: &BrokerConfig) -> Result<(), ConfigError> {
    match config.listeners.iter().find(|listener| listener.protocol != SecurityProtocol::Plaintext) {
        None => Ok(()),
        Some(listener) => refuse(format!(
            "Listener {listener} uses {}, which is not served yet. Only PLAINTEXT is: map {} to PLAINTEXT in \
             listener.security.protocol.map, or remove the listener",
            listener.protocol.name(),
            listener.name
        )),
    }
}

fn controller_listeners(config: &BrokerConfig) -> Result<(), ConfigError> {
    let bound = |name: &String| config.listeners.iter().any(|listener| listener.name == *name);
    if config.roles.controller {
        if let Some(name) = config.controller_listener_names.iter().find(|name| !bound(name)) {
            return refuse(format!(
                "controller.listener.names must only contain values appearing in the 'listeners' configuration when \
                 running the KRaft controller role, but {name} does not"
            ));
        }
    } else if let Some(name) = config.controller_listener_names.iter().find(|name| bound(name)) {
        return refuse(format!(
            "controller.listener.names must not contain a value appearing in the 'listeners' configuration when running \
             KRaft with just the broker role, but {name} does"
        ));
    }
    Ok(())
}

fn advertised(config: &BrokerConfig) -> Result<(), ConfigError> {
    if !config.roles.broker {
        return Ok(());
    }
    if config.advertised_listeners.is_empty() {
        return refuse(
            "There must be at least one broker advertised listener. Perhaps all listeners appear in \
             controller.listener.names?",
        );
    }
    for listener in &config.advertised_listeners {
        if listener.host.is_some() && listener.is_wildcard() {
            return refuse(format!(
                "advertised.listeners cannot use the nonroutable meta-address {}: no client could connect to it. Set \
                 advertised.listeners={}://<a name or address of this machine that clients can reach>:{}",
                listener.host.as_deref().unwrap_or_default(),
                listener.name,
                listener.port
            ));
        }
        if !config.listeners.iter().any(|bound| bound.name == listener.name) {
            let names = config.listeners.iter().map(|bound| bound.name.as_str()).collect::<Vec<_>>().join(",");
            return refuse(format!(
                "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. \
                 Found {}. The valid options based on the current configuration are {names}",
                listener.name
            ));
        }
    }
    Ok(())
}

fn inter_broker(config: &BrokerConfig) -> Result<(), ConfigError> {
    let name = &config.inter_broker_listener_name;
    if !config.roles.broker || config.advertised_listeners.iter().any(|listener| listener.name == *name) {
        return Ok(());
    }
    let names = config.advertised_listeners.iter().map(|listener| listener.name.as_str()).collect::<Vec<_>>().join(",");
    refuse(format!(
        "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on \
         currently configured listeners are {names}"
    ))
}

fn quorum(config: &BrokerConfig) -> Result<(), ConfigError> {
    let voters = &config.quorum.voters;
    let is_voter = voters.iter().any(|voter| voter.node_id == config.node_id.0);
    let ids = voters.iter().map(|voter| voter.node_id.to_string()).collect::<Vec<_>>().join(", ");
    if config.roles.controller && !voters.is_empty() && !is_voter {
        return refuse(format!(
            "If process.roles contains the 'controller' role, the node id {} must be included in the set of voters \
             controller.quorum.voters=[{ids}]",
            config.node_id
        ));
    }
    if !config.roles.controller && is_voter {
        return refuse(format!(
            "If process.roles contains just the 'broker' role, the node id {} must not be included in the set of voters \
             controller.quorum.voters=[{ids}]",
            config.node_id
        ));
    }
    if !config.roles.controller && voters.is_empty() && config.quorum.bootstrap_servers.is_empty() {
        return refuse(
            "If process.roles contains just the 'broker' role, either controller.quorum.bootstrap.servers or \
             controller.quorum.voters must name the controllers",
        );
    }
    Ok(())
}

fn limits(config: &BrokerConfig) -> Result<(), ConfigError> {
    let frame_max = config.network.socket_request_max_bytes as u64;
    if config.network.queued_max_request_bytes.is_some_and(|bytes| bytes < frame_max) {
        return refuse("queued.max.request.bytes must be larger or equal to socket.request.max.bytes");
    }
    if config.network.max_connections_per_ip == 0 && config.network.max_connections_per_ip_overrides.is_empty() {
        return refuse(
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
        );
    }
    if let Some(factor @ ..=0) = config.topics.default_replication_factor {
        return Err(ConfigError::invalid("default.replication.factor", factor, "Value must be at least 1"));
    }
    let cleaner_memory = config.long("log.cleaner.dedupe.buffer.size");
    if cleaner_memory / config.long("log.cleaner.threads").max(1) <= 1024 * 1024 {
        return refuse("log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
    }
    let wait_max = config.long("replica.fetch.wait.max.ms");
    if wait_max > config.long("replica.socket.timeout.ms") {
        return refuse(
            "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket \
             timeouts",
        );
    }
    if wait_max > config.long("replica.lag.time.max.ms") {
        return refuse(
            "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent \
             frequent changes in ISR",
        );
    }
    Ok(())
}

fn log_times(config: &BrokerConfig) -> Result<(), ConfigError> {
    // As for a topic: the strongest of the synonyms that is set, in milliseconds.
    let effective = |topic_config: &str| {
        let synonyms = of_topic_config(topic_config).iter();
        let values = synonyms.filter_map(|synonym| synonym.convert(config.get(synonym.broker_config)?.clone()));
        match values.take(1).next() {
            Some(ConfigValue::Long(value)) => value,
            other => panic!("{topic_config} is no long: {other:?}"),
        }
    };
    if effective("segment.ms") < 1 {
        return refuse("log.roll.ms must be greater than or equal to 1");
    }
    if effective("segment.jitter.ms") < 0 {
        return refuse("log.roll.jitter.ms must be greater than or equal to 0");
    }
    if effective("retention.ms") == 0 {
        return refuse("log.retention.ms must be unlimited (-1) or, greater than or equal to 1");
    }
    Ok(())
}
