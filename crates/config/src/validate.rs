//! Checking values: one by one against the catalog, and together per resource, in Kafka's words.

mod client_metrics;
mod group;

pub use client_metrics::client_metrics;
pub use group::group;

use crate::catalog::{self, BrokerName, Scope};
use crate::error::ConfigError;
use crate::key::{Check, ConfigKey, UpdateMode};
use crate::layers::{ConfigMap, Layers};
use crate::value::ConfigValue;

/// Checks that `value`, which is of `key`'s type, is one that `key` accepts.
pub(crate) fn check_value(key: &ConfigKey, value: &ConfigValue) -> Result<(), ConfigError> {
    let text = || value.to_string();
    match key.check {
        Check::Any => Ok(()),
        Check::Range { min, max } => check_range(key, value, min, max),
        Check::OneOf(allowed) => check_one_of(key.name, &text(), allowed),
        Check::OneOfIgnoreCase(allowed) => {
            if allowed.iter().any(|valid| valid.eq_ignore_ascii_case(&text())) {
                return Ok(());
            }
            let reason = format!("String must be one of (case insensitive): {}", allowed.join(", "));
            Err(ConfigError::invalid(key.name, value, reason))
        }
        Check::List { allowed, empty_ok } => match value {
            ConfigValue::List(entries) => check_list(key.name, entries, allowed, empty_ok),
            _ => Ok(()),
        },
        Check::NonEmpty if text().is_empty() => Err(ConfigError::invalid(key.name, value, "String must be non-empty")),
        Check::NonEmpty => Ok(()),
        Check::GzipLevel => match value {
            ConfigValue::Int(-1 | 1..=9) => Ok(()),
            _ => Err(ConfigError::invalid(key.name, value, "Value must be between 1 and 9 or equal to -1")),
        },
        Check::ThrottledReplicas => match value {
            ConfigValue::List(entries) => check_throttled_replicas(key.name, entries),
            _ => Ok(()),
        },
        Check::OffsetReset => check_offset_reset(key.name, &text()),
    }
}

fn check_range(key: &ConfigKey, value: &ConfigValue, min: f64, max: f64) -> Result<(), ConfigError> {
    let Some(number) = value.as_number() else { return Ok(()) };
    if number < min {
        return Err(ConfigError::invalid(key.name, value, format!("Value must be at least {min}")));
    }
    if number > max {
        return Err(ConfigError::invalid(key.name, value, format!("Value must be no more than {max}")));
    }
    Ok(())
}

fn check_one_of(name: &str, text: &str, allowed: &[&str]) -> Result<(), ConfigError> {
    if allowed.contains(&text) {
        return Ok(());
    }
    Err(ConfigError::invalid(name, text, format!("String must be one of: {}", allowed.join(", "))))
}

fn check_list(name: &str, entries: &[String], allowed: &[&str], empty_ok: bool) -> Result<(), ConfigError> {
    let rule = |text: String| Err(ConfigError::Rule(text));
    if entries.is_empty() && !empty_ok {
        let valid = match allowed {
            [] => "any non-empty value".to_string(),
            allowed => format!("[{}]", allowed.join(", ")),
        };
        return rule(format!("Configuration '{name}' must not be empty. Valid values include: {valid}"));
    }
    for (index, entry) in entries.iter().enumerate() {
        if entries[..index].contains(entry) {
            return rule(format!("Configuration '{name}' values must not be duplicated."));
        }
        if entry.is_empty() {
            return rule(format!("Configuration '{name}' values must not be empty."));
        }
        if !allowed.is_empty() {
            check_one_of(name, entry, allowed)?;
        }
    }
    Ok(())
}

fn check_throttled_replicas(name: &str, entries: &[String]) -> Result<(), ConfigError> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_replica = |entry: &String| {
        entry.split_once(':').is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    let is_star = entries.len() == 1 && entries[0] == "*";
    if is_star || entries.iter().all(|entry| entry.is_empty() || is_replica(entry)) {
        return Ok(());
    }
    let reason = format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(ConfigError::invalid(name, format!("[{}]", entries.join(", ")), reason))
}

fn check_offset_reset(name: &str, text: &str) -> Result<(), ConfigError> {
    let lower = text.to_ascii_lowercase();
    let valid = match lower.strip_prefix("by_duration:") {
        Some(duration) => crate::duration::parse_iso8601_ms(duration).is_some_and(|ms| ms >= 0),
        None => matches!(lower.as_str(), "earliest" | "latest"),
    };
    if valid {
        return Ok(());
    }
    let reason = format!(
        "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', 'latest' or of the \
         format 'by_duration:<PnDTnHnMn.nS>'."
    );
    Err(ConfigError::invalid(name, text, reason))
}

/// Checks the names and values of `overrides`, each for itself.
pub fn check_each(scope: Scope, overrides: &ConfigMap) -> Result<(), ConfigError> {
    for name in overrides.keys() {
        catalog::require(scope, name)?;
    }
    for (name, text) in overrides {
        ConfigValue::parse(catalog::require(scope, name)?, text)?;
    }
    Ok(())
}

/// Checks the overrides of one topic as they will stand, on top of the broker's configs.
///
/// `existing` are the overrides that hold now; empty for a new topic.
pub fn topic(existing: &ConfigMap, overrides: &ConfigMap, broker: &Layers<'_>) -> Result<(), ConfigError> {
    check_each(Scope::Topic, overrides)?;
    let layers = Layers { topic: overrides, ..*broker };
    let long = |name: &str| match layers.topic_value(catalog::require(Scope::Topic, name)?) {
        Some(ConfigValue::Long(number)) => Ok(number),
        other => unreachable!("{name} is a long, not {other:?}"),
    };
    let (min_lag, max_lag) = (long("min.compaction.lag.ms")?, long("max.compaction.lag.ms")?);
    if min_lag > max_lag {
        return Err(ConfigError::Rule(format!(
            "conflict topic config setting min.compaction.lag.ms ({min_lag}) > max.compaction.lag.ms ({max_lag})"
        )));
    }
    let is_true =
        |map: &ConfigMap, name: &str| map.get(name).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    if is_true(overrides, "remote.storage.enable") {
        return Err(ConfigError::Rule(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
                .to_string(),
        ));
    }
    if is_true(existing, "remote.storage.enable") && !is_true(overrides, "remote.log.delete.on.disable") {
        return Err(ConfigError::Rule(
            "It is invalid to disable remote storage without deleting remote data. Set remote.log.delete.on.disable=true \
             too, or keep remote.storage.enable=true with remote.log.copy.disable=true."
                .to_string(),
        ));
    }
    Ok(())
}

/// Checks dynamic broker configs as they will stand: of one broker, or of all when `per_broker` is false.
pub fn dynamic_broker(per_broker: bool, configs: &ConfigMap) -> Result<(), ConfigError> {
    let mut read_only = Vec::new();
    let mut without_listener = Vec::new();
    let mut needs_broker = Vec::new();
    for (name, text) in configs {
        let (key, of_listener) = match catalog::require_broker(name)? {
            BrokerName::Plain(key) => (key, false),
            BrokerName::Listener(key) => (key, true),
            BrokerName::Plugin => continue,
        };
        if !key.is_dynamic() {
            read_only.push(name.as_str());
        }
        if key.name.starts_with("ssl.") && key.update == UpdateMode::PerBroker && !of_listener {
            without_listener.push(name.as_str());
        }
        if key.update == UpdateMode::PerBroker && !per_broker {
            needs_broker.push(name.as_str());
        }
        ConfigValue::parse(key, text)?;
    }
    let refuse = |names: Vec<&str>, text: &str| match names.as_slice() {
        [] => Ok(()),
        names => Err(ConfigError::Rule(format!("{text}: [{}]", names.join(", ")))),
    };
    refuse(read_only, "Cannot update these configs dynamically")?;
    refuse(
        without_listener,
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    refuse(needs_broker, "Cannot update these configs at default cluster level, broker id must be specified")
}

#[cfg(test)]
#[path = "validate/tests.rs"]
mod tests;
