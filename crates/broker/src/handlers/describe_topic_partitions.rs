//! DescribeTopicPartitions (key 75), version 0 (KIP-966).
//!
//! Topics by name in pages: at most `response_partition_limit` partitions (and `max.request.partition.size.limit`), then a
//! cursor to go on from. Without names: all topics. A partition without leader has leader -1 and no error, unlike in Metadata.
//! Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_REQUEST for a cursor with a negative partition, or
//! whose topic is not among the names.

use super::codec::{Handled, decode, respond};
use super::metadata::{TOPIC_OPERATIONS, topics::ids, topics::offline};
use crate::Broker;
use ottla_metadata::{BrokerRegistration, MetadataImage, Partition, Topic, topic_name};
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
    let size_limit = broker.config().fetch.max_request_partition_size_limit;
    let response = describe(&broker.image(), &request.connection.listener, &body, size_limit);
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn describe(
    image: &MetadataImage,
    listener: &str,
    body: &DescribeTopicPartitionsRequest,
    size_limit: i32,
) -> DescribeTopicPartitionsResponse {
    let Some(from) = begin(body) else { return invalid_cursor(body) };
    let room = body.response_partition_limit.min(size_limit).max(1) as usize;
    let mut page = Page { image, listener, room, topics: Vec::new(), next_cursor: None };
    if body.topics.is_empty() {
        page.fill(image.topics_from(from.0).map(|topic| &*topic.name), from);
    } else {
        let names: BTreeSet<&str> = body.topics.iter().map(|topic| topic.name.as_str()).collect();
        page.fill(names.range(from.0..).copied(), from);
    }
    DescribeTopicPartitionsResponse { topics: page.topics, next_cursor: page.next_cursor, ..Default::default() }
}

/// The topic and the partition to go on from; `None` if the cursor does not fit the request.
fn begin(body: &DescribeTopicPartitionsRequest) -> Option<(&str, usize)> {
    let Some(cursor) = &body.cursor else { return Some(("", 0)) };
    let is_named = body.topics.is_empty() || body.topics.iter().any(|topic| topic.name == cursor.topic_name);
    let partition = usize::try_from(cursor.partition_index).ok().filter(|_| is_named)?;
    Some((&cursor.topic_name, partition))
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
    /// Adds topics, the first of them from that partition on if it is that topic, until the page is full.
    fn fill<'n>(&mut self, names: impl Iterator<Item = &'n str>, (from_topic, from_partition): (&str, usize)) {
        for name in names {
            self.add(name, if name == from_topic { from_partition } else { 0 });
            if self.next_cursor.is_some() {
                break;
            }
        }
    }

    /// A full page ends with a cursor to the next name, whether or not there is such a topic.
    fn add(&mut self, name: &str, from_partition: usize) {
        if self.room == 0 {
            self.next_cursor = Some(Cursor { topic_name: name.to_string(), partition_index: 0 });
            return;
        }
        match self.image.topic(name) {
            Some(topic) => self.add_partitions(topic, from_partition),
            None => self.topics.push(missing(name)),
        }
    }

    fn add_partitions(&mut self, topic: &Topic, from_partition: usize) {
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
        let leads = |broker: &BrokerRegistration| !broker.fenced && broker.endpoint(self.listener).is_some();
        let leader = partition.leader.filter(|id| self.image.broker(*id).is_some_and(|broker| leads(broker)));
        DescribeTopicPartitionsResponsePartition {
            error_code: ErrorCode::None.code(),
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

fn missing(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let error = match topic_name::validate(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        name: Some(name.to_string()),
        is_internal: topic_name::is_internal(name),
        topic_authorized_operations: i32::MIN,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

#[cfg(test)]
mod tests;
