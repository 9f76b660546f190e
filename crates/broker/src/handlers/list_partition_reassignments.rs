//! ListPartitionReassignments (key 46), version 0 (KIP-455).
//!
//! The partitions whose replicas are on the move, of those that are asked for or of all. Unknown ones are left out, as in
//! Kafka.

use super::codec::{Handled, decode, respond};
use crate::Broker;
use ottla_metadata::{MetadataImage, Partition};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use ottla_protocol::generated::list_partition_reassignments_response::{
    ListPartitionReassignmentsResponse, OngoingPartitionReassignment, OngoingTopicReassignment,
};
use ottla_types::NodeId;

pub(super) fn handle(broker: &Broker, request: &Request) -> Handled {
    let body: ListPartitionReassignmentsRequest = decode(request)?;
    let image = broker.image();
    let topics = match &body.topics {
        Some(asked) => {
            asked.iter().filter_map(|topic| ongoing(&image, &topic.name, Some(&topic.partition_indexes))).collect()
        }
        None => image.topics().filter_map(|topic| ongoing(&image, &topic.name, None)).collect(),
    };
    let response = ListPartitionReassignmentsResponse { topics, ..Default::default() };
    Ok(Outcome::Reply(respond(broker, &request.header, &response)))
}

fn ongoing(image: &MetadataImage, name: &str, indexes: Option<&[i32]>) -> Option<OngoingTopicReassignment> {
    let topic = image.topic(name)?;
    let all: Vec<(i32, &Partition)> = match indexes {
        Some(indexes) => indexes.iter().filter_map(|index| Some((*index, topic.partition(*index)?))).collect(),
        None => (0..).zip(topic.partitions.iter().map(AsRef::as_ref)).collect(),
    };
    let is_moving = |(_, partition): &(i32, &Partition)| {
        !partition.adding_replicas.is_empty() || !partition.removing_replicas.is_empty()
    };
    let partitions: Vec<_> =
        all.into_iter().filter(is_moving).map(|(index, partition)| moving(index, partition)).collect();
    (!partitions.is_empty()).then(|| OngoingTopicReassignment { name: name.to_string(), partitions })
}

fn moving(partition_index: i32, partition: &Partition) -> OngoingPartitionReassignment {
    let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
    OngoingPartitionReassignment {
        partition_index,
        replicas: ids(&partition.replicas),
        adding_replicas: ids(&partition.adding_replicas),
        removing_replicas: ids(&partition.removing_replicas),
    }
}
