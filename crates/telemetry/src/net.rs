//! Connections and bytes.

use crate::table::metrics_table;

metrics_table! {
    /// What the network layer counts.
    NetMetrics {
        connections Gauge "kafka_network_socketserver_connections" "Connections that are open.";
        connections_accepted Counter "kafka_network_socketserver_connections_accepted" "Connections accepted so far.";
        connections_refused Counter "kafka_network_socketserver_connections_refused"
            "Connections refused by a limit on connections.";
        connections_throttled Counter "kafka_network_socketserver_connections_throttled"
            "Connections held and closed because of the connection_creation_rate of their address.";
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
        request_queue_time ApiTimes "kafka_network_requestmetrics_requestqueuetime_seconds"
            "From the last byte of a request until its handler began, by API.";
        local_time ApiTimes "kafka_network_requestmetrics_localtime_seconds" "How long the handler worked, by API.";
        remote_time ApiTimes "kafka_network_requestmetrics_remotetime_seconds"
            "How long the answer waited for a flush, a replica, new records or a rebalance, by API.";
        response_queue_time ApiTimes "kafka_network_requestmetrics_responsequeuetime_seconds"
            "How long the answer waited for those before it on its connection, by API.";
        response_send_time ApiTimes "kafka_network_requestmetrics_responsesendtime_seconds"
            "How long sending the answer took, by API.";
        total_time ApiTimes "kafka_network_requestmetrics_totaltime_seconds"
            "From the last byte of a request until its answer was sent, by API.";
        slow_requests Counter "ottla_network_requestmetrics_slowrequests"
            "Requests that took longer than slow.request.log.threshold.ms.";
    }
}
