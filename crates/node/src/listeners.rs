//! From a node's configs to listeners, limits and advertised endpoints.

use crate::StartError;
use ottla_config::{BrokerConfig, Listener};
use ottla_metadata::{BrokerEndpoint, MetadataImage};
use ottla_net::{BoundServer, ConnectionLimits, ListenerConfig, ListenerLimits, NetConfig, Server};
use ottla_runtime::ListenOptions;
use ottla_runtime::watch;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// What the network layer is told.
pub(crate) fn net_config(config: &BrokerConfig) -> Result<NetConfig, StartError> {
    let network = &config.network;
    let listeners = config.listeners.iter().map(|listener| listener_config(config, listener)).collect();
    let defaults = NetConfig::new(listeners);
    Ok(NetConfig {
        connections: connection_limits(config)?,
        socket_request_max_bytes: u32::try_from(network.socket_request_max_bytes).unwrap_or(u32::MAX),
        queued_max_request_bytes: network.queued_max_request_bytes.unwrap_or(NetConfig::QUEUED_MAX_REQUEST_BYTES),
        connections_max_idle: network.connections_max_idle_ms.map(Duration::from_millis),
        slow_request_log_threshold: network.slow_request_log_threshold_ms.map(Duration::from_millis),
        ..defaults
    })
}

fn listener_config(config: &BrokerConfig, listener: &Listener) -> ListenerConfig {
    ListenerConfig {
        name: listener.name.clone(),
        address: listener.bind_address(),
        limits: listener_limits(config, &listener.name),
        socket: ListenOptions {
            backlog: config.network.socket_listen_backlog_size,
            receive_buffer_bytes: config.network.socket_receive_buffer_bytes,
            send_buffer_bytes: config.network.socket_send_buffer_bytes,
        },
    }
}

fn listener_limits(config: &BrokerConfig, name: &str) -> ListenerLimits {
    let own = |key: &str| {
        let name = format!("listener.name.{}.{key}", name.to_lowercase());
        config.fixed().get(&name).and_then(|text| text.trim().parse::<u32>().ok())
    };
    let defaults = ListenerLimits::default();
    // Only beside other listeners of brokers and clients; a controller's is none of those.
    let is_controllers = |listener: &&Listener| config.controller_listener_names.contains(&listener.name);
    let broker_listeners = config.listeners.iter().filter(|listener| !is_controllers(listener)).count();
    ListenerLimits {
        max_connections: own("max.connections").unwrap_or(defaults.max_connections),
        max_connection_creation_rate: own("max.connection.creation.rate")
            .unwrap_or(defaults.max_connection_creation_rate),
        inter_broker: name == config.inter_broker_listener_name && broker_listeners > 1,
    }
}

fn connection_limits(config: &BrokerConfig) -> Result<ConnectionLimits, StartError> {
    let network = &config.network;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let overrides = network.max_connections_per_ip_overrides.iter();
    let overrides = overrides.map(|(host, limit)| Ok((address(host)?, count(*limit))));
    Ok(ConnectionLimits {
        max_connections: count(network.max_connections),
        max_connection_creation_rate: network.max_connection_creation_rate,
        max_connections_per_ip: count(network.max_connections_per_ip),
        per_ip_overrides: overrides.collect::<Result<_, StartError>>()?,
        ..ConnectionLimits::default()
    })
}

/// Looking up other names once, at the start, would hide later changes.
fn address(host: &str) -> Result<IpAddr, StartError> {
    match host.trim_start_matches('[').trim_end_matches(']') {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        text => text.parse().map_err(|_| {
            StartError::Unsupported(format!(
                "max.connections.per.ip.overrides names '{host}'. Next step: write an IP address instead of a name"
            ))
        }),
    }
}

/// The quotas of addresses.
fn with_rates_of_addresses(limits: ConnectionLimits, image: &MetadataImage) -> ConnectionLimits {
    let (creation_rate_of_ip, default) = image.client_limits().connection_rates();
    let creation_rate_per_ip = default.unwrap_or(limits.creation_rate_per_ip);
    ConnectionLimits { creation_rate_of_ip, creation_rate_per_ip, ..limits }
}

/// Applies limits that are changed at runtime.
pub(crate) async fn follow_limits(
    server: Arc<Server>,
    config: BrokerConfig,
    mut images: watch::Receiver<Arc<MetadataImage>>,
) {
    loop {
        // First those that were set before this start.
        let image = Arc::clone(&images.borrow_and_update());
        let now = image.broker_config(&config);
        // Values were checked when they were set; one that is wrong all the same changes nothing.
        if let Ok(connections) = connection_limits(&now) {
            let connections = with_rates_of_addresses(connections, &image);
            let listeners: Vec<_> =
                now.listeners.iter().map(|l| (l.name.clone(), listener_limits(&now, &l.name))).collect();
            server.update_limits(connections, &listeners);
        }
        if images.changed().await.is_err() {
            return;
        }
    }
}

/// What clients are told: hosts and ports with what was bound filled in.
pub(crate) fn advertised_endpoints(config: &BrokerConfig, bound: &BoundServer, host_name: &str) -> Vec<BrokerEndpoint> {
    config.advertised_listeners.iter().map(|listener| endpoint(listener, bound, host_name)).collect()
}

/// Where this node's controller is reached by those who administer it.
pub(crate) fn controller_endpoints(config: &BrokerConfig, bound: &BoundServer, host_name: &str) -> Vec<BrokerEndpoint> {
    let names = &config.controller_listener_names;
    let own = config.listeners.iter().filter(|listener| names.contains(&listener.name));
    own.map(|listener| endpoint(&reachable(config, listener), bound, host_name)).collect()
}

/// A controller's listener as `advertised.listeners` has it, or else as it is bound; a wildcard can be bound, but nobody can
/// connect to it.
fn reachable(config: &BrokerConfig, listener: &Listener) -> Listener {
    let advertised = config.fixed().get("advertised.listeners").map_or("", String::as_str);
    let advertised = advertised.split(',').find_map(|entry| {
        let (name, address) = entry.trim().split_once("://")?;
        let (host, port) = address.rsplit_once(':').filter(|_| name.eq_ignore_ascii_case(&listener.name))?;
        Some((host.trim_matches(['[', ']']), port.parse().ok()?))
    });
    match advertised {
        Some((host, port)) => {
            let host = Some(host).filter(|host| !host.is_empty()).map(str::to_string);
            Listener { host, port, ..listener.clone() }
        }
        None if listener.is_wildcard() => Listener { host: None, ..listener.clone() },
        None => listener.clone(),
    }
}

fn endpoint(listener: &Listener, bound: &BoundServer, host_name: &str) -> BrokerEndpoint {
    let port = match listener.port {
        0 => bound.local_addr(&listener.name).map_or(0, |address| address.port()),
        port => port,
    };
    BrokerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone().unwrap_or_else(|| host_name.to_string()),
        port,
        security_protocol: listener.protocol.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_reached_as_it_is_advertised() {
        let told = |advertised: Option<&str>, listeners: &str| {
            let mut fixed = ottla_config::ConfigMap::new();
            fixed.insert("process.roles".to_string(), "broker,controller".to_string());
            fixed.insert("node.id".to_string(), "1".to_string());
            fixed.insert("listeners".to_string(), format!("PLAINTEXT://localhost:9092,{listeners}"));
            fixed.insert("controller.listener.names".to_string(), "CONTROLLER".to_string());
            advertised.map(|text| fixed.insert("advertised.listeners".to_string(), text.to_string()));
            let config = BrokerConfig::parse(fixed).unwrap();
            let listener = reachable(&config, &config.listeners[1]);
            (listener.host, listener.port)
        };
        let both = "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9094";
        let localhost = Some("localhost".to_string());
        assert_eq!(told(Some(both), "CONTROLLER://:9093"), (localhost.clone(), 9094));
        assert_eq!(told(Some("PLAINTEXT://localhost:9092"), "CONTROLLER://localhost:9093"), (localhost.clone(), 9093));
        assert_eq!(told(None, "CONTROLLER://localhost:9093"), (localhost, 9093));
        assert_eq!(told(Some("PLAINTEXT://localhost:9092"), "CONTROLLER://0.0.0.0:9093"), (None, 9093));
    }
}
