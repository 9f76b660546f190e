//! Configs of client metrics subscriptions (KIP-714).

use super::check_each;
use crate::catalog::Scope;
use crate::error::ConfigError;
use crate::layers::ConfigMap;
use crate::value::split_list;

/// Attributes of a client that `match` may name.
const MATCH_ATTRIBUTES: &[&str] = &[
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Checks the configs of one subscription as they will stand.
pub fn client_metrics(configs: &ConfigMap) -> Result<(), ConfigError> {
    check_each(Scope::ClientMetrics, configs)?;
    let interval = configs.get("interval.ms").and_then(|text| text.trim().parse::<i32>().ok());
    if let Some(interval) = interval.filter(|interval| !(100..=3_600_000).contains(interval)) {
        return Err(ConfigError::Rule(format!(
            "Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
        )));
    }
    for pattern in configs.get("match").map(|text| split_list(text)).unwrap_or_default() {
        let is_valid = match pattern.split_once('=') {
            Some((attribute, regex)) => {
                MATCH_ATTRIBUTES.contains(&attribute.trim()) && !regex.is_empty() && !regex.contains('=')
            }
            None => false,
        };
        if !is_valid {
            return Err(ConfigError::Rule(format!("Illegal client matching pattern: {pattern}")));
        }
    }
    Ok(())
}
