//! What the network layer can be told, in Kafka's words, and what it assumes otherwise.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Kafka's "no limit" for counts of connections (`Integer.MAX_VALUE`).
pub const UNLIMITED: u32 = i32::MAX as u32;

/// Everything [`bind`](crate::BoundServer::bind) needs.
#[derive(Debug, Clone)]
pub struct NetConfig {
    /// The listeners, each with a name of its own.
    pub listeners: Vec<ListenerConfig>,
    /// Node-wide limits of connections.
    pub connections: ConnectionLimits,
    /// `socket.request.max.bytes`: the largest frame. Bytes.
    pub socket_request_max_bytes: u32,
    /// `queued.max.request.bytes`: request memory of the whole node. One largest frame of it is the reserve for frames
    /// that find the rest exhausted. Bytes. Kafka's -1 (no bound) has no counterpart: ours is always finite.
    pub queued_max_request_bytes: u64,
    /// `connections.max.idle.ms`; `None` keeps idle connections.
    pub connections_max_idle: Option<Duration>,
    /// When the budget is exhausted and a frame has waited this long, the frame with the least progress is closed.
    pub frame_timeout_under_pressure: Duration,
    /// `slow.request.log.threshold.ms`: requests that take the node longer are logged; `None` logs none.
    pub slow_request_log_threshold: Option<Duration>,
}

impl NetConfig {
    /// Default of `socket.request.max.bytes`, Kafka's.
    pub const SOCKET_REQUEST_MAX_BYTES: u32 = 100 * 1024 * 1024;
    /// Default of `queued.max.request.bytes`, ours: Kafka sets no bound.
    pub const QUEUED_MAX_REQUEST_BYTES: u64 = 128 * 1024 * 1024;
    /// Default of `connections.max.idle.ms`, Kafka's.
    pub const CONNECTIONS_MAX_IDLE: Duration = Duration::from_secs(600);
    /// Default of the patience with slow frames while others wait.
    pub const FRAME_TIMEOUT_UNDER_PRESSURE: Duration = Duration::from_secs(5);

    /// Default of `slow.request.log.threshold.ms`.
    pub const SLOW_REQUEST_LOG_THRESHOLD: Duration = Duration::from_secs(1);

    /// The defaults, with these listeners.
    pub fn new(listeners: Vec<ListenerConfig>) -> NetConfig {
        NetConfig {
            listeners,
            connections: ConnectionLimits::default(),
            socket_request_max_bytes: NetConfig::SOCKET_REQUEST_MAX_BYTES,
            queued_max_request_bytes: NetConfig::QUEUED_MAX_REQUEST_BYTES,
            connections_max_idle: Some(NetConfig::CONNECTIONS_MAX_IDLE),
            frame_timeout_under_pressure: NetConfig::FRAME_TIMEOUT_UNDER_PRESSURE,
            slow_request_log_threshold: Some(NetConfig::SLOW_REQUEST_LOG_THRESHOLD),
        }
    }

    pub(crate) fn listener_limits(&self) -> Vec<(String, ListenerLimits)> {
        self.listeners.iter().map(|listener| (listener.name.clone(), listener.limits.clone())).collect()
    }
}

/// One listener.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Its name, as in `listeners=NAME://host:port`.
    pub name: String,
    /// Where to listen, `host:port`; an empty host means every interface, port 0 any free port.
    pub address: String,
    /// Limits of its connections.
    pub limits: ListenerLimits,
    /// How its sockets are opened.
    pub socket: ottla_runtime::ListenOptions,
}

impl ListenerConfig {
    /// A listener with the default limits.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> ListenerConfig {
        ListenerConfig {
            name: name.into(),
            address: address.into(),
            limits: ListenerLimits::default(),
            socket: ottla_runtime::ListenOptions::default(),
        }
    }
}

/// Limits that Kafka allows per listener (`listener.name.<name>.max.connections` ...).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerLimits {
    /// `max.connections` of this listener.
    pub max_connections: u32,
    /// `max.connection.creation.rate` of this listener, per second.
    pub max_connection_creation_rate: u32,
    /// Whether this is the inter-broker listener: exempt from the node-wide limits when there is another listener.
    pub inter_broker: bool,
}

impl Default for ListenerLimits {
    fn default() -> ListenerLimits {
        ListenerLimits { max_connections: UNLIMITED, max_connection_creation_rate: UNLIMITED, inter_broker: false }
    }
}

/// Node-wide limits of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// `max.connections`.
    pub max_connections: u32,
    /// `max.connection.creation.rate`, per second.
    pub max_connection_creation_rate: u32,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: u32,
    /// `max.connections.per.ip.overrides`.
    pub per_ip_overrides: BTreeMap<IpAddr, u32>,
    /// `connection_creation_rate` of addresses without a quota of their own, per second (KIP-612).
    pub creation_rate_per_ip: u32,
    /// `connection_creation_rate` of addresses that have one.
    pub creation_rate_of_ip: BTreeMap<IpAddr, u32>,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            max_connections: UNLIMITED,
            max_connection_creation_rate: UNLIMITED,
            max_connections_per_ip: UNLIMITED,
            per_ip_overrides: BTreeMap::new(),
            creation_rate_per_ip: UNLIMITED,
            creation_rate_of_ip: BTreeMap::new(),
        }
    }
}
