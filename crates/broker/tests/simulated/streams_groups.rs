//! Streams groups through the broker: internal topics are created, tasks assigned, and all of it survives a power loss.

use crate::kit::*;
use ottla_protocol::generated::delete_groups_request::DeleteGroupsRequest;
use ottla_protocol::generated::list_groups_request::ListGroupsRequest;
use ottla_protocol::generated::streams_group_describe_request::StreamsGroupDescribeRequest;
use ottla_protocol::generated::streams_group_heartbeat_request::{
    StreamsGroupHeartbeatRequest, Subtopology, TaskIds, TopicInfo, Topology,
};
use std::time::Duration;

const GROUP_RESOURCE: i8 = 32;
const MISSING_SOURCE_TOPICS: i8 = 1;
const MISSING_INTERNAL_TOPICS: i8 = 3;

/// Reads `source` and keeps a store, whose changelog is `changelog`.
fn join(source: &str, changelog: &str, replication_factor: i16) -> StreamsGroupHeartbeatRequest {
    let changelog = TopicInfo { name: changelog.to_string(), replication_factor, ..TopicInfo::default() };
    let subtopology = Subtopology {
        subtopology_id: "0".to_string(),
        source_topics: vec![source.to_string()],
        state_changelog_topics: vec![changelog],
        ..Subtopology::default()
    };
    StreamsGroupHeartbeatRequest {
        group_id: "app".to_string(),
        member_id: "thread".to_string(),
        endpoint_information_epoch: -1,
        rebalance_timeout_ms: 60_000,
        topology: Some(Topology { epoch: 0, subtopologies: vec![subtopology] }),
        process_id: Some("process".to_string()),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        ..StreamsGroupHeartbeatRequest::default()
    }
}

fn beat(epoch: i32) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest {
        group_id: "app".to_string(),
        member_id: "thread".to_string(),
        member_epoch: epoch,
        endpoint_information_epoch: -1,
        ..StreamsGroupHeartbeatRequest::default()
    }
}

fn describe() -> StreamsGroupDescribeRequest {
    StreamsGroupDescribeRequest { group_ids: vec!["app".to_string()], include_authorized_operations: true }
}

#[test]
fn an_application_gets_its_internal_topics_and_its_tasks() {
    with_node(480, &[], |node| async move {
        node.create_topic("in", 3, &[]).await;
        node.coordinate("app").await;
        node.set_configs(GROUP_RESOURCE, "app", &[("streams.initial.rebalance.delay.ms", "0")]).await;
        let joined = node.call(0, &join("in", "app-store-changelog", 0)).await;
        assert_eq!((error(joined.error_code), joined.heartbeat_interval_ms), ("NONE", 5_000), "{joined:?}");
        let status = joined.status.expect("a list").remove(0);
        assert_eq!(status.status_code, MISSING_INTERNAL_TOPICS, "{}", status.status_detail);
        assert!(!status.status_detail.contains("failed"), "{}", status.status_detail);
        let mut epoch = joined.member_epoch;
        let deadline = node.runtime.now() + Duration::from_secs(60);
        loop {
            let response = node.call(0, &beat(epoch)).await;
            assert_eq!(error(response.error_code), "NONE", "{response:?}");
            epoch = response.member_epoch;
            if response.active_tasks.is_some_and(|tasks| tasks.iter().any(|task| task.partitions == [0, 1, 2])) {
                break;
            }
            assert!(node.runtime.now() < deadline, "no tasks: {:?}", response.status);
            node.runtime.sleep(Duration::from_millis(500)).await;
        }
        assert!(node.metrics.groups.streams_rebalances.get() >= 2, "the member, then its topics");
        let node = node.power_loss().await;
        node.coordinate("app").await;
        let owned = vec![TaskIds { subtopology_id: "0".to_string(), partitions: vec![0, 1, 2] }];
        let (active_tasks, none) = (Some(owned), Some(Vec::new()));
        let say = StreamsGroupHeartbeatRequest {
            active_tasks,
            standby_tasks: none.clone(),
            warmup_tasks: none,
            ..beat(epoch)
        };
        let response = node.call(0, &say).await;
        assert_eq!((error(response.error_code), response.member_epoch), ("NONE", epoch), "{response:?}");
        let group = node.call(0, &describe()).await.groups.remove(0);
        assert_eq!((error(group.error_code), group.group_state.as_str()), ("NONE", "Stable"), "{group:?}");
        let topology = group.topology.expect("a topology").subtopologies.expect("subtopologies").remove(0);
        assert_eq!(topology.state_changelog_topics[0].partitions, 3);
        assert_eq!(group.members[0].assignment.active_tasks[0].partitions, [0, 1, 2]);
        // Other partitions of the offsets topic may still be loading.
        let listed = loop {
            let mut response = node.call(5, &ListGroupsRequest::default()).await;
            if let Some(group) = response.groups.pop() {
                break group;
            }
            assert!(node.runtime.now() < deadline, "{response:?}");
            node.runtime.sleep(Duration::from_millis(10)).await;
        };
        assert_eq!((listed.group_type.as_str(), listed.protocol_type.as_str()), ("streams", "streams"));
        let left = node.call(0, &beat(-1)).await;
        assert_eq!((error(left.error_code), left.member_epoch), ("NONE", -1));
        let deleted = node.call(2, &DeleteGroupsRequest { groups_names: vec!["app".to_string()] }).await;
        assert_eq!(error(deleted.results[0].error_code), "NONE");
        assert_eq!(error(node.call(0, &describe()).await.groups[0].error_code), "GROUP_ID_NOT_FOUND");
    });
}

#[test]
fn what_cannot_be_created_is_told() {
    with_node(481, &[], |node| async move {
        node.coordinate("app").await;
        let joined = node.call(0, &join("in", "app-store-changelog", 7)).await;
        let codes = |response: &ottla_protocol::StreamsGroupHeartbeatResponse| -> Vec<i8> {
            response.status.iter().flatten().map(|status| status.status_code).collect()
        };
        assert!(codes(&joined).contains(&MISSING_SOURCE_TOPICS), "{joined:?}");
        node.create_topic("in", 3, &[]).await;
        let deadline = node.runtime.now() + Duration::from_secs(60);
        let detail = loop {
            let response = node.call(0, &beat(joined.member_epoch)).await;
            let mut statuses = response.status.iter().flatten();
            if let Some(missing) = statuses.find(|status| status.status_code == MISSING_INTERNAL_TOPICS) {
                break missing.status_detail.clone();
            }
            assert!(node.runtime.now() < deadline, "{response:?}");
            node.runtime.sleep(Duration::from_millis(100)).await;
        };
        assert!(detail.contains("; Creation failed: app-store-changelog ("), "{detail}");
        for (wrong, text) in [("__consumer_offsets", "internal topics"), ("a b", "not valid topic names")] {
            let refused = node.call(0, &join(wrong, "app-store-changelog", 0)).await;
            assert_eq!(error(refused.error_code), "STREAMS_INVALID_TOPOLOGY");
            assert!(refused.error_message.as_ref().is_some_and(|message| message.contains(text)), "{refused:?}");
        }
        node.broker.shutdown().await;
        assert!(passes(error(node.call(0, &beat(1)).await.error_code)));
        assert!(passes(error(node.call(0, &describe()).await.groups[0].error_code)));
    });
}

#[test]
fn internal_topics_count_against_the_controller_mutation_quota() {
    with_node(483, &[], |node| async move {
        node.coordinate("app").await;
        node.set_quota(&[("client-id", Some("test"))], "controller_mutation_rate", Some(1.0)).await;
        // Far more than a second's worth.
        node.create_topic("in", 100, &[]).await;
        let detail = |response: ottla_protocol::StreamsGroupHeartbeatResponse| {
            let mut statuses = response.status.into_iter().flatten();
            statuses.find(|status| status.status_code == MISSING_INTERNAL_TOPICS).expect("missing topics").status_detail
        };
        let refused = detail(node.call(0, &join("in", "app-store-changelog", 0)).await);
        assert!(refused.contains("app-store-changelog (The throttling quota has been exceeded.)"), "{refused}");
        node.runtime.sleep(Duration::from_secs(200)).await;
        let created = detail(node.call(0, &join("in", "app-store-changelog", 0)).await);
        assert!(!created.contains("failed"), "{created}");
        node.ready("app-store-changelog", 0).await;
    });
}

#[test]
fn streams_groups_can_be_switched_off() {
    let protocols = [("group.coordinator.rebalance.protocols", "classic,consumer")];
    with_node(482, &protocols, |node| async move {
        node.coordinate("app").await;
        assert_eq!(error(node.call(0, &join("in", "c", 0)).await.error_code), "UNSUPPORTED_VERSION");
        assert_eq!(error(node.call(0, &describe()).await.groups[0].error_code), "UNSUPPORTED_VERSION");
    });
}
