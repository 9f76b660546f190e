//! Log directories, segments, retention and the broker-level forms of topic configs.

use super::keys;

keys! { pub(super) KEYS
    "alter.config.policy.class.name" Class null any Low ReadOnly Accepted
        "Java class that may veto config changes.";
    "auto.create.topics.enable" Boolean "true" any High ReadOnly Implemented
        "Whether a topic that is asked for with Metadata and does not exist is created.";
    "compression.gzip.level" Int "-1" gzip_level Medium ClusterWide Implemented
        "Level of gzip when the broker compresses; -1 is the library's own choice.";
    "compression.lz4.level" Int "9" range(1, 17) Medium ClusterWide Implemented
        "Level of lz4 when the broker compresses.";
    "compression.type" String "producer"
        one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer") High ClusterWide Implemented
        "Compression in which batches are stored; producer keeps what the producer chose.";
    "compression.zstd.level" Int "3" range(-131072, 22) Medium ClusterWide Implemented
        "Level of zstd when the broker compresses.";
    "cordoned.log.dirs" List "" list Medium PerBroker Accepted
        "Log directories that take no new replicas; * means all.";
    "create.topic.policy.class.name" Class null any Low ReadOnly Accepted
        "Java class that may veto the creation of topics.";
    "delete.topic.enable" Boolean "true" any High ReadOnly Implemented
        "Whether topics may be deleted.";
    "log.cleanup.policy" List "delete" list_of("compact", "delete") Medium ClusterWide Implemented
        "What happens to old segments: delete, compact, both, or nothing.";
    "log.dir" List "ottla-data" non_empty_list High ReadOnly Implemented
        "Directory of the data when log.dirs is not set."
        kafka "/tmp/kafka-logs" because "/tmp is emptied at a reboot";
    "log.dir.failure.timeout.ms" Long "30000" min(1) Low ReadOnly Accepted
        "A broker that cannot report a failed log directory for this long stops.";
    "log.dirs" List null non_empty_list High ReadOnly Implemented
        "Directories of the data, comma-separated.";
    "log.flush.interval.messages" Long "9223372036854775807" min(1) High ClusterWide Implemented
        "A partition is flushed after this many records.";
    "log.flush.interval.ms" Long null any High ClusterWide Implemented
        "A record is flushed at the latest after this time; without it log.flush.scheduler.interval.ms holds.";
    "log.flush.offset.checkpoint.interval.ms" Int "60000" min(0) High ReadOnly Accepted
        "How often the recovery points are written down; ours follow within a second or 64 MB.";
    "log.flush.scheduler.interval.ms" Long "9223372036854775807" any High ReadOnly Implemented
        "How often the flusher looks for logs to flush.";
    "log.flush.start.offset.checkpoint.interval.ms" Int "60000" min(0) High ReadOnly Accepted
        "How often the log start offsets are written down.";
    "log.index.interval.bytes" Int "4096" min(0) Medium ClusterWide Implemented
        "Bytes of records between two entries of the offset index.";
    "log.index.size.max.bytes" Int "10485760" min(4) Medium ClusterWide Implemented
        "Largest offset index; a full one closes its segment.";
    "log.initial.task.delay.ms" Long "30000" min(0) Internal ReadOnly Accepted
        "Pause before the first run of the log's background tasks.";
    "log.message.timestamp.after.max.ms" Long "3600000" min(0) Medium ClusterWide Implemented
        "How far a record's timestamp may lie ahead of the broker's clock.";
    "log.message.timestamp.before.max.ms" Long "9223372036854775807" min(0) Medium ClusterWide Implemented
        "How far a record's timestamp may lie behind the broker's clock.";
    "log.message.timestamp.type" String "CreateTime"
        one_of("CreateTime", "LogAppendTime") Medium ClusterWide Implemented
        "Whether records keep the producer's timestamp or get the time of their append.";
    "log.preallocate" Boolean "false" any Medium ClusterWide Implemented
        "Whether a new segment's file gets its full size at once.";
    "log.retention.bytes" Long "-1" any High ClusterWide Implemented
        "Bytes of a partition that are kept; older segments are deleted, -1 keeps all.";
    "log.retention.check.interval.ms" Long "300000" min(1) Medium ReadOnly Implemented
        "How often segments are checked against retention.";
    "log.retention.hours" Int "168" any High ReadOnly Implemented
        "How long records are kept, in hours.";
    "log.retention.minutes" Int null any High ReadOnly Implemented
        "How long records are kept, in minutes; wins over hours.";
    "log.retention.ms" Long null any High ClusterWide Implemented
        "How long records are kept; wins over minutes and hours, -1 keeps them for ever.";
    "log.roll.hours" Int "168" min(1) High ReadOnly Implemented
        "Longest time a segment stays the active one, in hours.";
    "log.roll.jitter.hours" Int "0" min(0) High ReadOnly Implemented
        "Random part that is taken off the roll time, in hours.";
    "log.roll.jitter.ms" Long null any High ClusterWide Implemented
        "Random part that is taken off the roll time; wins over the hours.";
    "log.roll.ms" Long null any High ClusterWide Implemented
        "Longest time a segment stays the active one; wins over the hours.";
    "log.segment.bytes" Int "1073741824" min(1048576) High ClusterWide Implemented
        "Largest segment file.";
    "log.segment.delete.delay.ms" Long "60000" min(0) High ClusterWide Implemented
        "How long a deleted segment's files stay on disk.";
    "log.unflushed.max.bytes" Long "1073741824" min(1) Medium ReadOnly Implemented
        "Unflushed bytes of all partitions together above which producers are held back."
        = ours;
    "log.write.caching" Boolean "false" any High ClusterWide Implemented
        "Whether an acknowledgement may precede the flush to stable storage; Kafka itself never waits for the flush."
        = ours;
    "log.write.flush.interval.ms" Long "10" min(0) Medium ClusterWide Implemented
        "Records that nobody waits for are flushed at the latest after this time."
        = ours;
    "message.max.bytes" Int "1048588" min(0) High ClusterWide Implemented
        "Largest record batch that is accepted, after compression.";
    "num.partitions" Int "1" min(1) Medium ReadOnly Implemented
        "Partitions of a topic that is created without a number.";
    "num.recovery.threads.per.data.dir" Int "2" min(1) High ClusterWide Implemented
        "How many logs of one directory are recovered at a time, of those with more than 1 MiB to read.";
    "num.replica.alter.log.dirs.threads" Int null any High ReadOnly Implemented
        "How many replicas move between log directories at a time; by default as many as there are log directories.";
    "producer.id.expiration.check.interval.ms" Int "600000" min(1) Internal ReadOnly Accepted
        "How often expired producer ids are looked for.";
    "producer.id.expiration.ms" Int "86400000" min(1) Low ClusterWide Implemented
        "A producer id that wrote nothing for this long is forgotten by its partition.";
}
