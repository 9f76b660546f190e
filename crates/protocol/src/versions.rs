//! The one table of what this broker speaks: ApiVersions advertises exactly these rows, and nothing else is served.
//!
//! An API appears here when it works, not when its schema exists.

use crate::ApiKey;

/// One API as it is advertised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which API.
    pub api_key: ApiKey,
    /// Lowest version that is advertised.
    pub min: i16,
    /// Highest version that is advertised and served.
    pub max: i16,
    /// Lowest version that is served; above `min` only for Produce.
    pub served_from: i16,
}

/// What to do with a request of some key and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Decode it and answer.
    Serve,
    /// ApiVersions in an unknown version: answer in version 0 with UNSUPPORTED_VERSION and the table (KIP-511).
    AnswerUnsupportedApiVersions,
    /// Close the connection.
    Close,
}

const fn row(api_key: ApiKey, min: i16, max: i16) -> Row {
    Row { api_key, min, max, served_from: min }
}

/// What the broker's listeners advertise, by ascending key.
pub const BROKER: &[Row] = &[
    // librdkafka decides what a broker can do by whether Produce 0 is listed (KAFKA-18659); versions below 3 carry
    // record formats that Kafka 4 refuses.
    Row { api_key: ApiKey::Produce, min: 0, max: 13, served_from: 3 },
    row(ApiKey::Fetch, 4, 18),
    row(ApiKey::ListOffsets, 1, 11),
    row(ApiKey::Metadata, 0, 13),
    row(ApiKey::OffsetCommit, 2, 10),
    row(ApiKey::OffsetFetch, 1, 10),
    row(ApiKey::FindCoordinator, 0, 6),
    row(ApiKey::JoinGroup, 0, 9),
    row(ApiKey::Heartbeat, 0, 4),
    row(ApiKey::LeaveGroup, 0, 5),
    row(ApiKey::SyncGroup, 0, 5),
    row(ApiKey::DescribeGroups, 0, 6),
    row(ApiKey::ListGroups, 0, 5),
    row(ApiKey::ApiVersions, 0, 4),
    row(ApiKey::CreateTopics, 2, 7),
    row(ApiKey::DeleteTopics, 1, 6),
    row(ApiKey::DeleteRecords, 0, 2),
    row(ApiKey::InitProducerId, 0, 5),
    row(ApiKey::OffsetForLeaderEpoch, 2, 4),
    row(ApiKey::AddPartitionsToTxn, 0, 5),
    row(ApiKey::AddOffsetsToTxn, 0, 4),
    row(ApiKey::EndTxn, 0, 5),
    row(ApiKey::WriteTxnMarkers, 1, 2),
    row(ApiKey::TxnOffsetCommit, 0, 5),
    row(ApiKey::DescribeConfigs, 1, 4),
    row(ApiKey::AlterConfigs, 0, 2),
    row(ApiKey::AlterReplicaLogDirs, 1, 2),
    row(ApiKey::DescribeLogDirs, 1, 5),
    row(ApiKey::CreatePartitions, 0, 3),
    row(ApiKey::DeleteGroups, 0, 2),
    row(ApiKey::ElectLeaders, 0, 2),
    row(ApiKey::IncrementalAlterConfigs, 0, 1),
    row(ApiKey::AlterPartitionReassignments, 0, 1),
    row(ApiKey::ListPartitionReassignments, 0, 0),
    row(ApiKey::OffsetDelete, 0, 0),
    row(ApiKey::DescribeClientQuotas, 0, 1),
    row(ApiKey::AlterClientQuotas, 0, 1),
    row(ApiKey::DescribeQuorum, 0, 2),
    row(ApiKey::UpdateFeatures, 0, 2),
    row(ApiKey::DescribeCluster, 0, 2),
    row(ApiKey::DescribeProducers, 0, 0),
    row(ApiKey::UnregisterBroker, 0, 0),
    row(ApiKey::DescribeTransactions, 0, 0),
    row(ApiKey::ListTransactions, 0, 2),
    row(ApiKey::ConsumerGroupHeartbeat, 0, 1),
    row(ApiKey::ConsumerGroupDescribe, 0, 1),
    row(ApiKey::GetTelemetrySubscriptions, 0, 0),
    row(ApiKey::PushTelemetry, 0, 0),
    row(ApiKey::ListConfigResources, 0, 1),
    row(ApiKey::DescribeTopicPartitions, 0, 0),
    row(ApiKey::ShareGroupHeartbeat, 1, 1),
    row(ApiKey::ShareGroupDescribe, 1, 1),
    row(ApiKey::ShareFetch, 1, 2),
    row(ApiKey::ShareAcknowledge, 1, 2),
    row(ApiKey::AddRaftVoter, 0, 1),
    row(ApiKey::RemoveRaftVoter, 0, 0),
    row(ApiKey::InitializeShareGroupState, 0, 0),
    row(ApiKey::ReadShareGroupState, 0, 0),
    row(ApiKey::WriteShareGroupState, 0, 1),
    row(ApiKey::DeleteShareGroupState, 0, 0),
    row(ApiKey::ReadShareGroupStateSummary, 0, 1),
    row(ApiKey::StreamsGroupHeartbeat, 0, 0),
    row(ApiKey::StreamsGroupDescribe, 0, 0),
    row(ApiKey::DescribeShareGroupOffsets, 0, 1),
    row(ApiKey::AlterShareGroupOffsets, 0, 0),
    row(ApiKey::DeleteShareGroupOffsets, 0, 0),
];

/// What a controller's listener serves of the rows above, by ascending key (KIP-919): administration, and nothing that
/// needs a broker. What controllers tell one another does not come this way.
const CONTROLLER_KEYS: &[ApiKey] = &[
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::CreatePartitions,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeQuorum,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::UnregisterBroker,
    ApiKey::AddRaftVoter,
    ApiKey::RemoveRaftVoter,
];

/// What a controller's listeners advertise and serve, by ascending key.
pub fn controller() -> impl Iterator<Item = &'static Row> {
    BROKER.iter().filter(|row| CONTROLLER_KEYS.contains(&row.api_key))
}

/// What to do with a request of this key and version on a broker's listener.
pub fn decide(api_key: ApiKey, version: i16) -> Decision {
    let row = BROKER.iter().find(|row| row.api_key == api_key);
    match row {
        Some(row) if (row.served_from..=row.max).contains(&version) => Decision::Serve,
        _ if api_key == ApiKey::ApiVersions => Decision::AnswerUnsupportedApiVersions,
        _ => Decision::Close,
    }
}
