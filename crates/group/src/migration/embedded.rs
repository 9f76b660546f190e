//! The protocol that classic consumers embed in JoinGroup and SyncGroup: subscription and assignment, behind a version.
//!
//! A version that is not known yet is read and written as the newest that is, as Kafka does: newer versions only append.

use crate::assignor::Assignment;
use crate::topics::GroupTopics;
use bytes::Bytes;
use ottla_protocol::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::consumer_protocol_assignment::TopicPartition;
use ottla_protocol::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, DecodeError, Message, Reader, Writer};

/// `protocol_type` of consumers.
pub(super) const PROTOCOL_TYPE: &str = "consumer";

/// Reads the metadata of a protocol in a JoinGroup.
pub(super) fn subscription(metadata: &Bytes) -> Result<ConsumerProtocolSubscription, DecodeError> {
    decode(metadata)
}

/// Reads an assignment of a SyncGroup.
pub(super) fn assignment(bytes: &Bytes) -> Result<ConsumerProtocolAssignment, DecodeError> {
    decode(bytes)
}

/// Writes an assignment in the version of the member's subscription; topics that are gone are left out. Empty when the
/// subscription has no version.
pub(super) fn assignment_for(subscription: &Bytes, assignment: &Assignment, topics: &GroupTopics) -> Bytes {
    let Some((version, _)) = split_version(subscription) else { return Bytes::new() };
    let version = known_version::<ConsumerProtocolAssignment>(version);
    let assigned = assignment.iter().filter_map(|(topic_id, partitions)| {
        let topic = topics.by_id(*topic_id)?.name.to_string();
        Some(TopicPartition { topic, partitions: partitions.iter().copied().collect() })
    });
    let assignment = ConsumerProtocolAssignment { assigned_partitions: assigned.collect(), user_data: None };
    let mut writer = Writer::new();
    match assignment.encode(&mut writer, version) {
        Ok(()) => with_version(version, &writer.finish().buf),
        // Topic names are short, and a negative version was refused when the member joined.
        Err(error) => {
            tracing::error!(%error, "cannot write the assignment of a classic member");
            Bytes::new()
        }
    }
}

/// What a member says that it owns, by topic id; topics that are gone are left out.
pub(super) fn owned(subscription: &ConsumerProtocolSubscription, topics: &GroupTopics) -> Vec<TopicPartitions> {
    let owned = subscription.owned_partitions.iter().filter_map(|topic| {
        let topic_id = topics.by_name(&topic.topic)?.id;
        Some(TopicPartitions { topic_id, partitions: topic.partitions.clone() })
    });
    owned.collect()
}

fn decode<M: Message>(bytes: &Bytes) -> Result<M, DecodeError> {
    match split_version(bytes) {
        Some((version, body)) => M::decode(&mut Reader::new(&body), known_version::<M>(version)),
        // Too short for a version; the decoder says so.
        None => M::decode(&mut Reader::new(&Bytes::new()), M::MAX_VERSION),
    }
}

fn split_version(bytes: &Bytes) -> Option<(i16, Bytes)> {
    let version = bytes.get(..2)?.try_into().ok()?;
    Some((i16::from_be_bytes(version), bytes.slice(2..)))
}

/// Negative ones stay: there are none, the codec refuses them.
fn known_version<M: Message>(version: i16) -> i16 {
    version.min(M::MAX_VERSION)
}

fn with_version(version: i16, body: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(2 + body.len());
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(body);
    Bytes::from(bytes)
}
