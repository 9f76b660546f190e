//! Typed values: Kafka's `ConfigDef.parseType` and `convertToString`.

use crate::error::ConfigError;
use crate::key::{ConfigKey, ConfigType};
use std::fmt;

/// A secret. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// A value of a config.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigValue {
    /// Of a `Boolean` config.
    Boolean(bool),
    /// Of a `Short` config.
    Short(i16),
    /// Of an `Int` config.
    Int(i32),
    /// Of a `Long` config.
    Long(i64),
    /// Of a `Double` config.
    Double(f64),
    /// Of a `String` or `Class` config.
    String(String),
    /// Of a `List` config.
    List(Vec<String>),
    /// Of a `Password` config.
    Password(Password),
}

impl ConfigValue {
    /// Reads `text` as a value of `key`'s type and checks that it is accepted.
    pub fn parse(key: &ConfigKey, text: &str) -> Result<ConfigValue, ConfigError> {
        let value = ConfigValue::parse_type(key, text)?;
        crate::validate::check_value(key, &value)?;
        Ok(value)
    }

    fn parse_type(key: &ConfigKey, text: &str) -> Result<ConfigValue, ConfigError> {
        let trimmed = text.trim();
        let not_a_number = || ConfigError::invalid(key.name, text, format!("Not a number of type {}", key.kind.name()));
        Ok(match key.kind {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => ConfigValue::Boolean(true),
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => ConfigValue::Boolean(false),
            ConfigType::Boolean => {
                return Err(ConfigError::invalid(key.name, text, "Expected value to be either true or false"));
            }
            ConfigType::String | ConfigType::Class => ConfigValue::String(trimmed.to_string()),
            ConfigType::Password => ConfigValue::Password(Password(trimmed.to_string())),
            ConfigType::Short => ConfigValue::Short(trimmed.parse().map_err(|_| not_a_number())?),
            ConfigType::Int => ConfigValue::Int(trimmed.parse().map_err(|_| not_a_number())?),
            ConfigType::Long => ConfigValue::Long(trimmed.parse().map_err(|_| not_a_number())?),
            ConfigType::Double => match trimmed.parse::<f64>() {
                Ok(number) if number.is_finite() => ConfigValue::Double(number),
                _ => return Err(not_a_number()),
            },
            ConfigType::List => ConfigValue::List(split_list(trimmed)),
        })
    }

    /// The number behind a numeric value.
    pub(crate) fn as_number(&self) -> Option<f64> {
        match self {
            ConfigValue::Short(number) => Some(f64::from(*number)),
            ConfigValue::Int(number) => Some(f64::from(*number)),
            ConfigValue::Long(number) => Some(*number as f64),
            ConfigValue::Double(number) => Some(*number),
            _ => None,
        }
    }
}

/// Splits at commas and trims the entries; an empty text is an empty list.
pub(crate) fn split_list(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    text.split(',').map(|entry| entry.trim().to_string()).collect()
}

impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigValue::Boolean(value) => value.fmt(f),
            ConfigValue::Short(value) => value.fmt(f),
            ConfigValue::Int(value) => value.fmt(f),
            ConfigValue::Long(value) => value.fmt(f),
            ConfigValue::Double(value) => f.write_str(&java_double(*value)),
            ConfigValue::String(value) => f.write_str(value),
            ConfigValue::List(entries) => f.write_str(&entries.join(",")),
            ConfigValue::Password(_) => f.write_str("[hidden]"),
        }
    }
}

/// A double as Java writes it: always with a fraction, and with an exponent below 0.001 and from 10,000,000.
pub(crate) fn java_double(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        let text = value.to_string();
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{self, Scope};

    fn check(scope: Scope, name: &str, text: &str, expect: Result<&str, &str>) {
        let key = catalog::find(scope, name).unwrap();
        match (ConfigValue::parse(key, text), expect) {
            (Ok(value), Ok(expect)) => assert_eq!(value.to_string(), expect),
            (Err(error), Err(expect)) => assert_eq!(error.to_string(), expect),
            (got, expect) => panic!("{name}={text}: got {got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn values_are_read_and_written_as_kafka_does() {
        check(Scope::Topic, "preallocate", " TRUE ", Ok("true"));
        check(Scope::Topic, "segment.bytes", " +1048576", Ok("1048576"));
        check(Scope::Topic, "cleanup.policy", "compact , delete", Ok("compact,delete"));
        check(Scope::Topic, "cleanup.policy", "", Ok(""));
        check(Scope::Topic, "min.cleanable.dirty.ratio", "1", Ok("1.0"));
        check(
            Scope::Broker,
            "log.cleaner.io.max.bytes.per.second",
            "1.7976931348623157E308",
            Ok("1.7976931348623157E308"),
        );
        check(Scope::Broker, "log.cleaner.io.max.bytes.per.second", "1e10", Ok("1.0E10"));
    }

    #[test]
    fn wrong_values_are_refused_in_kafkas_words() {
        let invalid =
            |text: &str, name: &str, why: &str| format!("Invalid value {text} for configuration {name}: {why}");
        check(
            Scope::Topic,
            "preallocate",
            "yes",
            Err(&invalid("yes", "preallocate", "Expected value to be either true or false")),
        );
        check(Scope::Topic, "segment.bytes", "1m", Err(&invalid("1m", "segment.bytes", "Not a number of type INT")));
        check(
            Scope::Topic,
            "segment.bytes",
            "3000000000",
            Err(&invalid("3000000000", "segment.bytes", "Not a number of type INT")),
        );
        check(
            Scope::Topic,
            "segment.bytes",
            "14",
            Err(&invalid("14", "segment.bytes", "Value must be at least 1048576")),
        );
        check(
            Scope::Topic,
            "min.cleanable.dirty.ratio",
            "2",
            Err(&invalid("2.0", "min.cleanable.dirty.ratio", "Value must be no more than 1")),
        );
    }

    #[test]
    fn passwords_are_never_shown() {
        let key = catalog::find(Scope::Broker, "ssl.key.password").unwrap();
        let value = ConfigValue::parse(key, "tiger").unwrap();
        assert_eq!(format!("{value} {value:?}"), "[hidden] Password([hidden])");
    }

    #[test]
    fn every_default_is_valid() {
        for scope in [Scope::Broker, Scope::Topic, Scope::Group, Scope::ClientMetrics] {
            for key in catalog::all(scope) {
                if let crate::DefaultValue::Value(text) = key.default {
                    ConfigValue::parse(key, text).unwrap();
                }
            }
        }
    }
}
