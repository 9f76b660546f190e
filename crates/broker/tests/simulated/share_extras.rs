//! What configs of share groups change: what is seen of transactions, dead-letter topics, delayed redelivery.

use crate::kit::*;
use std::time::Duration;

/// A resource of type TOPIC in requests.
const TOPIC: i8 = 2;
const USABLE: (&str, &str) = ("errors.deadletterqueue.group.enable", "true");

/// Waits until the topic holds this many records; their values.
async fn values_of(node: &Node, topic: &str, count: usize) -> Vec<String> {
    let deadline = node.runtime.now() + Duration::from_secs(60);
    node.ready(topic, 0).await;
    loop {
        let values = node.read_all(topic, 0, 0).await;
        if values.len() >= count {
            return values;
        }
        assert!(node.runtime.now() < deadline, "{values:?}");
        node.runtime.sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn read_committed_groups_get_no_records_of_open_and_aborted_transactions() {
    with_node(920, &[], |node| async move {
        let mut a = prepared(&node, &["plain"]).await;
        node.set_configs(GROUP, "g", &[("share.isolation.level", "read_committed")]).await;
        let mut txn = Txn::new("x", 2);
        txn.init(&node).await;
        for (number, committed) in [(1, false), (2, true), (3, false)] {
            for part in ["a", "b"] {
                assert_eq!(txn.send(&node, "t", 0, &format!("{number}{part}")).await, "NONE");
            }
            assert_eq!(txn.end(&node, committed).await, "NONE");
            node.completed("x").await;
        }
        assert_eq!(txn.send(&node, "t", 0, "4a").await, "NONE");
        // 0 plain, 1 and 2 aborted, 3 marker, 4 and 5 committed, 6 marker, 7 and 8 aborted, 9 marker, 10 open.
        let mut offsets = Vec::new();
        loop {
            let got = a.fetch(&node, 0).await;
            if got.acquired.is_empty() {
                break;
            }
            for (first, last, _) in got.acquired {
                offsets.extend(first..=last);
                assert_eq!(a.acknowledge(&node, (first, last), &[ACCEPT]).await, "NONE");
            }
        }
        assert_eq!(offsets, [0, 3, 4, 5, 6, 9], "with markers, which clients leave out");
        assert_eq!(txn.end(&node, true).await, "NONE");
        node.completed("x").await;
        assert_eq!(a.fetch(&node, 1_000).await.acquired.first(), Some(&(10, 11, 1)));
    });
}

#[test]
fn a_fetch_goes_on_behind_aborted_records() {
    with_node(921, &[], |node| async move {
        let mut a = prepared(&node, &[]).await;
        node.set_configs(GROUP, "g", &[("share.isolation.level", "read_committed")]).await;
        let mut txn = Txn::new("x", 2);
        txn.init(&node).await;
        for number in 0..20 {
            assert_eq!(txn.send(&node, "t", 0, &format!("{number}")).await, "NONE");
        }
        assert_eq!(txn.end(&node, false).await, "NONE");
        node.completed("x").await;
        node.produce("t", 0, &["seen"]).await;
        let asked = node.runtime.now();
        let got = a.fetch(&node, 600_000).await;
        assert_eq!(got.acquired.last().map(|acquired| acquired.1), Some(21));
        assert!(node.runtime.now() - asked < Duration::from_secs(10), "it did not wait for more");
    });
}

#[test]
fn given_up_records_go_to_the_dead_letter_topic() {
    with_node(922, &[], |node| async move {
        node.create_topic("dlq.t", 1, &[USABLE]).await;
        let mut a = prepared(&node, &["one", "two", "three"]).await;
        let configs = [
            ("errors.deadletterqueue.topic.name", "dlq.t"),
            ("errors.deadletterqueue.copy.record.enable", "true"),
            ("share.delivery.count.limit", "2"),
        ];
        node.set_configs(GROUP, "g", &configs).await;
        assert_eq!(a.fetch(&node, 0).await.acquired, [(0, 2, 1)]);
        assert_eq!(a.acknowledge(&node, (0, 2), &[REJECT, ACCEPT, RELEASE]).await, "NONE");
        assert_eq!(values_of(&node, "dlq.t", 1).await, ["one"]);
        assert_eq!(a.fetch(&node, 0).await.acquired, [(2, 2, 2)]);
        node.runtime.sleep(Duration::from_secs(31)).await;
        assert_eq!(values_of(&node, "dlq.t", 2).await, ["one", "three"], "its lock ended, for the last time");
        assert_eq!(a.fetch(&node, 0).await.acquired, []);
        assert_eq!(node.metrics.share_groups.dead_letters.get(), 2);
        let data = node.fetch("dlq.t", 0, 0).await;
        let records = ottla_testkit::batches::records(data.records.bytes().expect("records"));
        let headers: Vec<(String, String)> = records[0]
            .headers
            .iter()
            .map(|(name, value)| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (text(name), text(value.as_deref().unwrap_or_default()))
            })
            .collect();
        let expected = [
            ("topic", "t"),
            ("partition", "0"),
            ("offset", "0"),
            ("group", "g"),
            ("delivery.count", "1"),
            ("message", "Offset rejected by client."),
        ];
        let expected = expected.map(|(name, value)| (format!("__dlq.errors.{name}"), value.to_string()));
        assert_eq!(headers, expected);
    });
}

#[test]
fn dead_letters_survive_a_crash_and_wait_for_their_topic() {
    for seed in 930..932 {
        with_node(seed, &[], |node| async move {
            let mut a = prepared(&node, &["one", "two"]).await;
            node.set_configs(GROUP, "g", &[("errors.deadletterqueue.topic.name", "dlq.t")]).await;
            a.fetch(&node, 0).await;
            assert_eq!(a.acknowledge(&node, (0, 0), &[REJECT]).await, "NONE", "the topic is not there");
            let node = if seed % 2 == 0 { node.crash().await } else { node.power_loss().await };
            node.create_topic("dlq.t", 1, &[]).await;
            node.ready("t", 0).await;
            a.found(&node).await;
            a.session_epoch = 0;
            assert_eq!(a.fetch(&node, 0).await.acquired, [(1, 1, 1)], "what was rejected does not come again");
            node.set_configs(TOPIC, "dlq.t", &[USABLE]).await;
            assert_eq!(values_of(&node, "dlq.t", 1).await.len(), 1);
            assert_eq!(a.acknowledge(&node, (1, 1), &[ACCEPT]).await, "NONE");
            assert_eq!(share_offsets(&node).await.1, 0);
        });
    }
}

#[test]
fn a_group_goes_on_without_its_dead_letter_topic_and_topics_are_created_where_that_is_allowed() {
    with_node(923, &[], |node| async move {
        let mut a = prepared(&node, &["one", "two"]).await;
        a.fetch(&node, 0).await;
        node.set_configs(GROUP, "g", &[("errors.deadletterqueue.topic.name", "other")]).await;
        assert_eq!(a.acknowledge(&node, (0, 0), &[REJECT]).await, "NONE");
        let failed = &node.metrics.share_groups.dead_letters_failed;
        node.until("the record is given up", || failed.get() == 1).await;
        let deadline = node.runtime.now() + Duration::from_secs(5);
        while share_offsets(&node).await.1 != 1 {
            assert!(node.runtime.now() < deadline, "it is not archived");
            node.runtime.sleep(Duration::from_millis(1)).await;
        }
        node.set_configs(4, "", &[("errors.deadletterqueue.auto.create.topics.enable", "true")]).await;
        node.set_configs(GROUP, "g", &[("errors.deadletterqueue.topic.name", "dlq.new")]).await;
        assert_eq!(a.acknowledge(&node, (1, 1), &[REJECT]).await, "NONE");
        let written = &node.metrics.share_groups.dead_letters;
        node.until("the record is there", || written.get() == 1).await;
        assert_eq!(values_of(&node, "dlq.new", 1).await.len(), 1);
    });
}

#[test]
fn released_records_are_kept_back_for_the_delay() {
    with_node(924, &[], |node| async move {
        let mut a = prepared(&node, &["one"]).await;
        node.set_configs(GROUP, "g", &[("share.redelivery.delay.ms", "20000")]).await;
        a.fetch(&node, 0).await;
        assert_eq!(a.acknowledge(&node, (0, 0), &[RELEASE]).await, "NONE");
        let released = node.runtime.now();
        assert_eq!(a.fetch(&node, 0).await.acquired, []);
        assert_eq!(a.fetch(&node, 600_000).await.acquired, [(0, 0, 2)], "and whoever waits gets it");
        let waited = node.runtime.now() - released;
        assert!((Duration::from_secs(20)..Duration::from_secs(21)).contains(&waited), "{waited:?}");
        // Its lock ends, too, and then the delay.
        assert_eq!(a.fetch(&node, 600_000).await.acquired, [(0, 0, 3)]);
        assert!(node.runtime.now() - released >= Duration::from_secs(70));
    });
}
