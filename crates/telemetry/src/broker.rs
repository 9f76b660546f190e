//! Requests, partitions and what waits.

use crate::Counter;
use crate::table::metrics_table;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter;
use prometheus_client::metrics::family::Family;

metrics_table! {
    /// What the broker counts.
    BrokerMetrics {
        requests RequestCounters "kafka_network_requestmetrics_requests" "Answered requests, by API and error.";
        produce_requests Counter "kafka_server_brokertopicmetrics_totalproducerequests"
            "Batches that producers sent: as in Kafka each partition of a request counts.";
        produce_requests_failed Counter "kafka_server_brokertopicmetrics_failedproducerequests"
            "Batches of producers that were refused, for whatever reason.";
        fetch_requests Counter "kafka_server_brokertopicmetrics_totalfetchrequests"
            "Partitions that consumers asked for in Fetch requests.";
        fetch_requests_failed Counter "kafka_server_brokertopicmetrics_failedfetchrequests"
            "Partitions of Fetch requests that were answered with an error.";
        produce_rejected Counter "kafka_server_brokertopicmetrics_invalidmessage" "Batches refused as invalid.";
        partitions Gauge "kafka_server_replicamanager_partitioncount" "Partitions with a replica here.";
        partitions_leader Gauge "kafka_server_replicamanager_leadercount" "Partitions led here.";
        partitions_offline Gauge "kafka_server_replicamanager_offlinereplicacount"
            "Partitions whose replica here is offline.";
        partitions_under_min_isr Gauge "kafka_server_replicamanager_underminisrpartitioncount"
            "Partitions led here with fewer replicas in sync than min.insync.replicas.";
        fetch_sessions Gauge "kafka_server_fetchsessioncache_numincrementalfetchsessions" "Fetch sessions.";
        fetch_sessions_evicted Counter "kafka_server_fetchsessioncache_incrementalfetchsessionevictions"
            "Fetch sessions dropped to make room.";
        parked_fetches Gauge "kafka_server_delayedoperationpurgatory_fetch" "Fetches that wait for records.";
        parked_produces Gauge "kafka_server_delayedoperationpurgatory_produce"
            "Produces that wait for the high watermark.";
        parked_others Gauge "kafka_server_delayedoperationpurgatory_other" "Other requests that wait for a flush.";
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    request: &'static str,
    error: &'static str,
}

/// Counters by API and error. Both are names from fixed lists, so the number of counters is bounded.
#[derive(Debug, Clone, Default)]
pub struct RequestCounters(pub(crate) Family<RequestLabels, counter::Counter>);

impl RequestCounters {
    /// The counter of answers to `request` (an API's name) with `error` (an error code's name, `NONE` for success).
    /// Looking it up takes a shared lock; a hot path keeps the handle.
    pub fn of(&self, request: &'static str, error: &'static str) -> Counter {
        Counter(self.0.get_or_create_owned(&RequestLabels { request, error }))
    }
}
