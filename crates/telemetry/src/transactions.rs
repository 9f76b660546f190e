//! Transactions: what their coordinator counts.

use crate::CoordinatorMetrics;
use crate::table::metrics_table;

metrics_table! {
    /// What the transaction coordinator counts.
    TransactionMetrics {
        shards_loading Gauge "kafka_server_transaction_coordinator_metrics_num_partitions_loading"
            "Partitions of __transaction_state led here that are not loaded yet.";
        shards_active Gauge "kafka_server_transaction_coordinator_metrics_num_partitions_active"
            "Partitions of __transaction_state led here whose transactions are served.";
        shard_reloads Counter "ottla_transaction_coordinator_reloads"
            "How often transactions were loaded again because a write failed.";
        shard_load_seconds Histogram "kafka_server_transaction_coordinator_metrics_partition_load_time_seconds"
            "How long it took to load the transactions of one partition.";
        requests_refused Counter "ottla_transaction_coordinator_requests_refused"
            "Requests refused because too many waited for the same partition.";
    }
}

impl TransactionMetrics {
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
