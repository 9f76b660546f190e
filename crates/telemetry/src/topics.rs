//! Topics, partitions and the cluster as they are when somebody looks; see the broker's `scrape` for how many series there are.

use crate::Counter;
use crate::table::metric_families;

/// What all topics of a node have moved together. Shown under the names of Kafka as the series without a label `topic`.
#[derive(Debug, Clone, Default)]
pub struct TopicTotals {
    /// Bytes of record batches from producers.
    pub bytes_in: Counter,
    /// Records from producers.
    pub messages_in: Counter,
    /// Bytes of record batches to consumers.
    pub bytes_out: Counter,
}

metric_families! {
    /// All topics without a label; each with the label `topic`.
    BYTES_IN Counter "kafka_server_brokertopicmetrics_bytesin"
        "Bytes of record batches from producers, of all topics and by topic.";
    /// All topics without a label; each with the label `topic`.
    MESSAGES_IN Counter "kafka_server_brokertopicmetrics_messagesin"
        "Records from producers, of all topics and by topic.";
    /// All topics without a label; each with the label `topic`.
    BYTES_OUT Counter "kafka_server_brokertopicmetrics_bytesout"
        "Bytes of record batches to consumers, of all topics and by topic.";
    /// Topics that are counted in the totals alone.
    TOPICS_NOT_SHOWN Gauge "ottla_topics_not_shown" "Topics without series of their own: there are too many.";
    /// Labels `topic`, `partition`.
    LOG_SIZE Gauge "kafka_log_log_size" "Bytes of all segments of a partition.";
    /// Labels `topic`, `partition`.
    LOG_SEGMENTS Gauge "kafka_log_log_numlogsegments" "Segments of a partition.";
    /// Labels `topic`, `partition`.
    LOG_START_OFFSET Gauge "kafka_log_log_logstartoffset" "The first offset of a partition.";
    /// Labels `topic`, `partition`.
    LOG_END_OFFSET Gauge "kafka_log_log_logendoffset" "The offset of the next record of a partition.";
    /// Partitions that are counted in the totals alone.
    PARTITIONS_NOT_SHOWN Gauge "ottla_partitions_not_shown" "Partitions without series of their own: there are too many.";
    /// Of those that are led here.
    UNDER_REPLICATED Gauge "kafka_server_replicamanager_underreplicatedpartitions"
        "Partitions led here with fewer replicas in sync than replicas.";
    /// 1 or 0.
    ACTIVE_CONTROLLERS Gauge "kafka_controller_kafkacontroller_activecontrollercount"
        "1 where the active controller is, else 0.";
    /// Of the cluster.
    OFFLINE_PARTITIONS Gauge "kafka_controller_kafkacontroller_offlinepartitionscount"
        "Partitions of the cluster without a leader.";
    /// Of the cluster.
    GLOBAL_TOPICS Gauge "kafka_controller_kafkacontroller_globaltopiccount" "Topics of the cluster.";
    /// Of the cluster.
    GLOBAL_PARTITIONS Gauge "kafka_controller_kafkacontroller_globalpartitioncount" "Partitions of the cluster.";
    /// Of the cluster.
    ACTIVE_BROKERS Gauge "kafka_controller_kafkacontroller_activebrokercount" "Brokers that are not fenced.";
    /// Of the cluster.
    FENCED_BROKERS Gauge "kafka_controller_kafkacontroller_fencedbrokercount" "Brokers that are fenced.";
    /// Label `state`.
    TRANSACTIONS Gauge "ottla_transactions" "Transactional ids coordinated here, by state of their transaction.";
    /// Of those that are coordinated here.
    OLDEST_TRANSACTION Gauge "ottla_transaction_oldest_open_seconds"
        "How long the oldest open transaction has been open; 0 without one.";
}
