//! The features of Kafka 4.3 and their levels: which release brought which, and what needs what.

use ottla_terminal::failure::Failure;

/// The feature that every other one is counted by.
pub const METADATA_VERSION: &str = "metadata.version";
/// The newest that is fit for production.
pub const LATEST_PRODUCTION: &str = "4.3-IV0";
/// The same as a number.
pub const LATEST_PRODUCTION_LEVEL: i16 = 30;

/// Levels of `metadata.version`, as release and number within it.
const METADATA_VERSIONS: &[(i16, &str)] = &[
    (7, "3.3-IV3"),
    (8, "3.4-IV0"),
    (9, "3.5-IV0"),
    (10, "3.5-IV1"),
    (11, "3.5-IV2"),
    (12, "3.6-IV0"),
    (13, "3.6-IV1"),
    (14, "3.6-IV2"),
    (15, "3.7-IV0"),
    (16, "3.7-IV1"),
    (17, "3.7-IV2"),
    (18, "3.7-IV3"),
    (19, "3.7-IV4"),
    (20, "3.8-IV0"),
    (21, "3.9-IV0"),
    (22, "4.0-IV0"),
    (23, "4.0-IV1"),
    (24, "4.0-IV2"),
    (25, "4.0-IV3"),
    (26, "4.1-IV0"),
    (27, "4.1-IV1"),
    (28, "4.2-IV0"),
    (29, "4.2-IV1"),
    (30, "4.3-IV0"),
    (31, "4.4-IV0"),
];

/// A level of a feature, the `metadata.version` from which it is the default, and the `metadata.version` that it needs.
struct Level {
    level: i16,
    default_from: i16,
    needs: Option<i16>,
}

const fn level(level: i16, default_from: i16) -> Level {
    Level { level, default_from, needs: None }
}

/// The other features, in Kafka's order. Level 0 is always there.
const FEATURES: &[(&str, &[Level])] = &[
    ("kraft.version", &[level(1, 21)]),
    ("transaction.version", &[level(1, 24), level(2, 24)]),
    ("group.version", &[level(1, 22)]),
    ("eligible.leader.replicas.version", &[Level { level: 1, default_from: 26, needs: Some(23) }]),
    ("share.version", &[level(1, 28)]),
    ("streams.version", &[level(1, 29)]),
];

/// What a level is called: for `metadata.version` by its release.
pub fn name_of(feature: &str, level: i16) -> String {
    match (feature == METADATA_VERSION, release_of(level)) {
        (true, Some(release)) => release.to_string(),
        (true, None) => format!("UNKNOWN {level}"),
        (false, _) => level.to_string(),
    }
}

/// The release of a level of `metadata.version`.
pub fn release_of(level: i16) -> Option<&'static str> {
    METADATA_VERSIONS.iter().find(|(known, _)| *known == level).map(|(_, release)| *release)
}

/// As [`metadata_version`], of those that are fit for production.
pub fn production_version(text: &str) -> Result<i16, Failure> {
    match metadata_version(text) {
        Ok(level) if level <= LATEST_PRODUCTION_LEVEL => Ok(level),
        _ => Err(unknown_version(text, LATEST_PRODUCTION_LEVEL)),
    }
}

fn unknown_version(text: &str, highest: i16) -> Failure {
    let known = METADATA_VERSIONS.iter().filter(|(level, _)| *level <= highest).map(|(_, release)| *release);
    let known: Vec<&str> = known.collect();
    Failure::new(format!("Unknown metadata.version '{text}'. Supported metadata.version are: {}", known.join(", ")))
}

/// Whether Kafka has this level of a feature.
pub fn has_level(feature: &str, level: i16) -> bool {
    let known = FEATURES.iter().find(|(name, _)| *name == feature);
    level == 0 || known.is_some_and(|(_, levels)| levels.iter().any(|known| known.level == level))
}

/// The level of a release: `4.3-IV0`, or `4.3`, `4.3.0` for the newest of it.
pub(crate) fn metadata_version(text: &str) -> Result<i16, Failure> {
    let segments: Vec<&str> = text.split('.').collect();
    let key = if segments.len() <= 2 { text.to_string() } else { segments[..2].join(".") };
    let exact = METADATA_VERSIONS.iter().find(|(_, release)| *release == key);
    let of_release = || {
        let produced = METADATA_VERSIONS.iter().filter(|(level, _)| *level <= LATEST_PRODUCTION_LEVEL);
        produced.rev().find(|(_, release)| release.split('-').next() == Some(&key))
    };
    exact.or_else(of_release).map(|(level, _)| *level).ok_or_else(|| unknown_version(text, i16::MAX))
}

/// The default level of every other feature at a `metadata.version`.
pub(crate) fn defaults(metadata_version: i16) -> impl Iterator<Item = (&'static str, i16)> {
    FEATURES.iter().map(move |(name, levels)| {
        let reached = levels.iter().filter(|level| level.default_from <= metadata_version);
        (*name, reached.map(|level| level.level).max().unwrap_or(0))
    })
}

/// What `version-mapping` says.
pub fn mapping(release: Option<&str>) -> Result<String, Failure> {
    let release = release.unwrap_or(LATEST_PRODUCTION);
    let level = metadata_version(release)?;
    let mut text = format!("{METADATA_VERSION}={level} ({release})\n");
    defaults(level).for_each(|(name, level)| text += &format!("{name}={level}\n"));
    Ok(text)
}

/// What `feature-dependencies` says of features given as `name=level`.
pub fn dependencies(features: &[String]) -> Result<String, Failure> {
    let mut text = String::new();
    for feature in features {
        let (name, level) = parse(feature)?;
        if name == METADATA_VERSION {
            let release = release_of(level).ok_or_else(|| Failure::new(format!("Unknown metadata.version {level}")))?;
            text += &format!("{name}={level} ({release}) has no dependencies.\n");
            continue;
        }
        let known = FEATURES.iter().find(|(known, _)| *known == name);
        let (_, levels) = known.ok_or_else(|| Failure::new(format!("Unknown feature: {name}")))?;
        let found = levels.iter().find(|found| found.level == level);
        match found.and_then(|found| found.needs) {
            Some(needed) => {
                let release = name_of(METADATA_VERSION, needed);
                text += &format!("{name}={level} requires:\n    {METADATA_VERSION}={needed} ({release})\n");
            }
            None if found.is_some() || level == 0 => text += &format!("{name}={level} has no dependencies.\n"),
            None => {
                return Err(Failure::new(format!("No feature:{name} with feature level {level}")));
            }
        }
    }
    Ok(text)
}

/// `name=level`.
pub fn parse(text: &str) -> Result<(String, i16), Failure> {
    let begin = format!("Can't parse feature=level string {text}: ");
    let (name, level) = text.split_once('=').ok_or_else(|| Failure::new(format!("{begin}equals sign not found.")))?;
    let level = level.trim();
    let number = level.parse().map_err(|_| Failure::new(format!("{begin}unable to parse {level} as a short.")))?;
    Ok((name.trim().to_string(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_stands_for_the_levels_of_its_features() {
        let expected = "metadata.version=24 (4.0-IV2)\nkraft.version=1\ntransaction.version=2\ngroup.version=1\n\
                        eligible.leader.replicas.version=0\nshare.version=0\nstreams.version=0\n";
        assert_eq!(mapping(Some("4.0-IV2")).unwrap(), expected);
        assert!(mapping(None).unwrap().starts_with("metadata.version=30 (4.3-IV0)\n"));
        assert_eq!(metadata_version("4.0.1").unwrap(), 25);
        assert!(metadata_version("2.8").unwrap_err().cause.starts_with("Unknown metadata.version '2.8'."));
    }

    #[test]
    fn dependencies_are_told() {
        let told = |text: &str| dependencies(&[text.to_string()]);
        assert_eq!(told("group.version=1").unwrap(), "group.version=1 has no dependencies.\n");
        assert_eq!(
            told("eligible.leader.replicas.version=1").unwrap(),
            "eligible.leader.replicas.version=1 requires:\n    metadata.version=23 (4.0-IV1)\n"
        );
        assert_eq!(told("metadata.version=30").unwrap(), "metadata.version=30 (4.3-IV0) has no dependencies.\n");
        assert_eq!(told("nosuch=1").unwrap_err().cause, "Unknown feature: nosuch");
        assert!(told("group.version").unwrap_err().cause.ends_with("equals sign not found."));
    }
}
