//! Groups through the broker: the offsets topic, finding coordinators, joining, committing, restarts, failing disks.

use crate::kit::*;
use ottla_metadata::ConfigResource;
use ottla_protocol::generated::delete_groups_request::DeleteGroupsRequest;
use ottla_protocol::generated::describe_groups_request::DescribeGroupsRequest;
use ottla_protocol::generated::find_coordinator_request::FindCoordinatorRequest;
use ottla_protocol::generated::list_groups_request::ListGroupsRequest;
use ottla_protocol::generated::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_protocol::generated::offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestTopic};
use ottla_runtime::sim::{Outage, World};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const OFFSETS: &str = "__consumer_offsets";

#[test]
fn first_find_creates_the_offsets_topic_and_succeeds() {
    with_node(400, &[("offsets.topic.segment.bytes", "5000000")], |node| async move {
        assert!(node.controller.image().topic(OFFSETS).is_none());
        let request = FindCoordinatorRequest {
            coordinator_keys: ["a", "b", ""].map(str::to_string).into(),
            ..FindCoordinatorRequest::default()
        };
        let coordinators = node.call(FIND_COORDINATOR, &request).await.coordinators;
        let told = coordinators.iter().map(|found| (found.key.as_str(), found.node_id, found.port, found.error_code));
        assert_eq!(told.collect::<Vec<_>>(), [("a", 1, 9092, 0), ("b", 1, 9092, 0), ("", 1, 9092, 0)]);
        let image = node.controller.image();
        assert_eq!(image.topic(OFFSETS).unwrap().partitions.len(), 50);
        let configs = image.configs(&ConfigResource::topic(OFFSETS));
        let expected = [("cleanup.policy", "compact"), ("compression.type", "producer"), ("segment.bytes", "5000000")];
        assert_eq!(configs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
        for version in 0..=3 {
            let request = FindCoordinatorRequest { key: "a".to_string(), ..FindCoordinatorRequest::default() };
            let found = node.call(version, &request).await;
            assert_eq!((found.error_code, found.node_id, found.host.as_str()), (0, 1, "10.0.0.1"));
        }
        assert_eq!(node.controller.requests("CreateTopics"), 1);
    });
}

#[test]
fn what_has_no_coordinator_is_refused_with_a_reason() {
    with_node(401, &[], |node| async move {
        node.controller.be_silent(true);
        let found = node.call(FIND_COORDINATOR, &find_group("g")).await.coordinators.remove(0);
        assert_eq!((error(found.error_code), found.node_id), ("COORDINATOR_NOT_AVAILABLE", -1));
        assert!(found.error_message.unwrap().contains("__consumer_offsets cannot be created"));
        node.controller.be_silent(false);
        node.coordinate("g").await;
        for (key_type, versions) in [(2, 6..=6), (9, 1..=6)] {
            for version in versions {
                let request = FindCoordinatorRequest { key: "t".to_string(), key_type, ..Default::default() };
                let batched = FindCoordinatorRequest { key_type, ..find_group("t") };
                let code = match version {
                    0..=3 => node.call(version, &request).await.error_code,
                    _ => node.call(version, &batched).await.coordinators[0].error_code,
                };
                assert_eq!(error(code), "INVALID_REQUEST", "type {key_type} in version {version}");
            }
        }
    });
}

#[test]
fn members_join_sync_and_leave() {
    with_node(402, &[], |node| async move {
        node.coordinate("g").await;
        let first = node.join("g").await;
        assert_eq!((first.generation_id, first.leader == first.member_id), (1, true));
        assert_eq!(error(node.sync("g", &first).await.error_code), "NONE");
        assert_eq!(node.heartbeat("g", &first).await, "NONE");
        // A second member: the first one is told by its heartbeat and joins again.
        let second = node.begin_join("g").await;
        node.runtime.sleep(Duration::from_secs(1)).await;
        assert!(!second.is_finished());
        assert_eq!(node.heartbeat("g", &first).await, "REBALANCE_IN_PROGRESS");
        let first = node.call(JOIN_GROUP, &join_request("g", &first.member_id)).await;
        let second = second.await.unwrap();
        assert_eq!((first.generation_id, second.generation_id, first.members.len()), (2, 2, 2));
        let waiting = node.spawn_call(SYNC_GROUP, sync_request("g", &second));
        node.runtime.sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished(), "the assignment comes from the leader");
        assert_eq!(node.sync("g", &first).await.assignment, format!("for {}", first.member_id));
        assert_eq!(waiting.await.unwrap().assignment, format!("for {}", second.member_id));
        assert_eq!(node.leave("g", &second.member_id).await, "NONE");
        assert_eq!(node.leave("g", &second.member_id).await, "UNKNOWN_MEMBER_ID");
        assert_eq!(node.heartbeat("g", &first).await, "REBALANCE_IN_PROGRESS");
    });
}

#[test]
fn groups_without_name_and_unknown_members_are_refused() {
    with_node(403, &[], |node| async move {
        node.coordinate("g").await;
        let nameless = node.call(JOIN_GROUP, &join_request("", "")).await;
        assert_eq!(error(nameless.error_code), "INVALID_GROUP_ID");
        let member = node.join("g").await;
        assert_eq!(node.heartbeat("", &member).await, "INVALID_GROUP_ID");
        assert_eq!(node.heartbeat("elsewhere", &member).await, "UNKNOWN_MEMBER_ID");
        let mut unnamed = sync_request("g", &member);
        unnamed.protocol_name = None;
        assert_eq!(error(node.call(SYNC_GROUP, &unnamed).await.error_code), "INCONSISTENT_GROUP_PROTOCOL");
        let mut impatient = join_request("g", "");
        impatient.session_timeout_ms = 1;
        assert_eq!(error(node.call(JOIN_GROUP, &impatient).await.error_code), "INVALID_SESSION_TIMEOUT");
    });
}

#[test]
fn offsets_are_committed_and_fetched_in_every_version() {
    with_node(404, &[], |node| async move {
        node.create_topic("t", 3, &[]).await;
        node.coordinate("g").await;
        let id = topic_id(&node, "t");
        for version in 2..=10 {
            let offset = 100 + i64::from(version);
            let mut request = commit_request("g", "t", &[(0, offset), (9, 1)]);
            if version >= 10 {
                request.topics[0].topic_id = id;
            }
            let answer = node.call(version, &request).await;
            let codes = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let mut codes: Vec<_> = codes.map(|p| (p.partition_index, error(p.error_code))).collect();
            codes.sort_unstable();
            assert_eq!(codes, [(0, "NONE"), (9, "UNKNOWN_TOPIC_OR_PARTITION")], "version {version}");
            assert_eq!(node.committed("g", "t", 0).await, offset);
        }
        for version in 1..=7 {
            let topic = OffsetFetchRequestTopic { name: "t".to_string(), partition_indexes: vec![0, 1] };
            let request =
                OffsetFetchRequest { group_id: "g".to_string(), topics: Some(vec![topic]), ..Default::default() };
            let found = node.call(version, &request).await;
            let offsets: Vec<_> = found.topics[0].partitions.iter().map(|p| p.committed_offset).collect();
            assert_eq!(offsets, [110, -1], "version {version}");
        }
        for version in 8..=10 {
            let mut request = fetch_offsets_request("g", "t", &[0, 1]);
            request.groups.push(fetch_offsets_request("other", "t", &[0]).groups.remove(0));
            for group in &mut request.groups {
                group.topics.as_mut().unwrap()[0].topic_id = id;
            }
            let found = node.call(version, &request).await.groups;
            let offsets = |group: usize| -> Vec<i64> {
                found[group].topics[0].partitions.iter().map(|p| p.committed_offset).collect()
            };
            assert_eq!((offsets(0), offsets(1)), (vec![110, -1], vec![-1]), "version {version}");
            request.groups[0].topics = None;
            let all = node.call(version, &request).await.groups.remove(0);
            assert_eq!(all.topics[0].partitions.len(), 1, "only what was committed");
        }
    });
}

#[test]
fn unknown_topics_are_refused_one_by_one() {
    with_node(405, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.coordinate("g").await;
        assert_eq!(node.commit("g", "missing", &[(0, 1), (1, 1)]).await, ["UNKNOWN_TOPIC_OR_PARTITION"; 2]);
        let mut by_id = commit_request("g", "", &[(0, 1)]);
        by_id.topics[0].topic_id = ottla_types::Uuid([7; 16]);
        let refused = node.call(10, &by_id).await;
        assert_eq!(error(refused.topics[0].partitions[0].error_code), "UNKNOWN_TOPIC_ID");
        let mut fetch = fetch_offsets_request("g", "", &[0]);
        fetch.groups[0].topics.as_mut().unwrap()[0].topic_id = ottla_types::Uuid([7; 16]);
        let refused = node.call(10, &fetch).await.groups.remove(0);
        assert_eq!(error(refused.topics[0].partitions[0].error_code), "UNKNOWN_TOPIC_ID");
        let long = "x".repeat(5_000);
        let mut oversized = commit_request("g", "t", &[(0, 1)]);
        oversized.topics[0].partitions[0].committed_metadata = Some(long);
        let refused = node.call(OFFSET_COMMIT, &oversized).await;
        assert_eq!(error(refused.topics[0].partitions[0].error_code), "OFFSET_METADATA_TOO_LARGE");
    });
}

#[test]
fn groups_are_listed_described_and_deleted() {
    with_node(406, &[], |node| async move {
        node.create_topic("t", 2, &[]).await;
        node.coordinate("g").await;
        for group in ["g", "h", "i"] {
            assert_eq!(node.commit(group, "t", &[(0, 5), (1, 6)]).await, ["NONE", "NONE"]);
        }
        let member = node.join("g").await;
        node.sync("g", &member).await;
        for version in 0..=5 {
            let listed = node.call(version, &ListGroupsRequest::default()).await;
            let mut ids: Vec<_> = listed.groups.iter().map(|group| group.group_id.as_str()).collect();
            ids.sort_unstable();
            assert_eq!((error(listed.error_code), ids), ("NONE", vec!["g", "h", "i"]));
        }
        let stable = ListGroupsRequest { states_filter: vec!["Stable".to_string()], ..ListGroupsRequest::default() };
        let listed = node.call(5, &stable).await;
        assert_eq!(listed.groups.iter().map(|g| g.group_id.as_str()).collect::<Vec<_>>(), ["g"]);
        for version in 0..=6 {
            let request = DescribeGroupsRequest {
                groups: vec!["g".to_string(), "none".to_string()],
                include_authorized_operations: version >= 3,
            };
            let described = node.call(version, &request).await.groups;
            assert_eq!((described[0].group_state.as_str(), described[0].members.len()), ("Stable", 1));
            assert_eq!(described[0].members[0].client_host, "/10.0.0.9");
            let missing = if version >= 6 { "GROUP_ID_NOT_FOUND" } else { "NONE" };
            assert_eq!((error(described[1].error_code), described[1].group_state.as_str()), (missing, "Dead"));
        }
        let delete = OffsetDeleteRequest {
            group_id: "h".to_string(),
            topics: vec![OffsetDeleteRequestTopic {
                name: "t".to_string(),
                partitions: [0, 7].map(|partition_index| OffsetDeleteRequestPartition { partition_index }).into(),
            }],
        };
        let deleted = node.call(0, &delete).await;
        let mut codes: Vec<_> = deleted
            .topics
            .iter()
            .flat_map(|t| &t.partitions)
            .map(|p| (p.partition_index, error(p.error_code)))
            .collect();
        codes.sort_unstable();
        assert_eq!(codes, [(0, "NONE"), (7, "UNKNOWN_TOPIC_OR_PARTITION")]);
        assert_eq!((node.committed("h", "t", 0).await, node.committed("h", "t", 1).await), (-1, 6));
        for version in 0..=2 {
            let group = ["h", "i", "h"][version as usize].to_string();
            let request = DeleteGroupsRequest { groups_names: vec![group.clone(), "g".to_string(), group] };
            let results = node.call(version, &request).await.results;
            let codes: Vec<_> = results.iter().map(|result| error(result.error_code)).collect();
            let expected = if version < 2 { "NONE" } else { "GROUP_ID_NOT_FOUND" };
            assert_eq!(codes, [expected, "NON_EMPTY_GROUP"]);
        }
        assert_eq!(node.committed("h", "t", 1).await, -1);
    });
}

#[test]
fn offsets_of_a_deleted_topic_go_with_it() {
    with_node(407, &[], |node| async move {
        node.create_topic("gone", 1, &[]).await;
        node.create_topic("kept", 1, &[]).await;
        node.coordinate("g").await;
        for topic in ["gone", "kept"] {
            assert_eq!(node.commit("g", topic, &[(0, 5)]).await, ["NONE"]);
        }
        node.delete_topic("gone").await;
        let deadline = node.runtime.now() + Duration::from_secs(10);
        while node.committed("g", "gone", 0).await != -1 {
            assert!(node.runtime.now() < deadline, "the offset stays");
            node.runtime.sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(node.committed("g", "kept", 0).await, 5);
    });
}

#[test]
fn members_and_offsets_survive_a_restart_a_crash_and_a_power_loss() {
    for seed in 410..414 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 2, &[]).await;
            node.coordinate("g").await;
            let member = node.join("g").await;
            node.sync("g", &member).await;
            let mut node = node;
            for round in 0..3 {
                assert_eq!(node.commit("other", "t", &[(0, round), (1, round + 10)]).await, ["NONE", "NONE"]);
                node = match round {
                    0 => node.restart().await,
                    1 => node.crash().await,
                    _ => node.power_loss().await,
                };
                node.coordinate("g").await;
                node.coordinate("other").await;
                assert_eq!(
                    (node.committed("other", "t", 0).await, node.committed("other", "t", 1).await),
                    (round, round + 10)
                );
                assert_eq!(node.heartbeat("g", &member).await, "NONE", "the group goes on in its generation");
            }
        });
    }
}

#[test]
fn join_that_waits_is_answered_when_the_coordinator_loads_again() {
    for seed in 420..424 {
        with_node(seed, &[("offsets.topic.num.partitions", "1")], |node| async move {
            node.create_topic("t", 1, &[]).await;
            node.coordinate("g").await;
            let first = node.join("g").await;
            node.sync("g", &first).await;
            assert_eq!(node.commit("g2", "t", &[(0, 1)]).await, ["NONE"]);
            let second = node.begin_join("g").await;
            node.runtime.sleep(Duration::from_secs(1)).await;
            node.world.disk_faults(NODE).fail_syncs("__consumer_offsets-0", 1);
            let lost = node.commit("g2", "t", &[(0, 2)]).await;
            assert!(passes(lost[0]), "{lost:?}");
            let second = second.await.unwrap();
            assert!(passes(error(second.error_code)), "{}", error(second.error_code));
            node.coordinate("g").await;
            assert_eq!(node.committed("g2", "t", 0).await, 1, "what was not acknowledged was cut");
            assert_eq!(node.commit("g2", "t", &[(0, 3)]).await, ["NONE"]);
            assert_eq!(node.heartbeat("g", &first).await, "NONE", "the rebalance that had begun is forgotten");
        });
    }
}

/// Committers write ascending offsets until the node goes down; what was acknowledged never goes back.
fn outage_under_commits(seed: u64, outage: Outage) {
    let world = World::new(seed);
    world.run(async {
        let controller = FakeController::new(&[("offsets.topic.num.partitions", "3")]);
        let acknowledged: Arc<Mutex<BTreeMap<String, i64>>> = Arc::default();
        for round in 0..4 {
            let node = Node::start(&world, &controller).await;
            if round == 0 {
                node.create_topic("t", 1, &[]).await;
            }
            let groups: Vec<String> = (0..6).map(|n| format!("g{n}")).collect();
            for group in &groups {
                node.coordinate(group).await;
                let committed = node.committed(group, "t", 0).await;
                let acknowledged = acknowledged.lock().unwrap().get(group).copied().unwrap_or(-1);
                assert!(committed >= acknowledged, "{group} went back from {acknowledged} to {committed}");
            }
            for group in groups {
                let (committer, acknowledged) = (node.clone(), Arc::clone(&acknowledged));
                node.runtime.spawn("committer", async move {
                    let mut next = committer.committed(&group, "t", 0).await + 1;
                    loop {
                        if committer.commit(&group, "t", &[(0, next)]).await == ["NONE"] {
                            acknowledged.lock().unwrap().insert(group.clone(), next);
                        } else {
                            committer.runtime.sleep(Duration::from_millis(1)).await;
                        }
                        next += 1;
                    }
                });
            }
            world.disk_faults(NODE).plan_outage(world.random_range(5..400), outage);
            world.down(NODE).await;
        }
        assert!(acknowledged.lock().unwrap().len() > 3);
    });
}

#[test]
fn acknowledged_commits_survive_a_crash_at_any_step() {
    (430..440).for_each(|seed| outage_under_commits(seed, Outage::Crash));
}

#[test]
fn acknowledged_commits_survive_a_power_loss_at_any_step() {
    (440..460).for_each(|seed| outage_under_commits(seed, Outage::PowerLoss));
}
