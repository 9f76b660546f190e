//! Several log directories, of which one is slow: it holds up nothing but its own logs.

use crate::kit::*;
use futures_util::future::join_all;
use ottla_testkit::batches::{batch, batch_of_size};
use std::path::Path;
use std::time::Duration;

const TWO_DIRS: (&str, &str) = ("log.dirs", "/data,/more");
/// Longer than any test waits for something.
const LONG: Duration = Duration::from_secs(300);

/// What the directory's checkpoint says of partition 0 of `topic`.
async fn recovery_point(node: &Node, dir: &str, topic: &str) -> Option<i64> {
    let path = Path::new(dir).join("recovery-point-offset-checkpoint");
    let text = node.runtime.disk().read(&path, 10_000).await.expect("a checkpoint");
    let text = String::from_utf8(text.to_vec()).expect("text");
    text.lines().find_map(|line| line.strip_prefix(&format!("{topic} 0 "))?.parse().ok())
}

/// Whether the next start takes the directory's logs as they are.
async fn is_clean(node: &Node, dir: &str) -> bool {
    node.names(dir).await.contains(&".kafka_cleanshutdown".to_string())
}

/// Topics of one partition: `a` and `c` in the first directory, `b` in the second.
async fn three_topics(node: &Node) {
    for name in ["a", "b", "c"] {
        node.create_topic(name, 1, &[("file.delete.delay.ms", "5000")]).await;
        node.produce(name, 0, &["x"]).await;
    }
    let (data, more) = (node.names("/data").await, node.names("/more").await);
    assert!(data.contains(&"a-0".to_string()) && data.contains(&"c-0".to_string()), "{data:?}");
    assert!(more.contains(&"b-0".to_string()), "{more:?}");
    node.runtime.sleep(Duration::from_secs(2)).await;
}

#[test]
fn a_directory_that_hangs_at_the_start_does_not_hold_up_the_logs_of_the_other() {
    with_node(400, &[TWO_DIRS], |node| async move {
        node.create_topic("t", 100, &[]).await;
        for index in 0..100 {
            node.produce("t", index, &["a"]).await;
        }
        let names = node.names("/more").await;
        let others: Vec<i32> = names.iter().filter_map(|name| name.strip_prefix("t-")?.parse().ok()).collect();
        assert!((40..=60).contains(&others.len()), "{names:?}");
        node.world.disk_faults(NODE).slow_syncs("/data/t-", 10_000, LONG);
        let node = node.crash().await;
        for &index in &others {
            node.ready("t", index).await;
            assert_eq!(node.produce("t", index, &["b"]).await, 1);
        }
        for index in (0..100).filter(|index| !others.contains(index)) {
            assert_eq!(error(node.fetch("t", index, 0).await.error_code), "NOT_LEADER_OR_FOLLOWER");
        }
        node.broker.shutdown().await;
        assert_eq!((is_clean(&node, "/data").await, is_clean(&node, "/more").await), (false, true));
    });
}

#[test]
fn a_directory_that_hangs_takes_no_flush_from_the_other_nor_its_clean_end() {
    with_node(408, &[TWO_DIRS], |node| async move {
        node.create_topic("t", 200, &[]).await;
        let names = node.names("/more").await;
        let of_more = |index: &i32| names.contains(&format!("t-{index}"));
        node.world.disk_faults(NODE).slow_syncs("/data/t-", 10_000, LONG);
        let hanging: Vec<i32> = (0..200).filter(|index| !of_more(index)).collect();
        assert!((90..=110).contains(&hanging.len()), "{}", hanging.len());
        let hanging = join_all(hanging.into_iter().map(|index| node.produce_batch("t", index, batch(&["x"]), -1)));
        let well = async {
            node.runtime.sleep(Duration::from_secs(5)).await;
            for index in (0..200).filter(of_more) {
                assert_eq!(node.produce("t", index, &["a"]).await, 0);
            }
        };
        tokio::select! {
            biased;
            _ = hanging => panic!("the disk hangs"),
            () = well => {}
        }
        node.broker.shutdown().await;
        assert_eq!((is_clean(&node, "/data").await, is_clean(&node, "/more").await), (false, true));
    });
}

#[test]
fn a_directory_that_hangs_at_the_end_holds_up_neither_another_nor_the_process_for_long() {
    with_node(410, &[TWO_DIRS], |node| async move {
        three_topics(&node).await;
        node.world.disk_faults(NODE).slow_syncs("/data/", 10_000, LONG);
        let begun = node.runtime.now();
        node.broker.shutdown().await;
        let took = node.runtime.now() - begun;
        assert!(took < Duration::from_secs(100), "{took:?}");
        assert_eq!((is_clean(&node, "/data").await, is_clean(&node, "/more").await), (false, true));
    });
}

#[test]
fn directories_with_a_partition_that_is_in_both_are_recovered_again() {
    with_node(407, &[TWO_DIRS], |node| async move {
        three_topics(&node).await;
        let node = node.crash().await;
        node.ready("b", 0).await;
        node.broker.shutdown().await;
        assert!(is_clean(&node, "/data").await && is_clean(&node, "/more").await);
        let disk = node.runtime.disk();
        disk.create_dir_all(Path::new("/data/b-0")).await.expect("room");
        for name in node.names("/more/b-0").await {
            let content = disk.read(&Path::new("/more/b-0").join(&name), 1 << 20).await.expect("a file");
            disk.write_atomic(&Path::new("/data/b-0").join(&name), &content, "test").await.expect("room");
        }
        let node = node.restart().await;
        node.ready("a", 0).await;
        assert_eq!(error(node.fetch("b", 0, 0).await.error_code), "KAFKA_STORAGE_ERROR");
        node.broker.shutdown().await;
        assert!(!is_clean(&node, "/data").await && !is_clean(&node, "/more").await, "one of the two was not recovered");
    });
}

#[test]
fn a_deleted_topic_whose_log_waits_for_its_recovery_goes_at_once() {
    for seed in 401..405 {
        with_node(seed, &[("num.recovery.threads.per.data.dir", "1")], |node| async move {
            for name in ["a", "b"] {
                node.create_topic(name, 1, &[]).await;
                node.produce_batch(name, 0, batch_of_size(600_000), -1).await;
                node.produce_batch(name, 0, batch_of_size(600_000), -1).await;
            }
            node.world.disk_faults(NODE).slow_syncs("-0/", 10_000, LONG);
            let node = node.crash().await;
            node.runtime.sleep(Duration::from_secs(5)).await;
            // One of them has the only turn. The other need not wait for it, and is not read for nothing.
            node.delete_topic("a").await;
            node.delete_topic("b").await;
            let names = node.names("/data").await;
            let stay = ["a", "b"].map(|name| names.contains(&format!("{name}-0")));
            assert!(stay[0] != stay[1], "{names:?}");
            node.world.disk_faults(NODE).clear_errors();
            let gone = if stay[0] { "b" } else { "a" };
            node.create_topic(gone, 1, &[]).await;
            assert_eq!(node.produce(gone, 0, &["new"]).await, 0);
            assert_eq!(node.read_all(gone, 0, 0).await, ["new"]);
            // The logs that are gone are no reason to recover the others at the next start.
            node.runtime.sleep(LONG).await;
            node.broker.shutdown().await;
            assert!(is_clean(&node, "/data").await);
        });
    }
}

#[test]
fn a_removal_that_takes_long_holds_up_neither_checkpoints_nor_other_directories_nor_the_end() {
    with_node(405, &[TWO_DIRS], |node| async move {
        three_topics(&node).await;
        node.delete_topic("a").await;
        node.runtime.sleep(Duration::from_secs(3)).await;
        node.world.disk_faults(NODE).slow_syncs("/data", 1, LONG);
        node.runtime.sleep(Duration::from_secs(4)).await;
        let is_deleted = |name: &String| name.starts_with("a-0.") && name.ends_with("-delete");
        assert!(node.names("/data").await.iter().any(is_deleted), "its removal is under way");
        node.produce("c", 0, &["y", "z"]).await;
        node.delete_topic("b").await;
        node.runtime.sleep(Duration::from_secs(7)).await;
        assert_eq!(recovery_point(&node, "/data", "c").await, Some(3));
        let names = node.names("/more").await;
        assert!(!names.iter().any(|name| name.starts_with("b-0")), "{names:?}");
        let begun = node.runtime.now();
        node.broker.shutdown().await;
        assert!(node.runtime.now() - begun < Duration::from_secs(2));
        assert!(is_clean(&node, "/data").await);
        // The next start goes on with it.
        let node = node.restart().await;
        node.ready("c", 0).await;
        node.runtime.sleep(Duration::from_secs(2)).await;
        assert!(!node.names("/data").await.iter().any(is_deleted));
    });
}

#[test]
fn after_a_failed_sync_of_their_names_deleted_partitions_are_left_to_the_next_start() {
    with_node(409, &[TWO_DIRS], |node| async move {
        three_topics(&node).await;
        node.delete_topic("a").await;
        node.runtime.sleep(Duration::from_secs(2)).await;
        node.delete_topic("c").await;
        node.runtime.sleep(Duration::from_secs(1)).await;
        node.world.disk_faults(NODE).fail_syncs("/data", 1);
        node.runtime.sleep(Duration::from_secs(20)).await;
        // Also the one whose time came later: its name was in the sync that failed.
        let deleted = |names: Vec<String>| names.iter().filter(|name| name.ends_with("-delete")).count();
        assert_eq!(deleted(node.names("/data").await), 2);
        let node = node.restart().await;
        node.ready("b", 0).await;
        node.runtime.sleep(Duration::from_secs(10)).await;
        assert_eq!(deleted(node.names("/data").await), 0);
    });
}

#[test]
fn a_checkpoint_that_hangs_does_not_hold_up_those_of_other_directories() {
    with_node(406, &[TWO_DIRS], |node| async move {
        three_topics(&node).await;
        node.world.disk_faults(NODE).slow_syncs("/data/recovery-point", 1, LONG);
        node.produce("a", 0, &["y"]).await;
        node.runtime.sleep(Duration::from_secs(2)).await;
        node.produce("b", 0, &["y"]).await;
        node.runtime.sleep(Duration::from_secs(2)).await;
        assert_eq!(recovery_point(&node, "/data", "a").await, Some(1));
        assert_eq!(recovery_point(&node, "/more", "b").await, Some(2));
    });
}
