//! Replaying records of the metadata log.
//!
//! A record that does not fit the image is an error and changes nothing: records are made on the image that they are
//! replayed on, so a misfit means a damaged log or a bug, and the node must not go on with it.

use super::broker::{BrokerEndpoint, BrokerRegistration, ControllerRegistration, FeatureRange};
use super::config::{ConfigResource, ResourceType};
use super::topic::{LeaderRecoveryState, Partition, Topic};
use super::{MetadataImage, records};
use ottla_protocol::{
    BrokerRegistrationChangeRecord, ConfigRecord, FeatureLevelRecord, MetadataRecord, PartitionChangeRecord,
    PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord, RegisterControllerRecord, RemoveTopicRecord, TopicRecord,
    UnregisterBrokerRecord,
};
use ottla_types::{LeaderEpoch, NodeId, Uuid};
use std::sync::Arc;

/// Leader in records that make a partition leaderless.
pub(super) const NO_LEADER: i32 = -1;
/// Leader in change records that leave it alone.
const NO_LEADER_CHANGE: i32 = -2;

/// Why a record cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// This program does nothing with records of this kind yet.
    #[error("metadata records of type {0} are not supported by this program")]
    Unsupported(&'static str),
    /// The record does not fit what was replayed before it.
    #[error("a {record} does not fit the metadata before it: {reason}")]
    Misfit {
        /// Kafka's name of the record.
        record: &'static str,
        /// What does not fit.
        reason: String,
    },
}

impl MetadataImage {
    /// Replays one record.
    ///
    /// # Errors
    /// When the record does not fit; the image is then unchanged.
    pub fn apply(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        let outcome = match record {
            MetadataRecord::RegisterBroker(record) => self.register_broker(record),
            MetadataRecord::UnregisterBroker(record) => self.unregister_broker(record),
            MetadataRecord::BrokerRegistrationChange(record) => self.change_broker(record),
            MetadataRecord::FenceBroker(record) => self.fence(record.id, record.epoch, true),
            MetadataRecord::UnfenceBroker(record) => self.fence(record.id, record.epoch, false),
            MetadataRecord::RegisterController(record) => self.register_controller(record),
            MetadataRecord::Topic(record) => self.add_topic(record),
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record),
            MetadataRecord::Partition(record) => self.add_partition(record),
            MetadataRecord::PartitionChange(record) => self.change_partition(record),
            MetadataRecord::Config(record) => self.set_config(record),
            MetadataRecord::FeatureLevel(record) => self.set_feature(record),
            MetadataRecord::ProducerIds(record) => self.advance_producer_ids(record),
            MetadataRecord::ClientQuota(record) => self.set_client_quota(record),
            MetadataRecord::NoOp(_) => Ok(()),
            other => return Err(ReplayError::Unsupported(other.name())),
        };
        outcome.map_err(|reason| ReplayError::Misfit { record: record.name(), reason })
    }

    fn register_broker(&mut self, record: &RegisterBrokerRecord) -> Result<(), String> {
        let endpoint = |e: &ottla_protocol::register_broker_record::BrokerEndpoint| BrokerEndpoint {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol,
        };
        let feature = |f: &ottla_protocol::register_broker_record::BrokerFeature| FeatureRange {
            name: f.name.clone(),
            min: f.min_supported_version,
            max: f.max_supported_version,
        };
        let broker = BrokerRegistration {
            id: NodeId(record.broker_id),
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories: record.log_dirs.clone(),
            cordoned_directories: record.cordoned_log_dirs.clone().unwrap_or_default(),
        };
        self.brokers.insert(broker.id, Arc::new(broker));
        Ok(())
    }

    fn unregister_broker(&mut self, record: &UnregisterBrokerRecord) -> Result<(), String> {
        self.registered(record.broker_id, record.broker_epoch)?;
        self.brokers.remove(&NodeId(record.broker_id));
        Ok(())
    }

    fn change_broker(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), String> {
        let mut broker = self.registered(record.broker_id, record.broker_epoch)?.as_ref().clone();
        broker.fenced = match record.fenced {
            0 => broker.fenced,
            1 => true,
            -1 => false,
            code => return Err(format!("{code} is no change of fencing")),
        };
        broker.in_controlled_shutdown = match record.in_controlled_shutdown {
            0 => broker.in_controlled_shutdown,
            1 => true,
            code => return Err(format!("{code} is no change of controlled shutdown")),
        };
        if !record.log_dirs.is_empty() {
            broker.directories = record.log_dirs.clone();
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            broker.cordoned_directories = cordoned.clone();
        }
        self.brokers.insert(broker.id, Arc::new(broker));
        Ok(())
    }

    fn fence(&mut self, id: i32, epoch: i64, fenced: bool) -> Result<(), String> {
        let mut broker = self.registered(id, epoch)?.as_ref().clone();
        broker.fenced = fenced;
        self.brokers.insert(broker.id, Arc::new(broker));
        Ok(())
    }

    fn registered(&self, id: i32, epoch: i64) -> Result<&Arc<BrokerRegistration>, String> {
        match self.brokers.get(&NodeId(id)) {
            Some(broker) if broker.epoch == epoch => Ok(broker),
            Some(broker) => Err(format!("broker {id} is registered with epoch {}, not {epoch}", broker.epoch)),
            None => Err(format!("broker {id} is not registered")),
        }
    }

    fn register_controller(&mut self, record: &RegisterControllerRecord) -> Result<(), String> {
        let endpoint = |e: &ottla_protocol::register_controller_record::ControllerEndpoint| BrokerEndpoint {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol,
        };
        let feature = |f: &ottla_protocol::register_controller_record::ControllerFeature| FeatureRange {
            name: f.name.clone(),
            min: f.min_supported_version,
            max: f.max_supported_version,
        };
        let controller = ControllerRegistration {
            id: NodeId(record.controller_id),
            incarnation_id: record.incarnation_id,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
        };
        self.controllers.insert(controller.id, Arc::new(controller));
        Ok(())
    }

    fn add_topic(&mut self, record: &TopicRecord) -> Result<(), String> {
        let (id, name) = (record.topic_id, Arc::<str>::from(record.name.as_str()));
        if self.topics.contains_key(&id) || self.topic_ids.contains_key(&name) {
            return Err(format!("topic {name} ({id}) exists"));
        }
        if let Some(key) = crate::topic_name::collision_key(&name) {
            self.collisions.insert((key, name.clone()));
        }
        self.topic_ids.insert(name.clone(), id);
        self.topics.insert(id, Arc::new(Topic { id, name, partitions: Vec::new() }));
        Ok(())
    }

    fn remove_topic(&mut self, record: &RemoveTopicRecord) -> Result<(), String> {
        let Some(topic) = self.topics.remove(&record.topic_id) else {
            return Err(format!("there is no topic with id {}", record.topic_id));
        };
        self.partition_count -= topic.partitions.len();
        self.topic_ids.remove(&topic.name);
        if let Some(key) = crate::topic_name::collision_key(&topic.name) {
            self.collisions.remove(&(key, topic.name.clone()));
        }
        self.configs.remove(&ConfigResource::topic(&topic.name));
        Ok(())
    }

    fn add_partition(&mut self, record: &PartitionRecord) -> Result<(), String> {
        let partition = Partition {
            replicas: nodes(&record.replicas),
            directories: directories(&record.directories, record.replicas.len())?,
            isr: nodes(&record.isr),
            removing_replicas: nodes(&record.removing_replicas),
            adding_replicas: nodes(&record.adding_replicas),
            leader: leader(record.leader)?,
            leader_recovery_state: recovery_state(record.leader_recovery_state)?,
            leader_epoch: LeaderEpoch(record.leader_epoch),
            partition_epoch: record.partition_epoch,
            eligible_leader_replicas: nodes(record.eligible_leader_replicas.as_deref().unwrap_or_default()),
            last_known_elr: nodes(record.last_known_elr.as_deref().unwrap_or_default()),
        };
        let Some(topic) = self.topics.get_mut(&record.topic_id) else {
            return Err(format!("there is no topic with id {}", record.topic_id));
        };
        if usize::try_from(record.partition_id) != Ok(topic.partitions.len()) {
            return Err(format!("partition {} of {} is not the next one", record.partition_id, topic.name));
        }
        Arc::make_mut(topic).partitions.push(Arc::new(partition));
        self.partition_count += 1;
        Ok(())
    }

    fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<(), String> {
        let Some(topic) = self.topics.get_mut(&record.topic_id) else {
            return Err(format!("there is no topic with id {}", record.topic_id));
        };
        let Some(before) = topic.partition(record.partition_id) else {
            return Err(format!("{} has no partition {}", topic.name, record.partition_id));
        };
        let after = changed(before, record)?;
        // The cast is exact: the partition was found by this index.
        Arc::make_mut(topic).partitions[record.partition_id as usize] = Arc::new(after);
        Ok(())
    }

    fn set_config(&mut self, record: &ConfigRecord) -> Result<(), String> {
        if record.resource_type == records::CLUSTER_RESOURCE {
            return self.set_cluster_id(record);
        }
        let Some(resource_type) = ResourceType::from_code(record.resource_type) else {
            return Err(format!("resource type {} has no configs", record.resource_type));
        };
        let resource = ConfigResource { resource_type, name: record.resource_name.clone() };
        let mut configs = self.configs.get(&resource).map(|configs| configs.as_ref().clone()).unwrap_or_default();
        match &record.value {
            Some(value) => configs.insert(record.name.clone(), value.clone()),
            None => configs.remove(&record.name),
        };
        match configs.is_empty() {
            true => self.configs.remove(&resource),
            false => self.configs.insert(resource, Arc::new(configs)),
        };
        Ok(())
    }

    fn set_cluster_id(&mut self, record: &ConfigRecord) -> Result<(), String> {
        let text = record.value.as_deref().unwrap_or_default();
        let id: Uuid = text.parse().map_err(|error| format!("the cluster id: {error}"))?;
        match self.cluster_id {
            _ if record.name != records::CLUSTER_ID => Err(format!("the cluster has no config {}", record.name)),
            Some(before) if before != id => Err(format!("the cluster's id is {before} already, not {id}")),
            _ => {
                self.cluster_id = Some(id);
                Ok(())
            }
        }
    }

    fn set_feature(&mut self, record: &FeatureLevelRecord) -> Result<(), String> {
        match record.feature_level {
            0 => self.features.remove(&record.name),
            level => self.features.insert(record.name.clone(), level),
        };
        Ok(())
    }

    fn advance_producer_ids(&mut self, record: &ProducerIdsRecord) -> Result<(), String> {
        if record.next_producer_id <= self.next_producer_id {
            let (next, before) = (record.next_producer_id, self.next_producer_id);
            return Err(format!("the next producer id {next} is not above {before}"));
        }
        self.next_producer_id = record.next_producer_id;
        Ok(())
    }
}

/// The partition after `record`. A record that names a leader raises the leader epoch, also when it stays the same.
fn changed(before: &Partition, record: &PartitionChangeRecord) -> Result<Partition, String> {
    let mut after = before.clone();
    if let Some(replicas) = &record.replicas {
        after.replicas = nodes(replicas);
    }
    if record.replicas.is_some() || record.directories.is_some() {
        after.directories = directories(record.directories.as_deref().unwrap_or_default(), after.replicas.len())?;
    }
    if let Some(isr) = &record.isr {
        after.isr = nodes(isr);
    }
    if let Some(removing) = &record.removing_replicas {
        after.removing_replicas = nodes(removing);
    }
    if let Some(adding) = &record.adding_replicas {
        after.adding_replicas = nodes(adding);
    }
    if record.leader != NO_LEADER_CHANGE {
        after.leader = leader(record.leader)?;
        after.leader_epoch = LeaderEpoch(next(before.leader_epoch.0)?);
    }
    if record.leader_recovery_state != -1 {
        after.leader_recovery_state = recovery_state(record.leader_recovery_state)?;
    }
    if let Some(eligible) = &record.eligible_leader_replicas {
        after.eligible_leader_replicas = nodes(eligible);
    }
    if let Some(last_known) = &record.last_known_elr {
        after.last_known_elr = nodes(last_known);
    }
    after.partition_epoch = next(before.partition_epoch)?;
    Ok(after)
}

fn next(epoch: i32) -> Result<i32, String> {
    epoch.checked_add(1).ok_or_else(|| "the epochs are used up".to_string())
}

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

fn leader(id: i32) -> Result<Option<NodeId>, String> {
    match id {
        NO_LEADER => Ok(None),
        0.. => Ok(Some(NodeId(id))),
        _ => Err(format!("{id} is no leader")),
    }
}

fn recovery_state(code: i8) -> Result<LeaderRecoveryState, String> {
    match code {
        0 => Ok(LeaderRecoveryState::Recovered),
        1 => Ok(LeaderRecoveryState::Recovering),
        _ => Err(format!("{code} is no leader recovery state")),
    }
}

/// One directory per replica; a record without any leaves them open.
fn directories(ids: &[Uuid], replicas: usize) -> Result<Vec<Uuid>, String> {
    match ids.len() {
        0 => Ok(vec![crate::directory_id::MIGRATING; replicas]),
        count if count == replicas => Ok(ids.to_vec()),
        count => Err(format!("{count} directories for {replicas} replicas")),
    }
}
