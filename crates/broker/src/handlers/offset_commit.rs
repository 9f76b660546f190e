//! OffsetCommit (key 8), versions 2 to 10, by members of both kinds of groups and by clients without one.
//!
//! v7 static members (KIP-345), v9 member epochs (KIP-848), v10 topic ids (KIP-516). UNKNOWN_TOPIC_OR_PARTITION or
//! UNKNOWN_TOPIC_ID for what does not exist; the rest goes to the group, which decides about member, epoch and metadata
//! size. Answered when the offsets are on stable storage of all in-sync replicas.

use super::codec::{Handled, decode, respond};
use super::groups::{ask, context, reply_of};
use crate::Broker;
use ottla_group::{GroupReply, GroupRequest};
use ottla_metadata::{MetadataImage, Topic};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::offset_commit_request::{OffsetCommitRequest, OffsetCommitRequestTopic};
use ottla_protocol::generated::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// First version that names topics by id.
const TOPIC_IDS_FROM: i16 = 10;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let mut body: OffsetCommitRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let refused = take_unknown(&broker.image(), &mut body, header.api_version);
    if body.topics.is_empty() {
        let response = OffsetCommitResponse { topics: refused, ..OffsetCommitResponse::default() };
        return Ok(Outcome::Reply(respond(broker, &header, &response)));
    }
    let commits = broker.group_metrics().offset_commits.clone();
    let answer = move |reply: GroupReply| {
        let accepted = reply_of!(OffsetCommit, reply);
        let partitions = accepted.topics.iter().flat_map(|topic| &topic.partitions);
        commits.add(partitions.filter(|partition| partition.error_code == 0).count() as u64);
        merged(refused, accepted)
    };
    ask(broker, header, context, GroupRequest::OffsetCommit(body), answer)
}

/// Leaves what exists in the request, with name and id; gives the answers to the rest.
fn take_unknown(image: &MetadataImage, body: &mut OffsetCommitRequest, version: i16) -> Vec<OffsetCommitResponseTopic> {
    let mut refused = Vec::new();
    for mut topic in std::mem::take(&mut body.topics) {
        let (found, error) = match version >= TOPIC_IDS_FROM {
            true => (image.topic_by_id(topic.topic_id), ErrorCode::UnknownTopicId),
            false => (image.topic(&topic.name), ErrorCode::UnknownTopicOrPartition),
        };
        let Some(found) = found else {
            refused.extend(refusal(&topic, |_| true, error));
            continue;
        };
        if topic.name != *found.name {
            topic.name = found.name.to_string();
        }
        topic.topic_id = found.id;
        refused.extend(refusal(&topic, |index| !exists(found, index), ErrorCode::UnknownTopicOrPartition));
        topic.partitions.retain(|partition| exists(found, partition.partition_index));
        if !topic.partitions.is_empty() {
            body.topics.push(topic);
        }
    }
    refused
}

fn exists(topic: &Topic, index: i32) -> bool {
    topic.partition(index).is_some()
}

/// The answer to those partitions of a topic that are refused, if there are any.
fn refusal(
    topic: &OffsetCommitRequestTopic,
    is_refused: impl Fn(i32) -> bool,
    error: ErrorCode,
) -> Option<OffsetCommitResponseTopic> {
    let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
    let partition = |partition_index| OffsetCommitResponsePartition { partition_index, error_code: error.code() };
    let partitions: Vec<_> = indexes.filter(|index| is_refused(*index)).map(partition).collect();
    (!partitions.is_empty()).then(|| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions,
    })
}

fn merged(refused: Vec<OffsetCommitResponseTopic>, accepted: OffsetCommitResponse) -> OffsetCommitResponse {
    let mut topics = refused;
    let places = topics.iter().enumerate().map(|(place, topic)| ((topic.topic_id, topic.name.clone()), place));
    let mut places: BTreeMap<_, _> = places.collect();
    for topic in accepted.topics {
        match places.entry((topic.topic_id, topic.name.clone())) {
            Entry::Occupied(place) => topics[*place.get()].partitions.extend(topic.partitions),
            Entry::Vacant(place) => {
                place.insert(topics.len());
                topics.push(topic);
            }
        }
    }
    OffsetCommitResponse { topics, throttle_time_ms: accepted.throttle_time_ms }
}
