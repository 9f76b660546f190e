//! CreateTopics: names, collisions, configs, and where the replicas go.

use super::configs::{check_value_sizes, creation_configs};
use super::replicas::{assigned, placed};
use crate::image::records::{config_record, partition_record, topic_record};
use crate::random::Random;
use crate::{
    ApiError, ConfigResource, DecideContext, Decision, Entry, MetadataImage, Partition, Topic, limits, topic_name,
};
use ottla_config::{ConfigMap, describe, validate};
use ottla_protocol::create_topics_request::CreatableTopic;
use ottla_protocol::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use ottla_protocol::{CreateTopicsRequest, CreateTopicsResponse};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic that the request may create, and what its result will say.
struct NewTopic {
    topic: Topic,
    configs: ConfigMap,
}

/// Creates every topic of the request that is in order; the others get an error each. All are created together.
pub fn create_topics(
    image: &MetadataImage,
    request: &CreateTopicsRequest,
    context: &DecideContext<'_>,
) -> Decision<CreateTopicsResponse> {
    let mut random = Random::new(context.random);
    let mut pending = Pending { image, context, random: &mut random, collision_keys: BTreeMap::new() };
    let names = count_names(&request.topics);
    let too_many = asked_partitions(&request.topics, context) > limits::PARTITIONS_PER_REQUEST_MAX;
    let mut records = Entry::new();
    let mut topics = Vec::with_capacity(names.len());
    let mut answered = Vec::with_capacity(names.len());
    for topic in &request.topics {
        if answered.contains(&topic.name.as_str()) {
            continue;
        }
        let outcome = match names.get(topic.name.as_str()) {
            Some(1) if too_many => {
                Err(ApiError::new(ErrorCode::PolicyViolation, "Excessively large number of partitions per request."))
            }
            Some(1) => pending.decide(topic),
            // As Kafka, one result for all topics of that name.
            _ => {
                answered.push(&topic.name);
                Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
            }
        };
        match outcome {
            Ok(new) => {
                append_records(&mut records, &new);
                topics.push(success(image, &new, context));
            }
            Err(error) => topics.push(failure(topic, error)),
        }
    }
    if request.validate_only {
        records.clear();
    }
    Decision::atomic(records, CreateTopicsResponse { throttle_time_ms: 0, topics })
}

fn count_names(topics: &[CreatableTopic]) -> BTreeMap<&str, usize> {
    let mut names = BTreeMap::new();
    for topic in topics {
        *names.entry(topic.name.as_str()).or_default() += 1;
    }
    names
}

/// How many partitions the request asks for, whether or not its topics are in order.
fn asked_partitions(topics: &[CreatableTopic], context: &DecideContext<'_>) -> usize {
    let asked = |topic: &CreatableTopic| match topic.num_partitions {
        _ if !topic.assignments.is_empty() => topic.assignments.len(),
        -1 => usize::try_from(context.config.topics.num_partitions).unwrap_or(0),
        count => usize::try_from(count).unwrap_or(0),
    };
    topics.iter().map(asked).fold(0, usize::saturating_add)
}

/// The image, and the topics of the same request that come before.
struct Pending<'a> {
    image: &'a MetadataImage,
    context: &'a DecideContext<'a>,
    random: &'a mut Random,
    /// Names by collision key.
    collision_keys: BTreeMap<String, String>,
}

impl Pending<'_> {
    fn decide(&mut self, topic: &CreatableTopic) -> Result<NewTopic, ApiError> {
        let collision_key = self.check_name(&topic.name)?;
        let configs = creation_configs(&topic.configs)?;
        let partitions = self.partitions(topic)?;
        let replication_factor = partitions.first().map_or(1, |partition| partition.replicas.len());
        let layers = self.image.layers(self.context.config, &configs, self.image.cluster(replication_factor));
        check_value_sizes(&configs)?;
        validate::topic(&ConfigMap::new(), &configs, &layers)?;
        if let Some(key) = collision_key {
            self.collision_keys.insert(key, topic.name.clone());
        }
        let partitions = partitions.into_iter().map(Arc::new).collect();
        let id = self.unused_id();
        Ok(NewTopic { topic: Topic { id, name: Arc::from(topic.name.as_str()), partitions }, configs })
    }

    /// Checks the name; returns its collision key.
    fn check_name(&self, name: &str) -> Result<Option<String>, ApiError> {
        if name == topic_name::CLUSTER_METADATA {
            let text = format!("Creation of internal topic {name} is prohibited.");
            return Err(ApiError::new(ErrorCode::InvalidRequest, text));
        }
        topic_name::validate(name).map_err(|text| ApiError::new(ErrorCode::InvalidTopicException, text))?;
        if self.image.topic(name).is_some() {
            return Err(ApiError::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        let key = topic_name::collision_key(name);
        let pending = key.as_ref().and_then(|key| self.collision_keys.get(key)).map(String::as_str);
        match self.image.colliding_topic(name).or(pending) {
            Some(other) => {
                let text = format!("Topic '{name}' collides with existing topic: {other}");
                Err(ApiError::new(ErrorCode::InvalidTopicException, text))
            }
            None => Ok(key),
        }
    }

    fn partitions(&mut self, topic: &CreatableTopic) -> Result<Vec<Partition>, ApiError> {
        let refuse = |code, text: &str| Err(ApiError::new(code, text));
        if !topic.assignments.is_empty() {
            return self.assigned_partitions(topic);
        }
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            return refuse(
                ErrorCode::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            );
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            return refuse(
                ErrorCode::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            );
        }
        let defaults = &self.context.config.topics;
        let count = if topic.num_partitions == -1 { defaults.num_partitions } else { topic.num_partitions };
        let replication_factor = match topic.replication_factor {
            -1 => defaults.replication_factor(self.image.broker_count()),
            factor => factor,
        };
        placed(self.image, count.unsigned_abs() as usize, replication_factor.unsigned_abs().into(), self.random.next())
    }

    fn assigned_partitions(&self, topic: &CreatableTopic) -> Result<Vec<Partition>, ApiError> {
        let refuse = |code, text: String| Err(ApiError::new(code, text));
        if topic.replication_factor != -1 {
            let text = "A manual partition assignment was specified, but replication factor was not set to -1.";
            return refuse(ErrorCode::InvalidRequest, text.to_string());
        }
        if topic.num_partitions != -1 {
            let text = "A manual partition assignment was specified, but numPartitions was not set to -1.";
            return refuse(ErrorCode::InvalidRequest, text.to_string());
        }
        let mut partitions = BTreeMap::new();
        let mut replication_factor = None;
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            if partitions.contains_key(&index) {
                let text = format!("Found multiple manual partition assignments for partition {index}");
                return refuse(ErrorCode::InvalidReplicaAssignment, text);
            }
            let partition = assigned(self.image, index, &assignment.broker_ids, replication_factor)?;
            replication_factor = Some(partition.replicas.len());
            partitions.insert(index, partition);
        }
        if !partitions.keys().copied().eq(0..partitions.len() as i32) {
            let text = "partitions should be a consecutive 0-based integer sequence";
            return refuse(ErrorCode::InvalidReplicaAssignment, text.to_string());
        }
        Ok(partitions.into_values().collect())
    }

    fn unused_id(&mut self) -> Uuid {
        loop {
            let id = self.random.uuid();
            if self.image.topic_by_id(id).is_none() {
                return id;
            }
        }
    }
}

fn append_records(records: &mut Entry, new: &NewTopic) {
    let resource = ConfigResource::topic(&new.topic.name);
    records.push(topic_record(&new.topic));
    records.extend(new.configs.iter().map(|(name, value)| config_record(&resource, name, Some(value))));
    for (index, partition) in (0..).zip(&new.topic.partitions) {
        records.push(partition_record(new.topic.id, index, partition));
    }
}

/// The result of a topic that will be created, with the configs that it will have.
fn success(image: &MetadataImage, new: &NewTopic, context: &DecideContext<'_>) -> CreatableTopicResult {
    let replication_factor = new.topic.replication_factor();
    let layers = image.layers(context.config, &new.configs, image.cluster(replication_factor));
    let config = |entry: describe::ConfigEntry| CreatableTopicConfigs {
        name: entry.key.name.to_string(),
        value: entry.value,
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: entry.key.is_sensitive(),
    };
    CreatableTopicResult {
        name: new.topic.name.to_string(),
        topic_id: new.topic.id,
        error_code: ErrorCode::None.code(),
        error_message: None,
        topic_config_error_code: ErrorCode::None.code(),
        num_partitions: new.topic.partitions.len() as i32,
        replication_factor: replication_factor as i16,
        configs: Some(describe::topic(&layers).into_iter().map(config).collect()),
    }
}

fn failure(topic: &CreatableTopic, error: ApiError) -> CreatableTopicResult {
    CreatableTopicResult {
        name: topic.name.clone(),
        error_code: error.code.code(),
        error_message: error.message,
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "create_topics/tests.rs"]
mod tests;
