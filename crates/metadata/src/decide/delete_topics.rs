//! DeleteTopics, by name or by id.

use crate::{ApiError, DecideContext, Decision, Entry, MetadataImage};
use ottla_protocol::delete_topics_response::DeletableTopicResult;
use ottla_protocol::{DeleteTopicsRequest, DeleteTopicsResponse, MetadataRecord, RemoveTopicRecord};
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// What one item of the request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named<'a> {
    Name(&'a str),
    Id(Uuid),
}

impl<'a> Named<'a> {
    fn name(self) -> Option<&'a str> {
        match self {
            Named::Name(name) => Some(name),
            Named::Id(_) => None,
        }
    }

    fn id(self) -> Option<Uuid> {
        match self {
            Named::Name(_) => None,
            Named::Id(id) => Some(id),
        }
    }
}

/// Deletes every topic that the request names rightly and once, by name or by id; the other items get an error each. A topic
/// that is named both ways stays, and is answered once, with its name and its id.
pub fn delete_topics(
    image: &MetadataImage,
    request: &DeleteTopicsRequest,
    context: &DecideContext<'_>,
) -> Decision<DeleteTopicsResponse> {
    let mut responses = Vec::new();
    let items = counted(items(request, &mut responses));
    let ids: BTreeSet<Uuid> = items.iter().filter_map(|(item, _)| item.id()).collect();
    let names = items.iter().filter(|(_, count)| *count == 1).filter_map(|(item, _)| item.name());
    let ids_of_names: BTreeSet<Uuid> = names.filter_map(|name| image.topic_id(name)).collect();
    let mut records = Entry::new();
    for (item, count) in items {
        let found = check_once(item, count).and_then(|()| find(image, item, context));
        match (item, found) {
            (_, Err(error)) => responses.push(failure(item, error)),
            (Named::Name(name), Ok(id)) if ids.contains(&id) => responses.push(named_both_ways(name, id)),
            // The item with the topic's name is the one that is answered.
            (Named::Id(_), Ok(id)) if ids_of_names.contains(&id) => {}
            (_, Ok(id)) => {
                records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: id }));
                let name = image.topic_by_id(id).map(|topic| topic.name.to_string());
                responses.push(DeletableTopicResult { name, topic_id: id, error_code: 0, error_message: None });
            }
        }
    }
    Decision::atomic(records, DeleteTopicsResponse { throttle_time_ms: 0, responses })
}

/// Each item once, in the order of first mention, with how often it comes.
fn counted(items: Vec<Named<'_>>) -> Vec<(Named<'_>, usize)> {
    let mut counts: BTreeMap<Named<'_>, usize> = BTreeMap::new();
    for item in &items {
        *counts.entry(*item).or_default() += 1;
    }
    items.into_iter().filter_map(|item| counts.remove(&item).map(|count| (item, count))).collect()
}

fn check_once(item: Named<'_>, count: usize) -> Result<(), ApiError> {
    if count == 1 {
        return Ok(());
    }
    let text = match item {
        Named::Name(_) => "Duplicate topic name.",
        Named::Id(_) => "Duplicate topic id.",
    };
    Err(ApiError::new(ErrorCode::InvalidRequest, text))
}

/// What the request names; items that name nothing, or too much, are answered at once.
fn items<'a>(request: &'a DeleteTopicsRequest, responses: &mut Vec<DeletableTopicResult>) -> Vec<Named<'a>> {
    let mut items: Vec<Named<'_>> = request.topic_names.iter().map(|name| Named::Name(name)).collect();
    for topic in &request.topics {
        let wrong = match (&topic.name, topic.topic_id.is_zero()) {
            (Some(name), true) => {
                items.push(Named::Name(name));
                continue;
            }
            (None, false) => {
                items.push(Named::Id(topic.topic_id));
                continue;
            }
            (None, true) => "Neither topic name nor id were specified.",
            (Some(_), false) => "You may not specify both topic name and topic id.",
        };
        responses.push(DeletableTopicResult {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            error_code: ErrorCode::InvalidRequest.code(),
            error_message: Some(wrong.to_string()),
        });
    }
    items
}

fn find(image: &MetadataImage, item: Named<'_>, context: &DecideContext<'_>) -> Result<Uuid, ApiError> {
    if !context.config.topics.delete_topic_enable {
        return Err(ApiError::new(ErrorCode::TopicDeletionDisabled, "Topic deletion is disabled."));
    }
    match item {
        Named::Name(name) => image.topic_id(name).ok_or_else(|| {
            ApiError::new(ErrorCode::UnknownTopicOrPartition, "This server does not host this topic-partition.")
        }),
        Named::Id(id) => match image.topic_by_id(id) {
            Some(_) => Ok(id),
            None => Err(ApiError::new(ErrorCode::UnknownTopicId, "This server does not host this topic ID.")),
        },
    }
}

fn failure(item: Named<'_>, error: ApiError) -> DeletableTopicResult {
    DeletableTopicResult {
        name: item.name().map(str::to_string),
        topic_id: item.id().unwrap_or(Uuid::ZERO),
        error_code: error.code.code(),
        error_message: error.message,
    }
}

fn named_both_ways(name: &str, topic_id: Uuid) -> DeletableTopicResult {
    DeletableTopicResult {
        name: Some(name.to_string()),
        topic_id,
        error_code: ErrorCode::InvalidRequest.code(),
        error_message: Some("The provided topic name maps to an ID that was already supplied.".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::Cluster;
    use ottla_protocol::delete_topics_request::DeleteTopicState;

    fn delete(cluster: &mut Cluster, names: &[&str], topics: &[(Option<&str>, Uuid)]) -> Vec<String> {
        let state = |(name, topic_id): &(Option<&str>, Uuid)| DeleteTopicState {
            name: name.map(str::to_string),
            topic_id: *topic_id,
        };
        let request = DeleteTopicsRequest {
            topic_names: names.iter().map(|name| name.to_string()).collect(),
            topics: topics.iter().map(state).collect(),
            ..Default::default()
        };
        let response = cluster.run(|image, context| delete_topics(image, &request, context));
        let line = |result: &DeletableTopicResult| {
            let code = ErrorCode::from_code(result.error_code).unwrap();
            let name = result.name.clone().unwrap_or_default();
            format!("{name} {code} {}", result.error_message.clone().unwrap_or_default()).trim().to_string()
        };
        response.responses.iter().map(line).collect()
    }

    #[test]
    fn a_deleted_topic_is_gone_with_its_configs() {
        let mut cluster = Cluster::with_brokers(1);
        cluster.create_topic("a", 3, &[("retention.ms", "1")]);
        let id = cluster.image.topic_id("a").unwrap();
        assert_eq!(delete(&mut cluster, &["a"], &[]), ["a NONE"]);
        assert!(cluster.image.topic("a").is_none() && cluster.image.topic_by_id(id).is_none());
        assert!(cluster.image.configs(&crate::ConfigResource::topic("a")).is_empty());
        assert_eq!(cluster.image.partition_count(), 0);
        cluster.create_topic("a", 1, &[]);
        assert_ne!(cluster.image.topic_id("a"), Some(id));
    }

    #[test]
    fn topics_are_deleted_by_id_too() {
        let mut cluster = Cluster::with_brokers(1);
        cluster.create_topic("a", 1, &[]);
        let id = cluster.image.topic_id("a").unwrap();
        assert_eq!(delete(&mut cluster, &[], &[(None, id)]), ["a NONE"]);
        assert_eq!(
            delete(&mut cluster, &[], &[(None, id)]),
            ["UNKNOWN_TOPIC_ID This server does not host this topic ID."]
        );
    }

    #[test]
    fn items_that_name_a_topic_wrongly_get_an_error_each() {
        let mut cluster = Cluster::with_brokers(1);
        for name in ["a", "b", "c"] {
            cluster.create_topic(name, 1, &[]);
        }
        let id = |name: &str| cluster.image.topic_id(name).unwrap();
        let (a, b) = (id("a"), id("b"));
        let topics =
            [(None, Uuid::ZERO), (Some("a"), a), (Some("b"), Uuid::ZERO), (None, b), (Some("nope"), Uuid::ZERO)];
        assert_eq!(
            delete(&mut cluster, &["c", "c"], &topics),
            [
                "INVALID_REQUEST Neither topic name nor id were specified.",
                "a INVALID_REQUEST You may not specify both topic name and topic id.",
                "c INVALID_REQUEST Duplicate topic name.",
                "b INVALID_REQUEST The provided topic name maps to an ID that was already supplied.",
                "nope UNKNOWN_TOPIC_OR_PARTITION This server does not host this topic-partition.",
            ]
        );
        assert_eq!(cluster.image.topic_count(), 3);
    }

    #[test]
    fn a_topic_named_by_name_and_by_id_is_not_deleted_whichever_comes_first() {
        let mut cluster = Cluster::with_brokers(1);
        cluster.create_topic("a", 1, &[]);
        let a = cluster.image.topic_id("a").unwrap();
        let refused = "a INVALID_REQUEST The provided topic name maps to an ID that was already supplied.";
        assert_eq!(delete(&mut cluster, &["a"], &[(None, a)]), [refused]);
        assert_eq!(delete(&mut cluster, &[], &[(None, a), (Some("a"), Uuid::ZERO)]), [refused]);
        let by_id_twice = [(None, a), (Some("a"), Uuid::ZERO), (None, a)];
        assert_eq!(delete(&mut cluster, &[], &by_id_twice), ["INVALID_REQUEST Duplicate topic id.", refused]);
        assert_eq!(cluster.image.topic_count(), 1);
    }

    #[test]
    fn the_answer_for_a_topic_named_both_ways_has_its_name_and_its_id() {
        let mut cluster = Cluster::with_brokers(1);
        cluster.create_topic("a", 1, &[]);
        let topic_id = cluster.image.topic_id("a").unwrap();
        let topics = vec![DeleteTopicState { name: None, topic_id }];
        let request = DeleteTopicsRequest { topic_names: vec!["a".to_string()], topics, ..Default::default() };
        let response = cluster.run(|image, context| delete_topics(image, &request, context));
        let told: Vec<_> = response.responses.iter().map(|told| (told.name.as_deref(), told.topic_id)).collect();
        assert_eq!(told, [(Some("a"), topic_id)]);
    }

    #[test]
    fn a_name_that_comes_twice_does_not_keep_the_topic_from_being_deleted_by_id() {
        let mut cluster = Cluster::with_brokers(1);
        cluster.create_topic("a", 1, &[]);
        let a = cluster.image.topic_id("a").unwrap();
        let deleted = delete(&mut cluster, &["a", "a"], &[(None, a)]);
        assert_eq!(deleted, ["a INVALID_REQUEST Duplicate topic name.", "a NONE"]);
        assert_eq!(cluster.image.topic_count(), 0);
    }

    #[test]
    fn nothing_is_deleted_where_deletion_is_switched_off() {
        let mut cluster = Cluster::with_brokers(1).configured(&[("delete.topic.enable", "false")]);
        cluster.create_topic("a", 1, &[]);
        assert_eq!(delete(&mut cluster, &["a"], &[]), ["a TOPIC_DELETION_DISABLED Topic deletion is disabled."]);
    }
}
