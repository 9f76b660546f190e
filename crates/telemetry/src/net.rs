//! Connections and bytes.

use crate::table::metrics_table;

metrics_table! {
    /// What the network layer counts.
    NetMetrics {
        connections Gauge "kafka_network_socketserver_connections" "Connections that are open.";
        connections_accepted Counter "kafka_network_socketserver_connections_accepted" "Connections accepted so far.";
        connections_refused Counter "kafka_network_socketserver_connections_refused"
            "Connections refused by a limit on connections.";
        connections_malformed Counter "kafka_network_socketserver_connections_malformed"
            "Connections closed because of what arrived on them.";
        connections_idle Counter "kafka_network_socketserver_connections_idle"
            "Connections closed by connections.max.idle.ms.";
        connections_evicted Counter "kafka_network_socketserver_connections_evicted"
            "Connections closed because their frame made the least progress while the budget was exhausted.";
        requests Counter "kafka_network_socketserver_requests" "Complete requests.";
        bytes_received Counter "kafka_network_socketserver_bytes_received"
            "Bytes received, with sizes and unfinished frames.";
        bytes_sent Counter "kafka_network_socketserver_bytes_sent" "Bytes sent.";
        request_bytes Gauge "kafka_network_socketserver_request_bytes"
            "Request bytes charged to queued.max.request.bytes and its reserve.";
        budget_waits Counter "kafka_network_socketserver_budget_waits" "How often a frame had to wait for the budget.";
    }
}
