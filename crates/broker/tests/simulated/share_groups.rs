//! Share groups through the broker: joining, fetching, acknowledging, locks, sessions, restarts, offsets.

use crate::kit::*;
use ottla_protocol::generated::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use ottla_protocol::generated::delete_groups_request::DeleteGroupsRequest;
use ottla_protocol::generated::find_coordinator_request::FindCoordinatorRequest;
use ottla_protocol::generated::list_groups_request::ListGroupsRequest;
use ottla_protocol::generated::share_acknowledge_request::ShareAcknowledgeRequest;
use ottla_protocol::generated::share_group_describe_request::ShareGroupDescribeRequest;
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn records_are_delivered_acknowledged_and_never_again() {
    with_node(900, &[], |node| async move {
        let mut a = prepared(&node, &["one", "two", "three"]).await;
        let got = a.fetch(&node, 0).await;
        assert_eq!((got.values, got.acquired), (["one", "two", "three"].map(str::to_string).into(), vec![(0, 2, 1)]));
        assert_eq!(a.fetch(&node, 0).await.acquired, [], "they are being processed");
        assert_eq!(a.acknowledge(&node, (0, 2), &[ACCEPT, RELEASE, REJECT]).await, "NONE");
        assert_eq!(a.fetch(&node, 0).await.acquired, [(1, 1, 2)]);
        assert_eq!(a.acknowledge(&node, (1, 1), &[ACCEPT]).await, "NONE");
        assert_eq!(a.acknowledge(&node, (1, 5), &[ACCEPT]).await, "INVALID_REQUEST");
        node.produce("t", 0, &["four"]).await;
        assert_eq!(a.fetch(&node, 0).await.acquired, [(3, 3, 1)]);
        assert_eq!(share_offsets(&node).await, (1, 1), "as of the last write, which finished two");
    });
}

#[test]
fn a_waiting_fetch_is_woken_by_records_and_by_what_others_give_back() {
    with_node(901, &[], |node| async move {
        let mut a = prepared(&node, &[]).await;
        let mut b = ShareMember::new("b", "t");
        b.join(&node).await;
        a.fetch(&node, 0).await;
        b.fetch(&node, 0).await;
        let waiting = node.spawn_call(2, a.request(&node, 600_000));
        node.runtime.sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        node.produce("t", 0, &["one"]).await;
        assert_eq!(got(waiting.await.expect("an answer")).acquired, [(0, 0, 1)]);
        a.session_epoch += 1;
        let waiting = node.spawn_call(2, b.request(&node, 600_000));
        node.runtime.sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        assert_eq!(a.acknowledge(&node, (0, 0), &[RELEASE]).await, "NONE");
        assert_eq!(got(waiting.await.expect("an answer")).acquired, [(0, 0, 2)]);
        b.session_epoch += 1;
        let waiting = node.spawn_call(2, a.request(&node, 600_000));
        let asked = node.runtime.now();
        assert_eq!(got(waiting.await.expect("an answer")).acquired, [(0, 0, 3)], "b's lock has ended");
        assert!(node.runtime.now() - asked >= Duration::from_secs(29));
        a.session_epoch += 1;
        let waiting = node.spawn_call(2, b.request(&node, 600_000));
        node.runtime.sleep(Duration::from_secs(1)).await;
        a.close(&node).await;
        assert_eq!(got(waiting.await.expect("an answer")).acquired, [(0, 0, 4)], "a's session has ended");
    });
}

#[test]
fn locks_are_renewed() {
    with_node(902, &[], |node| async move {
        let mut a = prepared(&node, &["one"]).await;
        assert_eq!(a.fetch(&node, 0).await.acquired, [(0, 0, 1)]);
        for _ in 0..3 {
            node.runtime.sleep(Duration::from_secs(20)).await;
            assert_eq!(a.acknowledge(&node, (0, 0), &[RENEW]).await, "NONE");
        }
        assert_eq!(a.acknowledge(&node, (0, 0), &[ACCEPT]).await, "NONE", "it is a's after a minute");
        node.produce("t", 0, &["two"]).await;
        assert_eq!(a.fetch(&node, 0).await.acquired, [(1, 1, 1)]);
        node.runtime.sleep(Duration::from_secs(31)).await;
        assert_eq!(a.acknowledge(&node, (1, 1), &[ACCEPT]).await, "INVALID_RECORD_STATE");
    });
}

#[test]
fn what_was_acknowledged_is_not_delivered_after_a_crash_and_the_rest_is() {
    for seed in 910..914 {
        with_node(seed, &[("share.coordinator.snapshot.update.records.per.snapshot", "3")], |node| async move {
            let values: Vec<String> = (0..40).map(|number| format!("v{number}")).collect();
            let mut a = prepared(&node, &[]).await;
            for values in values.chunks(4) {
                node.produce("t", 0, &values.iter().map(String::as_str).collect::<Vec<_>>()).await;
            }
            let acquired = a.fetch(&node, 0).await.acquired;
            assert_eq!(acquired, [(0, 39, 1)]);
            let mut done = Vec::new();
            for first in (0..40).step_by(5) {
                assert_eq!(a.acknowledge(&node, (first, first + 2), &[ACCEPT]).await, "NONE");
                done.extend(first..first + 3);
            }
            let node = if seed % 2 == 0 { node.crash().await } else { node.power_loss().await };
            node.ready("t", 0).await;
            a.found(&node).await;
            // The member is remembered, its session is not.
            assert_eq!(error(node.call(2, &a.request(&node, 0)).await.error_code), "SHARE_SESSION_NOT_FOUND");
            a.session_epoch = 0;
            let mut delivered: BTreeMap<i64, i16> = BTreeMap::new();
            loop {
                let got = a.fetch(&node, 0).await;
                if got.acquired.is_empty() {
                    break;
                }
                for (first, last, count) in got.acquired {
                    delivered.extend((first..=last).map(|offset| (offset, count)));
                    assert_eq!(a.acknowledge(&node, (first, last), &[ACCEPT]).await, "NONE");
                }
            }
            let rest: Vec<i64> = (0..40).filter(|offset| !done.contains(offset)).collect();
            assert_eq!(delivered.keys().copied().collect::<Vec<_>>(), rest);
            let node = node.restart().await;
            node.ready("t", 0).await;
            a.found(&node).await;
            a.session_epoch = 0;
            assert_eq!(a.fetch(&node, 0).await.acquired, [], "everything is done with");
        });
    }
}

#[test]
fn records_are_given_up_after_the_delivery_limit() {
    with_node(903, &[], |node| async move {
        let mut a = prepared(&node, &["one"]).await;
        node.set_configs(GROUP, "g", &[("share.delivery.count.limit", "3")]).await;
        for delivery in 1..=3 {
            assert_eq!(a.fetch(&node, 0).await.acquired, [(0, 0, delivery)]);
            assert_eq!(a.acknowledge(&node, (0, 0), &[RELEASE]).await, "NONE");
        }
        assert_eq!(a.fetch(&node, 0).await.acquired, []);
        assert_eq!(share_offsets(&node).await.1, 0);
    });
}

#[test]
fn sessions_are_checked_and_bounded() {
    with_node(904, &[("group.share.max.share.sessions", "3")], |node| async move {
        let mut a = prepared(&node, &["one"]).await;
        let refused = |member: &ShareMember| {
            let (node, request) = (node.clone(), member.request(&node, 10));
            async move { error(node.call(2, &request).await.error_code) }
        };
        let unknown = ShareMember { session_epoch: 1, ..ShareMember::new("x", "t") };
        assert_eq!(refused(&unknown).await, "SHARE_SESSION_NOT_FOUND");
        assert_eq!(refused(&ShareMember::new("", "t")).await, "INVALID_REQUEST");
        a.fetch(&node, 0).await;
        assert_eq!(refused(&ShareMember { session_epoch: 7, ..a.clone() }).await, "INVALID_SHARE_SESSION_EPOCH");
        for member in ["b", "c"] {
            ShareMember::new(member, "t").fetch(&node, 0).await;
        }
        assert_eq!(refused(&ShareMember::new("d", "t")).await, "SHARE_SESSION_LIMIT_REACHED");
        a.close(&node).await;
        ShareMember::new("d", "t").fetch(&node, 0).await;
        let opening = ShareAcknowledgeRequest {
            group_id: Some("g".to_string()),
            member_id: Some("d".to_string()),
            ..ShareAcknowledgeRequest::default()
        };
        assert_eq!(error(node.call(2, &opening).await.error_code), "INVALID_SHARE_SESSION_EPOCH");
    });
}

#[test]
fn sessions_of_lost_connections_end() {
    with_node(905, &[("group.share.max.share.sessions", "1")], |node| async move {
        let mut a = prepared(&node, &["one"]).await;
        let other = node.over("PLAINTEXT");
        assert_eq!(a.fetch(&other, 0).await.acquired, [(0, 0, 1)]);
        drop(other);
        let mut b = ShareMember::new("b", "t");
        assert_eq!(b.fetch(&node, 5_000).await.acquired, [(0, 0, 2)]);
    });
}

#[test]
fn who_lost_the_connection_and_begins_anew_gets_the_records_again_soon() {
    with_node(910, &[], |node| async move {
        let mut a = prepared(&node, &["one"]).await;
        let other = node.over("PLAINTEXT");
        assert_eq!(a.fetch(&other, 0).await.acquired, [(0, 0, 1)]);
        a.session_epoch = 0;
        assert_eq!(a.fetch(&other, 0).await.acquired, [], "it has them");
        drop(other);
        a.session_epoch = 0;
        // As soon as it is written that they are free.
        let begun = node.runtime.now();
        assert_eq!(a.fetch(&node, 5_000).await.acquired, [(0, 0, 2)]);
        assert!(node.runtime.now() - begun < Duration::from_millis(500), "long before the locks end");
    });
}

#[test]
fn a_session_goes_on_over_another_connection() {
    with_node(909, &[], |node| async move {
        let mut a = prepared(&node, &["one", "two"]).await;
        for is_by_fetch in [true, false] {
            let other = node.over("PLAINTEXT");
            a.session_epoch = 0;
            let count = a.fetch(&other, 5_000).await.acquired[0].2;
            drop(other);
            // Before anybody has seen that the connection is gone.
            match is_by_fetch {
                true => assert_eq!(a.fetch(&node, 0).await.acquired, []),
                false => assert_eq!(a.acknowledge(&node, (0, 0), &[ACCEPT]).await, "NONE"),
            }
            node.runtime.sleep(Duration::from_secs(5)).await;
            let mut b = ShareMember::new("b", "t");
            assert_eq!(b.fetch(&node, 0).await.acquired, [], "delivered {count} times, and a has it still");
            b.close(&node).await;
            a.close(&node).await;
        }
        a.session_epoch = 0;
        assert_eq!(a.fetch(&node, 5_000).await.acquired, [(1, 1, 3)]);
    });
}

#[test]
fn share_groups_are_shown_altered_and_deleted() {
    with_node(906, &[], |node| async move {
        let mut a = prepared(&node, &["one", "two", "three", "four"]).await;
        a.fetch(&node, 0).await;
        assert_eq!(a.acknowledge(&node, (0, 1), &[ACCEPT]).await, "NONE");
        let listed = node.call(5, &ListGroupsRequest::default()).await.groups;
        let listed: Vec<_> = listed.iter().map(|g| (g.group_id.as_str(), g.group_type.as_str())).collect();
        assert_eq!(listed, [("g", "share")]);
        let describe = ShareGroupDescribeRequest { group_ids: vec!["g".to_string()], ..Default::default() };
        let described = node.call(1, &describe).await.groups.remove(0);
        assert_eq!((described.group_state.as_str(), described.members.len()), ("Stable", 1));
        assert_eq!(share_offsets(&node).await, (0, 2));
        let alter = |start_offset| {
            let partition = AlterShareGroupOffsetsRequestPartition { partition_index: 0, start_offset };
            let topic = AlterShareGroupOffsetsRequestTopic { topic_name: "t".to_string(), partitions: vec![partition] };
            AlterShareGroupOffsetsRequest { group_id: "g".to_string(), topics: vec![topic] }
        };
        assert_eq!(error(node.call(0, &alter(1)).await.error_code), "NON_EMPTY_GROUP");
        a.close(&node).await;
        a.member_epoch = -1;
        a.beat(&node).await;
        let altered = node.call(0, &alter(1)).await;
        assert_eq!(error(altered.responses[0].partitions[0].error_code), "NONE");
        assert_eq!(share_offsets(&node).await, (1, 3));
        let mut b = ShareMember::new("b", "t");
        b.join(&node).await;
        assert_eq!(b.fetch(&node, 0).await.acquired, [(1, 3, 1)]);
        b.close(&node).await;
        b.member_epoch = -1;
        b.beat(&node).await;
        let delete = DeleteGroupsRequest { groups_names: vec!["g".to_string()] };
        assert_eq!(error(node.call(2, &delete).await.results[0].error_code), "NONE");
        assert!(node.call(5, &ListGroupsRequest::default()).await.groups.is_empty());
        let mut c = ShareMember::new("c", "t");
        c.join(&node).await;
        assert_eq!(c.fetch(&node, 0).await.acquired, [(0, 3, 1)], "a group of this name begins anew");
    });
}

#[test]
fn coordinators_of_share_partitions_are_found() {
    with_node(907, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let key = format!("g:{}:0", topic_id(&node, "t"));
        let request = FindCoordinatorRequest {
            key_type: 2,
            coordinator_keys: vec![key, "nonsense".to_string()],
            ..FindCoordinatorRequest::default()
        };
        let found = node.call(FIND_COORDINATOR, &request).await.coordinators;
        let codes: Vec<_> = found.iter().map(|found| (error(found.error_code), found.node_id)).collect();
        assert_eq!(codes, [("NONE", 1), ("INVALID_REQUEST", -1)]);
        assert_eq!(node.controller.image().topic("__share_group_state").map(|topic| topic.partitions.len()), Some(50));
    });
}
