//! Which topics were asked for, and what the image says of them.

use ottla_metadata::{MetadataImage, Partition, Topic, topic_name};
use ottla_protocol::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use ottla_protocol::generated::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use ottla_types::{ErrorCode, NodeId, Uuid};
use std::collections::BTreeSet;

/// First version in which a leader without the asked listener is told apart.
const LISTENER_NOT_FOUND_FROM: i16 = 6;
/// First version that may name topics by id.
const TOPIC_IDS_FROM: i16 = 12;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    All,
    Some(Vec<TopicAsked>),
}

/// One topic of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TopicAsked {
    Name(String),
    Id(Uuid),
}

impl Asked {
    /// Each topic once, in the order of first mention. Where there are ids, only they count, as in Kafka: Java's client
    /// sends an empty name beside each. `None` if a topic has neither a name nor an id, or one that its version does not
    /// know: v10 and v11 have a field for ids, of which answers alone may make use.
    pub(super) fn parse(body: &MetadataRequest, version: i16) -> Option<Asked> {
        let Some(topics) = &body.topics else { return Some(Asked::All) };
        if topics.is_empty() && version == 0 {
            return Some(Asked::All);
        }
        let ids = distinct(topics.iter().map(|topic| topic.topic_id).filter(|id| !id.is_zero()));
        if !ids.is_empty() {
            let ids = || Asked::Some(ids.into_iter().map(TopicAsked::Id).collect());
            return (version >= TOPIC_IDS_FROM).then(ids);
        }
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_deref()).collect::<Option<_>>()?;
        Some(Asked::Some(distinct(names).into_iter().map(|name| TopicAsked::Name(name.to_string())).collect()))
    }

    /// The names in the request.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let topics: &[TopicAsked] = match self {
            Asked::All => &[],
            Asked::Some(topics) => topics,
        };
        topics.iter().filter_map(|topic| match topic {
            TopicAsked::Name(name) => Some(name.as_str()),
            TopicAsked::Id(_) => None,
        })
    }
}

/// INVALID_REQUEST for each topic of a request that [`Asked::parse`] does not understand.
pub(super) fn refused(body: &MetadataRequest) -> Vec<MetadataResponseTopic> {
    let refused = |topic: &MetadataRequestTopic| MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        // Versions before v12 cannot answer without a name.
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    };
    body.topics.iter().flatten().map(refused).collect()
}

fn distinct<T: Copy + Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    items.into_iter().filter(|item| seen.insert(*item)).collect()
}

pub(super) fn describe(
    image: &MetadataImage,
    asked: &Asked,
    listener: &str,
    version: i16,
) -> Vec<MetadataResponseTopic> {
    match asked {
        Asked::All => image.topics().map(|topic| found(image, topic, listener, version)).collect(),
        Asked::Some(topics) => topics.iter().map(|topic| one(image, topic, listener, version)).collect(),
    }
}

fn one(image: &MetadataImage, asked: &TopicAsked, listener: &str, version: i16) -> MetadataResponseTopic {
    let (topic, name, topic_id, missing) = match asked {
        TopicAsked::Name(name) => {
            let error = match topic_name::validate(name) {
                Ok(()) => ErrorCode::UnknownTopicOrPartition,
                Err(_) => ErrorCode::InvalidTopicException,
            };
            (image.topic(name), Some(name.clone()), Uuid::ZERO, error)
        }
        TopicAsked::Id(id) => (image.topic_by_id(*id), None, *id, ErrorCode::UnknownTopicId),
    };
    match topic {
        Some(topic) => found(image, topic, listener, version),
        None => MetadataResponseTopic {
            error_code: missing.code(),
            is_internal: name.as_deref().is_some_and(topic_name::is_internal),
            name,
            topic_id,
            ..MetadataResponseTopic::default()
        },
    }
}

fn found(image: &MetadataImage, topic: &Topic, listener: &str, version: i16) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().enumerate();
    MetadataResponseTopic {
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: topic.is_internal(),
        partitions: partitions.map(|(index, p)| partition(image, index as i32, p, listener, version)).collect(),
        ..MetadataResponseTopic::default()
    }
}

fn partition(
    image: &MetadataImage,
    partition_index: i32,
    partition: &Partition,
    listener: &str,
    version: i16,
) -> MetadataResponsePartition {
    let error = leader_error(image, partition, listener, version);
    let told_leader = partition.leader.filter(|_| error == ErrorCode::None);
    MetadataResponsePartition {
        error_code: error.code(),
        partition_index,
        leader_id: told_leader.map_or(-1, |leader| leader.0),
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: ids(&partition.replicas),
        isr_nodes: ids(&partition.isr),
        offline_replicas: offline(image, partition, listener),
    }
}

fn leader_error(image: &MetadataImage, partition: &Partition, listener: &str, version: i16) -> ErrorCode {
    let leader = partition.leader.and_then(|leader| image.broker(leader)).filter(|leader| !leader.fenced);
    match leader {
        None => ErrorCode::LeaderNotAvailable,
        Some(leader) if leader.endpoint(listener).is_some() => ErrorCode::None,
        Some(_) if version >= LISTENER_NOT_FOUND_FROM => ErrorCode::ListenerNotFound,
        Some(_) => ErrorCode::LeaderNotAvailable,
    }
}

/// Replicas whose broker is away or has no endpoint for the listener.
pub(in crate::handlers) fn offline(image: &MetadataImage, partition: &Partition, listener: &str) -> Vec<i32> {
    let is_online =
        |id: &NodeId| image.broker(*id).is_some_and(|broker| !broker.fenced && broker.endpoint(listener).is_some());
    partition.replicas.iter().filter(|id| !is_online(id)).map(|id| id.0).collect()
}

pub(in crate::handlers) fn ids(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid([1; 16]);
    const B: Uuid = Uuid([2; 16]);

    /// What a request of `version` with these topics asks for.
    fn asked(version: i16, topics: &[(Option<&str>, Uuid)]) -> Option<Asked> {
        let topic = |(name, topic_id): &(Option<&str>, Uuid)| MetadataRequestTopic {
            name: name.map(str::to_string),
            topic_id: *topic_id,
        };
        let topics = Some(topics.iter().map(topic).collect());
        Asked::parse(&MetadataRequest { topics, ..MetadataRequest::default() }, version)
    }

    fn named(names: &[&str]) -> Option<Asked> {
        Some(Asked::Some(names.iter().map(|name| TopicAsked::Name(name.to_string())).collect()))
    }

    fn with_ids(ids: &[Uuid]) -> Option<Asked> {
        Some(Asked::Some(ids.iter().map(|id| TopicAsked::Id(*id)).collect()))
    }

    /// KafkaApis.handleTopicMetadataRequest makes sets of the names and of the ids.
    #[test]
    fn a_topic_that_is_named_twice_is_told_once_where_it_came_first() {
        let name = |name| (Some(name), Uuid::ZERO);
        assert_eq!(asked(9, &[name("b"), name("a"), name("b"), name("a")]), named(&["b", "a"]));
        assert_eq!(asked(12, &[(None, B), (None, A), (None, B)]), with_ids(&[B, A]));
    }

    #[test]
    fn ids_replace_names() {
        let topics = [(Some("a"), Uuid::ZERO), (Some(""), B), (None, Uuid::ZERO)];
        assert_eq!(asked(12, &topics), with_ids(&[B]));
        assert_eq!(asked(11, &topics[..2]), None, "requests may not name ids yet");
    }

    #[test]
    fn a_topic_without_name_and_id_cannot_be_answered() {
        assert_eq!(asked(12, &[(Some("a"), Uuid::ZERO), (None, Uuid::ZERO)]), None);
        assert_eq!(asked(0, &[]), Some(Asked::All));
        assert_eq!(asked(1, &[]), named(&[]));
    }
}
