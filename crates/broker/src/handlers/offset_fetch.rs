//! OffsetFetch (key 9), versions 1 to 10.
//!
//! v2 all partitions, error of the whole, v7 require_stable (KIP-447), v8 many groups (KIP-709), v9 member epochs (KIP-848),
//! v10 topic ids (KIP-516). Each group is asked by itself; an error of one does not touch the others. UNKNOWN_TOPIC_ID for an
//! id that no topic has; a topic that was deleted but still has offsets is left out where only its id could name it.

use super::codec::{Handled, decode, respond};
use super::groups::{ask_each, context, reply_of};
use crate::Broker;
use ottla_group::{GroupReply, GroupRequest, OffsetFetch};
use ottla_metadata::MetadataImage;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ottla_protocol::generated::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;

/// First version with an error of the whole, and with null for all partitions.
const WHOLE_ERROR_FROM: i16 = 2;
/// First version with many groups.
const GROUPS_FROM: i16 = 8;
/// First version that names topics by id.
const TOPIC_IDS_FROM: i16 = 10;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: OffsetFetchRequest = decode(&request)?;
    let context = context(&request);
    let header = request.header;
    let version = header.api_version;
    let require_stable = body.require_stable;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let image = &broker.image();
        let ask = |mut group: OffsetFetchRequestGroup| {
            let unknown = if version >= TOPIC_IDS_FROM { take_unknown(image, &mut group) } else { Vec::new() };
            let asked = group.topics.clone();
            let request = GroupRequest::OffsetFetch(OffsetFetch { group, require_stable });
            let reply = broker.groups().answer(context.clone(), request);
            async move { answer(image, version, reply.await, unknown, asked.as_deref()) }
        };
        let groups = ask_each(groups(body, version), ask).await;
        respond(&broker, &header, &as_of_version(groups, version))
    })))
}

/// The groups of a request in any version.
fn groups(body: OffsetFetchRequest, version: i16) -> Vec<OffsetFetchRequestGroup> {
    if version >= GROUPS_FROM {
        return body.groups;
    }
    let topic = |topic: ottla_protocol::generated::offset_fetch_request::OffsetFetchRequestTopic| {
        OffsetFetchRequestTopics { name: topic.name, topic_id: Uuid::ZERO, partition_indexes: topic.partition_indexes }
    };
    let topics = body.topics.map(|topics| topics.into_iter().map(topic).collect());
    vec![OffsetFetchRequestGroup { group_id: body.group_id, topics, ..OffsetFetchRequestGroup::default() }]
}

/// Fills in the names of topics that are named by id; gives the answers to those that do not exist.
fn take_unknown(image: &MetadataImage, group: &mut OffsetFetchRequestGroup) -> Vec<OffsetFetchResponseTopics> {
    let mut unknown = Vec::new();
    let Some(topics) = &mut group.topics else { return unknown };
    for mut topic in std::mem::take(topics) {
        match image.topic_by_id(topic.topic_id) {
            Some(found) => {
                topic.name = found.name.to_string();
                topics.push(topic);
            }
            None => unknown.push(failed_topic(&topic, ErrorCode::UnknownTopicId)),
        }
    }
    unknown
}

fn failed_topic(topic: &OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics {
    let partition = |&partition_index: &i32| OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        metadata: Some(String::new()),
        error_code: error.code(),
        ..OffsetFetchResponsePartitions::default()
    };
    let partitions = topic.partition_indexes.iter().map(partition).collect();
    OffsetFetchResponseTopics { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
}

fn answer(
    image: &MetadataImage,
    version: i16,
    reply: GroupReply,
    unknown: Vec<OffsetFetchResponseTopics>,
    asked: Option<&[OffsetFetchRequestTopics]>,
) -> OffsetFetchResponseGroup {
    let mut group = reply_of!(OffsetFetch, reply);
    if group.error_code != 0 {
        // Version 1 has no error of the whole.
        if let (true, Some(asked), Some(error)) =
            (version < WHOLE_ERROR_FROM, asked, ErrorCode::from_code(group.error_code))
        {
            group.topics = asked.iter().map(|topic| failed_topic(topic, error)).collect();
        }
        return group;
    }
    if version >= TOPIC_IDS_FROM {
        for topic in group.topics.iter_mut().filter(|topic| topic.topic_id == Uuid::ZERO) {
            topic.topic_id = image.topic_id(&topic.name).unwrap_or(Uuid::ZERO);
        }
        group.topics.retain(|topic| topic.topic_id != Uuid::ZERO);
    }
    group.topics.extend(unknown);
    group
}

fn as_of_version(groups: Vec<OffsetFetchResponseGroup>, version: i16) -> OffsetFetchResponse {
    if version >= GROUPS_FROM {
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let Some(group) = groups.into_iter().next() else { return OffsetFetchResponse::default() };
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    let topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    };
    let topics = group.topics.into_iter().map(topic).collect();
    OffsetFetchResponse { error_code: group.error_code, topics, ..OffsetFetchResponse::default() }
}
