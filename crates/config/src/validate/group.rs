//! Configs of groups: each must lie between the bounds that the broker sets, and sessions outlast heartbeats.

use super::check_each;
use crate::catalog::{self, Scope};
use crate::error::ConfigError;
use crate::layers::{ConfigMap, Layers, default_of};
use crate::synonyms;
use crate::value::ConfigValue;

/// A group config, and the broker configs that bound it from below and above.
struct Bound {
    name: &'static str,
    min: Option<&'static str>,
    max: &'static str,
}

const fn between(name: &'static str, min: &'static str, max: &'static str) -> Bound {
    Bound { name, min: Some(min), max }
}

const BOUNDS: &[Bound] = &[
    between(
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    between(
        "consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
    between(
        "consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    between(
        "share.heartbeat.interval.ms",
        "group.share.min.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ),
    between("share.session.timeout.ms", "group.share.min.session.timeout.ms", "group.share.max.session.timeout.ms"),
    between(
        "share.record.lock.duration.ms",
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    between(
        "share.delivery.count.limit",
        "group.share.min.delivery.count.limit",
        "group.share.max.delivery.count.limit",
    ),
    between(
        "share.partition.max.record.locks",
        "group.share.min.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ),
    between(
        "share.assignment.interval.ms",
        "group.share.min.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ),
    between(
        "streams.heartbeat.interval.ms",
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    between(
        "streams.session.timeout.ms",
        "group.streams.min.session.timeout.ms",
        "group.streams.max.session.timeout.ms",
    ),
    Bound { name: "streams.num.standby.replicas", min: None, max: "group.streams.max.standby.replicas" },
    between(
        "streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ),
];

/// Checks the configs of one group as they will stand, on top of the broker's configs.
pub fn group(configs: &ConfigMap, broker: &Layers<'_>) -> Result<(), ConfigError> {
    check_each(Scope::Group, configs)?;
    for bound in BOUNDS {
        // A default of the broker that lies outside of the broker's own bounds is no mistake of this group.
        let Some(value) = configs.get(bound.name).map(|_| number(configs, bound.name, broker)) else { continue };
        if let Some(min) = bound.min.filter(|min| value < broker_number(min, broker)) {
            return Err(ConfigError::Rule(format!("{} must be greater than or equal to {min}", bound.name)));
        }
        if value > broker_number(bound.max, broker) {
            return Err(ConfigError::Rule(format!("{} must be less than or equal to {}", bound.name, bound.max)));
        }
    }
    for kind in ["consumer", "share", "streams"] {
        let session = format!("{kind}.session.timeout.ms");
        let heartbeat = format!("{kind}.heartbeat.interval.ms");
        if number(configs, &session, broker) <= number(configs, &heartbeat, broker) {
            return Err(ConfigError::Rule(format!("{session} must be greater than {heartbeat}")));
        }
    }
    Ok(())
}

/// The number of a group config: its own, the broker's, or the default.
fn number(configs: &ConfigMap, name: &str, broker: &Layers<'_>) -> i64 {
    let key = catalog::find(Scope::Group, name).unwrap_or_else(|| panic!("{name} is not declared"));
    let own = configs.get(name).and_then(|text| ConfigValue::parse(key, text).ok());
    let inherited = || match synonyms::of_group_config(name) {
        Some(broker_config) => Some(ConfigValue::Long(broker_number(broker_config, broker))),
        None => default_of(key, broker.cluster),
    };
    as_number(name, own.or_else(inherited))
}

fn broker_number(name: &str, broker: &Layers<'_>) -> i64 {
    let key = catalog::find(Scope::Broker, name).unwrap_or_else(|| panic!("{name} is not declared"));
    as_number(name, broker.broker_value(key))
}

fn as_number(name: &str, value: Option<ConfigValue>) -> i64 {
    match value {
        Some(ConfigValue::Int(number)) => i64::from(number),
        Some(ConfigValue::Long(number)) => number,
        other => panic!("{name} is no whole number: {other:?}"),
    }
}
