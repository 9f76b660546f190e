//! The APIs of groups in every version, and groups of KIP-848 through the broker.

use crate::kit::*;
use ottla_protocol::generated::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use ottla_protocol::generated::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use ottla_protocol::generated::delete_groups_request::DeleteGroupsRequest;
use ottla_protocol::generated::describe_groups_request::DescribeGroupsRequest;
use ottla_protocol::generated::heartbeat_request::HeartbeatRequest;
use ottla_protocol::generated::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use ottla_protocol::generated::list_groups_request::ListGroupsRequest;
use ottla_protocol::generated::offset_delete_request::OffsetDeleteRequest;
use ottla_protocol::generated::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestTopic};
use std::time::Duration;

const CONSUMER_GROUP_HEARTBEAT: i16 = 1;
const GROUP_RESOURCE: i8 = 32;

fn heartbeat_request(group: &str, member_id: &str) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: group.to_string(),
        generation_id: 1,
        member_id: member_id.to_string(),
        ..HeartbeatRequest::default()
    }
}

fn leave_request(group: &str, member_id: &str, version: i16) -> LeaveGroupRequest {
    let (group_id, member_id) = (group.to_string(), member_id.to_string());
    match version {
        0..=2 => LeaveGroupRequest { group_id, member_id, ..LeaveGroupRequest::default() },
        _ => {
            let members = vec![MemberIdentity { member_id, ..MemberIdentity::default() }];
            LeaveGroupRequest { group_id, members, ..LeaveGroupRequest::default() }
        }
    }
}

#[test]
fn members_of_every_version_join_sync_and_leave() {
    with_node(470, &[], |node| async move {
        node.coordinate("g").await;
        for version in 0..=JOIN_GROUP {
            let group = format!("v{version}");
            node.coordinate(&group).await;
            let mut joined = node.call(version, &join_request(&group, "")).await;
            if version >= 4 {
                assert_eq!(error(joined.error_code), "MEMBER_ID_REQUIRED");
                assert_eq!(joined.protocol_name.is_none(), version >= 7);
                joined = node.call(version, &join_request(&group, &joined.member_id)).await;
            }
            assert_eq!((error(joined.error_code), joined.generation_id), ("NONE", 1), "version {version}");
            let synced = node.call(version.min(SYNC_GROUP), &sync_request(&group, &joined)).await;
            assert_eq!(error(synced.error_code), "NONE");
            assert_eq!(synced.assignment, format!("for {}", joined.member_id));
            let beat = node.call(version.min(HEARTBEAT), &heartbeat_request(&group, &joined.member_id)).await;
            assert_eq!(error(beat.error_code), "NONE");
            for (member, expected) in [(joined.member_id.as_str(), "NONE"), ("nobody", "UNKNOWN_MEMBER_ID")] {
                let version = version.min(LEAVE_GROUP);
                let left = node.call(version, &leave_request(&group, member, version)).await;
                let told = if version < 3 { left.error_code } else { left.members[0].error_code };
                assert_eq!(error(told), expected, "version {version}");
            }
        }
    });
}

#[test]
fn every_version_can_say_that_there_is_no_coordinator() {
    with_node(471, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.coordinate("g").await;
        node.broker.shutdown().await;
        let expect = |code: i16, what: &str| assert!(passes(error(code)), "{what}: {}", error(code));
        for version in 0..=JOIN_GROUP {
            expect(node.call(version, &join_request("g", "m")).await.error_code, "join");
            let member = Default::default();
            expect(node.call(version.min(SYNC_GROUP), &sync_request("g", &member)).await.error_code, "sync");
            node.call(version.min(HEARTBEAT), &heartbeat_request("g", "m")).await;
            let leave_version = version.min(LEAVE_GROUP);
            expect(node.call(leave_version, &leave_request("g", "m", leave_version)).await.error_code, "leave");
        }
        for version in 2..=9 {
            let answer = node.call(version, &commit_request("g", "t", &[(0, 1)])).await;
            expect(answer.topics[0].partitions[0].error_code, "commit");
        }
        for version in 1..=7 {
            let topic = OffsetFetchRequestTopic { name: "t".to_string(), partition_indexes: vec![0] };
            let request = OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() };
            let answer = node.call(version, &request).await;
            let told = if version < 2 { answer.topics[0].partitions[0].error_code } else { answer.error_code };
            expect(told, "fetch");
        }
        for version in 8..=10 {
            let answer = node.call(version, &fetch_offsets_request("g", "t", &[0])).await;
            if version < 10 {
                expect(answer.groups[0].error_code, "fetch");
            }
        }
        for version in 0..=6 {
            let request = DescribeGroupsRequest { groups: vec!["g".to_string()], ..Default::default() };
            expect(node.call(version, &request).await.groups[0].error_code, "describe");
            assert!(node.call(version.min(5), &ListGroupsRequest::default()).await.groups.is_empty());
            let request = DeleteGroupsRequest { groups_names: vec!["g".to_string()] };
            expect(node.call(version.min(2), &request).await.results[0].error_code, "delete");
        }
        let request = OffsetDeleteRequest { group_id: "g".to_string(), ..OffsetDeleteRequest::default() };
        expect(node.call(0, &request).await.error_code, "offset delete");
        for version in 0..=1 {
            expect(node.call(version, &consumer_join("g", "m", "t")).await.error_code, "consumer heartbeat");
            let request = ConsumerGroupDescribeRequest { group_ids: vec!["g".to_string()], ..Default::default() };
            expect(node.call(version, &request).await.groups[0].error_code, "consumer describe");
        }
    });
}

fn consumer_join(group: &str, member_id: &str, topic: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: group.to_string(),
        member_id: member_id.to_string(),
        member_epoch: 0,
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec![topic.to_string()]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

#[test]
fn consumer_groups_follow_topics_and_group_configs_and_survive_a_power_loss() {
    with_node(472, &[], |node| async move {
        node.create_topic("t", 2, &[]).await;
        node.coordinate("g").await;
        let joined = node.call(CONSUMER_GROUP_HEARTBEAT, &consumer_join("g", "m", "t")).await;
        assert_eq!((error(joined.error_code), joined.heartbeat_interval_ms), ("NONE", 5_000), "{joined:?}");
        let assigned = |count: usize, response: &ottla_protocol::ConsumerGroupHeartbeatResponse| {
            let topics = response.assignment.as_ref().map(|assignment| &assignment.topic_partitions);
            topics.is_some_and(|topics| topics.iter().map(|topic| topic.partitions.len()).sum::<usize>() == count)
        };
        assert!(assigned(2, &joined), "{joined:?}");
        node.set_configs(GROUP_RESOURCE, "g", &[("consumer.heartbeat.interval.ms", "7000")]).await;
        node.add_partitions("t", 3).await;
        let node = node.power_loss().await;
        node.coordinate("g").await;
        let id = topic_id(&node, "t");
        let mut epoch = joined.member_epoch;
        let owned = vec![0, 1];
        let deadline = node.runtime.now() + Duration::from_secs(60);
        loop {
            let topic = ottla_protocol::generated::consumer_group_heartbeat_request::TopicPartitions {
                topic_id: id,
                partitions: owned.clone(),
            };
            let beat = ConsumerGroupHeartbeatRequest {
                member_epoch: epoch,
                topic_partitions: Some(vec![topic]),
                ..consumer_join("g", "m", "t")
            };
            let response = node.call(CONSUMER_GROUP_HEARTBEAT, &beat).await;
            assert_eq!(error(response.error_code), "NONE", "{response:?}");
            assert_eq!(response.heartbeat_interval_ms, 7_000, "the group's own config");
            epoch = response.member_epoch;
            if assigned(3, &response) {
                break;
            }
            assert!(node.runtime.now() < deadline, "the new partition is not assigned: {response:?}");
            node.runtime.sleep(Duration::from_secs(1)).await;
        }
        let request = ConsumerGroupDescribeRequest { group_ids: vec!["g".to_string()], ..Default::default() };
        let described = node.call(1, &request).await.groups.remove(0);
        assert_eq!((error(described.error_code), described.members.len()), ("NONE", 1));
    });
}
