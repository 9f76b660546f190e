//! Quota windows and metrics.

use super::keys;

keys! { pub(super) KEYS
    "alter.log.dirs.replication.quota.window.num" Int "11" min(1) Low ReadOnly Accepted
        "How many windows are kept to measure the rate at which replicas move between log directories.";
    "alter.log.dirs.replication.quota.window.size.seconds" Int "1" min(1) Low ReadOnly Accepted
        "Length of one such window.";
    "client.quota.callback.class" Class null any Low ReadOnly Accepted
        "Java class that computes client quotas.";
    "controller.quota.window.num" Int "11" min(1) Low ReadOnly Implemented
        "How many windows are kept to measure the rate of topic and partition changes.";
    "controller.quota.window.size.seconds" Int "1" min(1) Low ReadOnly Implemented
        "Length of one such window.";
    "follower.replication.throttled.rate" Long "9223372036854775807" min(0) Medium ClusterWide Accepted
        "Most bytes per second that throttled replicas fetch.";
    "kafka.metrics.polling.interval.secs" Int "10" min(1) Low ReadOnly Accepted
        "Polling interval of the old metrics reporters.";
    "kafka.metrics.reporters" List "" list Low ReadOnly Accepted
        "Old metrics reporters.";
    "leader.replication.throttled.rate" Long "9223372036854775807" min(0) Medium ClusterWide Accepted
        "Most bytes per second that leaders send to throttled replicas.";
    "metric.reporters" List "org.apache.kafka.common.metrics.JmxReporter" list Low ClusterWide Accepted
        "Java classes that report metrics.";
    "metrics.num.samples" Int "2" min(1) Low ReadOnly Accepted
        "How many samples a rate is computed from.";
    "metrics.recording.level" String "INFO" any Low ReadOnly Accepted
        "How much is measured: INFO, DEBUG or TRACE.";
    "metrics.sample.window.ms" Long "30000" min(1) Low ReadOnly Accepted
        "Length of one sample.";
    "quota.window.num" Int "11" min(1) Low ReadOnly Implemented
        "How many windows are kept to measure client rates.";
    "quota.window.size.seconds" Int "1" min(1) Low ReadOnly Implemented
        "Length of one such window.";
    "replica.alter.log.dirs.io.max.bytes.per.second" Long "9223372036854775807" min(0) Medium ClusterWide Implemented
        "Most bytes per second that replicas moving between log directories copy.";
    "replication.quota.window.num" Int "11" min(1) Low ReadOnly Accepted
        "How many windows are kept to measure throttled replication.";
    "replication.quota.window.size.seconds" Int "1" min(1) Low ReadOnly Accepted
        "Length of one such window.";
    "telemetry.max.bytes" Int "1048576" min(1) Low ReadOnly Implemented
        "Largest metrics push of a client.";
}
