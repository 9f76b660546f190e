//! Calls that are shaped by a cluster, on one node, in every version.

use crate::kit::*;
use ottla_protocol::generated::add_raft_voter_request::AddRaftVoterRequest;
use ottla_protocol::generated::alter_client_quotas_request::AlterClientQuotasRequest;
use ottla_protocol::generated::alter_partition_reassignments_request::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use ottla_protocol::generated::describe_client_quotas_request::{ComponentData, DescribeClientQuotasRequest};
use ottla_protocol::generated::describe_quorum_request::{DescribeQuorumRequest, PartitionData, TopicData};
use ottla_protocol::generated::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use ottla_protocol::generated::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use ottla_protocol::generated::remove_raft_voter_request::RemoveRaftVoterRequest;
use ottla_protocol::generated::unregister_broker_request::UnregisterBrokerRequest;
use ottla_protocol::generated::update_features_request::{FeatureUpdateKey, UpdateFeaturesRequest};

#[test]
fn leaders_and_reassignments_on_one_node() {
    with_node(400, &[], |node| async move {
        node.create_topic("t", 2, &[]).await;
        for version in 0..=2 {
            let topics = vec![TopicPartitions { topic: "t".into(), partitions: vec![0, 9] }];
            let request =
                ElectLeadersRequest { topic_partitions: Some(topics), timeout_ms: 1000, ..Default::default() };
            let response = node.call(version, &request).await;
            let results = &response.replica_election_results[0].partition_result;
            let told: Vec<_> = results.iter().map(|result| error(result.error_code)).collect();
            assert_eq!(told, ["ELECTION_NOT_NEEDED", "UNKNOWN_TOPIC_OR_PARTITION"]);
        }
        for version in 0..=1 {
            let partition = |replicas: Option<Vec<i32>>| ReassignablePartition { partition_index: 0, replicas };
            let partitions = vec![partition(Some(vec![1])), partition(Some(vec![7])), partition(None)];
            let topics = vec![ReassignableTopic { name: "t".into(), partitions }];
            let request = AlterPartitionReassignmentsRequest { timeout_ms: 1000, topics, ..Default::default() };
            let response = node.call(version, &request).await;
            let told: Vec<_> = response.responses[0].partitions.iter().map(|p| error(p.error_code)).collect();
            assert_eq!(told, ["NONE", "INVALID_REPLICA_ASSIGNMENT", "NO_REASSIGNMENT_IN_PROGRESS"]);
        }
        let all = ListPartitionReassignmentsRequest { timeout_ms: 1000, topics: None };
        assert!(node.call(0, &all).await.topics.is_empty());
        assert_eq!(node.produce("t", 0, &["a"]).await, 0, "nothing has changed");
    });
}

#[test]
fn the_quorum_and_its_features_on_one_node() {
    with_node(401, &[], |node| async move {
        for version in 0..=2 {
            let topic = TopicData {
                topic_name: "__cluster_metadata".into(),
                partitions: vec![PartitionData { partition_index: 0 }],
            };
            let response = node.call(version, &DescribeQuorumRequest { topics: vec![topic] }).await;
            let partition = &response.topics[0].partitions[0];
            assert_eq!((partition.leader_id, partition.current_voters.len(), partition.observers.len()), (1, 1, 0));
            assert_eq!(response.nodes.len(), usize::from(version == 2));
        }
        for version in 0..=1 {
            let response = node.call(version, &AddRaftVoterRequest { cluster_id: None, ..Default::default() }).await;
            assert_eq!(error(response.error_code), "INVALID_REQUEST");
        }
        assert_eq!(
            error(node.call(0, &RemoveRaftVoterRequest { cluster_id: None, ..Default::default() }).await.error_code),
            "INVALID_REQUEST"
        );
        for version in 0..=2 {
            let update =
                FeatureUpdateKey { feature: "group.version".into(), max_version_level: 1, ..Default::default() };
            let update = FeatureUpdateKey { upgrade_type: 1, ..update };
            let request =
                UpdateFeaturesRequest { feature_updates: vec![update], timeout_ms: 1000, ..Default::default() };
            let response = node.call(version, &request).await;
            assert_eq!((error(response.error_code), response.results.len()), ("NONE", usize::from(version < 2)));
        }
    });
}

#[test]
fn the_only_broker_stays_registered() {
    with_node(402, &[], |node| async move {
        let response = node.call(0, &UnregisterBrokerRequest { broker_id: 1 }).await;
        assert_eq!(error(response.error_code), "INVALID_REQUEST");
        let response = node.call(0, &UnregisterBrokerRequest { broker_id: 9 }).await;
        assert_eq!(error(response.error_code), "BROKER_ID_NOT_REGISTERED");
        node.create_topic("t", 1, &[]).await;
        assert_eq!(node.produce("t", 0, &["a"]).await, 0);
    });
}

#[test]
fn quotas_are_described_by_filter() {
    with_node(403, &[], |node| async move {
        node.set_quota(&[("user", Some("alice"))], "producer_byte_rate", Some(1000.0)).await;
        node.set_quota(&[("user", None), ("client-id", Some("app"))], "request_percentage", Some(1.5)).await;
        node.set_quota(&[("ip", Some("10.0.0.1"))], "connection_creation_rate", Some(5.0)).await;
        let ask = |kind: &str, match_type: i8, name: Option<&str>, strict: bool| DescribeClientQuotasRequest {
            components: vec![ComponentData {
                entity_type: kind.to_string(),
                match_type,
                r#match: name.map(str::to_string),
            }],
            strict,
        };
        for (request, answer) in [
            (ask("user", 0, Some("alice"), true), Ok(1)),
            (ask("user", 2, None, false), Ok(2)),
            (ask("user", 2, None, true), Ok(1)),
            (ask("client-id", 0, Some("app"), true), Ok(0)),
            (ask("client-id", 0, Some("app"), false), Ok(1)),
            (ask("ip", 1, None, false), Ok(0)),
            (ask("ip", 2, None, false), Ok(1)),
            (ask("user", 0, None, false), Err("INVALID_REQUEST")),
            (ask("user", 9, None, false), Err("INVALID_REQUEST")),
            (ask("planet", 2, None, false), Err("UNSUPPORTED_VERSION")),
            (DescribeClientQuotasRequest::default(), Ok(3)),
        ] {
            for version in 0..=1 {
                let response = node.call(version, &request).await;
                let told = response.entries.map(|entries| entries.len()).ok_or(error(response.error_code));
                assert_eq!(told, answer, "{request:?}");
            }
        }
        node.set_quota(&[("user", Some("alice"))], "producer_byte_rate", None).await;
        let response = node.call(1, &ask("user", 0, Some("alice"), true)).await;
        assert_eq!(response.entries.map(|entries| entries.len()), Some(0));
        node.call(0, &AlterClientQuotasRequest::default()).await;
    });
}
