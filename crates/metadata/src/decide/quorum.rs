//! DescribeQuorum (KIP-595, KIP-853), AddRaftVoter and RemoveRaftVoter (KIP-853).
//!
//! The quorum has the level 0 of Kafka's `kraft.version`: its voters are fixed when it is formed. So a request to change them
//! is answered as Kafka does at that level.

use crate::features::KRAFT_VERSION;
use crate::{ApiError, BrokerEndpoint, DecideContext, MetadataImage};
use ottla_protocol::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use ottla_protocol::{
    AddRaftVoterRequest, AddRaftVoterResponse, DescribeQuorumRequest, DescribeQuorumResponse, RemoveRaftVoterRequest,
    RemoveRaftVoterResponse,
};
use ottla_types::{ErrorCode, Uuid};

/// Kafka's name of the metadata log.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// Kafka's text of UNKNOWN_TOPIC_OR_PARTITION.
const UNKNOWN_PARTITION: &str = "This server does not host this topic-partition.";

/// What the leader knows of the quorum: this node alone.
pub fn describe_quorum(
    image: &MetadataImage,
    request: &DescribeQuorumRequest,
    context: &DecideContext<'_>,
) -> DescribeQuorumResponse {
    let is_asked_for = match request.topics.as_slice() {
        [topic] if topic.topic_name == METADATA_TOPIC => {
            matches!(topic.partitions.as_slice(), [partition] if partition.partition_index == 0)
        }
        _ => false,
    };
    if !is_asked_for {
        return unknown_partitions(request);
    }
    // Whoever decides this leads the quorum; all its records are committed.
    let this = ReplicaState {
        replica_id: context.config.node_id.0,
        replica_directory_id: Uuid::default(),
        log_end_offset: context.metadata_index,
        last_fetch_timestamp: context.quorum.now_ms,
        last_caught_up_timestamp: context.quorum.now_ms,
    };
    let partition = PartitionData {
        partition_index: 0,
        leader_id: context.config.node_id.0,
        leader_epoch: context.quorum.leader_epoch,
        high_watermark: context.metadata_index,
        current_voters: vec![this],
        ..Default::default()
    };
    DescribeQuorumResponse {
        topics: vec![TopicData { topic_name: METADATA_TOPIC.to_string(), partitions: vec![partition] }],
        nodes: vec![Node { node_id: context.config.node_id.0, listeners: listeners(image, context) }],
        ..Default::default()
    }
}

/// The listeners that the controller registered; those of its broker where it has none of its own.
fn listeners(image: &MetadataImage, context: &DecideContext<'_>) -> Vec<Listener> {
    let id = context.config.node_id;
    let own = image.controller(id).map(|controller| controller.endpoints.clone()).filter(|own| !own.is_empty());
    let shown = own.or_else(|| image.broker(id).map(|broker| broker.endpoints.clone())).unwrap_or_default();
    let listener = |e: BrokerEndpoint| Listener { name: e.name, host: e.host, port: e.port };
    shown.into_iter().map(listener).collect()
}

fn unknown_partitions(request: &DescribeQuorumRequest) -> DescribeQuorumResponse {
    let partition = |partition_index: i32| PartitionData {
        partition_index,
        error_code: ErrorCode::UnknownTopicOrPartition.code(),
        error_message: Some(UNKNOWN_PARTITION.to_string()),
        ..Default::default()
    };
    let topics = request.topics.iter().map(|topic| TopicData {
        topic_name: topic.topic_name.clone(),
        partitions: topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect(),
    });
    DescribeQuorumResponse { topics: topics.collect(), ..Default::default() }
}

/// Refuses to add a voter, with Kafka's reasons.
pub fn add_raft_voter(image: &MetadataImage, request: &AddRaftVoterRequest) -> AddRaftVoterResponse {
    let is_valid = request.voter_id >= 0 && request.voter_directory_id != Uuid::default();
    let error = check_cluster(image, request.cluster_id.as_deref()).err().unwrap_or_else(|| match () {
        () if !is_valid => ApiError::new(ErrorCode::InvalidRequest, "Add voter request didn't include a valid voter"),
        () if request.listeners.is_empty() => {
            let text = "Add voter request didn't include the endpoint for the default listener";
            ApiError::new(ErrorCode::InvalidRequest, text)
        }
        () => not_supported(image, "adding"),
    });
    AddRaftVoterResponse { error_code: error.code.code(), error_message: error.message, ..Default::default() }
}

/// Refuses to remove a voter, with Kafka's reasons.
pub fn remove_raft_voter(image: &MetadataImage, request: &RemoveRaftVoterRequest) -> RemoveRaftVoterResponse {
    let is_valid = request.voter_id >= 0 && request.voter_directory_id != Uuid::default();
    let error = check_cluster(image, request.cluster_id.as_deref()).err().unwrap_or_else(|| match is_valid {
        false => ApiError::new(ErrorCode::InvalidRequest, "Remove voter request didn't include a valid voter"),
        true => not_supported(image, "removing"),
    });
    RemoveRaftVoterResponse { error_code: error.code.code(), error_message: error.message, ..Default::default() }
}

fn check_cluster(image: &MetadataImage, asked: Option<&str>) -> Result<(), ApiError> {
    let own = image.cluster_id().map(|id| id.to_string()).unwrap_or_default();
    match asked {
        Some(asked) if asked != own => {
            let text = format!("The given id \"{asked}\" doesn't match the cluster id \"{own}\"");
            Err(ApiError::new(ErrorCode::InconsistentClusterId, text))
        }
        _ => Ok(()),
    }
}

fn not_supported(image: &MetadataImage, verb: &str) -> ApiError {
    let level = image.feature_level(KRAFT_VERSION);
    let text = format!("Cluster doesn't support {verb} voter because the {KRAFT_VERSION} feature is {level}");
    ApiError::new(ErrorCode::UnsupportedVersion, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decision;
    use crate::decide::testing::Cluster;
    use ottla_protocol::describe_quorum_request;

    fn describe(cluster: &mut Cluster, topic: &str, partition_index: i32) -> DescribeQuorumResponse {
        let partitions = vec![describe_quorum_request::PartitionData { partition_index }];
        let topics = vec![describe_quorum_request::TopicData { topic_name: topic.to_string(), partitions }];
        let request = DescribeQuorumRequest { topics };
        cluster.run(|image, context| Decision::none(describe_quorum(image, &request, context)))
    }

    #[test]
    fn the_quorum_is_this_node() {
        let mut cluster = Cluster::with_brokers(1);
        let response = describe(&mut cluster, METADATA_TOPIC, 0);
        let partition = &response.topics[0].partitions[0];
        let voters: Vec<i32> = partition.current_voters.iter().map(|voter| voter.replica_id).collect();
        assert_eq!((partition.error_code, partition.leader_id, voters), (0, 1, vec![1]));
        assert_eq!(partition.high_watermark, partition.current_voters[0].log_end_offset);
        assert_eq!(response.nodes[0].listeners[0].host, "host-1");
    }

    #[test]
    fn other_partitions_are_unknown() {
        let mut cluster = Cluster::with_brokers(1);
        for (topic, partition) in [("a", 0), (METADATA_TOPIC, 1)] {
            let response = describe(&mut cluster, topic, partition);
            assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
        }
    }

    #[test]
    fn voters_are_fixed() {
        let cluster = Cluster::with_brokers(1);
        let add = |cluster_id: Option<&str>, id: u8| {
            let listener = ottla_protocol::add_raft_voter_request::Listener::default();
            let request = AddRaftVoterRequest {
                cluster_id: cluster_id.map(str::to_string),
                voter_id: 2,
                voter_directory_id: Uuid([id; 16]),
                listeners: vec![listener],
                ..Default::default()
            };
            add_raft_voter(&cluster.image, &request).error_message.unwrap()
        };
        assert!(add(Some("other"), 1).starts_with("The given id \"other\" doesn't match the cluster id"));
        assert_eq!(add(None, 0), "Add voter request didn't include a valid voter");
        assert_eq!(add(None, 1), "Cluster doesn't support adding voter because the kraft.version feature is 0");
        let request = RemoveRaftVoterRequest { cluster_id: None, voter_id: 1, voter_directory_id: Uuid([1; 16]) };
        let response = remove_raft_voter(&cluster.image, &request);
        assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
    }
}
