//! Replication between brokers.

use super::keys;

keys! { pub(super) KEYS
    "auto.leader.rebalance.enable" Boolean "true" any High ReadOnly Accepted
        "Whether leadership goes back to the preferred replicas from time to time.";
    "controller.socket.timeout.ms" Int "30000" any Medium ReadOnly Accepted
        "Socket timeout between controller and brokers.";
    "default.replication.factor" Int derived("min(3, brokers)") any Medium ReadOnly Implemented
        "Replicas of a topic that is created without a number."
        kafka "1" because "with one copy a dead disk loses data; grows when brokers join";
    "delete.records.purgatory.purge.interval.requests" Int "1" any Medium ReadOnly Accepted
        "After how many waiting DeleteRecords requests the finished ones are removed.";
    "fetch.purgatory.purge.interval.requests" Int "1000" any Medium ReadOnly Accepted
        "After how many waiting fetches the finished ones are removed.";
    "follower.fetch.last.tiered.offset.enable" Boolean "false" any Medium ClusterWide Accepted
        "Whether an empty follower starts from the last tiered offset instead of the log's start.";
    "inter.broker.listener.name" String null any Medium ReadOnly Implemented
        "Listener over which brokers talk to each other.";
    "leader.imbalance.check.interval.seconds" Long "300" min(1) High ReadOnly Accepted
        "How often the controller looks for leaders that are not the preferred replica.";
    "min.insync.replicas" Int derived("2 with a replication factor of 3 or more, else 1")
        min(1) High ClusterWide Implemented
        "How many replicas must have a record before acks=all is acknowledged."
        kafka "1" because "with 1, an acknowledged record can be on a single machine";
    "num.replica.fetchers" Int "1" min(1) High ClusterWide Accepted
        "Connections over which this broker fetches from each other broker.";
    "producer.purgatory.purge.interval.requests" Int "1000" any Medium ReadOnly Accepted
        "After how many waiting produces the finished ones are removed.";
    "replica.fetch.backoff.ms" Int "1000" min(0) Medium ReadOnly Accepted
        "Pause before a follower repeats a failed fetch.";
    "replica.fetch.max.bytes" Int "1048576" min(0) Medium ReadOnly Accepted
        "Bytes per partition that a follower asks for.";
    "replica.fetch.min.bytes" Int "1" any High ReadOnly Accepted
        "Bytes for which the leader waits before it answers a follower.";
    "replica.fetch.response.max.bytes" Int "10485760" min(0) Medium ReadOnly Accepted
        "Bytes per response that a follower asks for.";
    "replica.fetch.wait.max.ms" Int "500" any High ReadOnly Accepted
        "Longest time the leader keeps a follower's fetch waiting.";
    "replica.high.watermark.checkpoint.interval.ms" Long "5000" any High ReadOnly Accepted
        "How often the high watermarks are written down.";
    "replica.lag.time.max.ms" Long "30000" any High ReadOnly Implemented
        "A follower that has not caught up for this long leaves the ISR.";
    "replica.selector.class" String null any Medium ReadOnly Accepted
        "How the replica that a consumer reads from is chosen.";
    "replica.socket.receive.buffer.bytes" Int "65536" any High ReadOnly Accepted
        "Receive buffer of the replication connections.";
    "replica.socket.timeout.ms" Int "30000" any High ReadOnly Accepted
        "Socket timeout of the replication connections.";
    "security.inter.broker.protocol" String "PLAINTEXT"
        one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL") Medium ReadOnly Accepted
        "Security protocol between brokers when inter.broker.listener.name is not set.";
    "unclean.leader.election.enable" Boolean "false" any High ClusterWide Accepted
        "Whether a replica outside the ISR may become leader when no other is left; records can be lost.";
    "unclean.leader.election.interval.ms" Long "300000" min(1) Internal ReadOnly Accepted
        "How often the controller looks for partitions that need an unclean election.";
}
