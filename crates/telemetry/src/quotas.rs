//! Client quotas.

use crate::table::metrics_table;

metrics_table! {
    /// What is counted of client quotas. No client is a label: there may be any number of them.
    QuotaMetrics {
        produce_throttled Counter "ottla_quota_produce_throttled" "Produce requests throttled by producer_byte_rate.";
        fetch_throttled Counter "ottla_quota_fetch_throttled" "Fetch requests throttled by consumer_byte_rate.";
        request_throttled Counter "ottla_quota_request_throttled" "Requests throttled by request_percentage.";
        mutation_throttled Counter "ottla_quota_controller_mutation_throttled"
            "Requests throttled or refused by controller_mutation_rate.";
        throttle_ms Counter "ottla_quota_throttle_ms" "Milliseconds that clients were told to wait.";
    }
}
