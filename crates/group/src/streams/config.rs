//! The configs that streams groups obey: the broker's `group.streams.*`, and `streams.*` of single groups.

use ottla_config::{BrokerConfig, ConfigMap, ConfigValue};
use std::collections::BTreeMap;

/// What a streams group may set for itself (resource type GROUP); None where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamsOverrides {
    /// `streams.session.timeout.ms`.
    pub session_timeout_ms: Option<u64>,
    /// `streams.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: Option<u64>,
    /// `streams.assignment.interval.ms`.
    pub assignment_interval_ms: Option<u64>,
    /// `streams.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: Option<u64>,
    /// `streams.num.standby.replicas`.
    pub num_standby_replicas: Option<u64>,
}

/// All configs of streams groups. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamsConfig {
    /// `group.coordinator.rebalance.protocols` has `streams`.
    pub protocol: bool,
    /// `group.streams.max.size`.
    pub max_size: usize,
    /// `group.streams.session.timeout.ms`.
    pub session_timeout_ms: u64,
    /// `group.streams.min.session.timeout.ms` and `group.streams.max.session.timeout.ms`.
    pub session_timeout_bounds_ms: (u64, u64),
    /// `group.streams.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: u64,
    /// `group.streams.min.heartbeat.interval.ms` and `group.streams.max.heartbeat.interval.ms`.
    pub heartbeat_interval_bounds_ms: (u64, u64),
    /// `group.streams.assignment.interval.ms`.
    pub assignment_interval_ms: u64,
    /// `group.streams.min.assignment.interval.ms` and `group.streams.max.assignment.interval.ms`.
    pub assignment_interval_bounds_ms: (u64, u64),
    /// `group.streams.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: u64,
    /// `group.streams.num.standby.replicas`.
    pub num_standby_replicas: u64,
    /// `group.streams.max.standby.replicas`.
    pub max_standby_replicas: u64,
    /// Configs of single groups.
    pub groups: BTreeMap<String, StreamsOverrides>,
}

impl Default for StreamsConfig {
    /// Kafka's defaults.
    fn default() -> StreamsConfig {
        StreamsConfig {
            protocol: true,
            max_size: i32::MAX as usize,
            session_timeout_ms: 45_000,
            session_timeout_bounds_ms: (45_000, 60_000),
            heartbeat_interval_ms: 5_000,
            heartbeat_interval_bounds_ms: (5_000, 15_000),
            assignment_interval_ms: 1_000,
            assignment_interval_bounds_ms: (0, 15_000),
            initial_rebalance_delay_ms: 3_000,
            num_standby_replicas: 0,
            max_standby_replicas: 2,
            groups: BTreeMap::new(),
        }
    }
}

impl StreamsConfig {
    /// The broker's configs, and those of the groups that have any (as texts, already validated).
    pub fn new(broker: &BrokerConfig, groups: &BTreeMap<String, ConfigMap>) -> StreamsConfig {
        let number = |name: &str| u64::try_from(broker.long(name)).unwrap_or(0);
        let protocol = match broker.get("group.coordinator.rebalance.protocols") {
            Some(ConfigValue::List(protocols)) => {
                protocols.iter().any(|protocol| protocol.eq_ignore_ascii_case("streams"))
            }
            _ => false,
        };
        StreamsConfig {
            protocol,
            max_size: usize::try_from(broker.long("group.streams.max.size")).unwrap_or(0),
            session_timeout_ms: number("group.streams.session.timeout.ms"),
            session_timeout_bounds_ms: (
                number("group.streams.min.session.timeout.ms"),
                number("group.streams.max.session.timeout.ms"),
            ),
            heartbeat_interval_ms: number("group.streams.heartbeat.interval.ms"),
            heartbeat_interval_bounds_ms: (
                number("group.streams.min.heartbeat.interval.ms"),
                number("group.streams.max.heartbeat.interval.ms"),
            ),
            assignment_interval_ms: number("group.streams.assignment.interval.ms"),
            assignment_interval_bounds_ms: (
                number("group.streams.min.assignment.interval.ms"),
                number("group.streams.max.assignment.interval.ms"),
            ),
            initial_rebalance_delay_ms: number("group.streams.initial.rebalance.delay.ms"),
            num_standby_replicas: number("group.streams.num.standby.replicas"),
            max_standby_replicas: number("group.streams.max.standby.replicas"),
            groups: groups.iter().map(|(id, configs)| (id.clone(), overrides(configs))).collect(),
        }
    }

    /// How long a member of this group may be silent.
    pub fn session_timeout_ms(&self, group_id: &str) -> u64 {
        let own = self.own(group_id).and_then(|own| own.session_timeout_ms);
        bounded(own, self.session_timeout_bounds_ms, self.session_timeout_ms)
    }

    /// How often members of this group are told to send heartbeats.
    pub fn heartbeat_interval_ms(&self, group_id: &str) -> u64 {
        let own = self.own(group_id).and_then(|own| own.heartbeat_interval_ms);
        bounded(own, self.heartbeat_interval_bounds_ms, self.heartbeat_interval_ms)
    }

    /// Least time between two assignments of this group.
    pub fn assignment_interval_ms(&self, group_id: &str) -> u64 {
        let own = self.own(group_id).and_then(|own| own.assignment_interval_ms);
        bounded(own, self.assignment_interval_bounds_ms, self.assignment_interval_ms)
    }

    /// How long this group, when it is empty, waits for more members before it assigns tasks.
    pub fn initial_rebalance_delay_ms(&self, group_id: &str) -> u64 {
        let own = self.own(group_id).and_then(|own| own.initial_rebalance_delay_ms);
        own.unwrap_or(self.initial_rebalance_delay_ms)
    }

    /// Standby copies of every stateful task of this group.
    pub fn num_standby_replicas(&self, group_id: &str) -> u64 {
        let own = self.own(group_id).and_then(|own| own.num_standby_replicas);
        bounded(own, (0, self.max_standby_replicas), self.num_standby_replicas)
    }

    fn own(&self, group_id: &str) -> Option<&StreamsOverrides> {
        self.groups.get(group_id)
    }
}

/// A group's own value within the broker's bounds, which may have changed since it was set.
fn bounded(own: Option<u64>, (min, max): (u64, u64), broker: u64) -> u64 {
    own.map_or(broker, |own| own.max(min).min(max))
}

fn overrides(configs: &ConfigMap) -> StreamsOverrides {
    let number = |name: &str| configs.get(name).and_then(|text| text.trim().parse().ok());
    StreamsOverrides {
        session_timeout_ms: number("streams.session.timeout.ms"),
        heartbeat_interval_ms: number("streams.heartbeat.interval.ms"),
        assignment_interval_ms: number("streams.assignment.interval.ms"),
        initial_rebalance_delay_ms: number("streams.initial.rebalance.delay.ms"),
        num_standby_replicas: number("streams.num.standby.replicas"),
    }
}
