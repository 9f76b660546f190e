//! The configs that groups obey: the broker's `group.*` and `offset*`, and those of single groups.

use crate::streams::StreamsConfig;
use ottla_config::{BrokerConfig, ConfigMap, ConfigValue};
use std::collections::BTreeMap;

/// Whether groups move between the protocols (`group.consumer.migration.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Both ways.
    Bidirectional,
    /// Only classic to consumer.
    Upgrade,
    /// Only consumer to classic.
    Downgrade,
    /// Never while the group has members.
    Disabled,
}

impl MigrationPolicy {
    /// Whether a classic group with members may become a KIP-848 one.
    pub fn allows_upgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Upgrade)
    }

    /// Whether a KIP-848 group may become a classic one when its last KIP-848 member leaves.
    pub fn allows_downgrade(self) -> bool {
        matches!(self, MigrationPolicy::Bidirectional | MigrationPolicy::Downgrade)
    }
}

/// What a group may set for itself (resource type GROUP); None where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupOverrides {
    /// `consumer.session.timeout.ms`.
    pub consumer_session_timeout_ms: Option<u64>,
    /// `consumer.heartbeat.interval.ms`.
    pub consumer_heartbeat_interval_ms: Option<u64>,
    /// `consumer.assignment.interval.ms`.
    pub consumer_assignment_interval_ms: Option<u64>,
    /// `share.session.timeout.ms`.
    pub share_session_timeout_ms: Option<u64>,
    /// `share.heartbeat.interval.ms`.
    pub share_heartbeat_interval_ms: Option<u64>,
    /// `share.assignment.interval.ms`.
    pub share_assignment_interval_ms: Option<u64>,
}

/// All configs of groups. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: u64,
    /// `group.max.size`.
    pub max_size: usize,
    /// `group.coordinator.rebalance.protocols` has `consumer`.
    pub consumer_protocol: bool,
    /// `group.consumer.session.timeout.ms`.
    pub consumer_session_timeout_ms: u64,
    /// `group.consumer.min.session.timeout.ms` and `group.consumer.max.session.timeout.ms`.
    pub consumer_session_timeout_bounds_ms: (u64, u64),
    /// `group.consumer.heartbeat.interval.ms`.
    pub consumer_heartbeat_interval_ms: u64,
    /// `group.consumer.min.heartbeat.interval.ms` and `group.consumer.max.heartbeat.interval.ms`.
    pub consumer_heartbeat_interval_bounds_ms: (u64, u64),
    /// `group.consumer.assignment.interval.ms`.
    pub consumer_assignment_interval_ms: u64,
    /// `group.consumer.min.assignment.interval.ms` and `group.consumer.max.assignment.interval.ms`.
    pub consumer_assignment_interval_bounds_ms: (u64, u64),
    /// `group.consumer.max.size`.
    pub consumer_max_size: usize,
    /// `group.consumer.assignors`; the first is the default.
    pub consumer_assignors: Vec<String>,
    /// `group.consumer.migration.policy`.
    pub consumer_migration_policy: MigrationPolicy,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub consumer_regex_refresh_interval_ms: u64,
    /// `group.share.session.timeout.ms`.
    pub share_session_timeout_ms: u64,
    /// `group.share.min.session.timeout.ms` and `group.share.max.session.timeout.ms`.
    pub share_session_timeout_bounds_ms: (u64, u64),
    /// `group.share.heartbeat.interval.ms`.
    pub share_heartbeat_interval_ms: u64,
    /// `group.share.min.heartbeat.interval.ms` and `group.share.max.heartbeat.interval.ms`.
    pub share_heartbeat_interval_bounds_ms: (u64, u64),
    /// `group.share.assignment.interval.ms`.
    pub share_assignment_interval_ms: u64,
    /// `group.share.min.assignment.interval.ms` and `group.share.max.assignment.interval.ms`.
    pub share_assignment_interval_bounds_ms: (u64, u64),
    /// `group.share.max.size`.
    pub share_max_size: usize,
    /// `group.share.initialize.retry.interval.ms`.
    pub share_initialize_retry_interval_ms: i64,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: u64,
    /// Most bytes that the offsets topic takes in one batch: a GroupMetadata record that does not fit in is refused.
    pub max_record_bytes: usize,
    /// What streams groups obey.
    pub streams: StreamsConfig,
    /// Configs of single groups.
    pub groups: BTreeMap<String, GroupOverrides>,
}

impl GroupConfig {
    /// The broker's configs, and those of the groups that have any (as texts, already validated). `max_message_bytes` is
    /// `max.message.bytes` of the offsets topic.
    pub fn new(broker: &BrokerConfig, groups: &BTreeMap<String, ConfigMap>, max_message_bytes: usize) -> GroupConfig {
        let number = |name: &str| u64::try_from(broker.long(name)).unwrap_or(0);
        let size = |name: &str| usize::try_from(broker.long(name)).unwrap_or(0);
        let int = |name: &str| i32::try_from(broker.long(name)).unwrap_or(i32::MAX);
        let protocols = list(broker, "group.coordinator.rebalance.protocols");
        GroupConfig {
            min_session_timeout_ms: int("group.min.session.timeout.ms"),
            max_session_timeout_ms: int("group.max.session.timeout.ms"),
            initial_rebalance_delay_ms: number("group.initial.rebalance.delay.ms"),
            max_size: size("group.max.size"),
            consumer_protocol: protocols.iter().any(|protocol| protocol.eq_ignore_ascii_case("consumer")),
            consumer_session_timeout_ms: number("group.consumer.session.timeout.ms"),
            consumer_session_timeout_bounds_ms: (
                number("group.consumer.min.session.timeout.ms"),
                number("group.consumer.max.session.timeout.ms"),
            ),
            consumer_heartbeat_interval_ms: number("group.consumer.heartbeat.interval.ms"),
            consumer_heartbeat_interval_bounds_ms: (
                number("group.consumer.min.heartbeat.interval.ms"),
                number("group.consumer.max.heartbeat.interval.ms"),
            ),
            consumer_assignment_interval_ms: number("group.consumer.assignment.interval.ms"),
            consumer_assignment_interval_bounds_ms: (
                number("group.consumer.min.assignment.interval.ms"),
                number("group.consumer.max.assignment.interval.ms"),
            ),
            consumer_max_size: size("group.consumer.max.size"),
            consumer_assignors: list(broker, "group.consumer.assignors"),
            consumer_migration_policy: migration_policy(broker),
            consumer_regex_refresh_interval_ms: number("group.consumer.regex.refresh.interval.ms"),
            share_session_timeout_ms: number("group.share.session.timeout.ms"),
            share_session_timeout_bounds_ms: (
                number("group.share.min.session.timeout.ms"),
                number("group.share.max.session.timeout.ms"),
            ),
            share_heartbeat_interval_ms: number("group.share.heartbeat.interval.ms"),
            share_heartbeat_interval_bounds_ms: (
                number("group.share.min.heartbeat.interval.ms"),
                number("group.share.max.heartbeat.interval.ms"),
            ),
            share_assignment_interval_ms: number("group.share.assignment.interval.ms"),
            share_assignment_interval_bounds_ms: (
                number("group.share.min.assignment.interval.ms"),
                number("group.share.max.assignment.interval.ms"),
            ),
            share_max_size: size("group.share.max.size"),
            share_initialize_retry_interval_ms: broker.long("group.share.initialize.retry.interval.ms"),
            offset_metadata_max_bytes: size("offset.metadata.max.bytes"),
            offsets_retention_ms: broker.long("offsets.retention.minutes").saturating_mul(60_000),
            offsets_retention_check_interval_ms: number("offsets.retention.check.interval.ms"),
            max_record_bytes: max_message_bytes,
            streams: StreamsConfig::new(broker, groups),
            groups: groups.iter().map(|(id, configs)| (id.clone(), overrides(configs))).collect(),
        }
    }

    /// How long a member of this KIP-848 group may be silent.
    pub fn session_timeout_ms(&self, group_id: &str) -> u64 {
        let own = self.groups.get(group_id).and_then(|group| group.consumer_session_timeout_ms);
        bounded(own, self.consumer_session_timeout_bounds_ms, self.consumer_session_timeout_ms)
    }

    /// How often members of this KIP-848 group are told to send heartbeats.
    pub fn heartbeat_interval_ms(&self, group_id: &str) -> u64 {
        let own = self.groups.get(group_id).and_then(|group| group.consumer_heartbeat_interval_ms);
        bounded(own, self.consumer_heartbeat_interval_bounds_ms, self.consumer_heartbeat_interval_ms)
    }

    /// Least time between two assignments of this KIP-848 group.
    pub fn assignment_interval_ms(&self, group_id: &str) -> u64 {
        let own = self.groups.get(group_id).and_then(|group| group.consumer_assignment_interval_ms);
        bounded(own, self.consumer_assignment_interval_bounds_ms, self.consumer_assignment_interval_ms)
    }

    /// How long a member of this share group may be silent.
    pub fn share_session_timeout_ms(&self, group_id: &str) -> u64 {
        let own = self.groups.get(group_id).and_then(|group| group.share_session_timeout_ms);
        bounded(own, self.share_session_timeout_bounds_ms, self.share_session_timeout_ms)
    }

    /// How often members of this share group are told to send heartbeats.
    pub fn share_heartbeat_interval_ms(&self, group_id: &str) -> u64 {
        let own = self.groups.get(group_id).and_then(|group| group.share_heartbeat_interval_ms);
        bounded(own, self.share_heartbeat_interval_bounds_ms, self.share_heartbeat_interval_ms)
    }

    /// Least time between two assignments of this share group.
    pub fn share_assignment_interval_ms(&self, group_id: &str) -> u64 {
        let own = self.groups.get(group_id).and_then(|group| group.share_assignment_interval_ms);
        bounded(own, self.share_assignment_interval_bounds_ms, self.share_assignment_interval_ms)
    }
}

/// A group's own value within the broker's bounds, which may have changed since it was set.
fn bounded(own: Option<u64>, (min, max): (u64, u64), broker: u64) -> u64 {
    own.map_or(broker, |own| own.max(min).min(max))
}

fn list(broker: &BrokerConfig, name: &str) -> Vec<String> {
    match broker.get(name) {
        Some(ConfigValue::List(values)) => values.clone(),
        _ => Vec::new(),
    }
}

fn migration_policy(broker: &BrokerConfig) -> MigrationPolicy {
    match broker.get("group.consumer.migration.policy") {
        Some(ConfigValue::String(policy)) => match policy.to_ascii_lowercase().as_str() {
            "upgrade" => MigrationPolicy::Upgrade,
            "downgrade" => MigrationPolicy::Downgrade,
            "disabled" => MigrationPolicy::Disabled,
            _ => MigrationPolicy::Bidirectional,
        },
        _ => MigrationPolicy::Bidirectional,
    }
}

fn overrides(configs: &ConfigMap) -> GroupOverrides {
    let number = |name: &str| configs.get(name).and_then(|text| text.trim().parse().ok());
    GroupOverrides {
        consumer_session_timeout_ms: number("consumer.session.timeout.ms"),
        consumer_heartbeat_interval_ms: number("consumer.heartbeat.interval.ms"),
        consumer_assignment_interval_ms: number("consumer.assignment.interval.ms"),
        share_session_timeout_ms: number("share.session.timeout.ms"),
        share_heartbeat_interval_ms: number("share.heartbeat.interval.ms"),
        share_assignment_interval_ms: number("share.assignment.interval.ms"),
    }
}
