//! CreatePartitions: more partitions for a topic.

use super::replicas::{assigned, placed};
use crate::image::records::partition_record;
use crate::random::Random;
use crate::{ApiError, DecideContext, Decision, Entry, MetadataImage, limits};
use ottla_protocol::create_partitions_request::CreatePartitionsTopic;
use ottla_protocol::create_partitions_response::CreatePartitionsTopicResult;
use ottla_protocol::{CreatePartitionsRequest, CreatePartitionsResponse};
use ottla_types::ErrorCode;

/// Adds partitions to every topic of the request that is in order; the others get an error each.
pub fn create_partitions(
    image: &MetadataImage,
    request: &CreatePartitionsRequest,
    context: &DecideContext<'_>,
) -> Decision<CreatePartitionsResponse> {
    let mut random = Random::new(context.random);
    let mut records = Entry::new();
    let mut results: Vec<CreatePartitionsTopicResult> = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        if results.iter().any(|result| result.name == topic.name) {
            continue;
        }
        let duplicate = request.topics.iter().filter(|other| other.name == topic.name).count() > 1;
        let outcome = match duplicate {
            true => Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
            false => added(image, topic, records.len(), random.next()),
        };
        let error = match outcome {
            Ok(mut added) => {
                records.append(&mut added);
                None
            }
            Err(error) => Some(error),
        };
        results.push(CreatePartitionsTopicResult {
            name: topic.name.clone(),
            error_code: error.as_ref().map_or(0, |error| error.code.code()),
            error_message: error.and_then(|error| error.message),
        });
    }
    if request.validate_only {
        records.clear();
    }
    Decision::atomic(records, CreatePartitionsResponse { throttle_time_ms: 0, results })
}

/// The records of the new partitions of one topic, when the request has made `before` records already.
fn added(image: &MetadataImage, request: &CreatePartitionsTopic, before: usize, seed: u64) -> Result<Entry, ApiError> {
    let refuse = |code, text: String| Err(ApiError::new(code, text));
    let Some(topic) = image.topic(&request.name) else { return Err(ErrorCode::UnknownTopicOrPartition.into()) };
    let existing = topic.partitions.len();
    let count = usize::try_from(request.count).unwrap_or(0);
    if count == existing {
        return refuse(ErrorCode::InvalidPartitions, format!("Topic already has {existing} partition(s)."));
    }
    if count < existing {
        let text = format!(
            "The topic {} currently has {existing} partition(s); {} would not be an increase.",
            request.name, request.count
        );
        return refuse(ErrorCode::InvalidPartitions, text);
    }
    let additional = count - existing;
    if before + additional > limits::PARTITIONS_PER_REQUEST_MAX {
        return refuse(ErrorCode::PolicyViolation, "Excessively large number of partitions per request.".to_string());
    }
    let partitions = match &request.assignments {
        None => placed(image, additional, topic.replication_factor(), seed)?,
        Some(assignments) if assignments.len() != additional => {
            let text = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            );
            return refuse(ErrorCode::InvalidReplicaAssignment, text);
        }
        Some(assignments) => (existing as i32..)
            .zip(assignments)
            .map(|(index, assignment)| assigned(image, index, &assignment.broker_ids, Some(topic.replication_factor())))
            .collect::<Result<_, _>>()?,
    };
    Ok((existing as i32..)
        .zip(&partitions)
        .map(|(index, partition)| partition_record(topic.id, index, partition))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::Cluster;
    use ottla_protocol::create_partitions_request::CreatePartitionsAssignment;

    fn topic(name: &str, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsTopic {
        let assignment = |ids: &&[i32]| CreatePartitionsAssignment { broker_ids: ids.to_vec() };
        CreatePartitionsTopic {
            name: name.to_string(),
            count,
            assignments: assignments.map(|lists| lists.iter().map(assignment).collect()),
        }
    }

    fn grow(cluster: &mut Cluster, topics: Vec<CreatePartitionsTopic>) -> Vec<String> {
        let request = CreatePartitionsRequest { topics, ..Default::default() };
        let response = cluster.run(|image, context| create_partitions(image, &request, context));
        let line = |result: &CreatePartitionsTopicResult| {
            let code = ErrorCode::from_code(result.error_code).unwrap();
            format!("{code} {}", result.error_message.clone().unwrap_or_default()).trim().to_string()
        };
        response.results.iter().map(line).collect()
    }

    #[test]
    fn a_topic_grows_and_keeps_its_replication_factor() {
        let mut cluster = Cluster::with_brokers(3);
        cluster.create_topic("a", 2, &[]);
        let before = cluster.image.topic("a").unwrap().partitions.clone();
        assert_eq!(grow(&mut cluster, vec![topic("a", 5, None)]), ["NONE"]);
        let after = cluster.image.topic("a").unwrap();
        assert_eq!(after.partitions.len(), 5);
        assert_eq!(after.partitions[..2], before);
        assert!(after.partitions.iter().all(|partition| partition.replicas.len() == 3));
        assert_eq!(cluster.image.partition_count(), 5);
    }

    #[test]
    fn new_partitions_go_where_the_request_says() {
        let mut cluster = Cluster::with_brokers(3);
        cluster.create_topic("a", 1, &[]);
        assert_eq!(grow(&mut cluster, vec![topic("a", 2, Some(&[&[2, 1, 3]]))]), ["NONE"]);
        assert_eq!(crate::image::records::ids(&cluster.image.partition("a", 1).unwrap().replicas), [2, 1, 3]);
        assert_eq!(
            grow(&mut cluster, vec![topic("a", 3, Some(&[&[1]]))]),
            ["INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes a partition with 1 replica(s), but \
              this is not consistent with previous partitions, which have 3 replica(s)."]
        );
    }

    #[test]
    fn what_is_no_growth_is_refused() {
        let mut cluster = Cluster::with_brokers(1);
        cluster.create_topic("a", 2, &[]);
        cluster.create_topic("b", 1, &[]);
        let topics = vec![topic("a", 2, None), topic("nope", 2, None), topic("b", 2, None), topic("b", 3, None)];
        assert_eq!(
            grow(&mut cluster, topics),
            [
                "INVALID_PARTITIONS Topic already has 2 partition(s).",
                "UNKNOWN_TOPIC_OR_PARTITION",
                "INVALID_REQUEST Duplicate topic name.",
            ]
        );
        assert_eq!(
            grow(&mut cluster, vec![topic("a", 1, None), topic("b", 3, Some(&[&[1]]))]),
            [
                "INVALID_PARTITIONS The topic a currently has 2 partition(s); 1 would not be an increase.",
                "INVALID_REPLICA_ASSIGNMENT Attempted to add 2 additional partition(s), but only 1 assignment(s) were \
                 specified.",
            ]
        );
        assert_eq!(
            grow(&mut cluster, vec![topic("a", 20_000, None)]),
            ["POLICY_VIOLATION Excessively large number of partitions per request."]
        );
    }
}
