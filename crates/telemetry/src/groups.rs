//! Consumer groups: what is counted as it happens, and what is asked of the coordinators when somebody looks.

use crate::table::{metric_families, metrics_table};
use crate::{Counter, Gauge, Histogram};

metrics_table! {
    /// What the group coordinator counts.
    GroupMetrics {
        offset_commits Counter "kafka_server_group_coordinator_metrics_offset_commit" "Offsets that were committed.";
        offset_expirations Counter "kafka_server_group_coordinator_metrics_offset_expiration"
            "Committed offsets that expired.";
        offset_deletions Counter "kafka_server_group_coordinator_metrics_offset_deletion"
            "Committed offsets that were deleted, with their group or topic or by themselves.";
        classic_rebalances Counter "kafka_server_group_coordinator_metrics_group_completed_rebalance"
            "Rebalances of classic groups that ended with an assignment.";
        consumer_rebalances Counter "kafka_server_group_coordinator_metrics_consumer_group_rebalance"
            "Rises of the epoch of KIP-848 groups.";
        streams_rebalances Counter "kafka_server_group_coordinator_metrics_streams_group_rebalance"
            "Rises of the epoch of streams groups.";
        members_expired Counter "ottla_group_members_expired"
            "Members that were removed because they were not heard of or did not do in time what they had to.";
        shards_loading Gauge "kafka_server_group_coordinator_metrics_num_partitions_loading"
            "Partitions of __consumer_offsets led here that are not loaded yet.";
        shards_active Gauge "kafka_server_group_coordinator_metrics_num_partitions_active"
            "Partitions of __consumer_offsets led here whose groups are served.";
        shard_reloads Counter "ottla_group_coordinator_reloads"
            "How often groups were loaded again because a write failed.";
        shard_load_seconds Histogram "kafka_server_group_coordinator_metrics_partition_load_time_seconds"
            "How long it took to load the groups of one partition.";
        requests_refused Counter "ottla_group_coordinator_requests_refused"
            "Requests refused because too many waited for the same partition.";
    }
}

metric_families! {
    /// Groups by protocol; label `protocol`.
    GROUP_COUNT Gauge "kafka_server_group_coordinator_metrics_group_count" "Groups by protocol.";
    /// Classic groups by state; label `state`.
    CLASSIC_GROUP_COUNT Gauge "kafka_server_group_coordinator_metrics_classic_group_count" "Classic groups by state.";
    /// KIP-848 groups by state; label `state`.
    CONSUMER_GROUP_COUNT Gauge "kafka_server_group_coordinator_metrics_consumer_group_count"
        "Groups of the consumer protocol by state.";
    /// Share groups by state; label `state`.
    SHARE_GROUP_COUNT Gauge "kafka_server_group_coordinator_metrics_share_group_count" "Share groups by state.";
    /// Streams groups by state; label `state`.
    STREAMS_GROUP_COUNT Gauge "kafka_server_group_coordinator_metrics_streams_group_count"
        "Streams groups by state.";
    /// Members by protocol of their group; label `protocol`.
    GROUP_MEMBERS Gauge "ottla_group_members" "Members of groups by the protocol of the group.";
    /// Committed offsets.
    GROUP_OFFSETS Gauge "kafka_coordinator_group_groupmetadatamanager_numoffsets" "Committed offsets.";
    /// Labels `consumergroup`, `topic`, `partition`.
    COMMITTED_OFFSET Gauge "kafka_consumergroup_current_offset" "The committed offset of a group in a partition.";
    /// Labels `consumergroup`, `topic`, `partition`; only of partitions that are led here.
    LAG Gauge "kafka_consumergroup_lag" "Records between the committed offset of a group and the high watermark.";
    /// Offsets that are not shown one by one.
    OFFSETS_NOT_SHOWN Gauge "ottla_consumergroup_offsets_not_shown"
        "Committed offsets without a series of their own: there are too many, or their coordinator did not answer.";
}

/// The handles that every coordinator's runtime keeps up to date; each coordinator names them in its own table.
#[derive(Debug, Clone, Default)]
pub struct CoordinatorMetrics {
    /// Shards that are not loaded yet.
    pub loading: Gauge,
    /// Shards that serve.
    pub active: Gauge,
    /// Shards that were dropped after a failed write.
    pub reloads: Counter,
    /// How long a load takes.
    pub load_seconds: Histogram,
    /// Requests refused because a queue was full.
    pub refused: Counter,
}

impl GroupMetrics {
    /// Those that the coordinator runtime keeps.
    pub fn coordinator(&self) -> CoordinatorMetrics {
        CoordinatorMetrics {
            loading: self.shards_loading.clone(),
            active: self.shards_active.clone(),
            reloads: self.shard_reloads.clone(),
            load_seconds: self.shard_load_seconds.clone(),
            refused: self.requests_refused.clone(),
        }
    }
}
