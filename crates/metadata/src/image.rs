//! The cluster's metadata at one moment.

mod broker;
mod changes;
mod config;
mod quotas;
pub(crate) mod records;
mod replay;
mod topic;

pub use broker::{BrokerEndpoint, BrokerRegistration, ControllerRegistration, FeatureRange};
pub use changes::TopicChange;
pub use config::{ConfigResource, ResourceType};
pub use replay::ReplayError;
pub use topic::{LeaderRecoveryState, Partition, Topic};

use imbl::{OrdMap, OrdSet};
use ottla_config::{BrokerConfig, Cluster, ConfigMap, Layers, NO_CONFIGS, TopicConfig};
use ottla_security::quotas::{QuotaEntity, QuotaKey};
use ottla_types::{NodeId, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The cluster's metadata at one moment. Cloning it copies a few pointers; what a change leaves alone is shared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetadataImage {
    cluster_id: Option<Uuid>,
    brokers: OrdMap<NodeId, Arc<BrokerRegistration>>,
    controllers: OrdMap<NodeId, Arc<ControllerRegistration>>,
    topics: OrdMap<Uuid, Arc<Topic>>,
    topic_ids: OrdMap<Arc<str>, Uuid>,
    /// Collision key and name of every topic whose name has `.` or `_`.
    collisions: OrdSet<(String, Arc<str>)>,
    configs: OrdMap<ConfigResource, Arc<ConfigMap>>,
    features: OrdMap<String, i16>,
    client_quotas: OrdMap<QuotaEntity, Arc<BTreeMap<QuotaKey, f64>>>,
    next_producer_id: i64,
    /// Partitions of all topics.
    partition_count: usize,
    /// Records that were applied since the cluster was formed.
    record_count: i64,
}

impl MetadataImage {
    /// The metadata of a cluster in which nothing was ever committed.
    pub fn empty() -> MetadataImage {
        MetadataImage::default()
    }

    /// The cluster's id; `None` before its first record is committed.
    pub fn cluster_id(&self) -> Option<Uuid> {
        self.cluster_id
    }

    /// All registered brokers, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.brokers.values()
    }

    /// How many brokers are registered.
    pub fn broker_count(&self) -> usize {
        self.brokers.len()
    }

    /// A registered broker.
    pub fn broker(&self, id: NodeId) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// Whether the broker is registered, not fenced and not shutting down.
    pub fn is_active(&self, id: NodeId) -> bool {
        self.broker(id).is_some_and(|broker| broker.is_active())
    }

    /// All registered controllers, by id.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<ControllerRegistration>> {
        self.controllers.values()
    }

    /// A registered controller.
    pub fn controller(&self, id: NodeId) -> Option<&Arc<ControllerRegistration>> {
        self.controllers.get(&id)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topic_ids.values().filter_map(|id| self.topics.get(id))
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// How many partitions all topics have together.
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topic_ids.get(name).and_then(|id| self.topics.get(id))
    }

    /// The topic of that id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.get(&id)
    }

    /// The id of the topic of that name.
    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.topic_ids.get(name).copied()
    }

    /// All topics whose name is `from` or comes after it, by name.
    pub fn topics_from<'a>(&'a self, from: &str) -> impl Iterator<Item = &'a Arc<Topic>> + use<'a> {
        let from: Arc<str> = Arc::from(from);
        self.topic_ids.range(from..).filter_map(|(_, id)| self.topics.get(id))
    }

    /// One partition.
    pub fn partition(&self, name: &str, partition: i32) -> Option<&Partition> {
        self.topic(name)?.partition(partition)
    }

    /// A topic whose name differs from `name` only in `.` and `_`.
    pub fn colliding_topic(&self, name: &str) -> Option<&str> {
        let key = crate::topic_name::collision_key(name)?;
        let from = (key.clone(), Arc::from(""));
        self.collisions.range(from..).next().filter(|(other, _)| *other == key).map(|(_, name)| name.as_ref())
    }

    /// What was set for a resource; empty if nothing was.
    pub fn configs(&self, resource: &ConfigResource) -> &ConfigMap {
        match self.configs.get(resource) {
            Some(configs) => configs,
            None => &NO_CONFIGS,
        }
    }

    /// All resources of a type for which something was set.
    pub fn resources_with_configs(&self, resource_type: ResourceType) -> impl Iterator<Item = &ConfigResource> {
        self.configs.keys().filter(move |resource| resource.resource_type == resource_type)
    }

    /// The offset of the last record that the image holds, counted in records since the cluster was formed; -1 before the
    /// first one. It rises with every change, and so it is the epoch of the finalized features, as in Kafka.
    pub fn highest_offset(&self) -> i64 {
        self.record_count - 1
    }

    /// Tells how many records were applied since the cluster was formed: an image does not know it when it comes from a snapshot.
    pub fn set_record_count(&mut self, record_count: i64) {
        self.record_count = record_count;
    }

    /// Finalized level of a feature; 0 when it is off.
    pub fn feature_level(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// All finalized features with a level above 0.
    pub fn features(&self) -> impl Iterator<Item = (&str, i16)> {
        self.features.iter().map(|(name, level)| (name.as_str(), *level))
    }

    /// The first producer id that no block holds yet.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// What derived config defaults of a topic with that many replicas are computed from.
    pub fn cluster(&self, replication_factor: usize) -> Cluster {
        Cluster { brokers: self.broker_count(), replication_factor }
    }

    /// A node's configs with everything that was changed at runtime.
    pub fn broker_config(&self, config: &BrokerConfig) -> BrokerConfig {
        config.with_dynamic(
            self.configs(&ConfigResource::DEFAULT_BROKER),
            self.configs(&ConfigResource::broker(config.node_id)),
        )
    }

    /// The layers of configs for a topic with these overrides, as the node with `config` sees them.
    pub fn layers<'a>(&'a self, config: &'a BrokerConfig, overrides: &'a ConfigMap, cluster: Cluster) -> Layers<'a> {
        Layers {
            topic: overrides,
            broker: self.configs(&ConfigResource::broker(config.node_id)),
            default_broker: self.configs(&ConfigResource::DEFAULT_BROKER),
            fixed: config.fixed(),
            cluster,
        }
    }

    /// The configs of a topic, as the node with `config` sees them.
    pub fn topic_config(&self, topic: &Topic, config: &BrokerConfig) -> TopicConfig {
        let overrides = self.configs(&ConfigResource::topic(&topic.name));
        TopicConfig::resolve(&self.layers(config, overrides, self.cluster(topic.replication_factor())))
    }
}

#[cfg(test)]
#[path = "image/tests.rs"]
mod tests;
