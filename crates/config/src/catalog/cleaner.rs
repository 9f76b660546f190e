//! The log cleaner (compaction); broker-level forms of the compaction configs.

use super::keys;

keys! { pub(super) KEYS
    "log.cleaner.backoff.ms" Long "15000" min(0) Medium ClusterWide Implemented
        "How long the cleaner sleeps when there is nothing to compact.";
    "log.cleaner.dedupe.buffer.size" Long "134217728" any Medium ClusterWide Implemented
        "Memory for the cleaner's table of keys, over all threads.";
    "log.cleaner.delete.retention.ms" Long "86400000" min(0) Medium ClusterWide Implemented
        "How long delete markers of compacted topics are kept.";
    "log.cleaner.enable" Boolean "true" any Medium ReadOnly Implemented
        "Whether the cleaner runs.";
    "log.cleaner.io.buffer.load.factor" Double "0.9" any Medium ClusterWide Implemented
        "How full the cleaner's table of keys may get.";
    "log.cleaner.io.buffer.size" Int "524288" min(0) Medium ClusterWide Implemented
        "Memory for the cleaner's reads and writes, over all threads.";
    "log.cleaner.io.max.bytes.per.second" Double "1.7976931348623157E308" any Medium ClusterWide Implemented
        "Most bytes per second that the cleaner reads and writes.";
    "log.cleaner.max.compaction.lag.ms" Long "9223372036854775807" min(1) Medium ClusterWide Implemented
        "Longest time for which a record stays out of reach of compaction.";
    "log.cleaner.min.cleanable.ratio" Double "0.5" ratio(1.0) Medium ClusterWide Implemented
        "Share of uncompacted data from which a log is compacted.";
    "log.cleaner.min.compaction.lag.ms" Long "0" min(0) Medium ClusterWide Implemented
        "Shortest time for which a record is left alone by compaction.";
    "log.cleaner.threads" Int "1" min(0) Medium ClusterWide Implemented
        "How many logs are compacted at the same time. Each cleaner gives way while the node is busy, down to a quarter of a core.";
}
