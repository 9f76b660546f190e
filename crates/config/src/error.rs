//! What can be wrong with a config.

use crate::catalog::Scope;
use std::fmt;

/// One wrong config. The text begins as Kafka's own does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// No config has this name.
    Unknown {
        /// Where the name was looked for.
        scope: Scope,
        /// The name.
        name: String,
        /// A valid name that is much like it.
        nearest: Option<&'static str>,
    },
    /// The value is not of the config's type, or not accepted.
    Invalid {
        /// The config.
        name: String,
        /// The value as it was given; secrets are hidden.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Values that are fine alone contradict each other or the situation.
    Rule(String),
}

impl ConfigError {
    /// `Invalid value <value> for configuration <name>: <reason>`.
    pub fn invalid(name: &str, value: impl fmt::Display, reason: impl Into<String>) -> ConfigError {
        ConfigError::Invalid { name: name.to_string(), value: value.to_string(), reason: reason.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unknown { scope, name, nearest } => {
                let intro = match scope {
                    Scope::Broker => "Unknown config name",
                    Scope::Topic => "Unknown topic config name",
                    Scope::Group => "Unknown group config name",
                    Scope::ClientMetrics => "Unknown client metrics configuration",
                };
                write!(f, "{intro}: {name}")?;
                match nearest {
                    Some(nearest) => write!(f, ". Did you mean {nearest}?"),
                    None => Ok(()),
                }
            }
            ConfigError::Invalid { name, value, reason } => {
                write!(f, "Invalid value {value} for configuration {name}: {reason}")
            }
            ConfigError::Rule(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Everything that is wrong with a node's config, so that it is mended in one go. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> ConfigErrors {
        ConfigErrors(vec![error])
    }
}
