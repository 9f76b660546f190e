//! Configs of single groups (resource type GROUP).

use super::keys;

keys! { pub(super) KEYS
    "consumer.assignment.interval.ms" Int "1000" min(0) Medium PerResource Implemented
        "Least time between two assignments of this consumer group.";
    "consumer.heartbeat.interval.ms" Int "5000" min(1) Medium PerResource Implemented
        "Heartbeat interval that members of this consumer group are told.";
    "consumer.session.timeout.ms" Int "45000" min(1) Medium PerResource Implemented
        "A member of this consumer group that has not been heard of for this long is removed.";
    "errors.deadletterqueue.copy.record.enable" Boolean "false" any Medium PerResource Implemented
        "Whether the dead-letter topic gets key, value and headers of a record, and not only where it was (KIP-1191)."
        = ours;
    "errors.deadletterqueue.topic.name" String "" any Medium PerResource Implemented
        "The topic for records that this share group gives up on (KIP-1191); empty: none."
        = ours;
    "share.assignment.interval.ms" Int "1000" min(0) Medium PerResource Implemented
        "Least time between two assignments of this share group.";
    "share.auto.offset.reset" String "latest" offset_reset Medium PerResource Implemented
        "Where this share group starts in a partition: earliest, latest, or a duration back.";
    "share.delivery.count.limit" Int "5" min(2) Medium PerResource Implemented
        "How often a record is delivered to this share group before it is given up.";
    "share.heartbeat.interval.ms" Int "5000" min(1) Medium PerResource Implemented
        "Heartbeat interval that members of this share group are told.";
    "share.isolation.level" String "read_uncommitted"
        one_of("read_committed", "read_uncommitted") Medium PerResource Implemented
        "Whether this share group sees records of open and aborted transactions.";
    "share.partition.max.record.locks" Int "2000" min(100) Medium PerResource Implemented
        "Most records of one partition that may be locked at a time.";
    "share.record.lock.duration.ms" Int "30000" min(1000) Medium PerResource Implemented
        "How long a record is locked for the member that fetched it.";
    "share.redelivery.delay.ms" Long "0" range(0, 86400000) Medium PerResource Implemented
        "How long a record is kept back that was released, or whose lock has ended, before it is delivered again."
        = ours;
    "share.renew.acknowledge.enable" Boolean "true" any Medium PerResource Implemented
        "Whether members may renew the lock of a record.";
    "share.session.timeout.ms" Int "45000" min(1) Medium PerResource Implemented
        "A member of this share group that has not been heard of for this long is removed.";
    "streams.assignment.interval.ms" Int "1000" min(0) Medium PerResource Implemented
        "Least time between two assignments of this streams group.";
    "streams.heartbeat.interval.ms" Int "5000" min(1) Medium PerResource Implemented
        "Heartbeat interval that members of this streams group are told.";
    "streams.initial.rebalance.delay.ms" Int "3000" min(0) Medium PerResource Implemented
        "How long this streams group waits for more members before its first assignment.";
    "streams.num.standby.replicas" Int "0" min(0) Medium PerResource Implemented
        "Standby copies of each task.";
    "streams.session.timeout.ms" Int "45000" min(1) Medium PerResource Implemented
        "A member of this streams group that has not been heard of for this long is removed.";
}
