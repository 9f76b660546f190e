//! A node with short timeouts, and consumers that are polled until something is so.

use ottla_client::{
    Client, ClientOptions, Consumer, ConsumerOptions, ConsumerRecord, GroupProtocol, Isolation, OffsetReset, Producer,
    ProducerOptions, ProducerRecord,
};
use ottla_node::EmbeddedNode;
use ottla_protocol::UpdateFeaturesRequest;
use ottla_protocol::update_features_request::FeatureUpdateKey;
use ottla_runtime::Runtime;
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a condition may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// One poll of one of several consumers.
const TURN: Duration = Duration::from_millis(20);
/// How soon a member that is gone is missed.
pub(crate) const SESSION: Duration = Duration::from_millis(1500);

/// Kafka's configs for members that are missed soon.
const CONFIGS: &[(&str, &str)] = &[
    ("num.partitions", "4"),
    ("transaction.state.log.num.partitions", "2"),
    ("group.min.session.timeout.ms", "100"),
    ("group.consumer.min.session.timeout.ms", "100"),
    ("group.consumer.session.timeout.ms", "1500"),
    ("group.consumer.min.heartbeat.interval.ms", "50"),
    ("group.consumer.heartbeat.interval.ms", "100"),
    ("group.consumer.regex.refresh.interval.ms", "10000"),
];

pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) node: EmbeddedNode,
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        let builder =
            CONFIGS.iter().fold(EmbeddedNode::builder(), |builder, (name, value)| builder.config(*name, value));
        let node = builder.start().await.unwrap();
        let client = Client::new(&Runtime::in_memory(), node.bootstrap_servers(), ClientOptions::default()).unwrap();
        Stage { client, node }
    }

    /// A node whose clients use this transaction version.
    pub(crate) async fn with_transaction_version(level: i16) -> Stage {
        /// Kafka's `UpgradeType.SAFE_DOWNGRADE`.
        const SAFE_DOWNGRADE: i8 = 2;
        let stage = Stage::new().await;
        if level < 2 {
            let feature = "transaction.version".to_string();
            let update = FeatureUpdateKey {
                feature,
                max_version_level: level,
                upgrade_type: SAFE_DOWNGRADE,
                ..Default::default()
            };
            let request = UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() };
            let response = stage.client.controller().await.unwrap().send(&request).await.unwrap();
            assert_eq!(response.error_code, 0, "{:?}", response.error_message);
        }
        let found =
            Client::new(stage.client.runtime(), stage.node.bootstrap_servers(), ClientOptions::default()).unwrap();
        let features = found.any_broker().await.unwrap().versions().finalized_features.clone();
        assert_eq!(features.get("transaction.version").copied().unwrap_or(0), level, "{features:?}");
        Stage { client: found, node: stage.node }
    }

    pub(crate) fn transactional(&self, id: &str) -> Producer {
        let options = ProducerOptions { transactional_id: Some(id.to_string()), ..ProducerOptions::default() };
        Producer::new(&self.client, options).unwrap()
    }

    pub(crate) async fn send(&self, topic: &str, values: &[&str]) {
        let producer = Producer::new(&self.client, ProducerOptions::default()).unwrap();
        for value in values {
            producer.send_and_wait(ProducerRecord::new(topic, value.to_string()).partition(0)).await.unwrap();
        }
    }

    pub(crate) fn consumer(&self, options: ConsumerOptions) -> Consumer {
        Consumer::new(&self.client, options).unwrap()
    }

    /// What a reader of partition 0 sees, up to what is stable now.
    pub(crate) async fn read(&self, topic: &str, isolation: Isolation) -> Vec<String> {
        let options = ConsumerOptions { isolation, offset_reset: OffsetReset::Earliest, ..ConsumerOptions::default() };
        let mut consumer = self.consumer(options);
        let partition = TopicPartition::new(topic, 0);
        consumer.assign([partition.clone()]).unwrap();
        let end = consumer.end_offsets(std::slice::from_ref(&partition)).await.unwrap()[&partition];
        let mut values = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while consumer.position(&partition).await.unwrap() < end {
            assert!(Instant::now() < deadline, "{values:?}");
            values.extend(consumer.poll(TURN).await.unwrap().into_iter().map(|record| text(&record)));
        }
        values
    }
}

pub(crate) fn text(record: &ConsumerRecord) -> String {
    String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap()
}

/// A member of `group` that is missed after [`SESSION`].
pub(crate) fn member(group: &str, protocol: GroupProtocol) -> ConsumerOptions {
    ConsumerOptions {
        protocol,
        offset_reset: OffsetReset::Earliest,
        session_timeout: SESSION,
        heartbeat_interval: Duration::from_millis(100),
        metadata_age_max: Duration::from_millis(200),
        auto_commit: false,
        ..ConsumerOptions::group(group)
    }
}

/// Polls all of them in turn until `is_so`; what they read meanwhile is returned.
pub(crate) async fn poll_until(consumers: &mut [Consumer], is_so: impl Fn(&[Consumer]) -> bool) -> Vec<ConsumerRecord> {
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while !is_so(consumers) {
        for consumer in consumers.iter_mut() {
            records.extend(consumer.poll(TURN).await.unwrap());
        }
        let have: Vec<_> = consumers.iter().map(Consumer::assignment).collect();
        assert!(Instant::now() < deadline, "members have {have:?}");
    }
    records
}

/// Whether the consumers have these partitions of `topic` among them, each one once, and everybody has some.
pub(crate) fn is_shared(consumers: &[Consumer], topic: &str, partitions: i32) -> bool {
    let mut seen = BTreeSet::new();
    let no_one_twice = consumers.iter().flat_map(Consumer::assignment).all(|partition| seen.insert(partition));
    let all: BTreeSet<TopicPartition> = (0..partitions).map(|index| TopicPartition::new(topic, index)).collect();
    no_one_twice && seen == all && consumers.iter().all(|consumer| !consumer.assignment().is_empty())
}
