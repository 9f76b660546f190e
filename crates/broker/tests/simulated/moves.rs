//! Partitions that move between the log directories of a node (AlterReplicaLogDirs).

use crate::kit::*;
use ottla_protocol::generated::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};
use ottla_protocol::generated::describe_log_dirs_request::DescribeLogDirsRequest;
use ottla_testkit::batches::batch;
use std::time::Duration;

const TWO_DIRS: (&str, &str) = ("log.dirs", "/data,/more");
/// So slow that a move of some hundred bytes does not end by itself within a test.
const SLOW: (&str, &str) = ("replica.alter.log.dirs.io.max.bytes.per.second", "10");

fn request(topic: &str, partition: i32, path: &str) -> AlterReplicaLogDirsRequest {
    let topics = vec![AlterReplicaLogDirTopic { name: topic.to_string(), partitions: vec![partition] }];
    AlterReplicaLogDirsRequest { dirs: vec![AlterReplicaLogDir { path: path.to_string(), topics }] }
}

/// What the node answers for one partition.
async fn alter(node: &Node, topic: &str, partition: i32, path: &str) -> &'static str {
    let response = node.call(2, &request(topic, partition, path)).await;
    assert_eq!(response.results[0].topic_name, topic);
    error(response.results[0].partitions[0].error_code)
}

/// Where the log of `t`-0 is, and where its copy.
async fn places(node: &Node) -> (Option<String>, Option<String>) {
    let response = node.call(4, &DescribeLogDirsRequest { topics: None }).await;
    let mut places = (None, None);
    for dir in response.results {
        for topic in dir.topics.iter().filter(|topic| topic.name == "t") {
            for partition in topic.partitions.iter().filter(|partition| partition.partition_index == 0) {
                match partition.is_future_key {
                    false => places.0 = Some(dir.log_dir.clone()),
                    true => places.1 = Some(dir.log_dir.clone()),
                }
            }
        }
    }
    places
}

async fn other_dir(node: &Node) -> (String, String) {
    let (current, _) = places(node).await;
    let current = current.expect("the partition is somewhere");
    let other = if current == "/data" { "/more" } else { "/data" };
    (current, other.to_string())
}

/// Waits until the partition is in `dir`, and nowhere else.
async fn is_in(node: &Node, dir: &str) {
    for _ in 0..1000 {
        if places(node).await == (Some(dir.to_string()), None) {
            return;
        }
        node.runtime.sleep(Duration::from_millis(50)).await;
    }
    panic!("the partition is not in {dir}: {:?}", places(node).await);
}

#[test]
fn a_partition_moves_while_it_is_written_and_read() {
    for seed in 700..706 {
        with_node(seed, &[TWO_DIRS], |node| async move {
            node.create_topic("t", 1, &[("file.delete.delay.ms", "0")]).await;
            node.produce("t", 0, &["first"]).await;
            node.produce("t", 0, &["second"]).await;
            node.delete_records("t", 0, 1).await;
            let writer = node.runtime.spawn("writer", {
                let node = node.clone();
                async move {
                    for index in 0..300_i64 {
                        let value = format!("v{index}");
                        assert_eq!(
                            node.produce("t", 0, &[value.as_str()]).await,
                            2 + index,
                            "one offset after another"
                        );
                    }
                }
            });
            let (from, to) = other_dir(&node).await;
            assert_eq!(alter(&node, "t", 0, &to).await, "NONE");
            is_in(&node, &to).await;
            assert_eq!(alter(&node, "t", 0, &from).await, "NONE");
            is_in(&node, &from).await;
            assert_eq!(alter(&node, "t", 0, &to).await, "NONE");
            writer.await.unwrap();
            is_in(&node, &to).await;
            let expected: Vec<String> =
                std::iter::once("second".to_string()).chain((0..300).map(|index| format!("v{index}"))).collect();
            assert_eq!(node.read_all("t", 0, 1).await, expected);
            assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 1);
            assert_eq!(node.metrics.log.moves_completed.get(), 3);
            assert_eq!(node.metrics.broker.partitions_offline.get(), 0);
            let node = if seed % 2 == 0 { node.power_loss().await } else { node.restart().await };
            node.ready("t", 0).await;
            assert_eq!(places(&node).await, (Some(to), None));
            assert_eq!(node.read_all("t", 0, 1).await, expected);
            assert!(!node.names(&from).await.contains(&"t-0".to_string()), "the source is gone");
        });
    }
}

#[test]
fn what_cannot_be_moved_is_answered_as_kafka_does() {
    with_node(710, &[TWO_DIRS], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.ready("t", 0).await;
        assert_eq!(alter(&node, "t", 0, "/elsewhere").await, "LOG_DIR_NOT_FOUND");
        assert_eq!(alter(&node, "t", 0, "data").await, "LOG_DIR_NOT_FOUND");
        assert_eq!(alter(&node, "t", 0, "").await, "LOG_DIR_NOT_FOUND");
        assert_eq!(alter(&node, "nosuch", 0, "/more").await, "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(alter(&node, "t", 1, "/more").await, "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(alter(&node, "__cluster_metadata", 0, "/more").await, "UNKNOWN_TOPIC_OR_PARTITION");
        let (long, longest) = ("l".repeat(214), "l".repeat(213));
        assert_eq!(alter(&node, &long, 0, "/more").await, "INVALID_TOPIC_EXCEPTION");
        assert_eq!(alter(&node, &longest, 0, "/more").await, "UNKNOWN_TOPIC_OR_PARTITION");
        let (current, _) = other_dir(&node).await;
        assert_eq!(alter(&node, "t", 0, &current).await, "NONE", "it is there");
        assert_eq!(places(&node).await, (Some(current), None));
    });
}

#[test]
fn a_partition_is_created_in_the_directory_that_was_asked_for() {
    for dir in ["/data", "/more"] {
        with_node(711, &[TWO_DIRS], |node| async move {
            assert_eq!(alter(&node, "t", 0, dir).await, "UNKNOWN_TOPIC_OR_PARTITION");
            node.create_topic("t", 1, &[]).await;
            node.produce("t", 0, &["a"]).await;
            assert_eq!(places(&node).await, (Some(dir.to_string()), None));
        });
    }
}

#[test]
fn a_move_shows_itself_and_is_stopped_by_asking_for_the_place_where_it_is() {
    with_node(712, &[TWO_DIRS, SLOW], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a", "b"]).await;
        let (from, to) = other_dir(&node).await;
        assert_eq!(alter(&node, "t", 0, &to).await, "NONE");
        assert_eq!(alter(&node, "t", 0, &to).await, "NONE", "it is on its way");
        assert_eq!(places(&node).await, (Some(from.clone()), Some(to.clone())));
        assert_eq!(node.produce("t", 0, &["c"]).await, 2);
        assert_eq!(alter(&node, "t", 0, &from).await, "NONE");
        is_in(&node, &from).await;
        node.runtime.sleep(Duration::from_secs(5)).await;
        let names = node.names(&to).await;
        assert!(!names.iter().any(|name| name.starts_with("t-0")), "nothing is left of the copy: {names:?}");
        assert_eq!(node.read_all("t", 0, 0).await, ["a", "b", "c"]);
        assert_eq!((node.metrics.log.moves_completed.get(), node.metrics.log.moves_failed.get()), (0, 0));
    });
}

#[test]
fn a_move_goes_on_after_a_restart() {
    for is_clean in [true, false] {
        with_node(713, &[TWO_DIRS, SLOW], |node| async move {
            node.create_topic("t", 1, &[]).await;
            node.produce("t", 0, &["a", "b"]).await;
            let (from, to) = other_dir(&node).await;
            assert_eq!(alter(&node, "t", 0, &to).await, "NONE");
            node.runtime.sleep(Duration::from_secs(1)).await;
            assert_eq!(places(&node).await, (Some(from.clone()), Some(to.clone())));
            let node = if is_clean { node.restart().await } else { node.crash().await };
            node.ready("t", 0).await;
            for _ in 0..100 {
                if places(&node).await.1.is_some() {
                    break;
                }
                node.runtime.sleep(Duration::from_millis(50)).await;
            }
            assert_eq!(places(&node).await, (Some(from), Some(to.clone())), "the move has begun again");
            is_in(&node, &to).await;
            assert_eq!(node.read_all("t", 0, 0).await, ["a", "b"]);
        });
    }
}

#[test]
fn a_topic_that_is_deleted_while_it_moves_leaves_nothing() {
    with_node(714, &[TWO_DIRS, SLOW], |node| async move {
        node.create_topic("t", 1, &[("file.delete.delay.ms", "0")]).await;
        node.produce("t", 0, &["a", "b"]).await;
        let (_, to) = other_dir(&node).await;
        assert_eq!(alter(&node, "t", 0, &to).await, "NONE");
        node.delete_topic("t").await;
        node.runtime.sleep(Duration::from_secs(10)).await;
        for dir in ["/data", "/more"] {
            let names = node.names(dir).await;
            assert!(!names.iter().any(|name| name.starts_with("t-0")), "{dir}: {names:?}");
        }
        node.create_topic("t", 1, &[]).await;
        assert_eq!(node.produce("t", 0, &["new"]).await, 0);
    });
}

#[test]
fn a_target_that_fails_ends_the_move_and_the_partition_stays() {
    with_node(715, &[TWO_DIRS], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        let (from, to) = other_dir(&node).await;
        node.world.disk_faults(NODE).fail_writes("-future", 1);
        assert_eq!(alter(&node, "t", 0, &to).await, "NONE");
        node.until("the move fails", || node.metrics.log.moves_failed.get() == 1).await;
        is_in(&node, &from).await;
        assert_eq!(node.produce("t", 0, &["b"]).await, 1);
        assert_eq!(alter(&node, "t", 0, &to).await, "NONE", "it may be tried again");
        is_in(&node, &to).await;
        assert_eq!(node.read_all("t", 0, 0).await, ["a", "b"]);
    });
}

#[test]
fn a_flush_that_fails_while_a_partition_moves_begins_the_copy_again() {
    with_node(716, &[TWO_DIRS, SLOW], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        let (from, to) = other_dir(&node).await;
        assert_eq!(alter(&node, "t", 0, &to).await, "NONE");
        node.world.disk_faults(NODE).fail_syncs(&format!("{from}/t-0/"), 1);
        let failed = node.produce_batch("t", 0, batch(&["lost"]), -1).await;
        assert_eq!(error(failed.error_code), "KAFKA_STORAGE_ERROR");
        node.until("the log is open again", || node.metrics.broker.partitions_offline.get() == 0).await;
        assert_eq!(node.produce("t", 0, &["b"]).await, 1);
        is_in(&node, &to).await;
        assert_eq!(node.read_all("t", 0, 0).await, ["a", "b"]);
        let node = node.power_loss().await;
        node.ready("t", 0).await;
        assert_eq!(node.read_all("t", 0, 0).await, ["a", "b"]);
    });
}
