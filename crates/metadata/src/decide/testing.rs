//! A small cluster for the tests of decisions: decides, and replays what was decided.

use super::{bootstrap, create_topics, register_broker};
use crate::{DecideContext, Decision, MetadataImage, features};
use ottla_config::BrokerConfig;
use ottla_protocol::broker_registration_request::{Feature, Listener};
use ottla_protocol::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_protocol::{BrokerRegistrationRequest, CreateTopicsRequest};
use ottla_types::Uuid;

pub(super) struct Cluster {
    pub(super) image: MetadataImage,
    pub(super) config: BrokerConfig,
    /// Decisions so far.
    pub(super) turn: u64,
}

impl Cluster {
    /// No record was ever committed.
    pub(super) fn unformed() -> Cluster {
        Cluster { image: MetadataImage::empty(), config: BrokerConfig::parse(Default::default()).unwrap(), turn: 0 }
    }

    /// Brokers 1 to `count`.
    pub(super) fn with_brokers(count: i32) -> Cluster {
        let mut cluster = Cluster::unformed();
        cluster.run(|image, context| bootstrap(image, None, context));
        (1..=count).for_each(|id| cluster.register(id));
        cluster
    }

    /// The same with other configs of the controller.
    pub(super) fn configured(mut self, configs: &[(&str, &str)]) -> Cluster {
        let fixed = configs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        self.config = BrokerConfig::parse(fixed).unwrap();
        self
    }

    pub(super) fn decide<R>(
        &mut self,
        decide: impl FnOnce(&MetadataImage, &DecideContext<'_>) -> Decision<R>,
    ) -> Decision<R> {
        self.turn += 1;
        let (random, metadata_index) = (self.turn, self.turn as i64);
        let quorum = crate::QuorumView::default();
        let context = DecideContext { config: &self.config, random, metadata_index, quorum };
        decide(&self.image, &context)
    }

    /// Decides and commits.
    pub(super) fn run<R>(&mut self, decide: impl FnOnce(&MetadataImage, &DecideContext<'_>) -> Decision<R>) -> R {
        let decision = self.decide(decide);
        for record in decision.records() {
            self.image.apply(record).unwrap();
        }
        decision.response
    }

    /// A registration as broker `id` sends it at a new start.
    pub(super) fn registration(&mut self, id: i32) -> BrokerRegistrationRequest {
        self.turn += 1;
        let mut incarnation = [7; 16];
        incarnation[8..].copy_from_slice(&self.turn.to_be_bytes());
        BrokerRegistrationRequest {
            broker_id: id,
            cluster_id: self.image.cluster_id().unwrap().to_string(),
            incarnation_id: Uuid(incarnation),
            listeners: vec![Listener {
                name: "PLAINTEXT".to_string(),
                host: format!("host-{id}"),
                port: 9092,
                security_protocol: 0,
            }],
            features: features::SUPPORTED
                .iter()
                .map(|&(name, min, max)| Feature {
                    name: name.to_string(),
                    min_supported_version: min,
                    max_supported_version: max,
                })
                .collect(),
            log_dirs: vec![Uuid([id as u8; 16])],
            ..Default::default()
        }
    }

    /// Broker `id` starts.
    pub(super) fn register(&mut self, id: i32) {
        let request = self.registration(id);
        let outcome = self.run(|image, context| register_broker(image, &request, false, context));
        assert_eq!(outcome.response.error_code, 0, "{:?}", outcome.error_message);
    }

    /// Creates a topic with the default replication factor.
    pub(super) fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: name.to_string(),
            value: Some(value.to_string()),
        };
        let topic = CreatableTopic {
            name: name.to_string(),
            num_partitions: partitions,
            replication_factor: -1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let response = self.run(|image, context| create_topics(image, &request, context));
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    }
}
