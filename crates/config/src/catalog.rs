//! The tables of all configs, and looking one up.
//!
//! One row reads: name, type, default, accepted values, importance, update mode, effect; on the next line its
//! documentation, then how it differs from Kafka's, if it does.

mod cleaner;
mod client_metrics;
mod group;
mod groups;
mod log;
mod network;
mod node;
mod quotas;
mod replication;
mod security;
mod share;
mod streams;
mod tiered;
mod topic;
mod transactions;

use crate::error::ConfigError;
use crate::key::{Check, ConfigKey};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a config belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A node, or all brokers.
    Broker,
    /// A topic.
    Topic,
    /// A group of any kind.
    Group,
    /// A client metrics subscription (KIP-714).
    ClientMetrics,
}

/// Makes a table of [`ConfigKey`]s out of rows.
macro_rules! keys {
    (pub(super) $table:ident $(
        $name:literal $kind:ident $default:tt $(($rule:literal))?
        $check:ident $(($($arg:tt)*))? $importance:ident $update:ident $effect:ident
        $doc:literal $(kafka $kafka:literal because $reason:literal)? $(= $ours:ident)?;
    )*) => {
        pub(super) const $table: &[crate::key::ConfigKey] = &[$(
            crate::key::ConfigKey {
                name: $name,
                kind: crate::key::ConfigType::$kind,
                default: crate::catalog::default_value!($default $($rule)?),
                check: crate::catalog::check!($check $($($arg)*)?),
                importance: crate::key::Importance::$importance,
                update: crate::key::UpdateMode::$update,
                effect: crate::key::Effect::$effect,
                doc: $doc,
                differs: crate::catalog::differs!($($kafka $reason)? $($ours)?),
            },
        )*];
    };
}

macro_rules! default_value {
    (null) => {
        crate::key::DefaultValue::Null
    };
    (derived $rule:literal) => {
        crate::key::DefaultValue::Derived($rule)
    };
    ($value:literal) => {
        crate::key::DefaultValue::Value($value)
    };
}

macro_rules! check {
    (any) => { crate::key::Check::Any };
    (min $min:literal) => { crate::catalog::range($min, i64::MAX) };
    (range $min:literal, $max:literal) => { crate::catalog::range($min, $max) };
    (ratio $max:literal) => { crate::key::Check::Range { min: 0.0, max: $max } };
    (one_of $($text:literal),*) => { crate::key::Check::OneOf(&[$($text),*]) };
    (one_of_ignore_case $($text:literal),*) => { crate::key::Check::OneOfIgnoreCase(&[$($text),*]) };
    (list) => { crate::key::Check::List { allowed: &[], empty_ok: true } };
    (non_empty_list) => { crate::key::Check::List { allowed: &[], empty_ok: false } };
    (list_of $($text:literal),*) => { crate::key::Check::List { allowed: &[$($text),*], empty_ok: true } };
    (non_empty_list_of $($text:literal),*) => { crate::key::Check::List { allowed: &[$($text),*], empty_ok: false } };
    (non_empty) => { crate::key::Check::NonEmpty };
    (gzip_level) => { crate::key::Check::GzipLevel };
    (throttled_replicas) => { crate::key::Check::ThrottledReplicas };
    (offset_reset) => { crate::key::Check::OffsetReset };
}

macro_rules! differs {
    () => {
        None
    };
    (ours) => {
        Some(crate::key::Differs::Ours)
    };
    ($kafka:literal $reason:literal) => {
        Some(crate::key::Differs::Default { kafka: $kafka, reason: $reason })
    };
}

use {check, default_value, differs, keys};

/// Numbers from `min` to `max`; `i64::MAX` stands for "no upper bound".
const fn range(min: i64, max: i64) -> Check {
    let max = if max == i64::MAX { f64::INFINITY } else { max as f64 };
    Check::Range { min: min as f64, max }
}

/// The tables of broker configs with their headings, in the order of the documentation.
pub const BROKER_SECTIONS: &[(&str, &[ConfigKey])] = &[
    ("Node and metadata quorum", node::KEYS),
    ("Listeners and connections", network::KEYS),
    ("Log", log::KEYS),
    ("Log cleaner", cleaner::KEYS),
    ("Replication", replication::KEYS),
    ("Consumer groups", groups::KEYS),
    ("Streams groups", streams::KEYS),
    ("Share groups", share::KEYS),
    ("Transactions", transactions::KEYS),
    ("Tiered storage", tiered::KEYS),
    ("Security", security::KEYS),
    ("Quotas and metrics", quotas::KEYS),
];

/// The tables of topic configs.
pub const TOPIC_SECTIONS: &[(&str, &[ConfigKey])] = &[("Topic", topic::KEYS)];

/// The tables of group configs.
pub const GROUP_SECTIONS: &[(&str, &[ConfigKey])] = &[("Group", group::KEYS)];

/// The tables of client metrics configs.
pub const CLIENT_METRICS_SECTIONS: &[(&str, &[ConfigKey])] = &[("Client metrics", client_metrics::KEYS)];

type Table = BTreeMap<&'static str, &'static ConfigKey>;

fn table_of(sections: &'static [(&str, &[ConfigKey])]) -> Table {
    let mut table = Table::new();
    for key in sections.iter().flat_map(|(_, keys)| keys.iter()) {
        assert!(table.insert(key.name, key).is_none(), "config {} is declared twice", key.name);
    }
    table
}

fn table(scope: Scope) -> &'static Table {
    static BROKER: LazyLock<Table> = LazyLock::new(|| table_of(BROKER_SECTIONS));
    static TOPIC: LazyLock<Table> = LazyLock::new(|| table_of(TOPIC_SECTIONS));
    static GROUP: LazyLock<Table> = LazyLock::new(|| table_of(GROUP_SECTIONS));
    static CLIENT_METRICS: LazyLock<Table> = LazyLock::new(|| table_of(CLIENT_METRICS_SECTIONS));
    match scope {
        Scope::Broker => &BROKER,
        Scope::Topic => &TOPIC,
        Scope::Group => &GROUP,
        Scope::ClientMetrics => &CLIENT_METRICS,
    }
}

/// All configs of `scope`, in the order of their names.
pub fn all(scope: Scope) -> impl Iterator<Item = &'static ConfigKey> {
    table(scope).values().copied()
}

/// The config of that exact name.
pub fn find(scope: Scope, name: &str) -> Option<&'static ConfigKey> {
    table(scope).get(name).copied()
}

/// The config of that name, or the error that names the nearest valid one.
pub fn require(scope: Scope, name: &str) -> Result<&'static ConfigKey, ConfigError> {
    find(scope, name).ok_or_else(|| ConfigError::Unknown {
        scope,
        name: name.to_string(),
        nearest: nearest(scope, name),
    })
}

/// What a name in a broker's properties means. Besides the declared names, Kafka knows names that are made of a
/// prefix and something chosen by the user.
#[derive(Debug, Clone, Copy)]
pub enum BrokerName {
    /// A declared config.
    Plain(&'static ConfigKey),
    /// `listener.name.<listener>.<config>`: a config for one listener.
    Listener(&'static ConfigKey),
    /// A name that is handed to a plugin, such as `rsm.config.bucket`; nobody checks its value.
    Plugin,
}

/// Finds what `name` means in a broker's properties.
pub fn require_broker(name: &str) -> Result<BrokerName, ConfigError> {
    const PLUGIN_PREFIXES: &[&str] = &["config.providers.", "rsm.config.", "rlmm.config.", "metrics.context."];
    if let Some(key) = find(Scope::Broker, name) {
        return Ok(BrokerName::Plain(key));
    }
    if let Some(key) = listener_override(name) {
        return Ok(BrokerName::Listener(key));
    }
    if PLUGIN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(BrokerName::Plugin);
    }
    require(Scope::Broker, name).map(BrokerName::Plain)
}

/// The config behind `listener.name.<listener>.<config>` or `listener.name.<listener>.<mechanism>.<config>`.
pub fn listener_override(name: &str) -> Option<&'static ConfigKey> {
    let rest = name.strip_prefix("listener.name.")?;
    let (_listener, config) = rest.split_once('.')?;
    if let Some(key) = find(Scope::Broker, config) {
        return Some(key);
    }
    let (_mechanism, config) = config.split_once('.')?;
    find(Scope::Broker, config)
}

/// The declared name that is most like `name`, when one is like enough to be worth a suggestion.
pub fn nearest(scope: Scope, name: &str) -> Option<&'static str> {
    const LIKENESS_MIN: f64 = 0.8;
    all(scope)
        .filter(|key| !key.is_internal())
        .map(|key| (strsim::jaro_winkler(name, key.name), key.name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_its_configs() {
        assert_eq!(all(Scope::Topic).count(), 34 + 3);
        assert_eq!(all(Scope::Group).count(), 17 + 3);
        assert_eq!(all(Scope::ClientMetrics).count(), 3);
        assert!(all(Scope::Broker).count() >= 360);
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest_valid_one() {
        assert_eq!(nearest(Scope::Topic, "retention.milliseconds"), Some("retention.ms"));
        assert_eq!(nearest(Scope::Topic, "cleanup.polcy"), Some("cleanup.policy"));
        assert_eq!(nearest(Scope::Broker, "log.retention.hour"), Some("log.retention.hours"));
        assert_eq!(nearest(Scope::Topic, "zzz"), None);
    }

    #[test]
    fn listener_prefixes_lead_to_the_config_behind_them() {
        assert_eq!(
            listener_override("listener.name.internal.ssl.keystore.location").unwrap().name,
            "ssl.keystore.location"
        );
        assert_eq!(
            listener_override("listener.name.external.scram-sha-256.sasl.jaas.config").unwrap().name,
            "sasl.jaas.config"
        );
        assert!(listener_override("listener.name.internal.no.such.config").is_none());
    }

    #[test]
    fn plugin_configs_pass_unchecked() {
        assert!(matches!(require_broker("rsm.config.bucket"), Ok(BrokerName::Plugin)));
        assert!(require_broker("zookeeper.connect").is_err());
    }
}
