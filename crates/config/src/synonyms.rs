//! Which broker configs stand behind a topic or group config, and broker configs that are one in different units.

use crate::value::ConfigValue;

/// Unit of a broker config whose topic config is in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Same,
    Minutes,
    Hours,
}

/// A broker config that gives a topic config its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synonym {
    /// Name of the broker config.
    pub broker_config: &'static str,
    unit: Unit,
}

impl Synonym {
    const fn same(broker_config: &'static str) -> Synonym {
        Synonym { broker_config, unit: Unit::Same }
    }

    const fn hours(broker_config: &'static str) -> Synonym {
        Synonym { broker_config, unit: Unit::Hours }
    }

    const fn minutes(broker_config: &'static str) -> Synonym {
        Synonym { broker_config, unit: Unit::Minutes }
    }

    /// The broker config's value as a value of the topic config. A negative time means "unlimited" in every unit.
    pub(crate) fn convert(&self, value: ConfigValue) -> Option<ConfigValue> {
        let factor = match self.unit {
            Unit::Same => return Some(value),
            Unit::Minutes => 60 * 1000,
            Unit::Hours => 60 * 60 * 1000,
        };
        match value {
            ConfigValue::Int(number) if number < 0 => Some(ConfigValue::Long(-1)),
            ConfigValue::Int(number) => Some(ConfigValue::Long(i64::from(number) * factor)),
            _ => None,
        }
    }
}

/// Topic config, and the broker configs behind it, strongest first.
const TOPIC_SYNONYMS: &[(&str, &[Synonym])] = &[
    ("cleanup.policy", &[Synonym::same("log.cleanup.policy")]),
    ("compression.gzip.level", &[Synonym::same("compression.gzip.level")]),
    ("compression.lz4.level", &[Synonym::same("compression.lz4.level")]),
    ("compression.type", &[Synonym::same("compression.type")]),
    ("compression.zstd.level", &[Synonym::same("compression.zstd.level")]),
    ("delete.retention.ms", &[Synonym::same("log.cleaner.delete.retention.ms")]),
    ("file.delete.delay.ms", &[Synonym::same("log.segment.delete.delay.ms")]),
    ("flush.messages", &[Synonym::same("log.flush.interval.messages")]),
    ("flush.ms", &[Synonym::same("log.flush.interval.ms"), Synonym::same("log.flush.scheduler.interval.ms")]),
    ("index.interval.bytes", &[Synonym::same("log.index.interval.bytes")]),
    ("local.retention.bytes", &[Synonym::same("log.local.retention.bytes")]),
    ("local.retention.ms", &[Synonym::same("log.local.retention.ms")]),
    ("max.compaction.lag.ms", &[Synonym::same("log.cleaner.max.compaction.lag.ms")]),
    ("max.message.bytes", &[Synonym::same("message.max.bytes")]),
    ("message.timestamp.after.max.ms", &[Synonym::same("log.message.timestamp.after.max.ms")]),
    ("message.timestamp.before.max.ms", &[Synonym::same("log.message.timestamp.before.max.ms")]),
    ("message.timestamp.type", &[Synonym::same("log.message.timestamp.type")]),
    ("min.cleanable.dirty.ratio", &[Synonym::same("log.cleaner.min.cleanable.ratio")]),
    ("min.compaction.lag.ms", &[Synonym::same("log.cleaner.min.compaction.lag.ms")]),
    ("min.insync.replicas", &[Synonym::same("min.insync.replicas")]),
    ("preallocate", &[Synonym::same("log.preallocate")]),
    ("retention.bytes", &[Synonym::same("log.retention.bytes")]),
    (
        "retention.ms",
        &[
            Synonym::same("log.retention.ms"),
            Synonym::minutes("log.retention.minutes"),
            Synonym::hours("log.retention.hours"),
        ],
    ),
    ("segment.bytes", &[Synonym::same("log.segment.bytes")]),
    ("segment.index.bytes", &[Synonym::same("log.index.size.max.bytes")]),
    ("segment.jitter.ms", &[Synonym::same("log.roll.jitter.ms"), Synonym::hours("log.roll.jitter.hours")]),
    ("segment.ms", &[Synonym::same("log.roll.ms"), Synonym::hours("log.roll.hours")]),
    ("unclean.leader.election.enable", &[Synonym::same("unclean.leader.election.enable")]),
    ("write.caching", &[Synonym::same("log.write.caching")]),
    ("write.flush.interval.ms", &[Synonym::same("log.write.flush.interval.ms")]),
];

/// Group config, and the broker config behind it.
const GROUP_SYNONYMS: &[(&str, &str)] = &[
    ("consumer.assignment.interval.ms", "group.consumer.assignment.interval.ms"),
    ("consumer.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms"),
    ("consumer.session.timeout.ms", "group.consumer.session.timeout.ms"),
    ("share.assignment.interval.ms", "group.share.assignment.interval.ms"),
    ("share.delivery.count.limit", "group.share.delivery.count.limit"),
    ("share.heartbeat.interval.ms", "group.share.heartbeat.interval.ms"),
    ("share.partition.max.record.locks", "group.share.partition.max.record.locks"),
    ("share.record.lock.duration.ms", "group.share.record.lock.duration.ms"),
    ("share.session.timeout.ms", "group.share.session.timeout.ms"),
    ("streams.assignment.interval.ms", "group.streams.assignment.interval.ms"),
    ("streams.heartbeat.interval.ms", "group.streams.heartbeat.interval.ms"),
    ("streams.initial.rebalance.delay.ms", "group.streams.initial.rebalance.delay.ms"),
    ("streams.num.standby.replicas", "group.streams.num.standby.replicas"),
    ("streams.session.timeout.ms", "group.streams.session.timeout.ms"),
];

/// Broker configs that mean the same in different units, strongest first.
const BROKER_FAMILIES: &[&[&str]] = &[
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
];

/// The broker configs behind a topic config, strongest first; empty if there are none.
pub fn of_topic_config(name: &str) -> &'static [Synonym] {
    match TOPIC_SYNONYMS.binary_search_by_key(&name, |(topic_config, _)| topic_config) {
        Ok(index) => TOPIC_SYNONYMS[index].1,
        Err(_) => &[],
    }
}

/// The broker config behind a group config.
pub fn of_group_config(name: &str) -> Option<&'static str> {
    GROUP_SYNONYMS.iter().find(|(group_config, _)| *group_config == name).map(|(_, broker_config)| *broker_config)
}

/// All names under which the broker config `name` may be set, strongest first.
pub fn of_broker_config(name: &str) -> Vec<&str> {
    if name == "log.flush.interval.ms" {
        return vec!["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
    }
    if let Some(family) = BROKER_FAMILIES.iter().find(|family| family.contains(&name)) {
        return family.to_vec();
    }
    match crate::catalog::listener_override(name) {
        Some(key) => vec![name, key.name],
        None => vec![name],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{self, Scope};

    #[test]
    fn the_table_is_sorted_and_names_only_declared_configs() {
        assert!(TOPIC_SYNONYMS.is_sorted_by_key(|(name, _)| *name));
        for (topic_config, synonyms) in TOPIC_SYNONYMS {
            let topic_key = catalog::find(Scope::Topic, topic_config).unwrap();
            for synonym in *synonyms {
                let broker_key = catalog::find(Scope::Broker, synonym.broker_config).unwrap();
                assert_eq!(synonym.unit == Unit::Same, broker_key.kind == topic_key.kind, "{topic_config}");
            }
        }
        for (group_config, broker_config) in GROUP_SYNONYMS {
            assert!(catalog::find(Scope::Group, group_config).is_some());
            assert!(catalog::find(Scope::Broker, broker_config).is_some());
        }
    }
}
