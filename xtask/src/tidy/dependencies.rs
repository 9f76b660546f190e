//! Two versions of one package are two of everything: only with a reason. One TLS provider in the whole tree.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::Metadata;

use super::Verdict;

/// `(package, reason)` of packages that may be there in several versions.
const DUPLICATES: &[(&str, &str)] = &[
    ("base64", "jaq-std is at 0.22"),
    ("bitflags", "raft-proto builds with protobuf-build, which stays on 1.x; build time only"),
    ("getrandom", "raft pins rand 0.8"),
    ("rand", "raft pins rand 0.8"),
    ("rand_core", "raft pins rand 0.8, imbl is at 0.9, proptest and chacha20 at 0.10"),
    ("syn", "raft's derive macros stay on 2.x; build time only"),
    ("thiserror", "raft pins 1.x"),
    ("thiserror-impl", "raft pins thiserror 1.x; build time only"),
];

/// Cryptography that must not come in beside aws-lc-rs.
const OTHER_TLS: &[&str] = &["ring", "openssl", "openssl-sys", "native-tls", "boring", "boring-sys", "mbedtls"];

pub(super) fn duplicates(metadata: &Metadata) -> Verdict {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in resolved(metadata) {
        versions.entry(package.name.as_str()).or_default().insert(package.version.to_string());
    }
    let mut verdict = Verdict::default();
    for (name, found) in &versions {
        let allowed = DUPLICATES.iter().any(|(package, _)| package == name);
        if found.len() > 1 && !allowed {
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            verdict.broken.push(format!("{name} is there as {}", found.join(" and ")));
        }
    }
    for (name, _) in DUPLICATES {
        if versions.get(name).is_none_or(|found| found.len() < 2) {
            verdict.notes.push(format!("{name} has one version now and can leave the list"));
        }
    }
    verdict
}

pub(super) fn tls(metadata: &Metadata) -> Verdict {
    let mut verdict = Verdict::default();
    for package in resolved(metadata).filter(|package| OTHER_TLS.contains(&package.name.as_str())) {
        verdict.broken.push(format!("{} {} is in the tree; only aws-lc-rs may be", package.name, package.version));
    }
    verdict
}

/// The packages that are built on this platform.
fn resolved(metadata: &Metadata) -> impl Iterator<Item = &cargo_metadata::Package> {
    let built: BTreeSet<_> =
        metadata.resolve.iter().flat_map(|resolve| &resolve.nodes).map(|node| node.id.clone()).collect();
    metadata.packages.iter().filter(move |package| built.contains(&package.id))
}
