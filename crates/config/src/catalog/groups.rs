//! The group coordinator: classic and consumer groups, committed offsets.

use super::keys;

keys! { pub(super) KEYS
    "group.consumer.assignment.interval.ms" Int "1000" min(0) Medium ClusterWide Implemented
        "Least time between two assignments of one consumer group.";
    "group.consumer.assignors" List "uniform,range" non_empty_list Medium ReadOnly Implemented
        "Assignors that the broker offers to consumer groups; the first is the default.";
    "group.consumer.heartbeat.interval.ms" Int "5000" min(1) Medium ReadOnly Implemented
        "Heartbeat interval that members of consumer groups are told.";
    "group.consumer.max.assignment.interval.ms" Int "15000" min(0) Medium ReadOnly Implemented
        "Largest assignment interval that a consumer group may set.";
    "group.consumer.max.heartbeat.interval.ms" Int "15000" min(1) Medium ReadOnly Implemented
        "Largest heartbeat interval that a consumer group may set.";
    "group.consumer.max.session.timeout.ms" Int "60000" min(1) Medium ReadOnly Implemented
        "Largest session timeout that a consumer group may set.";
    "group.consumer.max.size" Int "2147483647" min(1) Medium ReadOnly Implemented
        "Most members of one consumer group.";
    "group.consumer.migration.policy" String "bidirectional"
        one_of_ignore_case("DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL") Medium ReadOnly Implemented
        "Whether groups may be converted between the classic and the consumer protocol while they run.";
    "group.consumer.min.assignment.interval.ms" Int "0" min(0) Medium ReadOnly Implemented
        "Smallest assignment interval that a consumer group may set.";
    "group.consumer.min.heartbeat.interval.ms" Int "5000" min(1) Medium ReadOnly Implemented
        "Smallest heartbeat interval that a consumer group may set.";
    "group.consumer.min.session.timeout.ms" Int "45000" min(1) Medium ReadOnly Implemented
        "Smallest session timeout that a consumer group may set.";
    "group.consumer.regex.refresh.interval.ms" Int "600000" min(10000) Internal ReadOnly Implemented
        "How often subscribed patterns are matched against the topics again.";
    "group.consumer.session.timeout.ms" Int "45000" min(1) Medium ReadOnly Implemented
        "A member of a consumer group that has not been heard of for this long is removed.";
    "group.coordinator.append.linger.ms" Int "-1" min(-1) Medium ReadOnly Accepted
        "How long the group coordinator gathers records into one write; -1 adapts to the load.";
    "group.coordinator.background.threads" Int "2" min(1) High ReadOnly Accepted
        "Threads for background work of the group coordinator.";
    "group.coordinator.cached.buffer.max.bytes" Int "1048588" min(524288) Medium ClusterWide Accepted
        "Largest write buffer that the group coordinator keeps for reuse.";
    "group.coordinator.rebalance.protocols" List "classic,consumer,streams"
        non_empty_list_of("consumer", "classic", "share", "streams") Medium ReadOnly Implemented
        "Group protocols that are served.";
    "group.coordinator.threads" Int "4" min(1) High ReadOnly Accepted
        "Threads of the group coordinator.";
    "group.initial.rebalance.delay.ms" Int "0" any Medium ReadOnly Implemented
        "How long an empty classic group waits for more members before its first rebalance."
        kafka "3000" because "a consumer that starts alone need not wait";
    "group.max.session.timeout.ms" Int "1800000" any Medium ReadOnly Implemented
        "Largest session timeout that a member of a classic group may ask for.";
    "group.max.size" Int "2147483647" min(1) Medium ReadOnly Implemented
        "Most members of one classic group.";
    "group.min.session.timeout.ms" Int "6000" any Medium ReadOnly Implemented
        "Smallest session timeout that a member of a classic group may ask for.";
    "offset.metadata.max.bytes" Int "4096" any High ReadOnly Implemented
        "Longest metadata text of a committed offset.";
    "offsets.commit.timeout.ms" Int "5000" min(1) High ReadOnly Implemented
        "How long an offset commit waits for its replicas.";
    "offsets.load.buffer.size" Int "5242880" min(1) High ReadOnly Implemented
        "Bytes read at a time when group state is loaded.";
    "offsets.retention.check.interval.ms" Long "600000" min(1) High ReadOnly Implemented
        "How often expired offsets are looked for.";
    "offsets.retention.minutes" Int "10080" min(1) High ReadOnly Implemented
        "How long the offsets of an empty group are kept.";
    "offsets.topic.compression.codec" Int "0" any High ReadOnly Implemented
        "Compression of the offsets topic, as a number; 0 is none.";
    "offsets.topic.num.partitions" Int "50" min(1) High ReadOnly Implemented
        "Partitions of the offsets topic.";
    "offsets.topic.replication.factor" Short derived("min(3, brokers)") min(1) High ReadOnly Implemented
        "Replicas of the offsets topic."
        kafka "3" because "with fewer than three brokers the topic could not be created; grows when brokers join";
    "offsets.topic.segment.bytes" Int "104857600" min(1) High ReadOnly Implemented
        "Segment size of the offsets topic.";
}
