//! What the metrics tell of groups, and what keeps one client from taking more than its share.

use crate::kit::*;
use ottla_protocol::generated::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use ottla_protocol::generated::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use ottla_protocol::generated::describe_groups_request::DescribeGroupsRequest;
use std::time::Duration;

/// Whether the text has each of these lines.
#[track_caller]
fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other == *line), "{line} is not in\n{text}");
    }
}

#[test]
fn groups_offsets_and_lag_are_shown_when_somebody_looks() {
    with_node(490, &[("group.initial.rebalance.delay.ms", "0")], |node| async move {
        node.create_topic("t", 2, &[]).await;
        node.produce("t", 0, &["a", "b", "c"]).await;
        node.coordinate("g").await;
        assert_eq!(node.commit("g", "t", &[(0, 1), (1, 7)]).await, ["NONE", "NONE"]);
        let member = node.join("members").await;
        let text = node.metrics.scrape().await;
        has(
            &text,
            &[
                "kafka_server_group_coordinator_metrics_group_count{protocol=\"classic\"} 2",
                "kafka_server_group_coordinator_metrics_group_count{protocol=\"consumer\"} 0",
                "kafka_server_group_coordinator_metrics_classic_group_count{state=\"empty\"} 1",
                "kafka_server_group_coordinator_metrics_classic_group_count{state=\"completingrebalance\"} 1",
                "ottla_group_members{protocol=\"classic\"} 1",
                "kafka_coordinator_group_groupmetadatamanager_numoffsets 2",
                "kafka_consumergroup_current_offset{consumergroup=\"g\",topic=\"t\",partition=\"0\"} 1",
                "kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"0\"} 2",
                "kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"1\"} 0",
                "ottla_consumergroup_offsets_not_shown 0",
                "kafka_server_group_coordinator_metrics_offset_commit_total 2",
                "kafka_server_group_coordinator_metrics_num_partitions_active 50",
                "kafka_server_group_coordinator_metrics_num_partitions_loading 0",
            ],
        );
        node.sync("members", &member).await;
        let count = || node.metrics.groups.classic_rebalances.get();
        node.until("the rebalance is counted", || count() == 1).await;
        // The member is not heard of again.
        node.runtime.sleep(Duration::from_secs(31)).await;
        assert_eq!(node.metrics.groups.members_expired.get(), 1);
        node.delete_topic("t").await;
        node.until("its offsets went", || node.metrics.groups.offset_deletions.get() == 2).await;
        let text = node.metrics.scrape().await;
        has(&text, &["kafka_coordinator_group_groupmetadatamanager_numoffsets 0"]);
        assert!(!text.contains("kafka_consumergroup_lag{"), "{text}");
    });
}

#[test]
fn offsets_beyond_the_number_that_is_shown_are_counted() {
    with_node(491, &[], |node| async move {
        node.create_topic("t", 101, &[]).await;
        node.coordinate("g").await;
        let offsets: Vec<(i32, i64)> = (0..101).map(|partition| (partition, 1)).collect();
        for group in 0..100 {
            assert_eq!(node.commit(&format!("g{group}"), "t", &offsets).await.len(), 101);
        }
        let text = node.metrics.scrape().await;
        has(&text, &["ottla_consumergroup_offsets_not_shown 100"]);
        assert_eq!(text.matches("kafka_consumergroup_current_offset{").count(), 10_000);
    });
}

#[test]
fn offsets_that_expire_are_counted() {
    let configs = [("offsets.retention.minutes", "1"), ("offsets.retention.check.interval.ms", "1000")];
    with_node(492, &configs, |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.coordinate("g").await;
        node.commit("g", "t", &[(0, 1)]).await;
        node.runtime.sleep(Duration::from_secs(62)).await;
        assert_eq!(node.metrics.groups.offset_expirations.get(), 1);
        assert_eq!(node.committed("g", "t", 0).await, -1);
    });
}

#[test]
fn a_coordinator_whose_disk_fails_counts_its_reload_and_finds_offsets_of_deleted_topics_again() {
    with_node(493, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.coordinate("g").await;
        assert_eq!(node.commit("g", "t", &[(0, 5)]).await, ["NONE"]);
        assert_eq!(node.metrics.groups.offset_deletions.get(), 0);
        // The tombstones are lost with the flush that fails; the next coordinator looks for such offsets by itself.
        node.world.disk_faults(NODE).fail_syncs("__consumer_offsets", 1);
        node.delete_topic("t").await;
        node.until("the flush failed", || node.metrics.log.fsync_errors.get() == 1).await;
        node.runtime.sleep(Duration::from_secs(35)).await;
        assert_eq!(node.metrics.groups.offset_deletions.get(), 1);
        has(&node.metrics.scrape().await, &["kafka_coordinator_group_groupmetadatamanager_numoffsets 0"]);
    });
}

async fn beat(node: &Node, member: &str, epoch: i32, regex: Option<&str>) -> ConsumerGroupHeartbeatResponse {
    let joins = epoch == 0;
    let request = ConsumerGroupHeartbeatRequest {
        group_id: "g".to_string(),
        member_id: member.to_string(),
        member_epoch: epoch,
        rebalance_timeout_ms: if joins { 60_000 } else { -1 },
        subscribed_topic_regex: regex.map(str::to_string),
        topic_partitions: joins.then(Vec::new),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    node.call(1, &request).await
}

#[test]
fn expressions_are_checked_before_and_matched_beside_the_shard() {
    with_node(494, &[], |node| async move {
        node.create_topic("food", 1, &[]).await;
        node.coordinate("g").await;
        let refused = beat(&node, "a", 0, Some("fo(")).await;
        assert_eq!(error(refused.error_code), "INVALID_REGULAR_EXPRESSION");
        let message = refused.error_message.unwrap();
        assert!(message.contains("`fo(` is not a valid regular expression: unclosed group."), "{message}");
        let joined = beat(&node, "a", 0, Some("fo.*")).await;
        assert_eq!((error(joined.error_code), joined.member_epoch), ("NONE", 1));
        let mut epoch = joined.member_epoch;
        let assigned = loop {
            let next = beat(&node, "a", epoch, None).await;
            assert_eq!(error(next.error_code), "NONE");
            epoch = next.member_epoch;
            if let Some(assignment) = next.assignment.filter(|assignment| !assignment.topic_partitions.is_empty()) {
                break assignment;
            }
            node.runtime.sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(assigned.topic_partitions[0].topic_id, topic_id(&node, "food"));
        assert!(node.metrics.groups.consumer_rebalances.get() >= 1);
        let text = node.metrics.scrape().await;
        has(&text, &["kafka_server_group_coordinator_metrics_consumer_group_count{state=\"stable\"} 1"]);
    });
}

#[test]
fn a_request_about_thousands_of_groups_is_answered_in_order_and_refused_to_nobody() {
    with_node(495, &[], |node| async move {
        node.coordinate("g").await;
        // More than one shard's queue takes, all of one shard.
        let groups = vec!["g".to_string(); 12_000];
        let request = DescribeGroupsRequest { groups, ..DescribeGroupsRequest::default() };
        let described = node.call(5, &request).await.groups;
        assert_eq!(described.len(), 12_000);
        assert!(described.iter().all(|group| group.group_id == "g" && group.error_code == 0));
        assert_eq!(node.metrics.groups.requests_refused.get(), 0);
    });
}

#[test]
fn the_largest_group_is_what_the_offsets_topic_takes() {
    with_node(496, &[("group.initial.rebalance.delay.ms", "0")], |node| async move {
        node.coordinate("g").await;
        let mut large = join_request("g", "");
        large.protocols[0].metadata = vec![1; 20_000].into();
        let first = node.call(JOIN_GROUP, &large).await;
        assert_eq!(error(first.error_code), "MEMBER_ID_REQUIRED");
        node.set_configs(2, "__consumer_offsets", &[("max.message.bytes", "10000")]).await;
        node.until("the shards know", || node.metrics.groups.shards_active.get() == 50).await;
        node.runtime.sleep(Duration::from_secs(1)).await;
        assert_eq!(error(node.call(JOIN_GROUP, &large).await.error_code), "UNKNOWN_SERVER_ERROR");
        node.set_configs(2, "__consumer_offsets", &[("max.message.bytes", "100000")]).await;
        node.runtime.sleep(Duration::from_secs(1)).await;
        assert_eq!(error(node.call(JOIN_GROUP, &large).await.error_code), "MEMBER_ID_REQUIRED");
    });
}
