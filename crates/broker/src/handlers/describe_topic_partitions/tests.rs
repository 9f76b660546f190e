//! Pages of a small image, as Kafka's DescribeTopicPartitionsRequestHandler and KRaftMetadataCache make them.

use super::*;
use crate::test_images::{apply, image_of};
use ottla_protocol::register_broker_record::BrokerEndpoint;
use ottla_protocol::{MetadataRecord, RegisterBrokerRecord};

const LISTENER: &str = "PLAINTEXT";
const SIZE_LIMIT: i32 = 2000;

/// Broker 1, which leads both partitions of topics "a" and "c"; the only partition of "leaderless" has no leader.
fn image() -> MetadataImage {
    let mut image = image_of(&[("a", &[1, 1]), ("c", &[1, 1]), ("leaderless", &[-1])]);
    apply(&mut image, broker());
    image
}

fn broker() -> MetadataRecord {
    let endpoint =
        BrokerEndpoint { name: LISTENER.to_string(), host: "localhost".to_string(), port: 9092, security_protocol: 0 };
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: 1,
        end_points: vec![endpoint],
        fenced: false,
        ..RegisterBrokerRecord::default()
    })
}

fn request(names: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> DescribeTopicPartitionsRequest {
    DescribeTopicPartitionsRequest {
        topics: names.iter().map(|name| TopicRequest { name: name.to_string() }).collect(),
        response_partition_limit: limit,
        cursor: cursor.map(|(name, partition_index)| ottla_protocol::describe_topic_partitions_request::Cursor {
            topic_name: name.to_string(),
            partition_index,
        }),
    }
}

/// The topics of the answer, each with its error and its number of partitions, and the next cursor.
fn page(names: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> (Vec<String>, Option<(String, i32)>) {
    let response = describe(&image(), LISTENER, &request(names, limit, cursor), SIZE_LIMIT);
    let line = |topic: &DescribeTopicPartitionsResponseTopic| {
        let error = ErrorCode::from_code(topic.error_code).expect("a known code");
        format!("{} {error} {}", topic.name.clone().unwrap_or_default(), topic.partitions.len())
    };
    let next = response.next_cursor.map(|next| (next.topic_name, next.partition_index));
    (response.topics.iter().map(line).collect(), next)
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| line.to_string()).collect()
}

#[test]
fn a_cursor_whose_topic_is_not_named_is_an_invalid_request() {
    let refused = lines(&["a INVALID_REQUEST 0", "c INVALID_REQUEST 0"]);
    assert_eq!(page(&["a", "c"], 10, Some(("b", 0))), (refused.clone(), None));
    assert_eq!(page(&["a", "c"], 10, Some(("a", -1))), (refused, None));
    assert_eq!(page(&["a", "c"], 10, Some(("c", 1))), (lines(&["c NONE 1"]), None));
    let unnamed = lines(&["c NONE 2", "leaderless NONE 1"]);
    assert_eq!(page(&[], 10, Some(("b", 0))), (unnamed, None), "all topics are asked for");
}

#[test]
fn a_partition_without_leader_has_no_error() {
    let response = describe(&image(), LISTENER, &request(&["leaderless"], 10, None), SIZE_LIMIT);
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.leader_id), (0, -1));
}

#[test]
fn a_leader_without_the_listener_that_was_asked_is_not_told() {
    let response = describe(&image(), "OTHER", &request(&["a"], 10, None), SIZE_LIMIT);
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.leader_id, &partition.offline_replicas), (0, -1, &vec![1]));
}

#[test]
fn a_full_page_goes_on_with_the_next_name_even_of_an_unknown_topic() {
    let full = lines(&["a NONE 2"]);
    assert_eq!(page(&["a", "b", "c"], 2, None), (full.clone(), Some(("b".to_string(), 0))));
    assert_eq!(page(&["a", "b", "c"], 1, None), (lines(&["a NONE 1"]), Some(("a".to_string(), 1))));
    let rest = lines(&["b UNKNOWN_TOPIC_OR_PARTITION 0", "c NONE 2"]);
    assert_eq!(page(&["a", "b", "c"], 2, Some(("b", 0))), (rest, None));
    assert_eq!(page(&["a"], 2, None), (full, None), "nothing is left");
}

#[test]
fn an_unknown_topic_takes_no_room() {
    let all = lines(&["0 UNKNOWN_TOPIC_OR_PARTITION 0", "a NONE 2", "no spaces INVALID_TOPIC_EXCEPTION 0"]);
    assert_eq!(page(&["a", "0", "a", "no spaces"], 3, None), (all, None));
}
