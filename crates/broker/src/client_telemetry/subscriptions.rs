//! What a client is asked for: the sum of the CLIENT_METRICS resources that it matches.

use ottla_metadata::{ConfigResource, MetadataImage, ResourceType};
use ottla_types::Uuid;
use regex::{Regex, RegexBuilder};
use std::collections::BTreeSet;

/// Every metric.
const ALL: &str = "*";
/// Kafka's default of `interval.ms`.
const INTERVAL_MS: i32 = 300_000;
/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// What a client is, by Kafka's names of the attributes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAttributes<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) software_name: &'a str,
    pub(crate) software_version: &'a str,
    pub(crate) source_address: &'a str,
    pub(crate) source_port: u16,
}

/// What one client is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// Another one whenever the rest is.
    pub(crate) id: i32,
    /// Prefixes of names; `*` alone asks for all, none for nothing.
    pub(crate) metrics: Vec<String>,
    /// How often it pushes.
    pub(crate) interval_ms: i32,
}

impl Subscription {
    /// The subscription of a client.
    pub(crate) fn of(image: &MetadataImage, instance_id: Uuid, client: &ClientAttributes<'_>) -> Subscription {
        let (mut metrics, mut interval_ms) = (BTreeSet::new(), INTERVAL_MS);
        for resource in image.resources_with_configs(ResourceType::ClientMetrics) {
            let configs = image.configs(resource);
            let list = |name: &str| configs.get(name).map(String::as_str).unwrap_or_default();
            let patterns = entries(list("match"));
            if !patterns.iter().all(|pattern| matches(pattern, instance_id, client)) {
                continue;
            }
            metrics.extend(entries(list("metrics")).into_iter().map(str::to_string));
            let own = configs.get("interval.ms").and_then(|text| text.trim().parse().ok());
            interval_ms = interval_ms.min(own.unwrap_or(INTERVAL_MS));
        }
        if metrics.contains(ALL) {
            metrics = BTreeSet::from([ALL.to_string()]);
        }
        let metrics: Vec<String> = metrics.into_iter().collect();
        Subscription { id: subscription_id(&metrics, interval_ms, instance_id), metrics, interval_ms }
    }
}

/// Whether any CLIENT_METRICS resource differs.
pub(super) fn have_changed(before: &MetadataImage, now: &MetadataImage) -> bool {
    let resources = |image: &MetadataImage| -> Vec<ConfigResource> {
        image.resources_with_configs(ResourceType::ClientMetrics).cloned().collect()
    };
    let (old, new) = (resources(before), resources(now));
    old != new || new.iter().any(|resource| !std::ptr::eq(before.configs(resource), now.configs(resource)))
}

fn entries(list: &str) -> Vec<&str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect()
}

/// Whether the client has the attribute that `pattern` (`name=regex`) asks for. A pattern that is none matches nobody.
fn matches(pattern: &str, instance_id: Uuid, client: &ClientAttributes<'_>) -> bool {
    let Some((name, regex)) = pattern.split_once('=') else { return false };
    let port = client.source_port.to_string();
    let instance_id = instance_id.to_string();
    let value = match name.trim() {
        "client_instance_id" => instance_id.as_str(),
        "client_id" => client.client_id,
        "client_software_name" => client.software_name,
        "client_software_version" => client.software_version,
        "client_source_address" => client.source_address,
        "client_source_port" => port.as_str(),
        _ => return false,
    };
    whole(regex.trim()).is_some_and(|regex| regex.is_match(value))
}

fn whole(regex: &str) -> Option<Regex> {
    let compiled = RegexBuilder::new(&format!("^(?:{regex})$")).size_limit(PATTERN_BYTES_MAX).build();
    compiled
        .inspect_err(|error| tracing::warn!(%error, "a pattern of a client metrics subscription matches nobody"))
        .ok()
}

/// A number that changes with the subscription, and differs between clients.
fn subscription_id(metrics: &[String], interval_ms: i32, instance_id: Uuid) -> i32 {
    let bytes = metrics.iter().flat_map(|metric| metric.bytes().chain([0])).chain(interval_ms.to_be_bytes());
    // FNV-1a.
    let hash = bytes
        .chain(instance_id.0)
        .fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.cast_signed()
}
