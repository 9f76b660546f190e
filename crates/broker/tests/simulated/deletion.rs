//! Topics that go, and come back under the same name; topics that grow.

use crate::kit::*;
use ottla_protocol::generated::fetch_request::FetchRequest;
use ottla_testkit::batches::{batch, batch_of_size};
use std::time::Duration;

#[test]
fn a_topic_is_recreated_under_its_name_at_once() {
    for seed in 120..126 {
        with_node(seed, &[], |node| async move {
            for round in 0..5 {
                node.create_topic("t", 2, &[]).await;
                let value = format!("round {round}");
                assert_eq!(node.produce("t", 0, &[&value]).await, 0);
                node.produce_batch("t", 1, batch_of_size(10_000), 1).await;
                assert_eq!(node.read_all("t", 0, 0).await, [value]);
                node.delete_topic("t").await;
                let gone = node.produce_batch("t", 0, batch(&["late"]), -1).await;
                assert_eq!(error(gone.error_code), "UNKNOWN_TOPIC_OR_PARTITION");
            }
            assert_eq!(node.metrics.broker.partitions.get(), 0);
            assert_eq!(node.metrics.broker.partitions_leader.get(), 0);
            node.runtime.sleep(Duration::from_secs(70)).await;
            let names = node.names("/data").await;
            assert!(names.iter().all(|name| !name.starts_with("t-") && !name.contains("-delete")), "{names:?}");
        });
    }
}

#[test]
fn a_deletion_waits_for_the_flush_that_is_under_way_and_the_new_topic_for_the_deletion() {
    with_node(127, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["old"]).await;
        node.world.disk_faults(NODE).slow_syncs("t-0", 1, Duration::from_secs(3));
        let waiting = node.spawn_call(PRODUCE, produce_request("t", 0, batch(&["old too"]), -1));
        node.until("it is parked", || node.metrics.broker.parked_produces.get() == 1).await;
        node.delete_topic("t").await;
        let answer = the_partition(waiting.await.unwrap());
        assert_eq!(error(answer.error_code), "UNKNOWN_TOPIC_OR_PARTITION");
        node.create_topic("t", 1, &[]).await;
        assert_eq!(node.produce("t", 0, &["new"]).await, 0);
        assert_eq!(node.read_all("t", 0, 0).await, ["new"]);
    });
}

#[test]
fn a_deletion_that_takes_long_does_not_hold_up_other_topics() {
    with_node(128, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["old"]).await;
        node.world.disk_faults(NODE).slow_syncs("t-0", 1, Duration::from_secs(300));
        node.produce_batch("t", 0, batch(&["a"]), 1).await;
        node.runtime.sleep(Duration::from_millis(100)).await;
        node.delete_topic("t").await;
        node.create_topic("t", 1, &[]).await;
        let early = node.produce_batch("t", 0, batch(&["new"]), -1).await;
        assert_eq!(error(early.error_code), "NOT_LEADER_OR_FOLLOWER", "it waits for its directory");
        node.create_topic("other", 1, &[]).await;
        assert_eq!(node.produce("other", 0, &["a"]).await, 0);
        node.runtime.sleep(Duration::from_secs(300)).await;
        node.ready("t", 0).await;
        assert_eq!(node.produce("t", 0, &["new"]).await, 0);
    });
}

#[test]
fn topics_are_deleted_while_their_logs_are_being_opened() {
    for seed in 130..150 {
        with_node(seed, &[], |node| async move {
            for n in 0..10 {
                node.create_topic(&format!("t{n}"), 2, &[]).await;
                node.produce(&format!("t{n}"), 0, &["old"]).await;
                node.produce(&format!("t{n}"), 1, &["old"]).await;
            }
            let node = node.crash().await;
            for n in 0..10 {
                let name = format!("t{n}");
                node.delete_topic(&name).await;
                node.create_topic(&name, 2, &[]).await;
            }
            for n in 0..10 {
                let name = format!("t{n}");
                for index in 0..2 {
                    node.ready(&name, index).await;
                    assert_eq!(node.produce(&name, index, &["new"]).await, 0);
                    assert_eq!(node.read_all(&name, index, 0).await, ["new"]);
                }
            }
            let strays: Vec<_> = node.names("/data").await.into_iter().filter(|name| name.contains("stray")).collect();
            assert_eq!(strays, Vec::<String>::new());
        });
    }
}

#[test]
fn a_waiting_fetch_learns_of_the_deletion() {
    with_node(151, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let mut by_id: FetchRequest = fetch_request("", 0, 0, 60_000);
        by_id.topics[0].topic_id = topic_id(&node, "t");
        let waiting =
            [node.spawn_call(FETCH, fetch_request("t", 0, 0, 60_000)), node.spawn_call(FETCH_BY_ID, by_id.clone())];
        node.until("both are parked", || node.metrics.broker.parked_fetches.get() == 2).await;
        let begun = node.runtime.now();
        node.delete_topic("t").await;
        for fetch in waiting {
            assert_eq!(error(the_fetched(fetch.await.unwrap()).error_code), "UNKNOWN_TOPIC_OR_PARTITION");
        }
        assert!(node.runtime.now() - begun < Duration::from_secs(1));
        assert_eq!(error(the_fetched(node.call(FETCH_BY_ID, &by_id).await).error_code), "UNKNOWN_TOPIC_ID");
    });
}

#[test]
fn added_partitions_work_at_once_and_the_old_ones_go_on() {
    with_node(152, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        node.add_partitions("t", 5).await;
        for index in 1..5 {
            assert_eq!(node.produce("t", index, &["b"]).await, 0);
        }
        assert_eq!(node.produce("t", 0, &["c"]).await, 1);
    });
}

#[test]
fn deleted_topics_leave_no_offsets_to_their_successors() {
    with_node(153, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a", "b", "c"]).await;
        node.delete_records("t", 0, 2).await;
        node.delete_topic("t").await;
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["x"]).await;
        let node = node.power_loss().await;
        node.ready("t", 0).await;
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 0);
        assert_eq!(node.read_all("t", 0, 0).await, ["x"]);
    });
}
