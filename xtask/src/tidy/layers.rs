//! A crate depends only on lower layers; the table is the map of the workspace.

use cargo_metadata::{DependencyKind, Metadata};

use super::Verdict;

/// Layer of the development crates: they may see everything, nothing that ships may see them.
const DEV: u8 = u8::MAX;

/// `(crate, layer)`; the names without the `ottla-` prefix.
const LAYERS: &[(&str, u8)] = &[
    ("types", 0),
    ("re2", 0),
    ("runtime", 1),
    ("config", 1),
    ("protocol", 1),
    ("telemetry", 1),
    ("schema", 1),
    ("records", 2),
    ("security", 2),
    ("storage", 3),
    ("replication", 3),
    ("quorum", 3),
    ("metadata", 3),
    ("coordinator", 3),
    ("net", 3),
    ("client", 3),
    ("http", 3),
    ("group", 4),
    ("txn", 4),
    ("share", 4),
    ("tiered", 4),
    ("registry", 4),
    ("rest", 4),
    ("grpc", 4),
    ("connect", 4),
    ("streams", 4),
    ("console", 4),
    ("terminal", 4),
    ("broker", 5),
    ("controller", 5),
    ("connectors", 5),
    ("mirror", 5),
    ("sql", 5),
    ("commands", 5),
    ("tools", 5),
    ("node", 6),
    ("cli", 7),
    ("testkit", DEV),
    ("bench", DEV),
    ("sim", DEV),
    ("fuzz", DEV),
];

/// Ecosystem crates speak Kafka's protocol through `client`; they and the platform crates never import each other.
const ECOSYSTEM: &[&str] =
    &["registry", "rest", "grpc", "connect", "streams", "console", "connectors", "mirror", "sql"];
const PLATFORM: &[&str] = &[
    "storage",
    "replication",
    "quorum",
    "metadata",
    "coordinator",
    "net",
    "group",
    "txn",
    "share",
    "tiered",
    "broker",
    "controller",
];

/// Commands that reach a cluster through `client`: a change in what runs in a node must not rebuild them. What of `metadata` they
/// use is pure.
const CLIENTS: &[&str] = &["terminal", "commands", "tools"];
const CLIENTS_MAY_USE: &str = "metadata";

/// Fuzz targets see only what parses.
const FUZZ_MAX_LAYER: u8 = 2;

pub(super) fn check(metadata: &Metadata) -> Verdict {
    let mut verdict = Verdict::default();
    for package in metadata.workspace_packages() {
        let Some(name) = package.name.strip_prefix("ottla-") else { continue };
        let Some(layer) = layer(name) else {
            verdict.broken.push(format!("crate {name} has no layer in xtask/src/tidy/layers.rs"));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(other) = dependency.name.strip_prefix("ottla-") else { continue };
            let dev = dependency.kind == DependencyKind::Development;
            verdict.broken.extend(judge(name, layer, other, dev));
        }
    }
    verdict
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, layer)| *layer)
}

/// Why `name` must not depend on `other`, if so.
fn judge(name: &str, layer_of_name: u8, other: &str, dev: bool) -> Option<String> {
    let Some(below) = layer(other) else {
        return Some(format!("{name} depends on {other}, which has no layer"));
    };
    if name == "fuzz" && below > FUZZ_MAX_LAYER {
        return Some(format!("fuzz depends on {other}, which is above layer {FUZZ_MAX_LAYER}"));
    }
    // Tests may use a neighbour of the same layer, and the fixtures.
    let allowed_in_tests = dev && (below == DEV || below == layer_of_name);
    if below >= layer_of_name && layer_of_name != DEV && !allowed_in_tests {
        return Some(format!("{name} (layer {layer_of_name}) depends on {other} (layer {below}), which is not lower"));
    }
    if CLIENTS.contains(&name) && PLATFORM.contains(&other) && other != CLIENTS_MAY_USE {
        return Some(format!(
            "{name} depends on {other}: a command that is a client needs nothing of what runs in a node"
        ));
    }
    let crossing = |a: &str, b: &str| ECOSYSTEM.contains(&a) && PLATFORM.contains(&b);
    if crossing(name, other) || crossing(other, name) {
        return Some(format!("{name} depends on {other}: platform and ecosystem crates never import each other"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_layers_are_allowed() {
        assert_eq!(judge("storage", 3, "records", false), None);
        assert!(judge("storage", 3, "net", false).is_some(), "same layer");
        assert!(judge("records", 2, "storage", false).is_some(), "higher layer");
        assert!(judge("broker", 5, "sim", false).is_some(), "development crate in shipped code");
        assert_eq!(judge("broker", 5, "testkit", true), None);
        assert_eq!(judge("client", 3, "net", true), None, "a neighbour, in tests");
        assert!(judge("client", 3, "broker", true).is_some(), "a higher layer, also in tests");
        assert_eq!(judge("sim", DEV, "node", false), None);
        assert!(judge("fuzz", DEV, "storage", false).is_some());
    }

    #[test]
    fn commands_that_are_clients_know_nothing_of_a_node() {
        assert!(judge("tools", 5, "storage", false).is_some());
        assert!(judge("commands", 5, "node", false).is_some(), "a higher layer");
        assert_eq!(judge("tools", 5, "metadata", false), None);
        assert_eq!(judge("cli", 7, "storage", false), None);
    }

    #[test]
    fn ecosystem_and_platform_never_meet() {
        assert!(judge("connect", 4, "storage", false).is_some());
        assert_eq!(judge("connect", 4, "client", false), None);
    }
}
