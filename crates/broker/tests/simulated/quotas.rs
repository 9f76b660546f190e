//! Clients above their quotas are told to wait, and others are not.

use crate::kit::*;
use ottla_net::Outcome;
use ottla_protocol::generated::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use ottla_protocol::generated::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use ottla_protocol::generated::delete_topics_request::DeleteTopicsRequest;
use ottla_protocol::generated::share_fetch_request::ShareFetchRequest;
use ottla_testkit::batches::batch;
use std::time::Duration;

/// The client id of the tests' requests.
const CLIENT: &[(&str, Option<&str>)] = &[("client-id", Some("test"))];

#[test]
fn a_producer_above_its_rate_is_told_to_wait_and_not_read() {
    with_node(410, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let request = produce_request("t", 0, batch(&["a record"]), -1);
        assert_eq!(node.call(PRODUCE, &request).await.throttle_time_ms, 0);
        node.set_quota(CLIENT, "producer_byte_rate", Some(10.0)).await;
        node.call(PRODUCE, &request).await;
        let throttled = node.call(PRODUCE, &request).await;
        assert!(throttled.throttle_time_ms > 1000, "{}", throttled.throttle_time_ms);
        assert_eq!(the_partition(throttled).error_code, 0, "its records are taken all the same");
        let until = node.muted_until().expect("its connection rests");
        assert!(until > node.runtime.now() + Duration::from_secs(1));
        assert!(node.metrics.quotas.produce_throttled.get() > 0);
        node.set_quota(CLIENT, "producer_byte_rate", None).await;
        node.set_quota(&[("client-id", Some("other"))], "producer_byte_rate", Some(1.0)).await;
        assert_eq!(node.call(PRODUCE, &request).await.throttle_time_ms, 0);
    });
}

#[test]
fn a_producer_without_answers_is_not_read_either() {
    with_node(411, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.set_quota(&[("user", None)], "producer_byte_rate", Some(1.0)).await;
        for _ in 0..3 {
            let request = produce_request("t", 0, batch(&["a record"]), 0);
            assert!(matches!(node.outcome(PRODUCE, &request).await, Outcome::NoReply));
        }
        assert!(node.muted_until().is_some_and(|until| until > node.runtime.now()));
    });
}

#[test]
fn a_consumer_above_its_rate_gets_nothing_until_it_has_waited() {
    with_node(412, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a record of some length, so that it counts"]).await;
        node.set_quota(CLIENT, "consumer_byte_rate", Some(20.0)).await;
        let request = fetch_request("t", 0, 0, 0);
        let mut throttle_time_ms = 0;
        let mut answered = 0;
        for _ in 0..20 {
            let response = node.call(FETCH, &request).await;
            throttle_time_ms = response.throttle_time_ms;
            if throttle_time_ms > 0 {
                assert!(response.responses.is_empty());
                break;
            }
            answered += 1;
        }
        assert!(answered > 0 && throttle_time_ms > 0, "{answered} answers, then {throttle_time_ms} ms");
        node.runtime.sleep(Duration::from_secs(15)).await;
        let response = node.call(FETCH, &request).await;
        assert_eq!((response.throttle_time_ms, response.responses.len()), (0, 1));
        assert!(node.metrics.quotas.fetch_throttled.get() > 0);
    });
}

#[test]
fn a_share_consumer_above_its_rate_acquires_nothing_until_it_has_waited() {
    with_node(416, &[], |node| async move {
        let values: Vec<String> = (0..40).map(|i| format!("record {i} of some length, so that it counts")).collect();
        let mut member = prepared(&node, &[]).await;
        for value in &values {
            node.produce("t", 0, &[value]).await;
        }
        // What nobody limits is not counted.
        member.fetch(&node, 0).await;
        assert_eq!(member.acknowledge(&node, (0, 39), &[RELEASE]).await, "NONE");
        node.set_quota(CLIENT, "consumer_byte_rate", Some(200.0)).await;
        let began = node.runtime.now();
        let (mut bytes, mut records, mut empty) = (0, 0, 0);
        while records < values.len() {
            let response = node.call(2, &member.request(&node, 0)).await;
            member.session_epoch += 1;
            assert_eq!(error(response.error_code), "NONE");
            let throttle_time_ms = response.throttle_time_ms;
            let data = response.responses.iter().flat_map(|topic| &topic.partitions);
            let fetched: usize = data.map(|data| data.records.len()).sum();
            let got = got(response);
            assert!(fetched <= 2200, "one answer is no more than a window's worth: {fetched}");
            assert!(got.acquired.iter().all(|(_, _, deliveries)| *deliveries == 2), "{:?}", got.acquired);
            (bytes, records) = (bytes + fetched, records + got.values.len());
            if throttle_time_ms > 0 {
                // A client that does not wait gets nothing, and nothing is acquired for it.
                let early = node.reply(2, &member.request(&node, 0)).await;
                assert!(early.mute_until.is_some_and(|until| until > node.runtime.now()), "its connection rests");
                let early = node.decode::<ShareFetchRequest>(2, early).await;
                member.session_epoch += 1;
                assert!(early.throttle_time_ms > 0 && early.responses.is_empty(), "{early:?}");
                empty += 1;
                node.runtime.sleep(Duration::from_millis(throttle_time_ms.unsigned_abs().into())).await;
            }
        }
        // A client that was quiet may use a window's worth (11 samples of a second) at once, and go beyond once before it waits.
        let seconds = (node.runtime.now() - began).as_secs_f64() + 22.0;
        assert!(empty > 0 && bytes as f64 <= seconds * 200.0, "{bytes} bytes in {seconds} s, {empty} times nothing");
        assert!(node.metrics.quotas.fetch_throttled.get() > 0);
    });
}

#[test]
fn a_client_that_takes_too_much_time_waits_at_most_a_window() {
    with_node(413, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.set_quota(CLIENT, "request_percentage", Some(1.0)).await;
        node.finished_after(Duration::from_secs(1));
        let response = node.call(FETCH, &fetch_request("t", 0, 0, 0)).await;
        assert_eq!(response.throttle_time_ms, 1000, "100 percent of a second, spread over ten, is ten times too much");
    });
}

#[test]
fn partitions_are_created_and_deleted_at_a_rate() {
    with_node(414, &[], |node| async move {
        node.set_quota(CLIENT, "controller_mutation_rate", Some(1.0)).await;
        let create = |name: &str, count: i32| {
            let topic = CreatableTopic {
                name: name.into(),
                num_partitions: count,
                replication_factor: 1,
                ..Default::default()
            };
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() }
        };
        let told = |code: i16, wait: i32| (error(code), wait > 0);
        let response = node.call(7, &create("a", 20)).await;
        assert_eq!(told(response.topics[0].error_code, response.throttle_time_ms), ("NONE", false));
        let response = node.call(7, &create("b", 1)).await;
        assert_eq!(told(response.topics[0].error_code, response.throttle_time_ms), ("THROTTLING_QUOTA_EXCEEDED", true));
        let topics = vec![CreatePartitionsTopic { name: "a".into(), count: 21, ..Default::default() }];
        let grow = CreatePartitionsRequest { topics, timeout_ms: 1000, ..Default::default() };
        let response = node.call(3, &grow).await;
        assert_eq!(
            told(response.results[0].error_code, response.throttle_time_ms),
            ("THROTTLING_QUOTA_EXCEEDED", true)
        );
        let delete = DeleteTopicsRequest { topic_names: vec!["a".into()], timeout_ms: 1000, ..Default::default() };
        let response = node.call(5, &delete).await;
        assert_eq!(
            told(response.responses[0].error_code, response.throttle_time_ms),
            ("THROTTLING_QUOTA_EXCEEDED", true)
        );
        // Clients that do not know the error get what they ask for, and wait.
        let response = node.call(5, &create("b", 1)).await;
        assert_eq!(told(response.topics[0].error_code, response.throttle_time_ms), ("NONE", true));
        node.runtime.sleep(Duration::from_secs(30)).await;
        // What fails for another reason costs nothing.
        for _ in 0..30 {
            let response = node.call(7, &create("a", 20)).await;
            assert_eq!(told(response.topics[0].error_code, response.throttle_time_ms), ("TOPIC_ALREADY_EXISTS", false));
        }
    });
}

#[test]
fn quotas_hold_again_after_a_restart() {
    with_node(415, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.set_quota(CLIENT, "producer_byte_rate", Some(1.0)).await;
        let node = node.restart().await;
        let request = produce_request("t", 0, batch(&["a record"]), -1);
        node.ready("t", 0).await;
        node.call(PRODUCE, &request).await;
        assert!(node.call(PRODUCE, &request).await.throttle_time_ms > 0);
    });
}
