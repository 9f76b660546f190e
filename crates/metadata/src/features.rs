//! Features (KIP-584): what this program supports.

/// The feature that says which metadata records are written.
pub const METADATA_VERSION: &str = "metadata.version";

/// The feature that says whether the voters of the metadata quorum can be changed (KIP-853).
pub const KRAFT_VERSION: &str = "kraft.version";

/// The feature that says which protocols of groups there are (KIP-848).
pub const GROUP_VERSION: &str = "group.version";

/// Level of `group.version` that new clusters get: groups of KIP-848.
pub const GROUP_VERSION_LEVEL: i16 = 1;

/// The feature that says whether there are share groups (KIP-932).
pub const SHARE_VERSION: &str = "share.version";

/// Level of `share.version` that new clusters get: share groups.
pub const SHARE_VERSION_LEVEL: i16 = 1;

/// The feature that says whether there are streams groups (KIP-1071).
pub const STREAMS_VERSION: &str = "streams.version";

/// Level of `streams.version` that new clusters get.
pub const STREAMS_VERSION_LEVEL: i16 = 1;

/// The feature that says how transactions end (KIP-890).
pub const TRANSACTION_VERSION: &str = "transaction.version";

/// Level of `transaction.version` that new clusters get: partitions join transactions by being written to, and every end raises
/// the producer's epoch.
pub const TRANSACTION_VERSION_LEVEL: i16 = 2;

/// Level of `metadata.version` for Apache Kafka 4.3.
pub const METADATA_VERSION_LEVEL: i16 = 30;

/// Name, lowest and highest supported level of every feature of Kafka 4.3. A highest level of 0 means that the feature
/// exists and cannot be switched on yet.
pub const SUPPORTED: &[(&str, i16, i16)] = &[
    ("eligible.leader.replicas.version", 0, 0),
    (GROUP_VERSION, 0, GROUP_VERSION_LEVEL),
    (KRAFT_VERSION, 0, 0),
    (METADATA_VERSION, METADATA_VERSION_LEVEL, METADATA_VERSION_LEVEL),
    (SHARE_VERSION, 0, SHARE_VERSION_LEVEL),
    (STREAMS_VERSION, 0, STREAMS_VERSION_LEVEL),
    (TRANSACTION_VERSION, 0, TRANSACTION_VERSION_LEVEL),
];

/// Lowest and highest supported level of a feature; `None` if Kafka 4.3 has none of that name.
pub fn supported(name: &str) -> Option<(i16, i16)> {
    SUPPORTED.iter().find(|(feature, _, _)| *feature == name).map(|(_, min, max)| (*min, *max))
}
