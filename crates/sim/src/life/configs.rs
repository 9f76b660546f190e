//! Configs of the simulated node: small limits, so that everything happens soon.

use super::Stage;
use crate::Load;
use crate::faults::Plan;
use crate::oracle::{DELIVERIES_MAX, IN_FLIGHT_MAX, LOCK};
use crate::planted::{GroupError, ShareError, StreamsError, TransactionError};
use ottla_config::BrokerConfig;
use std::collections::BTreeMap;

/// Under every load.
const CONFIGS: &[(&str, &str)] = &[
    ("node.id", "1"),
    ("listeners", "PLAINTEXT://node:9092"),
    ("log.dirs", "/data/a,/data/b"),
    ("log.initial.task.delay.ms", "200"),
    ("log.retention.check.interval.ms", "400"),
    ("log.segment.delete.delay.ms", "150"),
    ("metadata.log.max.record.bytes.between.snapshots", "3000"),
    ("offsets.topic.replication.factor", "1"),
];

/// Besides them under the load of groups: short sessions, and a cleaner that never rests.
const GROUP_CONFIGS: &[(&str, &str)] = &[
    ("group.min.session.timeout.ms", "500"),
    ("group.consumer.min.session.timeout.ms", "1000"),
    ("group.consumer.session.timeout.ms", "2000"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    ("group.consumer.heartbeat.interval.ms", "300"),
    ("group.consumer.assignment.interval.ms", "0"),
    ("offsets.topic.num.partitions", "2"),
    ("log.cleaner.backoff.ms", "100"),
    ("log.cleaner.min.cleanable.ratio", "0.01"),
    ("log.cleaner.delete.retention.ms", "700"),
    ("log.cleaner.dedupe.buffer.size", "2097152"),
];
/// Under the load of transactions: short ones, and a cleaner that never rests.
const TRANSACTION_CONFIGS: &[(&str, &str)] = &[
    ("offsets.topic.num.partitions", "2"),
    ("transaction.state.log.num.partitions", "2"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "300"),
    ("log.cleaner.backoff.ms", "100"),
    ("log.cleaner.min.cleanable.ratio", "0.01"),
    ("log.cleaner.delete.retention.ms", "700"),
    ("log.cleaner.dedupe.buffer.size", "2097152"),
];
/// Under the load of share groups: short locks and sessions, few deliveries, and snapshots of states that come soon.
const SHARE_CONFIGS: &[(&str, &str)] = &[
    ("offsets.topic.num.partitions", "2"),
    ("group.share.min.session.timeout.ms", "1000"),
    ("group.share.session.timeout.ms", "2000"),
    ("group.share.min.heartbeat.interval.ms", "100"),
    ("group.share.heartbeat.interval.ms", "300"),
    ("group.share.assignment.interval.ms", "0"),
    ("group.share.initialize.retry.interval.ms", "1000"),
    ("group.share.min.record.lock.duration.ms", "1000"),
    ("share.coordinator.state.topic.num.partitions", "2"),
    ("share.coordinator.snapshot.update.records.per.snapshot", "7"),
    ("share.coordinator.state.topic.prune.interval.ms", "500"),
    ("share.coordinator.cold.partition.snapshot.interval.ms", "3000"),
];
/// Under the load of streams groups: short sessions, and no waiting for members.
const STREAMS_CONFIGS: &[(&str, &str)] = &[
    ("offsets.topic.num.partitions", "2"),
    ("group.streams.min.session.timeout.ms", "1000"),
    ("group.streams.session.timeout.ms", "2000"),
    ("group.streams.min.heartbeat.interval.ms", "100"),
    ("group.streams.heartbeat.interval.ms", "300"),
    ("group.streams.assignment.interval.ms", "0"),
    ("group.streams.initial.rebalance.delay.ms", "0"),
    ("log.cleaner.backoff.ms", "100"),
    ("log.cleaner.min.cleanable.ratio", "0.01"),
    ("log.cleaner.delete.retention.ms", "700"),
    ("log.cleaner.dedupe.buffer.size", "2097152"),
];

impl Stage {
    /// The configs of the process that lives through this plan.
    pub(super) fn config(&self, plan: &Plan) -> BrokerConfig {
        let more = match self.load {
            Load::Logs => &[],
            Load::Groups => GROUP_CONFIGS,
            Load::Transactions => TRANSACTION_CONFIGS,
            Load::Shares => SHARE_CONFIGS,
            Load::Streams => STREAMS_CONFIGS,
        };
        let named = |(name, value): &(&str, &str)| ((*name).to_string(), (*value).to_string());
        let mut configs: BTreeMap<String, String> = CONFIGS.iter().chain(more).map(named).collect();
        let mut set = |name: &str, value: String| configs.insert(name.to_string(), value);
        if self.has(GroupError::SessionsNeverEnd) {
            set("group.consumer.session.timeout.ms", "3600000".to_string());
            set("group.consumer.max.session.timeout.ms", "3600000".to_string());
        }
        if self.load == Load::Shares {
            let deliveries_max = if self.has(ShareError::LimitIgnored) { 10 } else { DELIVERIES_MAX };
            set("group.share.record.lock.duration.ms", LOCK.as_millis().to_string());
            set("group.share.delivery.count.limit", deliveries_max.to_string());
            set("group.share.partition.max.record.locks", IN_FLIGHT_MAX.to_string());
        }
        if self.has(StreamsError::SessionsNeverEnd) {
            set("group.streams.session.timeout.ms", "3600000".to_string());
            set("group.streams.max.session.timeout.ms", "3600000".to_string());
        }
        // It would mend what it was interrupted in before anybody has looked.
        if self.hurries && plan.verify_first {
            set("log.cleaner.enable", "false".to_string());
        }
        if self.has(TransactionError::MarkerSkipped) {
            set("transaction.partition.verification.enable", "false".to_string());
        }
        BrokerConfig::parse(configs).expect("the configs of the simulated node are valid")
    }
}
