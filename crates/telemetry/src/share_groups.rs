//! Share groups: what their coordinator counts, and what members do with records.

use crate::CoordinatorMetrics;
use crate::table::metrics_table;

metrics_table! {
    /// What share groups count.
    ShareGroupMetrics {
        shards_loading Gauge "kafka_server_share_coordinator_metrics_num_partitions_loading"
            "Partitions of __share_group_state led here that are not loaded yet.";
        shards_active Gauge "kafka_server_share_coordinator_metrics_num_partitions_active"
            "Partitions of __share_group_state led here whose states are served.";
        shard_reloads Counter "ottla_share_coordinator_reloads"
            "How often states of share partitions were loaded again because a write failed.";
        shard_load_seconds Histogram "kafka_server_share_coordinator_metrics_partition_load_time_seconds"
            "How long it took to load the states of one partition.";
        requests_refused Counter "ottla_share_coordinator_requests_refused"
            "Requests refused because too many waited for the same partition.";
        sessions Gauge "kafka_server_share_session_cache_share_sessions"
            "Share sessions of this broker; group.share.max.share.sessions bounds them.";
        partitions Gauge "ottla_share_partitions"
            "Share partitions that this broker holds in memory.";
        records_acquired Counter "ottla_share_records_acquired"
            "Records handed out to members of share groups, every delivery counted.";
        acknowledgements Counter "kafka_server_share_group_metrics_record_acknowledgement"
            "Records that members of share groups acknowledged, in whatever way.";
        locks_expired Counter "kafka_server_share_group_metrics_acquisition_lock_timeout"
            "Records whose acquisition lock ended before their member acknowledged them.";
        dead_letters Counter "kafka_server_share_group_metrics_dead_letter_queue_record"
            "Records that share groups gave up on and that were written to their dead-letter topics.";
        dead_letters_failed Counter "ottla_share_dead_letters_failed"
            "Records that share groups gave up on and that could not be written to their dead-letter topics.";
    }
}

impl ShareGroupMetrics {
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
