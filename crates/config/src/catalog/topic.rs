//! Topic configs.

use super::keys;

keys! { pub(super) KEYS
    "cleanup.policy" List "delete" list_of("compact", "delete") Medium PerResource Implemented
        "What happens to old segments: delete, compact, both, or nothing.";
    "compression.gzip.level" Int "-1" gzip_level Medium PerResource Implemented
        "Level of gzip when the broker compresses; -1 is the library's own choice.";
    "compression.lz4.level" Int "9" range(1, 17) Medium PerResource Implemented
        "Level of lz4 when the broker compresses.";
    "compression.type" String "producer"
        one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer") Medium PerResource Implemented
        "Compression in which batches are stored; producer keeps what the producer chose.";
    "compression.zstd.level" Int "3" range(-131072, 22) Medium PerResource Implemented
        "Level of zstd when the broker compresses.";
    "delete.retention.ms" Long "86400000" min(0) Medium PerResource Implemented
        "How long delete markers are kept after compaction.";
    "errors.deadletterqueue.group.enable" Boolean "false" any Medium PerResource Implemented
        "Whether share groups may use the topic as their dead-letter topic (KIP-1191)."
        = ours;
    "file.delete.delay.ms" Long "60000" min(0) Medium PerResource Implemented
        "How long a deleted segment's files stay on disk.";
    "flush.messages" Long "9223372036854775807" min(1) Medium PerResource Implemented
        "The log is flushed after this many records.";
    "flush.ms" Long "9223372036854775807" min(0) Medium PerResource Implemented
        "A record is flushed at the latest after this time.";
    "follower.replication.throttled.replicas" List "" throttled_replicas Medium PerResource Accepted
        "Replicas whose fetching is throttled, as partition:broker pairs, or * for all.";
    "index.interval.bytes" Int "4096" min(0) Medium PerResource Implemented
        "Bytes of records between two entries of the offset index.";
    "internal.segment.bytes" Int null any Internal PerResource Implemented
        "Segment size below the usual least one, for tests.";
    "leader.replication.throttled.replicas" List "" throttled_replicas Medium PerResource Accepted
        "Replicas whose serving of followers is throttled, as partition:broker pairs, or * for all.";
    "local.retention.bytes" Long "-2" min(-2) Medium PerResource Accepted
        "Bytes of a tiered partition that stay on local disk; -2 means as retention.bytes.";
    "local.retention.ms" Long "-2" min(-2) Medium PerResource Accepted
        "How long segments of a tiered partition stay on local disk; -2 means as retention.ms.";
    "max.compaction.lag.ms" Long "9223372036854775807" min(1) Medium PerResource Implemented
        "Longest time for which a record stays out of reach of compaction.";
    "max.message.bytes" Int "1048588" min(0) Medium PerResource Implemented
        "Largest record batch that is accepted, after compression.";
    "message.timestamp.after.max.ms" Long "3600000" min(0) Medium PerResource Implemented
        "How far a record's timestamp may lie ahead of the broker's clock.";
    "message.timestamp.before.max.ms" Long "9223372036854775807" min(0) Medium PerResource Implemented
        "How far a record's timestamp may lie behind the broker's clock.";
    "message.timestamp.type" String "CreateTime" one_of("CreateTime", "LogAppendTime") Medium PerResource Implemented
        "Whether records keep the producer's timestamp or get the time of their append.";
    "min.cleanable.dirty.ratio" Double "0.5" ratio(1.0) Medium PerResource Implemented
        "Share of uncompacted data from which the log is compacted.";
    "min.compaction.lag.ms" Long "0" min(0) Medium PerResource Implemented
        "Shortest time for which a record is left alone by compaction.";
    "min.insync.replicas" Int derived("2 with a replication factor of 3 or more, else 1")
        min(1) Medium PerResource Implemented
        "How many replicas must have a record before acks=all is acknowledged."
        kafka "1" because "with 1, an acknowledged record can be on a single machine";
    "preallocate" Boolean "false" any Medium PerResource Implemented
        "Whether a new segment's file gets its full size at once.";
    "remote.log.copy.disable" Boolean "false" any Medium PerResource Accepted
        "Whether tiered data becomes read-only: nothing more is copied, and nothing deleted remotely.";
    "remote.log.delete.on.disable" Boolean "false" any Medium PerResource Accepted
        "Whether remote data is deleted when tiered storage is switched off.";
    "remote.storage.enable" Boolean "false" any Medium PerResource Accepted
        "Whether segments are moved to remote storage.";
    "retention.bytes" Long "-1" any Medium PerResource Implemented
        "Bytes of a partition that are kept; older segments are deleted, -1 keeps all.";
    "retention.ms" Long "604800000" min(-1) Medium PerResource Implemented
        "How long records are kept; -1 keeps them for ever.";
    "segment.bytes" Int "1073741824" min(1048576) Medium PerResource Implemented
        "Largest segment file.";
    "segment.index.bytes" Int "10485760" min(4) Medium PerResource Implemented
        "Largest offset index; a full one closes its segment.";
    "segment.jitter.ms" Long "0" min(0) Medium PerResource Implemented
        "Random part that is taken off segment.ms.";
    "segment.ms" Long "604800000" min(1) Medium PerResource Implemented
        "Longest time a segment stays the active one.";
    "unclean.leader.election.enable" Boolean "false" any Medium PerResource Accepted
        "Whether a replica outside the ISR may become leader when no other is left; records can be lost.";
    "write.caching" Boolean "false" any Medium PerResource Implemented
        "Whether an acknowledgement may precede the flush to stable storage; Kafka itself never waits for the flush."
        = ours;
    "write.flush.interval.ms" Long "10" min(0) Medium PerResource Implemented
        "Records that nobody waits for are flushed at the latest after this time."
        = ours;
}
