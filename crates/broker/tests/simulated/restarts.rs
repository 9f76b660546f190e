//! Clean ends and what the next start finds.

use crate::kit::*;
use ottla_runtime::OpenMode;
use ottla_testkit::batches::{batch, idempotent_batch};
use std::path::Path;
use std::time::Duration;

async fn shut_down(node: &Node) -> bool {
    node.broker.shutdown().await;
    let names = node.names("/data").await;
    names.contains(&".kafka_cleanshutdown".to_string()) && !names.contains(&".ottla_dirty".to_string())
}

#[test]
fn a_clean_end_flushes_everything_and_needs_no_recovery() {
    for seed in 160..170 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 5, &[("write.flush.interval.ms", "60000")]).await;
            for index in 0..5 {
                node.produce_batch("t", index, batch(&["a", "b"]), 1).await;
            }
            node.produce_batch("t", 0, idempotent_batch(7, 0, 0, &["c"]), 1).await;
            assert!(shut_down(&node).await);
            let node = node.power_loss().await;
            for index in 0..5 {
                node.ready("t", index).await;
                let expected: &[&str] = if index == 0 { &["a", "b", "c"] } else { &["a", "b"] };
                assert_eq!(node.read_all("t", index, 0).await, expected);
            }
            let duplicate = node.produce_batch("t", 0, idempotent_batch(7, 0, 0, &["c"]), -1).await;
            assert_eq!(duplicate.base_offset, 2);
            assert!(shut_down(&node).await);
        });
    }
}

#[test]
fn a_node_that_ends_right_after_its_start_ends_cleanly() {
    with_node(170, &[], |node| async move {
        node.create_topic("t", 20, &[]).await;
        node.produce("t", 3, &["a"]).await;
        let node = node.crash().await;
        assert!(shut_down(&node).await);
        let node = node.restart().await;
        assert!(shut_down(&node).await);
    });
}

#[test]
fn an_end_under_load_is_clean_and_loses_nothing_that_was_acknowledged() {
    for seed in 171..181 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 1, &[("segment.bytes", "1048576")]).await;
            let value = "x".repeat(30_000);
            let requests: Vec<_> = (0..80)
                .map(|n| node.spawn_call(PRODUCE, produce_request("t", 0, batch(&[&format!("{n}{value}")]), -1)))
                .collect();
            node.runtime.sleep(Duration::from_millis(seed % 10)).await;
            assert!(shut_down(&node).await);
            let mut acknowledged = 0;
            for request in requests {
                let answer = the_partition(request.await.unwrap());
                match error(answer.error_code) {
                    "NONE" => acknowledged += 1,
                    code => assert_eq!(code, "NOT_LEADER_OR_FOLLOWER"),
                }
            }
            let node = node.restart().await;
            node.ready("t", 0).await;
            assert!(node.read_all("t", 0, 0).await.len() >= acknowledged);
        });
    }
}

#[test]
fn requests_after_the_end_are_refused_so_that_clients_try_again() {
    with_node(182, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        let waiting = node.spawn_call(FETCH, fetch_request("t", 0, 1, 60_000));
        node.until("it is parked", || node.metrics.broker.parked_fetches.get() == 1).await;
        node.broker.shutdown().await;
        assert_eq!(error(the_fetched(waiting.await.unwrap()).error_code), "NOT_LEADER_OR_FOLLOWER");
        let late = node.produce_batch("t", 0, batch(&["b"]), -1).await;
        assert_eq!(error(late.error_code), "NOT_LEADER_OR_FOLLOWER");
        assert_eq!(error(node.list_offset("t", 0, LATEST).await.error_code), "NOT_LEADER_OR_FOLLOWER");
    });
}

#[test]
fn directories_that_no_topic_claims_are_set_aside_and_kept() {
    with_node(183, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        let disk = node.runtime.disk().clone();
        disk.create_dir_all(Path::new("/data/stranger-0")).await.unwrap();
        let file = disk.open(Path::new("/data/stranger-0/note"), OpenMode::Create).await.unwrap();
        file.write_at(0, &[b"keep me"]).unwrap();
        let node = node.restart().await;
        node.ready("t", 0).await;
        let names = node.names("/data").await;
        assert!(names.iter().any(|name| name.starts_with("stranger-0.") && name.ends_with("-stray")), "{names:?}");
        node.create_topic("stranger", 1, &[]).await;
        assert_eq!(node.produce("stranger", 0, &["a"]).await, 0);
        assert_eq!(node.read_all("t", 0, 0).await, ["a"]);
    });
}

#[test]
fn a_directory_whose_deletion_a_power_loss_took_back_does_not_hide_its_successor() {
    for former_dir in ["/data", "/more"] {
        with_node(186, &[("log.dirs", "/data,/more")], |node| async move {
            node.create_topic("t", 1, &[]).await;
            node.produce("t", 0, &["a"]).await;
            node.produce("t", 0, &["b"]).await;
            node.delete_records("t", 0, 1).await;
            let disk = node.runtime.disk().clone();
            let other = if node.names("/data").await.contains(&"t-0".to_string()) { "/more" } else { "/data" };
            // The topic's log is in one of them; the former topic of this name left a directory in the other, with and
            // without the file that names its id.
            disk.create_dir_all(&Path::new(other).join("t-0")).await.unwrap();
            if other == former_dir {
                let path = Path::new(other).join("t-0/partition.metadata");
                let file = disk.open(&path, OpenMode::Create).await.unwrap();
                file.write_at(0, &[b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAADw\n"]).unwrap();
            }
            let node = node.crash().await;
            node.ready("t", 0).await;
            assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 1);
            assert_eq!(node.read_all("t", 0, 1).await, ["b"]);
            let names = node.names(other).await;
            assert!(names.iter().any(|name| name.starts_with("t-0.") && name.ends_with("-stray")), "{names:?}");
        });
    }
}

#[test]
fn the_rest_of_a_failed_creation_does_not_hide_the_partition() {
    with_node(188, &[("log.dirs", "/data,/more")], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        let disk = node.runtime.disk().clone();
        let is_first = node.names("/data").await.contains(&"t-0".to_string());
        let (own, other) = if is_first { ("/data/t-0", "/more") } else { ("/more/t-0", "/data") };
        let rest = Path::new(other).join("t-0");
        disk.create_dir_all(&rest).await.unwrap();
        let metadata = disk.read(&Path::new(own).join("partition.metadata"), 1000).await.unwrap();
        let copy = disk.open(&rest.join("partition.metadata"), OpenMode::Create).await.unwrap();
        copy.write_at(0, &[&metadata]).unwrap();
        let node = node.crash().await;
        node.ready("t", 0).await;
        assert_eq!(node.read_all("t", 0, 0).await, ["a"]);
        let names = node.names(other).await;
        assert!(names.iter().any(|name| name.starts_with("t-0.") && name.ends_with("-stray")), "{names:?}");
    });
}

#[test]
fn of_two_directories_of_one_partition_none_is_chosen() {
    with_node(187, &[("log.dirs", "/data,/more")], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        let disk = node.runtime.disk().clone();
        let is_first = node.names("/data").await.contains(&"t-0".to_string());
        let (own, other) = if is_first { ("/data/t-0", "/more/t-0") } else { ("/more/t-0", "/data/t-0") };
        disk.create_dir_all(Path::new(other)).await.unwrap();
        for entry in disk.list(Path::new(own)).await.unwrap() {
            let bytes = disk.read(&Path::new(own).join(&entry.name), 1 << 20).await.unwrap();
            let copy = disk.open(&Path::new(other).join(&entry.name), OpenMode::Create).await.unwrap();
            copy.write_at(0, &[&bytes]).unwrap();
        }
        let node = node.crash().await;
        node.until("the partition is offline", || node.metrics.broker.partitions_offline.get() == 1).await;
        let refused = node.produce_batch("t", 0, batch(&["b"]), -1).await;
        assert_eq!(error(refused.error_code), "KAFKA_STORAGE_ERROR");
        let message = refused.error_message.unwrap_or_default();
        assert!(message.contains("/data/t-0") && message.contains("/more/t-0"), "{message}");
        let disk = node.runtime.disk().clone();
        disk.remove_dir_all(Path::new(other)).await.unwrap();
        let node = node.restart().await;
        node.ready("t", 0).await;
        assert_eq!(node.read_all("t", 0, 0).await, ["a"]);
    });
}

#[test]
fn a_directory_in_the_way_of_a_new_partition_is_set_aside() {
    with_node(184, &[], |node| async move {
        node.runtime.disk().create_dir_all(Path::new("/data/t-0")).await.unwrap();
        node.create_topic("t", 1, &[]).await;
        let early = node.produce_batch("t", 0, batch(&["a"]), -1).await;
        assert_eq!(error(early.error_code), "KAFKA_STORAGE_ERROR");
        node.until("the second try works", || node.metrics.broker.partitions_offline.get() == 0).await;
        assert_eq!(node.produce("t", 0, &["a"]).await, 0);
    });
}

#[test]
fn old_leader_epochs_are_never_resumed() {
    with_node(185, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let mut node = node;
        let mut epochs = Vec::new();
        for _ in 0..4 {
            node.ready("t", 0).await;
            node.produce("t", 0, &["a"]).await;
            epochs.push(node.list_offset("t", 0, LATEST).await.leader_epoch);
            node = node.crash().await;
        }
        assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]), "{epochs:?}");
    });
}
