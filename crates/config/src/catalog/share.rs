//! Share groups (KIP-932) and their state topic.

use super::keys;

keys! { pub(super) KEYS
    "errors.deadletterqueue.auto.create.topics.enable" Boolean "false" any Medium ClusterWide Implemented
        "Whether a dead-letter topic that a share group names and that does not exist is created (KIP-1191)."
        = ours;
    "errors.deadletterqueue.topic.name.prefix" String "dlq." any Medium ClusterWide Implemented
        "What the names of dead-letter topics of share groups begin with (KIP-1191)."
        = ours;
    "group.share.assignment.interval.ms" Int "1000" min(0) Medium ClusterWide Implemented
        "Least time between two assignments of one share group.";
    "group.share.assignors" List "simple" non_empty_list Medium ReadOnly Accepted
        "Assignors that the broker offers to share groups.";
    "group.share.delivery.count.limit" Int "5" range(2, 10) Medium ReadOnly Implemented
        "How often a record is delivered to a share group before it is given up.";
    "group.share.heartbeat.interval.ms" Int "5000" min(1) Medium ReadOnly Implemented
        "Heartbeat interval that members of share groups are told.";
    "group.share.initialize.retry.interval.ms" Int "30000" min(1) Internal ReadOnly Implemented
        "Pause before the state of a share partition is initialised again.";
    "group.share.max.assignment.interval.ms" Int "15000" min(0) Medium ReadOnly Implemented
        "Largest assignment interval that a share group may set.";
    "group.share.max.delivery.count.limit" Int "10" range(5, 25) Medium ReadOnly Implemented
        "Largest delivery count limit that a share group may set.";
    "group.share.max.heartbeat.interval.ms" Int "15000" min(1) Medium ReadOnly Implemented
        "Largest heartbeat interval that a share group may set.";
    "group.share.max.partition.max.record.locks" Int "4000" range(2000, 10000) Medium ReadOnly Implemented
        "Largest lock limit that a share group may set.";
    "group.share.max.record.lock.duration.ms" Int "60000" range(30000, 3600000) Medium ReadOnly Implemented
        "Longest record lock that a share group may set.";
    "group.share.max.session.timeout.ms" Int "60000" min(1) Medium ReadOnly Implemented
        "Largest session timeout that a share group may set.";
    "group.share.max.share.sessions" Int "2000" min(1) Medium ReadOnly Implemented
        "Most share sessions of one broker.";
    "group.share.max.size" Int "200" range(1, 1000) Medium ReadOnly Implemented
        "Most members of one share group.";
    "group.share.min.assignment.interval.ms" Int "0" min(0) Medium ReadOnly Implemented
        "Smallest assignment interval that a share group may set.";
    "group.share.min.delivery.count.limit" Int "2" range(2, 5) Medium ReadOnly Implemented
        "Smallest delivery count limit that a share group may set.";
    "group.share.min.heartbeat.interval.ms" Int "5000" min(1) Medium ReadOnly Implemented
        "Smallest heartbeat interval that a share group may set.";
    "group.share.min.partition.max.record.locks" Int "100" range(100, 2000) Medium ReadOnly Implemented
        "Smallest lock limit that a share group may set.";
    "group.share.min.record.lock.duration.ms" Int "15000" range(1000, 30000) Medium ReadOnly Implemented
        "Shortest record lock that a share group may set.";
    "group.share.min.session.timeout.ms" Int "45000" min(1) Medium ReadOnly Implemented
        "Smallest session timeout that a share group may set.";
    "group.share.partition.max.record.locks" Int "2000" range(100, 10000) Medium ReadOnly Implemented
        "Most records of one share partition that may be locked at a time.";
    "group.share.persister.class.name" String "org.apache.kafka.server.share.persister.DefaultStatePersister"
        any Internal ReadOnly Accepted
        "Java class that stores the state of share groups.";
    "group.share.record.lock.duration.ms" Int "30000" range(1000, 3600000) Medium ReadOnly Implemented
        "How long a record is locked for the member that fetched it.";
    "group.share.session.timeout.ms" Int "45000" min(1) Medium ReadOnly Implemented
        "A member of a share group that has not been heard of for this long is removed.";
    "share.coordinator.append.linger.ms" Int "-1" min(-1) Medium ReadOnly Accepted
        "How long the share coordinator gathers records into one write; -1 adapts to the load.";
    "share.coordinator.cached.buffer.max.bytes" Int "1048588" min(524288) Medium ClusterWide Accepted
        "Largest write buffer that the share coordinator keeps for reuse.";
    "share.coordinator.cold.partition.snapshot.interval.ms" Int "300000" min(1) Internal ReadOnly Implemented
        "How often idle share partitions get a snapshot.";
    "share.coordinator.load.buffer.size" Int "5242880" min(1) High ReadOnly Implemented
        "Bytes read at a time when share state is loaded.";
    "share.coordinator.snapshot.update.records.per.snapshot" Int "500" range(0, 500) Medium ReadOnly Implemented
        "Updates of a share partition between two snapshots.";
    "share.coordinator.state.topic.compression.codec" Int "0" any High ReadOnly Implemented
        "Compression of the share state topic, as a number; 0 is none.";
    "share.coordinator.state.topic.min.isr" Short derived("2 with a replication factor of 3 or more, else 1")
        min(1) High ReadOnly Implemented
        "min.insync.replicas of the share state topic."
        kafka "2" because "with one broker nothing could be written";
    "share.coordinator.state.topic.num.partitions" Int "50" min(1) High ReadOnly Implemented
        "Partitions of the share state topic.";
    "share.coordinator.state.topic.prune.interval.ms" Int "300000" min(1) Internal ReadOnly Implemented
        "How often old records of the share state topic are deleted.";
    "share.coordinator.state.topic.replication.factor" Short derived("min(3, brokers)") min(1) High ReadOnly Implemented
        "Replicas of the share state topic."
        kafka "3" because "with fewer than three brokers the topic could not be created; grows when brokers join";
    "share.coordinator.state.topic.segment.bytes" Int "104857600" min(1) High ReadOnly Implemented
        "Segment size of the share state topic.";
    "share.coordinator.threads" Int "1" min(1) Medium ReadOnly Accepted
        "Threads of the share coordinator.";
    "share.coordinator.write.timeout.ms" Int "5000" min(1) High ReadOnly Implemented
        "How long a write of the share coordinator may take.";
    "share.fetch.purgatory.purge.interval.requests" Int "1000" any Medium ReadOnly Accepted
        "After how many waiting share fetches the finished ones are removed.";
}
