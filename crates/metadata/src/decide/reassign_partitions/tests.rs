//! Reassignments on clusters of several brokers.

use super::*;
use crate::decide::testing::Cluster;
use ottla_protocol::alter_partition_reassignments_request::ReassignableTopic;

/// Topic `a` with one partition on brokers 1 and 2 of four.
fn cluster() -> Cluster {
    let mut cluster = Cluster::with_brokers(4).configured(&[("default.replication.factor", "2")]);
    cluster.create_topic("a", 1, &[]);
    let (topic_id, before) = (cluster.image.topic_id("a").unwrap(), cluster.image.partition("a", 0).unwrap().clone());
    let plan = Plan {
        replicas: vec![NodeId(1), NodeId(2)],
        isr: vec![NodeId(1), NodeId(2)],
        adding: Vec::new(),
        removing: Vec::new(),
    };
    if let Some(record) = plan.into_record(&cluster.image, topic_id, 0, &before).unwrap() {
        cluster.image.apply(&MetadataRecord::PartitionChange(record)).unwrap();
    }
    cluster
}

fn ask(cluster: &mut Cluster, name: &str, index: i32, replicas: Option<&[i32]>) -> String {
    let partition = ReassignablePartition { partition_index: index, replicas: replicas.map(<[i32]>::to_vec) };
    let request = AlterPartitionReassignmentsRequest {
        topics: vec![ReassignableTopic { name: name.to_string(), partitions: vec![partition] }],
        allow_replication_factor_change: true,
        ..Default::default()
    };
    let response = cluster.run(|image, _| alter_partition_reassignments(image, &request));
    let result = &response.responses[0].partitions[0];
    let code = ErrorCode::from_code(result.error_code).unwrap();
    format!("{code} {}", result.error_message.clone().unwrap_or_default())
}

fn state(cluster: &Cluster) -> String {
    let partition = cluster.image.partition("a", 0).unwrap();
    let list = |nodes: &[NodeId]| format!("{:?}", ids(nodes));
    format!(
        "{} isr {} adding {} removing {} leader {}",
        list(&partition.replicas),
        list(&partition.isr),
        list(&partition.adding_replicas),
        list(&partition.removing_replicas),
        partition.leader.map_or(-1, |leader| leader.0)
    )
}

#[test]
fn new_replicas_are_waited_for_and_can_be_given_up() {
    let mut cluster = cluster();
    assert_eq!(ask(&mut cluster, "a", 0, Some(&[3, 4])), "NONE ");
    assert_eq!(state(&cluster), "[3, 4, 1, 2] isr [1, 2] adding [3, 4] removing [1, 2] leader 1");
    assert_eq!(ask(&mut cluster, "a", 0, Some(&[4, 3])), "NONE ");
    assert_eq!(state(&cluster), "[4, 3, 1, 2] isr [1, 2] adding [3, 4] removing [1, 2] leader 1");
    assert_eq!(ask(&mut cluster, "a", 0, None), "NONE ");
    assert_eq!(state(&cluster), "[1, 2] isr [1, 2] adding [] removing [] leader 1");
    assert_eq!(ask(&mut cluster, "a", 0, None), "NO_REASSIGNMENT_IN_PROGRESS ");
}

#[test]
fn another_order_or_fewer_replicas_are_done_at_once() {
    let mut cluster = cluster();
    assert_eq!(ask(&mut cluster, "a", 0, Some(&[2, 1])), "NONE ");
    assert_eq!(state(&cluster), "[2, 1] isr [1, 2] adding [] removing [] leader 1");
    let epoch = cluster.image.partition("a", 0).unwrap().leader_epoch.0;
    assert_eq!(ask(&mut cluster, "a", 0, Some(&[2])), "NONE ");
    assert_eq!(state(&cluster), "[2] isr [2] adding [] removing [] leader 2");
    assert_eq!(cluster.image.partition("a", 0).unwrap().leader_epoch.0, epoch + 1);
    let unchanged = cluster.image.clone();
    assert_eq!(ask(&mut cluster, "a", 0, Some(&[2])), "NONE ");
    assert_eq!(cluster.image, unchanged);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut cluster = cluster();
    for (name, index, replicas, answer) in [
        ("b", 0, Some(&[1][..]), "UNKNOWN_TOPIC_OR_PARTITION Unable to find a topic named b."),
        ("a", 5, Some(&[1]), "UNKNOWN_TOPIC_OR_PARTITION Unable to find partition a:5."),
        (
            "a",
            0,
            Some(&[]),
            "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes an empty replica list.",
        ),
        (
            "a",
            0,
            Some(&[9]),
            "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes broker 9, but no such broker is registered.",
        ),
        (
            "a",
            0,
            Some(&[1, 1]),
            "INVALID_REPLICA_ASSIGNMENT The manual partition assignment includes the broker 1 more than once.",
        ),
    ] {
        assert_eq!(ask(&mut cluster, name, index, replicas), answer);
    }
}
