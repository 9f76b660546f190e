//! ElectLeaders (KIP-183, KIP-460): gives partitions their preferred leader back, or a leader from outside of the ISR.

use crate::image::LeaderRecoveryState;
use crate::image::records::ids;
use crate::{ApiError, Decision, Entry, MetadataImage, Partition};
use ottla_protocol::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use ottla_protocol::{ElectLeadersRequest, ElectLeadersResponse, MetadataRecord, PartitionChangeRecord};
use ottla_types::{ErrorCode, NodeId, Uuid};

/// What kind of leader is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Election {
    Preferred,
    Unclean,
}

/// Elects leaders of the partitions that the request names, or of all; each for itself. When all are asked for, those that
/// need no election are left out of the answer, as in Kafka.
pub fn elect_leaders(image: &MetadataImage, request: &ElectLeadersRequest) -> Decision<ElectLeadersResponse> {
    let election = match request.election_type {
        0 => Election::Preferred,
        1 => Election::Unclean,
        _ => return Decision::none(unknown_type(request)),
    };
    let mut records = Entry::new();
    let results = match &request.topic_partitions {
        Some(topics) => topics
            .iter()
            .map(|topic| ReplicaElectionResult {
                topic: topic.topic.clone(),
                partition_result: topic
                    .partitions
                    .iter()
                    .map(|index| result(*index, elect(image, &topic.topic, *index, election, &mut records)))
                    .collect(),
            })
            .collect(),
        None => image
            .topics()
            .map(|topic| ReplicaElectionResult {
                topic: topic.name.to_string(),
                partition_result: (0..)
                    .zip(&topic.partitions)
                    .map(|(index, _)| result(index, elect(image, &topic.name, index, election, &mut records)))
                    .filter(|result| result.error_code != ErrorCode::ElectionNotNeeded.code())
                    .collect(),
            })
            .collect(),
    };
    let response = ElectLeadersResponse { replica_election_results: results, ..Default::default() };
    Decision::split(records, response)
}

fn result(partition_id: i32, outcome: Result<(), ApiError>) -> PartitionResult {
    let error = outcome.err().unwrap_or(ErrorCode::None.into());
    PartitionResult { partition_id, error_code: error.code.code(), error_message: error.message }
}

/// Kafka answers the whole request and each of its partitions.
fn unknown_type(request: &ElectLeadersRequest) -> ElectLeadersResponse {
    let text = format!("Unknown election type {}", request.election_type);
    let error = ApiError::new(ErrorCode::InvalidRequest, text);
    let topics = request.topic_partitions.iter().flatten();
    ElectLeadersResponse {
        error_code: error.code.code(),
        replica_election_results: topics
            .map(|topic| ReplicaElectionResult {
                topic: topic.topic.clone(),
                partition_result: topic.partitions.iter().map(|index| result(*index, Err(error.clone()))).collect(),
            })
            .collect(),
        ..Default::default()
    }
}

fn elect(
    image: &MetadataImage,
    name: &str,
    index: i32,
    election: Election,
    records: &mut Entry,
) -> Result<(), ApiError> {
    let unknown = |text: String| ApiError::new(ErrorCode::UnknownTopicOrPartition, text);
    let topic = image.topic(name).ok_or_else(|| unknown(format!("No such topic as {name}")))?;
    let partition = topic.partition(index).ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))?;
    let record = match election {
        Election::Preferred => preferred(image, topic.id, index, partition)?,
        Election::Unclean => unclean(image, topic.id, index, partition)?,
    };
    records.push(MetadataRecord::PartitionChange(record));
    Ok(())
}

fn preferred(
    image: &MetadataImage,
    topic_id: Uuid,
    index: i32,
    partition: &Partition,
) -> Result<PartitionChangeRecord, ApiError> {
    let preferred = partition.replicas.first().copied();
    if preferred.is_some() && partition.leader == preferred {
        return Err(not_needed());
    }
    match preferred.filter(|node| partition.isr.contains(node) && image.is_active(*node)) {
        Some(leader) => Ok(leads(topic_id, index, leader)),
        None => {
            let text = "The preferred leader was not available.";
            Err(ApiError::new(ErrorCode::PreferredLeaderNotAvailable, text))
        }
    }
}

fn unclean(
    image: &MetadataImage,
    topic_id: Uuid,
    index: i32,
    partition: &Partition,
) -> Result<PartitionChangeRecord, ApiError> {
    if partition.leader.is_some() {
        return Err(not_needed());
    }
    let active = || partition.replicas.iter().copied().filter(|node| image.is_active(*node));
    let in_sync = active().find(|node| partition.isr.contains(node));
    match in_sync.or_else(|| active().next()) {
        Some(leader) if in_sync.is_some() => Ok(leads(topic_id, index, leader)),
        // What the others have beyond this one is lost.
        Some(leader) => Ok(PartitionChangeRecord {
            isr: Some(ids(&[leader])),
            leader_recovery_state: LeaderRecoveryState::Recovering as i8,
            ..leads(topic_id, index, leader)
        }),
        None => {
            let text = "Eligible topic partition leaders are not available.";
            Err(ApiError::new(ErrorCode::EligibleLeadersNotAvailable, text))
        }
    }
}

fn not_needed() -> ApiError {
    ApiError::new(ErrorCode::ElectionNotNeeded, "Leader election not needed for topic partition.")
}

fn leads(topic_id: Uuid, partition_id: i32, leader: NodeId) -> PartitionChangeRecord {
    PartitionChangeRecord { topic_id, partition_id, leader: leader.0, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::Cluster;
    use ottla_protocol::FenceBrokerRecord;
    use ottla_protocol::elect_leaders_request::TopicPartitions;

    fn ask(cluster: &mut Cluster, kind: i8, partitions: Option<&[i32]>) -> Vec<String> {
        let topic = |partitions: &[i32]| TopicPartitions { topic: "a".to_string(), partitions: partitions.to_vec() };
        let request = ElectLeadersRequest {
            election_type: kind,
            topic_partitions: partitions.map(|partitions| vec![topic(partitions)]),
            ..Default::default()
        };
        let response = cluster.run(|image, _| elect_leaders(image, &request));
        let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
        results.map(|r| format!("{} {}", r.partition_id, ErrorCode::from_code(r.error_code).unwrap())).collect()
    }

    /// Lets another in-sync replica lead partition 0, as after a restart of its preferred leader.
    fn move_leader(cluster: &mut Cluster) -> NodeId {
        let partition = cluster.image.partition("a", 0).unwrap().clone();
        let record = leads(cluster.image.topic_id("a").unwrap(), 0, partition.replicas[1]);
        cluster.image.apply(&MetadataRecord::PartitionChange(record)).unwrap();
        partition.replicas[0]
    }

    fn fence(cluster: &mut Cluster, id: NodeId) {
        let epoch = cluster.image.broker(id).unwrap().epoch;
        let record = FenceBrokerRecord { id: id.0, epoch };
        cluster.image.apply(&MetadataRecord::FenceBroker(record)).unwrap();
    }

    #[test]
    fn the_preferred_leader_leads_again() {
        let mut cluster = Cluster::with_brokers(3);
        cluster.create_topic("a", 2, &[]);
        let preferred = move_leader(&mut cluster);
        assert_eq!(
            ask(&mut cluster, 0, Some(&[0, 1, 7])),
            ["0 NONE", "1 ELECTION_NOT_NEEDED", "7 UNKNOWN_TOPIC_OR_PARTITION"]
        );
        let partition = cluster.image.partition("a", 0).unwrap();
        assert_eq!((partition.leader, partition.leader_epoch.0), (Some(preferred), 2));
        assert_eq!(ask(&mut cluster, 0, None), Vec::<String>::new());
        let preferred = move_leader(&mut cluster);
        fence(&mut cluster, preferred);
        assert_eq!(ask(&mut cluster, 0, None), ["0 PREFERRED_LEADER_NOT_AVAILABLE"]);
    }

    #[test]
    fn an_unclean_election_takes_who_is_there() {
        let mut cluster = Cluster::with_brokers(2);
        cluster.create_topic("a", 1, &[]);
        let partition = cluster.image.partition("a", 0).unwrap().clone();
        let (first, second) = (partition.replicas[0], partition.replicas[1]);
        assert_eq!(ask(&mut cluster, 1, Some(&[0])), ["0 ELECTION_NOT_NEEDED"]);
        let gone = PartitionChangeRecord {
            isr: Some(vec![first.0]),
            ..leads(cluster.image.topic_id("a").unwrap(), 0, NodeId(-1))
        };
        cluster.image.apply(&MetadataRecord::PartitionChange(gone)).unwrap();
        fence(&mut cluster, first);
        assert_eq!(ask(&mut cluster, 1, Some(&[0])), ["0 NONE"]);
        let partition = cluster.image.partition("a", 0).unwrap();
        assert_eq!((partition.leader, partition.isr.clone()), (Some(second), vec![second]));
        assert_eq!(partition.leader_recovery_state, LeaderRecoveryState::Recovering);
    }

    #[test]
    fn an_unknown_kind_is_refused_as_a_whole() {
        let mut cluster = Cluster::with_brokers(1);
        cluster.create_topic("a", 1, &[]);
        assert_eq!(ask(&mut cluster, 5, Some(&[0])), ["0 INVALID_REQUEST"]);
    }
}
