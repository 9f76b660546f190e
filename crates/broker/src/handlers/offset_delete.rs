//! OffsetDelete (key 47), version 0 (KIP-496).
//!
//! UNKNOWN_TOPIC_OR_PARTITION for what does not exist; the group decides about the rest (GROUP_SUBSCRIBED_TO_TOPIC,
//! NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND). INVALID_GROUP_ID for an empty group id.

use super::codec::{Handled, decode};
use super::groups::{ask_named, context, reply_of};
use crate::Broker;
use ottla_group::{GroupReply, GroupRequest};
use ottla_metadata::MetadataImage;
use ottla_net::Request;
use ottla_protocol::generated::offset_delete_request::OffsetDeleteRequest;
use ottla_protocol::generated::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: OffsetDeleteRequest = decode(&request)?;
    let context = context(&request);
    let refused = take_unknown(&broker.image(), &mut body);
    let answer = move |reply: GroupReply| merged(refused, reply_of!(OffsetDelete, reply));
    ask_named(broker, request.header, context, GroupRequest::OffsetDelete(body), answer)
}

/// Leaves what exists in the request; gives the answers to the rest.
fn take_unknown(image: &MetadataImage, body: &mut OffsetDeleteRequest) -> Vec<OffsetDeleteResponseTopic> {
    let mut refused = Vec::new();
    for topic in &mut body.topics {
        let exists = |index: i32| image.partition(&topic.name, index).is_some();
        let (known, unknown): (Vec<_>, Vec<_>) =
            std::mem::take(&mut topic.partitions).into_iter().partition(|partition| exists(partition.partition_index));
        topic.partitions = known;
        let error_code = ErrorCode::UnknownTopicOrPartition.code();
        let partitions: Vec<_> = unknown
            .iter()
            .map(|partition| OffsetDeleteResponsePartition { partition_index: partition.partition_index, error_code })
            .collect();
        if !partitions.is_empty() {
            refused.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions });
        }
    }
    body.topics.retain(|topic| !topic.partitions.is_empty());
    refused
}

fn merged(refused: Vec<OffsetDeleteResponseTopic>, answered: OffsetDeleteResponse) -> OffsetDeleteResponse {
    // An error of the whole stands for everything.
    if answered.error_code != 0 {
        return answered;
    }
    let mut topics = refused;
    let places = topics.iter().enumerate().map(|(place, topic)| (topic.name.clone(), place));
    let mut places: BTreeMap<_, _> = places.collect();
    for topic in answered.topics {
        match places.entry(topic.name.clone()) {
            Entry::Occupied(place) => topics[*place.get()].partitions.extend(topic.partitions),
            Entry::Vacant(place) => {
                place.insert(topics.len());
                topics.push(topic);
            }
        }
    }
    OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() }
}
