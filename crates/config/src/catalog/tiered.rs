//! Tiered storage (KIP-405).

use super::keys;

keys! { pub(super) KEYS
    "log.local.retention.bytes" Long "-2" min(-2) Medium ClusterWide Accepted
        "Bytes of a tiered partition that stay on local disk; -2 means as log.retention.bytes.";
    "log.local.retention.ms" Long "-2" min(-2) Medium ClusterWide Accepted
        "How long segments of a tiered partition stay on local disk; -2 means as log.retention.ms.";
    "remote.fetch.max.wait.ms" Int "500" min(1) Medium ClusterWide Accepted
        "How long a fetch waits for remote storage.";
    "remote.list.offsets.request.timeout.ms" Long "30000" min(1) Medium ClusterWide Accepted
        "How long ListOffsets waits for remote storage.";
    "remote.log.index.file.cache.total.size.bytes" Long "1073741824" min(1) Low ClusterWide Accepted
        "Disk space for indexes fetched from remote storage.";
    "remote.log.index.file.cache.ttl.ms" Long "900000" min(-1) Internal ReadOnly Accepted
        "How long an unused index from remote storage is kept.";
    "remote.log.manager.copier.thread.pool.size" Int "10" min(1) Medium ClusterWide Accepted
        "Threads that copy segments to remote storage.";
    "remote.log.manager.copy.max.bytes.per.second" Long "9223372036854775807" min(1) Medium ClusterWide Accepted
        "Most bytes per second copied to remote storage.";
    "remote.log.manager.copy.quota.window.num" Int "11" min(1) Medium ReadOnly Accepted
        "How many windows are kept to measure that copying.";
    "remote.log.manager.copy.quota.window.size.seconds" Int "1" min(1) Medium ReadOnly Accepted
        "Length of one such window.";
    "remote.log.manager.expiration.thread.pool.size" Int "10" min(1) Medium ClusterWide Accepted
        "Threads that delete expired remote segments.";
    "remote.log.manager.fetch.max.bytes.per.second" Long "9223372036854775807" min(1) Medium ClusterWide Accepted
        "Most bytes per second read from remote storage.";
    "remote.log.manager.fetch.quota.window.num" Int "11" min(1) Medium ReadOnly Accepted
        "How many windows are kept to measure that reading.";
    "remote.log.manager.fetch.quota.window.size.seconds" Int "1" min(1) Medium ReadOnly Accepted
        "Length of one such window.";
    "remote.log.manager.follower.thread.pool.size" Int "2" min(1) Medium ClusterWide Accepted
        "Threads for the followers' work with remote storage.";
    "remote.log.manager.task.interval.ms" Long "30000" min(1) Low ReadOnly Accepted
        "How often the remote storage tasks run.";
    "remote.log.manager.task.retry.backoff.max.ms" Long "30000" min(1) Internal ReadOnly Accepted
        "Longest pause before a failed remote storage task runs again.";
    "remote.log.manager.task.retry.backoff.ms" Long "500" min(1) Internal ReadOnly Accepted
        "First pause before a failed remote storage task runs again.";
    "remote.log.manager.task.retry.jitter" Double "0.2" ratio(0.5) Internal ReadOnly Accepted
        "Random part of that pause.";
    "remote.log.manager.thread.pool.size" Int "2" min(1) Medium ReadOnly Accepted
        "Threads that plan the work with remote storage.";
    "remote.log.metadata.custom.metadata.max.bytes" Int "128" min(0) Low ReadOnly Accepted
        "Most bytes of custom metadata of a remote segment.";
    "remote.log.metadata.manager.class.name" String "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"
        non_empty Medium ReadOnly Accepted
        "Java class that keeps the metadata of remote segments.";
    "remote.log.metadata.manager.class.path" String null any Medium ReadOnly Accepted
        "Class path of that class.";
    "remote.log.metadata.manager.impl.prefix" String "rlmm.config." non_empty Medium ReadOnly Accepted
        "Prefix of the configs that are handed to that class.";
    "remote.log.metadata.manager.listener.name" String null non_empty Medium ReadOnly Accepted
        "Listener over which that class reaches the brokers.";
    "remote.log.reader.max.pending.tasks" Int "100" min(1) Medium ReadOnly Accepted
        "Most reads of remote storage that wait.";
    "remote.log.reader.threads" Int "10" min(1) Medium ClusterWide Accepted
        "Threads that read from remote storage.";
    "remote.log.storage.manager.class.name" String null non_empty Medium ReadOnly Accepted
        "Java class that stores segments remotely.";
    "remote.log.storage.manager.class.path" String null any Medium ReadOnly Accepted
        "Class path of that class.";
    "remote.log.storage.manager.impl.prefix" String "rsm.config." non_empty Medium ReadOnly Accepted
        "Prefix of the configs that are handed to that class.";
    "remote.log.storage.system.enable" Boolean "false" any Medium ReadOnly Accepted
        "Whether tiered storage is available in this cluster.";
}
