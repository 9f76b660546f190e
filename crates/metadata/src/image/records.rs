//! The way back from an image to records: snapshots, and the making of single records.

pub(crate) use super::quotas::client_quota_record;

use super::broker::{BrokerEndpoint, BrokerRegistration, ControllerRegistration, FeatureRange};
use super::replay::NO_LEADER;
use super::topic::{Partition, Topic};
use super::{ConfigResource, MetadataImage};
use ottla_protocol::{
    ConfigRecord, FeatureLevelRecord, MetadataRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RegisterControllerRecord, TopicRecord, register_broker_record, register_controller_record,
};
use ottla_types::{NodeId, Uuid};

/// Resource type of the record that holds the cluster id. Kafka keeps that id outside of its metadata log and has no
/// record for it; this is a config record with a type that Kafka does not use.
pub(super) const CLUSTER_RESOURCE: i8 = 64;
/// Name of the cluster id in that record.
pub(super) const CLUSTER_ID: &str = "cluster.id";

impl MetadataImage {
    /// Records that replay to exactly this image: a snapshot.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        for (name, level) in self.features() {
            records.push(feature_level_record(name, level));
        }
        if let Some(id) = self.cluster_id {
            records.push(cluster_id_record(id));
        }
        records.extend(self.brokers.values().map(|broker| register_broker_record(broker)));
        records.extend(self.controllers.values().map(|controller| register_controller_record(controller)));
        for topic in self.topics.values() {
            records.push(topic_record(topic));
            for (index, partition) in (0..).zip(&topic.partitions) {
                records.push(partition_record(topic.id, index, partition));
            }
        }
        for (resource, configs) in &self.configs {
            for (name, value) in configs.iter() {
                records.push(config_record(resource, name, Some(value)));
            }
        }
        for (entity, limits) in self.client_quotas() {
            records.extend(limits.iter().map(|(key, value)| client_quota_record(entity, *key, Some(*value))));
        }
        if self.next_producer_id > 0 {
            let record = ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id: self.next_producer_id };
            records.push(MetadataRecord::ProducerIds(record));
        }
        records
    }
}

/// The first record of every cluster.
pub(crate) fn cluster_id_record(id: Uuid) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: CLUSTER_RESOURCE,
        resource_name: String::new(),
        name: CLUSTER_ID.to_string(),
        value: Some(id.to_string()),
    })
}

pub(crate) fn feature_level_record(name: &str, level: i16) -> MetadataRecord {
    MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.to_string(), feature_level: level })
}

pub(crate) fn config_record(resource: &ConfigResource, name: &str, value: Option<&str>) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: resource.resource_type.code(),
        resource_name: resource.name.clone(),
        name: name.to_string(),
        value: value.map(str::to_string),
    })
}

pub(crate) fn topic_record(topic: &Topic) -> MetadataRecord {
    MetadataRecord::Topic(TopicRecord { name: topic.name.to_string(), topic_id: topic.id })
}

pub(crate) fn partition_record(topic_id: Uuid, index: i32, partition: &Partition) -> MetadataRecord {
    let unless_empty = |nodes: &[NodeId]| (!nodes.is_empty()).then(|| ids(nodes));
    MetadataRecord::Partition(PartitionRecord {
        partition_id: index,
        topic_id,
        replicas: ids(&partition.replicas),
        isr: ids(&partition.isr),
        removing_replicas: ids(&partition.removing_replicas),
        adding_replicas: ids(&partition.adding_replicas),
        leader: partition.leader.map_or(NO_LEADER, |leader| leader.0),
        leader_recovery_state: partition.leader_recovery_state as i8,
        leader_epoch: partition.leader_epoch.0,
        partition_epoch: partition.partition_epoch,
        directories: partition.directories.clone(),
        eligible_leader_replicas: unless_empty(&partition.eligible_leader_replicas),
        last_known_elr: unless_empty(&partition.last_known_elr),
    })
}

pub(crate) fn register_broker_record(broker: &BrokerRegistration) -> MetadataRecord {
    let endpoint = |e: &BrokerEndpoint| register_broker_record::BrokerEndpoint {
        name: e.name.clone(),
        host: e.host.clone(),
        port: e.port,
        security_protocol: e.security_protocol,
    };
    let feature = |f: &FeatureRange| register_broker_record::BrokerFeature {
        name: f.name.clone(),
        min_supported_version: f.min,
        max_supported_version: f.max,
    };
    let cordoned = &broker.cordoned_directories;
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: broker.id.0,
        is_migrating_zk_broker: false,
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.epoch,
        end_points: broker.endpoints.iter().map(endpoint).collect(),
        features: broker.features.iter().map(feature).collect(),
        rack: broker.rack.clone(),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        log_dirs: broker.directories.clone(),
        cordoned_log_dirs: (!cordoned.is_empty()).then(|| cordoned.clone()),
    })
}

pub(crate) fn register_controller_record(controller: &ControllerRegistration) -> MetadataRecord {
    let endpoint = |e: &BrokerEndpoint| register_controller_record::ControllerEndpoint {
        name: e.name.clone(),
        host: e.host.clone(),
        port: e.port,
        security_protocol: e.security_protocol,
    };
    let feature = |f: &FeatureRange| register_controller_record::ControllerFeature {
        name: f.name.clone(),
        min_supported_version: f.min,
        max_supported_version: f.max,
    };
    MetadataRecord::RegisterController(RegisterControllerRecord {
        controller_id: controller.id.0,
        incarnation_id: controller.incarnation_id,
        zk_migration_ready: false,
        end_points: controller.endpoints.iter().map(endpoint).collect(),
        features: controller.features.iter().map(feature).collect(),
    })
}

pub(crate) fn ids(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}
