//! From a node's configs to what the network layer is told.

use crate::config::{ConnectionLimits, ListenerConfig, ListenerLimits, NetConfig, UNLIMITED};
use ottla_config::{BrokerConfig, Listener};
use ottla_runtime::ListenOptions;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// A config that is well formed but cannot be used for connections.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetConfig {
    /// Host names in overrides are refused: looked up once at start, they would miss later changes.
    #[error(
        "max.connections.per.ip.overrides: '{0}' is not an IP address; write the address itself, \
         for example 127.0.0.1:200"
    )]
    Override(String),
    /// A limit of one listener that is no number.
    #[error("{name}: '{value}' is not a number of connections")]
    ListenerLimit {
        /// The config, with its listener prefix.
        name: String,
        /// What it was set to.
        value: String,
    },
}

impl NetConfig {
    /// All listeners of a node, those of the controller included.
    ///
    /// # Errors
    /// See [`InvalidNetConfig`].
    pub fn from_config(config: &BrokerConfig) -> Result<NetConfig, InvalidNetConfig> {
        let network = &config.network;
        let mut listeners = Vec::new();
        for listener in &config.listeners {
            listeners.push(listener_config(config, listener)?);
        }
        Ok(NetConfig {
            connections: ConnectionLimits::from_config(config)?,
            socket_request_max_bytes: saturating_u32(network.socket_request_max_bytes),
            queued_max_request_bytes: network.queued_max_request_bytes.unwrap_or(NetConfig::QUEUED_MAX_REQUEST_BYTES),
            connections_max_idle: network.connections_max_idle_ms.map(Duration::from_millis),
            ..NetConfig::new(listeners)
        })
    }
}

impl ConnectionLimits {
    /// The node-wide limits.
    ///
    /// # Errors
    /// See [`InvalidNetConfig`].
    pub fn from_config(config: &BrokerConfig) -> Result<ConnectionLimits, InvalidNetConfig> {
        let network = &config.network;
        let mut per_ip_overrides = BTreeMap::new();
        for (host, limit) in &network.max_connections_per_ip_overrides {
            let address = parse_address(host).ok_or_else(|| InvalidNetConfig::Override(host.clone()))?;
            per_ip_overrides.insert(address, saturating_u32(*limit));
        }
        Ok(ConnectionLimits {
            max_connections: saturating_u32(network.max_connections),
            max_connection_creation_rate: network.max_connection_creation_rate,
            max_connections_per_ip: saturating_u32(network.max_connections_per_ip),
            per_ip_overrides,
        })
    }
}

fn listener_config(config: &BrokerConfig, listener: &Listener) -> Result<ListenerConfig, InvalidNetConfig> {
    let network = &config.network;
    Ok(ListenerConfig {
        name: listener.name.clone(),
        address: listener.bind_address(),
        limits: ListenerLimits {
            max_connections: listener_limit(config, listener, "max.connections")?,
            max_connection_creation_rate: listener_limit(config, listener, "max.connection.creation.rate")?,
            inter_broker: listener.name == config.inter_broker_listener_name,
        },
        socket: ListenOptions {
            backlog: network.socket_listen_backlog_size,
            receive_buffer_bytes: network.socket_receive_buffer_bytes,
            send_buffer_bytes: network.socket_send_buffer_bytes,
        },
    })
}

/// `listener.name.<name>.<config>`; the name is written in lower case there.
fn listener_limit(config: &BrokerConfig, listener: &Listener, limit: &str) -> Result<u32, InvalidNetConfig> {
    let name = format!("listener.name.{}.{limit}", listener.name.to_lowercase());
    match config.fixed().get(&name) {
        None => Ok(UNLIMITED),
        Some(value) => value.trim().parse().map_err(|_| InvalidNetConfig::ListenerLimit { name, value: value.clone() }),
    }
}

fn parse_address(host: &str) -> Option<IpAddr> {
    match host.trim_start_matches('[').trim_end_matches(']') {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        address => address.parse().ok().map(|address: IpAddr| address.to_canonical()),
    }
}

/// Counts above Kafka's `Integer.MAX_VALUE` mean the same as that.
fn saturating_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(UNLIMITED).min(UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(configs: &[(&str, &str)]) -> Result<NetConfig, InvalidNetConfig> {
        let fixed = configs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        NetConfig::from_config(&BrokerConfig::parse(fixed).expect("valid configs"))
    }

    #[test]
    fn defaults_are_those_of_the_catalog() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.socket_request_max_bytes, NetConfig::SOCKET_REQUEST_MAX_BYTES);
        assert_eq!(config.queued_max_request_bytes, NetConfig::QUEUED_MAX_REQUEST_BYTES);
        assert_eq!(config.connections_max_idle, Some(NetConfig::CONNECTIONS_MAX_IDLE));
        assert_eq!(config.connections, ConnectionLimits::default());
    }

    #[test]
    fn a_listener_has_limits_of_its_own() {
        let config = parse(&[
            ("listeners", "CLIENT://:0,INTERNAL://:0"),
            ("listener.security.protocol.map", "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT"),
            ("advertised.listeners", "CLIENT://localhost:1,INTERNAL://localhost:2"),
            ("inter.broker.listener.name", "INTERNAL"),
            ("listener.name.client.max.connections", "7"),
            ("max.connections.per.ip.overrides", "127.0.0.1:3,localhost2:9"),
        ]);
        assert_eq!(config.unwrap_err(), InvalidNetConfig::Override("localhost2".to_string()));
        let config = parse(&[
            ("listeners", "CLIENT://:0,INTERNAL://:0"),
            ("listener.security.protocol.map", "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT"),
            ("advertised.listeners", "CLIENT://localhost:1,INTERNAL://localhost:2"),
            ("inter.broker.listener.name", "INTERNAL"),
            ("listener.name.client.max.connections", "7"),
            ("max.connections.per.ip.overrides", "127.0.0.1:3"),
        ])
        .unwrap();
        let limits: Vec<_> =
            config.listeners.iter().map(|l| (l.limits.max_connections, l.limits.inter_broker)).collect();
        assert_eq!(limits, [(7, false), (UNLIMITED, true)]);
        assert_eq!(config.connections.per_ip_overrides[&IpAddr::V4(Ipv4Addr::LOCALHOST)], 3);
    }
}
