//! `--release-version` and `--feature` of `kafka-storage format`: checked as Kafka's tool does. A new cluster here always begins
//! with the newest levels, and they are changed once it runs; so other levels are refused and not forgotten.

use ottla_metadata::features::{KRAFT_VERSION, SUPPORTED, supported};
use ottla_terminal::failure::Failure;
use ottla_tools::feature_levels::{self as levels, LATEST_PRODUCTION, LATEST_PRODUCTION_LEVEL, METADATA_VERSION};
use std::collections::BTreeMap;

/// What to do about a level that a new cluster does not begin with.
const LATER: &str = "format without it, start the node, and change the level with `kafka-features`";

/// Refuses what Kafka refuses, and levels that the new cluster would not have. `has_dynamic_quorum`: its voters are not fixed by
/// `controller.quorum.voters`.
pub(super) fn check(release: Option<&str>, features: &[String], has_dynamic_quorum: bool) -> Result<(), Failure> {
    let mut wanted = BTreeMap::new();
    for feature in features {
        let (name, level) = levels::parse(feature)?;
        wanted.insert(name, level);
    }
    check_release(release, wanted.remove(METADATA_VERSION))?;
    for (name, level) in wanted {
        check_level(&name, level, has_dynamic_quorum)?;
    }
    Ok(())
}

fn check_release(release: Option<&str>, level: Option<i16>) -> Result<(), Failure> {
    let wanted = match (release, level) {
        (Some(_), Some(_)) => {
            return Err(Failure::new(format!(
                "Use --release-version instead of --feature {METADATA_VERSION}=X to avoid ambiguity."
            )));
        }
        (Some(release), None) => levels::production_version(release)?,
        (None, Some(level)) => match levels::release_of(level) {
            None => return Err(Failure::new(format!("No MetadataVersion with feature level {level}"))),
            Some(release) if level > LATEST_PRODUCTION_LEVEL => {
                return Err(Failure::new(format!("{METADATA_VERSION} {release} is not yet stable.")));
            }
            Some(_) => level,
        },
        (None, None) => return Ok(()),
    };
    if wanted == LATEST_PRODUCTION_LEVEL {
        return Ok(());
    }
    let release = levels::name_of(METADATA_VERSION, wanted);
    let cause =
        format!("{METADATA_VERSION} {release} is not supported: a cluster here is of {LATEST_PRODUCTION} or later");
    Err(Failure::new(cause).then("leave --release-version out"))
}

fn check_level(name: &str, level: i16, has_dynamic_quorum: bool) -> Result<(), Failure> {
    let Some((_, highest)) = supported(name) else {
        let others = SUPPORTED.iter().map(|(name, ..)| *name).filter(|name| *name != METADATA_VERSION);
        let known: Vec<&str> = others.collect();
        return Err(Failure::new(format!("Unsupported feature: {name}. Supported features are: {}", known.join(", "))));
    };
    if !levels::has_level(name, level) {
        return Err(Failure::new(format!("No feature:{name} with feature level {level}")));
    }
    if name == KRAFT_VERSION && level > 0 && !has_dynamic_quorum {
        return Err(Failure::new(format!(
            "Cannot set {name} to {level} unless controller.quorum.voters is empty and one of the flags --standalone, \
             --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try using one of \
             --standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters."
        )));
    }
    if level > highest {
        return Err(Failure::new(format!("{name}={level} is not supported yet")).then("format without it"));
    }
    // A new cluster has the highest levels that are supported.
    if level < highest {
        return Err(Failure::new(format!("{name}={level} cannot be set while formatting")).then(LATER));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(release: Option<&str>, features: &[&str]) -> String {
        let features: Vec<String> = features.iter().map(|feature| feature.to_string()).collect();
        check(release, &features, true).err().map(|failure| failure.cause).unwrap_or_default()
    }

    #[test]
    fn levels_of_a_new_cluster_are_taken() {
        for release in ["4.3", "4.3-IV0", "4.3.0"] {
            assert_eq!(refusal(Some(release), &["group.version=1", "kraft.version=0"]), "", "{release}");
        }
        assert_eq!(refusal(None, &["metadata.version=30", "transaction.version=2"]), "");
    }

    #[test]
    fn nonsense_is_refused_in_kafkas_words() {
        assert!(refusal(Some("nonsense"), &[]).starts_with("Unknown metadata.version 'nonsense'. Supported"));
        assert!(refusal(Some("4.4-IV0"), &[]).ends_with(", 4.3-IV0"), "what is not stable is not known");
        assert!(refusal(None, &["metadata.version=31"]).ends_with("4.4-IV0 is not yet stable."));
        assert!(refusal(Some("4.3"), &["metadata.version=30"]).contains("to avoid ambiguity"));
        assert!(refusal(None, &["nosuch=1"]).starts_with("Unsupported feature: nosuch. Supported features are: elig"));
        assert_eq!(refusal(None, &["group.version=9"]), "No feature:group.version with feature level 9");
        assert!(refusal(None, &["group.version"]).ends_with("equals sign not found."));
        let fixed = check(None, &["kraft.version=1".to_string()], false).unwrap_err().cause;
        assert!(fixed.starts_with("Cannot set kraft.version to 1 unless"), "{fixed}");
    }

    #[test]
    fn levels_that_would_be_lost_are_refused() {
        assert!(refusal(Some("4.0"), &[]).contains("4.0-IV3 is not supported"));
        assert_eq!(refusal(None, &["transaction.version=0"]), "transaction.version=0 cannot be set while formatting");
        assert_eq!(refusal(None, &["kraft.version=1"]), "kraft.version=1 is not supported yet");
    }
}
