//! Kafka's embedded consumer protocol: subscriptions and assignments as bytes, each behind its version.

use super::{Assignor, GroupMember};
use crate::error::ClientError;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use ottla_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, DecodeError, Message, Reader, Writer,
    consumer_protocol_assignment, consumer_protocol_subscription,
};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// A member's subscription, in the newest version.
pub(crate) fn encode_subscription(assignor: Assignor, member: &GroupMember) -> Result<Bytes, ClientError> {
    let owned = by_topic(&member.owned);
    let user_data = (assignor == Assignor::Sticky).then(|| sticky_user_data(&owned, member.generation_id));
    let kept = if assignor.is_cooperative() { owned } else { BTreeMap::new() };
    let subscription = ConsumerProtocolSubscription {
        topics: member.topics.iter().cloned().collect(),
        user_data,
        owned_partitions: kept
            .into_iter()
            .map(|(topic, partitions)| consumer_protocol_subscription::TopicPartition { topic, partitions })
            .collect(),
        generation_id: member.generation_id,
        rack_id: member.rack.clone(),
    };
    versioned(&subscription)
}

/// Reads another member's subscription.
pub(crate) fn decode_member(instance_id: Option<String>, metadata: &Bytes) -> Result<GroupMember, ClientError> {
    let read: ConsumerProtocolSubscription = unversioned(metadata, "JoinGroup")?;
    let mut generation_id = read.generation_id;
    let pairs = |topic: consumer_protocol_subscription::TopicPartition| {
        let name = topic.topic;
        topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.as_str(), partition))
    };
    let mut owned: BTreeSet<TopicPartition> = read.owned_partitions.into_iter().flat_map(pairs).collect();
    if let Some((before, generation)) = read.user_data.as_ref().and_then(read_sticky_user_data) {
        owned.extend(before);
        generation_id = generation_id.max(generation);
    }
    let topics = read.topics.into_iter().collect();
    let rack = read.rack_id.filter(|rack| !rack.is_empty());
    Ok(GroupMember { group_instance_id: instance_id, topics, owned, generation_id, rack })
}

/// What a member gets.
pub(crate) fn encode_assignment(partitions: &BTreeSet<TopicPartition>) -> Result<Bytes, ClientError> {
    let assigned = by_topic(partitions).into_iter();
    let topic = |(topic, partitions)| consumer_protocol_assignment::TopicPartition { topic, partitions };
    versioned(&ConsumerProtocolAssignment { assigned_partitions: assigned.map(topic).collect(), user_data: None })
}

/// Reads what this member gets; no bytes are no partitions.
pub(crate) fn decode_assignment(bytes: &Bytes) -> Result<BTreeSet<TopicPartition>, ClientError> {
    if bytes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let read: ConsumerProtocolAssignment = unversioned(bytes, "SyncGroup")?;
    let pairs = |topic: consumer_protocol_assignment::TopicPartition| {
        let name = topic.topic;
        topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.as_str(), partition))
    };
    Ok(read.assigned_partitions.into_iter().flat_map(pairs).collect())
}

fn versioned<M: Message>(message: &M) -> Result<Bytes, ClientError> {
    let mut writer = Writer::new();
    message.encode(&mut writer, M::MAX_VERSION)?;
    let mut bytes = BytesMut::new();
    bytes.put_i16(M::MAX_VERSION);
    bytes.extend_from_slice(&writer.finish().buf);
    Ok(bytes.freeze())
}

/// Newer versions only add fields at the end, which are left unread.
fn unversioned<M: Message>(bytes: &Bytes, api: &'static str) -> Result<M, ClientError> {
    let prefix = bytes.first_chunk::<2>().ok_or_else(|| ClientError::missing(api, "the version"))?;
    let version = i16::from_be_bytes(*prefix).clamp(M::MIN_VERSION, M::MAX_VERSION);
    let body = bytes.slice(2..);
    let mut reader = Reader::new(&body);
    M::decode(&mut reader, version).map_err(|error: DecodeError| ClientError::unreadable("a member", api, &error))
}

fn by_topic(partitions: &BTreeSet<TopicPartition>) -> BTreeMap<String, Vec<i32>> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(partition.topic.to_string()).or_default().push(partition.partition);
    }
    topics
}

/// `StickyAssignorUserDataV1`: what was assigned before, and in which generation.
fn sticky_user_data(owned: &BTreeMap<String, Vec<i32>>, generation_id: i32) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i32(i32::try_from(owned.len()).expect("topics are counted by i32"));
    for (topic, partitions) in owned {
        bytes.put_i16(i16::try_from(topic.len()).expect("topic names are short"));
        bytes.extend_from_slice(topic.as_bytes());
        bytes.put_i32(i32::try_from(partitions.len()).expect("partitions are counted by i32"));
        partitions.iter().for_each(|partition| bytes.put_i32(*partition));
    }
    bytes.put_i32(generation_id);
    bytes.freeze()
}

/// `None` when it is something else: the bytes are the other member's own.
fn read_sticky_user_data(bytes: &Bytes) -> Option<(BTreeSet<TopicPartition>, i32)> {
    let mut rest = bytes.clone();
    let mut owned = BTreeSet::new();
    for _ in 0..rest.try_get_i32().ok()? {
        let len = usize::try_from(rest.try_get_i16().ok()?).ok()?;
        if rest.remaining() < len {
            return None;
        }
        let topic = String::from_utf8(rest.split_to(len).to_vec()).ok()?;
        for _ in 0..rest.try_get_i32().ok()? {
            owned.insert(TopicPartition::new(topic.as_str(), rest.try_get_i32().ok()?));
        }
    }
    // Version 0 ends here.
    let generation = if rest.has_remaining() { rest.try_get_i32().ok()? } else { -1 };
    Some((owned, generation))
}
