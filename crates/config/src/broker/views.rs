//! A node's configs by topic, as plain typed structs. Sizes are in bytes, times in milliseconds.

use crate::error::ConfigError;
use crate::listener::split_host_port;
use crate::value::{ConfigValue, split_list};
use std::collections::BTreeMap;

/// Typed access by name. Names and types are those of the catalog, so a mismatch is a bug here.
pub(super) struct Reader<'a> {
    pub(super) values: &'a BTreeMap<&'static str, ConfigValue>,
}

impl Reader<'_> {
    pub(super) fn int(&self, name: &str) -> i32 {
        self.optional_int(name).unwrap_or_else(|| panic!("{name} has no value"))
    }

    fn optional_int(&self, name: &str) -> Option<i32> {
        match self.values.get(name) {
            Some(ConfigValue::Int(value)) => Some(*value),
            None => None,
            Some(other) => panic!("{name} is no int: {other:?}"),
        }
    }

    pub(super) fn number(&self, name: &str) -> i64 {
        match self.values.get(name) {
            Some(ConfigValue::Short(value)) => i64::from(*value),
            Some(ConfigValue::Int(value)) => i64::from(*value),
            Some(ConfigValue::Long(value)) => *value,
            other => panic!("{name} is no whole number: {other:?}"),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(ConfigValue::Boolean(value)) => *value,
            other => panic!("{name} is no boolean: {other:?}"),
        }
    }

    pub(super) fn string(&self, name: &str) -> String {
        self.optional_string(name).unwrap_or_else(|| panic!("{name} has no value"))
    }

    pub(super) fn optional_string(&self, name: &str) -> Option<String> {
        match self.values.get(name) {
            Some(ConfigValue::String(value)) => Some(value.clone()),
            None => None,
            Some(other) => panic!("{name} is no string: {other:?}"),
        }
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.optional_list(name).unwrap_or_else(|| panic!("{name} has no value"))
    }

    pub(super) fn optional_list(&self, name: &str) -> Option<Vec<String>> {
        match self.values.get(name) {
            Some(ConfigValue::List(value)) => Some(value.clone()),
            None => None,
            Some(other) => panic!("{name} is no list: {other:?}"),
        }
    }
}

/// `process.roles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Serves clients.
    pub broker: bool,
    /// Is part of the metadata quorum.
    pub controller: bool,
}

impl Roles {
    pub(super) fn read(reader: &Reader<'_>) -> Roles {
        let roles = reader.list("process.roles");
        let has = |role: &str| roles.iter().any(|other| other == role);
        Roles { broker: has("broker"), controller: has("controller") }
    }
}

/// One entry of `controller.quorum.voters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// `node.id` of the voter.
    pub node_id: i32,
    /// Host name or address.
    pub host: String,
    /// Port of its controller listener.
    pub port: u16,
}

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumConfig {
    /// `controller.quorum.voters`.
    pub voters: Vec<Voter>,
    /// `controller.quorum.bootstrap.servers`, as `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout_ms: i32,
    /// `controller.quorum.fetch.timeout.ms`: a follower that hears nothing for this long stands for election.
    pub fetch_timeout_ms: i32,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub snapshot_bytes: i64,
}

impl QuorumConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<QuorumConfig, ConfigError> {
        let voters = reader.list("controller.quorum.voters");
        let bootstrap_servers = reader.list("controller.quorum.bootstrap.servers");
        for server in &bootstrap_servers {
            if split_host_port(server).is_none_or(|(host, _)| host.is_empty()) {
                let reason = format!("'{server}' is not of the form host:port");
                return Err(ConfigError::invalid("controller.quorum.bootstrap.servers", server, reason));
            }
        }
        Ok(QuorumConfig {
            voters: voters.iter().map(|entry| parse_voter(entry)).collect::<Result<_, _>>()?,
            bootstrap_servers,
            election_timeout_ms: reader.int("controller.quorum.election.timeout.ms"),
            fetch_timeout_ms: reader.int("controller.quorum.fetch.timeout.ms"),
            snapshot_bytes: reader.number("metadata.log.max.record.bytes.between.snapshots"),
        })
    }
}

fn parse_voter(entry: &str) -> Result<Voter, ConfigError> {
    let parts =
        entry.split_once('@').and_then(|(id, address)| Some((id.trim().parse().ok()?, split_host_port(address)?)));
    match parts {
        Some((node_id, (host, port))) if !host.is_empty() => Ok(Voter { node_id, host: host.to_string(), port }),
        _ => {
            let reason = format!("'{entry}' is not of the form id@host:port");
            Err(ConfigError::invalid("controller.quorum.voters", entry, reason))
        }
    }
}

/// Connections and requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// `socket.send.buffer.bytes`; `None` leaves it to the system.
    pub socket_send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the system.
    pub socket_receive_buffer_bytes: Option<usize>,
    /// `socket.request.max.bytes`.
    pub socket_request_max_bytes: usize,
    /// `socket.listen.backlog.size`.
    pub socket_listen_backlog_size: u32,
    /// `max.connections`.
    pub max_connections: usize,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`, by address or host name.
    pub max_connections_per_ip_overrides: BTreeMap<String, usize>,
    /// `max.connection.creation.rate`, per second.
    pub max_connection_creation_rate: u32,
    /// `connections.max.idle.ms`; `None` (a negative value) keeps idle connections.
    pub connections_max_idle_ms: Option<u64>,
    /// `queued.max.request.bytes`; `None` (zero or less) sets no bound.
    pub queued_max_request_bytes: Option<u64>,
    /// `queued.max.requests`.
    pub queued_max_requests: usize,
    /// `http.listener`, as `host:port`.
    pub http_listener: Option<String>,
    /// `slow.request.log.threshold.ms`; `None` (-1) logs none.
    pub slow_request_log_threshold_ms: Option<u64>,
}

impl NetworkConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Result<NetworkConfig, ConfigError> {
        let count = |name: &str| usize::try_from(reader.int(name)).unwrap_or(0);
        let buffer = |name: &str| usize::try_from(reader.int(name)).ok().filter(|bytes| *bytes > 0);
        Ok(NetworkConfig {
            socket_send_buffer_bytes: buffer("socket.send.buffer.bytes"),
            socket_receive_buffer_bytes: buffer("socket.receive.buffer.bytes"),
            socket_request_max_bytes: count("socket.request.max.bytes"),
            socket_listen_backlog_size: reader.int("socket.listen.backlog.size").unsigned_abs(),
            max_connections: count("max.connections"),
            max_connections_per_ip: count("max.connections.per.ip"),
            max_connections_per_ip_overrides: parse_ip_overrides(&reader.string("max.connections.per.ip.overrides"))?,
            max_connection_creation_rate: reader.int("max.connection.creation.rate").unsigned_abs(),
            connections_max_idle_ms: u64::try_from(reader.number("connections.max.idle.ms")).ok(),
            queued_max_request_bytes: u64::try_from(reader.number("queued.max.request.bytes")).ok().filter(|n| *n > 0),
            queued_max_requests: count("queued.max.requests"),
            http_listener: reader
                .optional_string("http.listener")
                .map(|text| parse_http_listener(&text))
                .transpose()?,
            slow_request_log_threshold_ms: u64::try_from(reader.number("slow.request.log.threshold.ms")).ok(),
        })
    }
}

/// The node's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggingConfig {
    /// `logging.format`: whether lines are JSON objects.
    pub is_json: bool,
    /// `logging.level`: a level, or a list of levels by module.
    pub level: String,
}

impl LoggingConfig {
    pub(super) fn read(reader: &Reader<'_>) -> LoggingConfig {
        LoggingConfig { is_json: reader.string("logging.format") == "json", level: reader.string("logging.level") }
    }
}

fn parse_http_listener(text: &str) -> Result<String, ConfigError> {
    let address = text.trim();
    match split_host_port(address) {
        Some((host, _)) if !host.is_empty() => Ok(address.to_string()),
        _ => {
            let reason = "it is not of the form host:port, for example 127.0.0.1:9644";
            Err(ConfigError::invalid("http.listener", text, reason))
        }
    }
}

fn parse_ip_overrides(text: &str) -> Result<BTreeMap<String, usize>, ConfigError> {
    let mut overrides = BTreeMap::new();
    for entry in split_list(text).iter().filter(|entry| !entry.is_empty()) {
        let parsed = entry.rsplit_once(':').and_then(|(address, limit)| Some((address, limit.trim().parse().ok()?)));
        match parsed {
            Some((address, limit)) if !address.is_empty() => overrides.insert(address.trim().to_string(), limit),
            _ => {
                let reason = format!("'{entry}' is not of the form address:count");
                return Err(ConfigError::invalid("max.connections.per.ip.overrides", text, reason));
            }
        };
    }
    Ok(overrides)
}

/// Where and how logs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// `log.dirs`, or `log.dir` where that is not set; never empty. Absolute, as clients are told them.
    pub log_dirs: Vec<String>,
    /// `metadata.log.dir`, or the first log directory. Absolute.
    pub metadata_log_dir: String,
    /// `num.recovery.threads.per.data.dir`.
    pub num_recovery_threads_per_data_dir: usize,
    /// `log.retention.check.interval.ms`.
    pub log_retention_check_interval_ms: i64,
    /// `log.initial.task.delay.ms`.
    pub log_initial_task_delay_ms: i64,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i32,
    /// `log.unflushed.max.bytes`.
    pub log_unflushed_max_bytes: u64,
}

impl StorageConfig {
    pub(super) fn read(reader: &Reader<'_>) -> StorageConfig {
        let log_dirs = reader.optional_list("log.dirs").unwrap_or_else(|| reader.list("log.dir"));
        let log_dirs: Vec<String> = log_dirs.into_iter().map(absolute).collect();
        let metadata_log_dir = reader.optional_string("metadata.log.dir").map(absolute);
        StorageConfig {
            metadata_log_dir: metadata_log_dir.or_else(|| log_dirs.first().cloned()).unwrap_or_default(),
            log_dirs,
            num_recovery_threads_per_data_dir: reader.int("num.recovery.threads.per.data.dir").unsigned_abs() as usize,
            log_retention_check_interval_ms: reader.number("log.retention.check.interval.ms"),
            log_initial_task_delay_ms: reader.number("log.initial.task.delay.ms"),
            producer_id_expiration_ms: reader.int("producer.id.expiration.ms"),
            log_unflushed_max_bytes: reader.number("log.unflushed.max.bytes").unsigned_abs(),
        }
    }
}

/// The path as it is where the working directory is not known, or is no text.
fn absolute(path: String) -> String {
    let absolute = std::path::absolute(&path).ok().and_then(|absolute| absolute.into_os_string().into_string().ok());
    absolute.unwrap_or(path)
}

/// What new topics get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDefaults {
    /// `auto.create.topics.enable`.
    pub auto_create_topics_enable: bool,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`; `None` where it is not set and follows the number of brokers.
    pub default_replication_factor: Option<i16>,
}

impl TopicDefaults {
    pub(super) fn read(reader: &Reader<'_>) -> TopicDefaults {
        let factor = reader.optional_int("default.replication.factor");
        TopicDefaults {
            auto_create_topics_enable: reader.boolean("auto.create.topics.enable"),
            delete_topic_enable: reader.boolean("delete.topic.enable"),
            num_partitions: reader.int("num.partitions"),
            default_replication_factor: factor.map(|factor| factor.clamp(i16::MIN.into(), i16::MAX.into()) as i16),
        }
    }

    /// Replicas of a topic that is created without a number, in a cluster of `brokers` brokers.
    pub fn replication_factor(&self, brokers: usize) -> i16 {
        let derived = || crate::layers::default_replication_factor(brokers) as i16;
        self.default_replication_factor.unwrap_or_else(derived)
    }
}

/// Limits of fetching and describing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchConfig {
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: i32,
    /// `max.incremental.fetch.session.cache.slots`.
    pub max_incremental_fetch_session_cache_slots: usize,
    /// `max.request.partition.size.limit`.
    pub max_request_partition_size_limit: i32,
}

impl FetchConfig {
    pub(super) fn read(reader: &Reader<'_>) -> FetchConfig {
        let slots = reader.int("max.incremental.fetch.session.cache.slots");
        FetchConfig {
            fetch_max_bytes: reader.int("fetch.max.bytes"),
            max_incremental_fetch_session_cache_slots: usize::try_from(slots).unwrap_or(0),
            max_request_partition_size_limit: reader.int("max.request.partition.size.limit"),
        }
    }
}
