//! DescribeTopicPartitions (key 75), version 0 (KIP-966).
//!
//! Topics by name in pages: at most `response_partition_limit` partitions (and `max.request.partition.size.limit`), then a
//! cursor to go on from. Without names: all topics. Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION,
//! INVALID_REQUEST for a cursor with a negative partition.

use super::codec::{Handled, decode, respond};
use super::metadata::{TOPIC_OPERATIONS, topics::ids, topics::offline};
use crate::Broker;
use ottla_metadata::{MetadataImage, Partition, Topic, topic_name};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_topic_partitions_request::{DescribeTopicPartitionsRequest, TopicRequest};
use ottla_protocol::generated::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use ottla_types::ErrorCode;
use std::collections::BTreeSet;

/// One page: what is still free of it, and where the next one begins.
struct Page<'a> {
    image: &'a MetadataImage,
    listener: &'a str,
    room: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    next_cursor: Option<Cursor>,
}

pub(super) fn handle(broker: &Broker, request: &Request) -> Handled {
    let body: DescribeTopicPartitionsRequest = decode(request)?;
    let limit = body.response_partition_limit.min(broker.config().fetch.max_request_partition_size_limit).max(1);
    let (from_topic, from_partition) = match &body.cursor {
        None => (String::new(), 0),
        Some(cursor) => match usize::try_from(cursor.partition_index) {
            Ok(index) => (cursor.topic_name.clone(), index),
            Err(_) => return Ok(Outcome::Reply(respond(broker, &request.header, &invalid_cursor(&body)))),
        },
    };
    let image = broker.image();
    let mut page = Page {
        image: &image,
        listener: &request.connection.listener,
        room: limit as usize,
        topics: Vec::new(),
        next_cursor: None,
    };
    if body.topics.is_empty() {
        for topic in image.topics_from(&from_topic) {
            page.add(topic, if *topic.name == *from_topic { from_partition } else { 0 });
            if page.next_cursor.is_some() {
                break;
            }
        }
    } else {
        let names: BTreeSet<&str> = body.topics.iter().map(|topic| topic.name.as_str()).collect();
        for name in names.into_iter().filter(|name| *name >= from_topic.as_str()) {
            page.add_named(name, if name == from_topic { from_partition } else { 0 });
            if page.next_cursor.is_some() {
                break;
            }
        }
    }
    let (topics, next_cursor) = (page.topics, page.next_cursor);
    let response = DescribeTopicPartitionsResponse { topics, next_cursor, ..Default::default() };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

/// Every topic of the request with INVALID_REQUEST, as in Kafka.
fn invalid_cursor(body: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topic = |asked: &TopicRequest| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(asked.name.clone()),
        topic_authorized_operations: i32::MIN,
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    DescribeTopicPartitionsResponse { topics: body.topics.iter().map(topic).collect(), ..Default::default() }
}

impl Page<'_> {
    fn add_named(&mut self, name: &str, from_partition: usize) {
        if let Some(topic) = self.image.topic(name) {
            return self.add(topic, from_partition);
        }
        let error = match topic_name::validate(name) {
            Ok(()) => ErrorCode::UnknownTopicOrPartition,
            Err(_) => ErrorCode::InvalidTopicException,
        };
        self.topics.push(DescribeTopicPartitionsResponseTopic {
            error_code: error.code(),
            name: Some(name.to_string()),
            is_internal: topic_name::is_internal(name),
            topic_authorized_operations: i32::MIN,
            ..DescribeTopicPartitionsResponseTopic::default()
        });
    }

    fn add(&mut self, topic: &Topic, from_partition: usize) {
        if self.room == 0 {
            self.next_cursor =
                Some(Cursor { topic_name: topic.name.to_string(), partition_index: from_partition as i32 });
            return;
        }
        let until = topic.partitions.len().min(from_partition.saturating_add(self.room));
        let told = from_partition.min(until)..until;
        self.room -= told.len();
        if until < topic.partitions.len() {
            self.next_cursor = Some(Cursor { topic_name: topic.name.to_string(), partition_index: until as i32 });
        }
        let partitions = told.map(|index| self.partition(index as i32, &topic.partitions[index])).collect();
        self.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(topic.name.to_string()),
            topic_id: topic.id,
            is_internal: topic.is_internal(),
            partitions,
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..DescribeTopicPartitionsResponseTopic::default()
        });
    }

    fn partition(&self, partition_index: i32, partition: &Partition) -> DescribeTopicPartitionsResponsePartition {
        let leader = partition.leader.filter(|id| self.image.broker(*id).is_some_and(|broker| !broker.fenced));
        let error = if leader.is_some() { ErrorCode::None } else { ErrorCode::LeaderNotAvailable };
        DescribeTopicPartitionsResponsePartition {
            error_code: error.code(),
            partition_index,
            leader_id: leader.map_or(-1, |leader| leader.0),
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: ids(&partition.replicas),
            isr_nodes: ids(&partition.isr),
            eligible_leader_replicas: Some(ids(&partition.eligible_leader_replicas)),
            last_known_elr: Some(ids(&partition.last_known_elr)),
            offline_replicas: offline(self.image, partition, self.listener),
        }
    }
}
