//! Bad input of share groups: Kafka's errors, bounded memory, and nobody else is disturbed.

use crate::kit::*;
use ottla_protocol::generated::share_acknowledge_request::ShareAcknowledgeRequest;
use ottla_protocol::generated::share_group_heartbeat_request::ShareGroupHeartbeatRequest;

#[test]
fn wrong_members_are_refused() {
    with_node(940, &[("group.share.max.size", "2")], |node| async move {
        let mut a = prepared(&node, &["one"]).await;
        let beat = |member: &str, epoch| ShareGroupHeartbeatRequest {
            group_id: "g".to_string(),
            member_id: member.to_string(),
            member_epoch: epoch,
            subscribed_topic_names: (epoch == 0).then(|| vec!["t".to_string()]),
            ..ShareGroupHeartbeatRequest::default()
        };
        let code = async |member: &str, epoch| error(node.call(1, &beat(member, epoch)).await.error_code);
        assert_eq!(code("unknown", 3).await, "UNKNOWN_MEMBER_ID");
        assert_eq!(code("unknown", -1).await, "UNKNOWN_MEMBER_ID");
        assert_eq!(code("a", 77).await, "FENCED_MEMBER_EPOCH");
        assert_eq!(code("a", -2).await, "INVALID_REQUEST");
        assert_eq!(code("", 0).await, "INVALID_REQUEST");
        assert_eq!(code("b", 0).await, "NONE");
        assert_eq!(code("c", 0).await, "GROUP_MAX_SIZE_REACHED");
        let nameless = ShareGroupHeartbeatRequest { group_id: String::new(), ..beat("b", 0) };
        assert_eq!(error(node.call(1, &nameless).await.error_code), "INVALID_REQUEST");
        assert_eq!(a.fetch(&node, 0).await.acquired, [(0, 0, 1)], "a is not disturbed");
    });
}

#[test]
fn oversized_and_nonsensical_acknowledgements_are_refused() {
    with_node(941, &[], |node| async move {
        let mut a = prepared(&node, &["one", "two", "three"]).await;
        assert_eq!(a.fetch(&node, 0).await.acquired, [(0, 2, 1)]);
        for (offsets, types, expected) in [
            ((0, i64::MAX), &[ACCEPT][..], "INVALID_REQUEST"),
            ((0, 1_000_000_000_000), &[RENEW], "INVALID_REQUEST"),
            ((2, 0), &[ACCEPT], "INVALID_REQUEST"),
            ((-5, 1), &[ACCEPT], "INVALID_REQUEST"),
            ((0, 2), &[ACCEPT, ACCEPT], "INVALID_REQUEST"),
            ((0, 2), &[], "INVALID_REQUEST"),
            ((0, 2), &[9], "INVALID_REQUEST"),
            ((0, 2), &[-1], "INVALID_REQUEST"),
            ((3, 3), &[ACCEPT], "INVALID_REQUEST"),
        ] {
            assert_eq!(a.acknowledge(&node, offsets, types).await, expected, "{offsets:?} {types:?}");
        }
        let mut b = ShareMember::new("b", "t");
        b.join(&node).await;
        b.fetch(&node, 0).await;
        assert_eq!(b.acknowledge(&node, (0, 2), &[ACCEPT]).await, "INVALID_RECORD_STATE", "a has them");
        assert_eq!(a.acknowledge(&node, (0, 2), &[ACCEPT]).await, "NONE", "nothing has happened to them");
        assert_eq!(a.acknowledge(&node, (0, 2), &[ACCEPT]).await, "NONE", "again, for nothing");
    });
}

#[test]
fn thousands_of_sessions_are_bounded_and_those_that_are_there_go_on() {
    with_node(942, &[("group.share.max.share.sessions", "1000")], |node| async move {
        let mut a = prepared(&node, &["one"]).await;
        assert_eq!(a.fetch(&node, 0).await.acquired, [(0, 0, 1)]);
        let mut refused = 0;
        for number in 0..2_000 {
            let member = ShareMember::new(&format!("m{number}"), "t");
            let answer = node.call(2, &member.request(&node, 0)).await;
            match error(answer.error_code) {
                "NONE" => {}
                code => {
                    assert_eq!(code, "SHARE_SESSION_LIMIT_REACHED");
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 1_001);
        assert_eq!(a.acknowledge(&node, (0, 0), &[ACCEPT]).await, "NONE");
    });
}

#[test]
fn sessions_cannot_grow_without_end() {
    with_node(943, &[], |node| async move {
        let mut a = prepared(&node, &["one"]).await;
        a.fetch(&node, 0).await;
        let mut request = a.request(&node, 0);
        let mut topic = ShareMember::new("a", "t").request(&node, 0).topics.remove(0);
        let partition = topic.partitions.remove(0);
        let mut codes = Vec::new();
        for turn in 0..40 {
            topic.partitions = (0..1_000)
                .map(|index| {
                    let partition_index = 1 + turn * 1_000 + index;
                    ottla_protocol::share_fetch_request::FetchPartition { partition_index, ..partition.clone() }
                })
                .collect();
            request.topics = vec![topic.clone()];
            let code = error(node.call(2, &request).await.error_code);
            if codes.last() != Some(&code) {
                codes.push(code);
            }
            if code == "NONE" {
                request.share_session_epoch += 1;
            }
        }
        assert_eq!(codes, ["NONE", "SHARE_SESSION_LIMIT_REACHED"]);
    });
}

#[test]
fn requests_without_a_group_are_refused() {
    with_node(944, &[], |node| async move {
        let a = prepared(&node, &["one"]).await;
        let mut fetch = a.request(&node, 0);
        fetch.group_id = None;
        assert_eq!(error(node.call(2, &fetch).await.error_code), "INVALID_REQUEST");
        let mut fetch = a.request(&node, 0);
        fetch.is_renew_ack = true;
        assert_eq!(error(node.call(2, &fetch).await.error_code), "INVALID_REQUEST", "it asks for records, too");
        let acknowledge = ShareAcknowledgeRequest { share_session_epoch: 1, ..ShareAcknowledgeRequest::default() };
        assert_eq!(error(node.call(2, &acknowledge).await.error_code), "INVALID_REQUEST");
    });
}
