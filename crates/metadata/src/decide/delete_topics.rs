//! DeleteTopics, by name or by id.

use crate::{ApiError, DecideContext, Decision, Entry, MetadataImage};
use ottla_protocol::delete_topics_response::DeletableTopicResult;
use ottla_protocol::{DeleteTopicsRequest, DeleteTopicsResponse, MetadataRecord, RemoveTopicRecord};
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;

/// What one item of the request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named<'a> {
    Name(&'a str),
    Id(Uuid),
}

/// Deletes every topic that the request names rightly and once; the other items get an error each.
pub fn delete_topics(
    image: &MetadataImage,
    request: &DeleteTopicsRequest,
    context: &DecideContext<'_>,
) -> Decision<DeleteTopicsResponse> {
    let mut responses = Vec::new();
    let mut counts: BTreeMap<Named<'_>, usize> = BTreeMap::new();
    let mut order = Vec::new();
    for item in items(request, &mut responses) {
        let count = counts.entry(item).or_default();
        *count += 1;
        if *count == 1 {
            order.push(item);
        }
    }
    let mut records = Entry::new();
    let mut doomed = BTreeMap::new();
    for item in order {
        let outcome = match counts[&item] {
            1 => find(image, item, context).and_then(|id| match doomed.insert(id, ()) {
                None => Ok(id),
                Some(()) => Err(ApiError::new(
                    ErrorCode::InvalidRequest,
                    "The provided topic name maps to an ID that was already supplied.",
                )),
            }),
            _ => Err(ApiError::new(
                ErrorCode::InvalidRequest,
                match item {
                    Named::Name(_) => "Duplicate topic name.",
                    Named::Id(_) => "Duplicate topic id.",
                },
            )),
        };
        match outcome {
            Ok(id) => {
                records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: id }));
                let name = image.topic_by_id(id).map(|topic| topic.name.to_string());
                responses.push(DeletableTopicResult { name, topic_id: id, error_code: 0, error_message: None });
            }
            Err(error) => responses.push(failure(item, error)),
        }
    }
    Decision::atomic(records, DeleteTopicsResponse { throttle_time_ms: 0, responses })
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
    let (name, topic_id) = match item {
        Named::Name(name) => (Some(name.to_string()), Uuid::ZERO),
        Named::Id(id) => (None, id),
    };
    DeletableTopicResult { name, topic_id, error_code: error.code.code(), error_message: error.message }
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
                "b NONE",
                "INVALID_REQUEST The provided topic name maps to an ID that was already supplied.",
                "nope UNKNOWN_TOPIC_OR_PARTITION This server does not host this topic-partition.",
            ]
        );
        assert_eq!(cluster.image.topic_count(), 2);
    }

    #[test]
    fn nothing_is_deleted_where_deletion_is_switched_off() {
        let mut cluster = Cluster::with_brokers(1).configured(&[("delete.topic.enable", "false")]);
        cluster.create_topic("a", 1, &[]);
        assert_eq!(delete(&mut cluster, &["a"], &[]), ["a TOPIC_DELETION_DISABLED Topic deletion is disabled."]);
    }
}
