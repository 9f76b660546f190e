//! Transactions.

use super::keys;

keys! { pub(super) KEYS
    "add.partitions.to.txn.retry.backoff.max.ms" Int "100" min(0) High ReadOnly Implemented
        "How long the broker itself retries adding a partition to a transaction.";
    "add.partitions.to.txn.retry.backoff.ms" Int "20" min(1) High ReadOnly Implemented
        "Longest pause between those retries: they begin with 1 ms and double.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int "10000" min(1) Low ReadOnly Implemented
        "How often transactions that ran out of time are aborted.";
    "transaction.max.timeout.ms" Int "900000" min(1) High ReadOnly Implemented
        "Longest transaction timeout that a producer may ask for.";
    "transaction.partition.verification.enable" Boolean "true" any Low ClusterWide Implemented
        "Whether a partition checks with the coordinator that a transaction is open before it takes its records.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" Int "3600000" min(1) Low ReadOnly Implemented
        "How often expired transactional ids are removed.";
    "transaction.state.log.load.buffer.size" Int "5242880" min(1) High ReadOnly Implemented
        "Bytes read at a time when transaction state is loaded.";
    "transaction.state.log.min.isr" Int derived("2 with a replication factor of 3 or more, else 1")
        min(1) High ReadOnly Implemented
        "min.insync.replicas of the transaction state topic."
        kafka "2" because "with one broker nothing could be written";
    "transaction.state.log.num.partitions" Int "50" min(1) High ReadOnly Implemented
        "Partitions of the transaction state topic.";
    "transaction.state.log.replication.factor" Short derived("min(3, brokers)") min(1) High ReadOnly Implemented
        "Replicas of the transaction state topic."
        kafka "3" because "with fewer than three brokers the topic could not be created; grows when brokers join";
    "transaction.state.log.segment.bytes" Int "104857600" min(1) High ReadOnly Implemented
        "Segment size of the transaction state topic.";
    "transaction.two.phase.commit.enable" Boolean "false" any Low ReadOnly Accepted
        "Whether transactions may stay prepared for an outside coordinator (KIP-939).";
    "transactional.id.expiration.ms" Int "604800000" min(1) High ReadOnly Implemented
        "A transactional id that is unused for this long is forgotten.";
}
