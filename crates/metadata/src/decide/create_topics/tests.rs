use super::*;
use crate::decide::testing::Cluster;
use crate::image::records::ids;
use ottla_protocol::create_topics_request::{CreatableReplicaAssignment, CreatableTopicConfig};
use ottla_types::NodeId;

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic { name: name.to_string(), num_partitions, replication_factor, ..Default::default() }
}

fn with_config(mut topic: CreatableTopic, name: &str, value: Option<&str>) -> CreatableTopic {
    topic.configs.push(CreatableTopicConfig { name: name.to_string(), value: value.map(str::to_string) });
    topic
}

fn assigned_to(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(index, broker_ids): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index: *index,
        broker_ids: broker_ids.to_vec(),
    };
    CreatableTopic { assignments: assignments.iter().map(assignment).collect(), ..topic(name, -1, -1) }
}

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest { topics, ..Default::default() }
}

fn create(cluster: &mut Cluster, topics: Vec<CreatableTopic>) -> Vec<String> {
    let request = request(topics);
    let response = cluster.run(|image, context| create_topics(image, &request, context));
    let line = |result: &CreatableTopicResult| {
        let code = ErrorCode::from_code(result.error_code).unwrap();
        let text = result.error_message.clone().unwrap_or_default();
        format!("{} {code} {text}", result.name).trim().to_string()
    };
    response.topics.iter().map(line).collect()
}

fn refused(cluster: &mut Cluster, topic: CreatableTopic, expect: &str) {
    let before = cluster.image.clone();
    let lines = create(cluster, vec![topic]);
    assert!(lines.len() == 1 && lines[0].contains(expect), "{lines:?} does not contain {expect}");
    assert_eq!(cluster.image, before);
}

#[test]
fn a_topic_is_created_as_asked() {
    let mut cluster = Cluster::with_brokers(3);
    let config = with_config(topic("a", 4, 2), "retention.ms", Some("5"));
    assert_eq!(create(&mut cluster, vec![config]), ["a NONE"]);
    let created = cluster.image.topic("a").unwrap();
    assert_eq!(created.partitions.len(), 4);
    for partition in &created.partitions {
        assert_eq!((partition.replicas.len(), partition.isr.len()), (2, 2));
        assert_eq!(partition.leader, Some(partition.replicas[0]));
        assert_eq!((partition.leader_epoch.0, partition.partition_epoch), (0, 0));
        let directory = |node: &NodeId| Uuid([node.0 as u8; 16]);
        assert_eq!(partition.directories, partition.replicas.iter().map(directory).collect::<Vec<_>>());
    }
    assert_eq!(cluster.image.topic_config(created, &cluster.config).retention_ms, 5);
    assert_eq!(cluster.image.partition_count(), 4);
}

#[test]
fn the_result_tells_id_counts_and_configs() {
    let mut cluster = Cluster::with_brokers(3);
    let request = request(vec![with_config(topic("a", 2, 3), "segment.bytes", Some("2000000"))]);
    let response = cluster.run(|image, context| create_topics(image, &request, context));
    let result = &response.topics[0];
    assert_eq!(Some(result.topic_id), cluster.image.topic_id("a"));
    assert_eq!((result.num_partitions, result.replication_factor, result.topic_config_error_code), (2, 3, 0));
    let configs = result.configs.as_ref().unwrap();
    let config = |name: &str| {
        let config = configs.iter().find(|config| config.name == name).unwrap();
        (config.value.clone().unwrap(), config.config_source)
    };
    assert_eq!(config("segment.bytes"), ("2000000".to_string(), 1));
    assert_eq!(config("min.insync.replicas"), ("2".to_string(), 5));
    assert!(configs.is_sorted_by_key(|config| &config.name));
}

#[test]
fn counts_that_are_left_open_follow_the_configs_and_the_number_of_brokers() {
    for (brokers, factor) in [(1, 1), (2, 2), (3, 3), (5, 3)] {
        let mut cluster = Cluster::with_brokers(brokers).configured(&[("num.partitions", "6")]);
        assert_eq!(create(&mut cluster, vec![topic("a", -1, -1)]), ["a NONE"]);
        let created = cluster.image.topic("a").unwrap();
        assert_eq!((created.partitions.len(), created.replication_factor()), (6, factor));
        let min_isr = cluster.image.topic_config(created, &cluster.config).min_insync_replicas;
        assert_eq!(min_isr, if factor >= 3 { 2 } else { 1 });
    }
    let mut cluster = Cluster::with_brokers(3).configured(&[("default.replication.factor", "1")]);
    create(&mut cluster, vec![topic("a", -1, -1)]);
    assert_eq!(cluster.image.topic("a").unwrap().replication_factor(), 1);
}

#[test]
fn names_are_checked() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create_topic("a.b", 1, &[]);
    refused(&mut cluster, topic("", 1, 1), "INVALID_TOPIC_EXCEPTION Topic name is invalid: the empty string");
    refused(&mut cluster, topic("a b", 1, 1), "INVALID_TOPIC_EXCEPTION Topic name is invalid: 'a b' contains");
    refused(&mut cluster, topic("a.b", 1, 1), "TOPIC_ALREADY_EXISTS Topic 'a.b' already exists.");
    refused(&mut cluster, topic("a_b", 1, 1), "INVALID_TOPIC_EXCEPTION Topic 'a_b' collides with existing topic: a.b");
    refused(&mut cluster, topic("__cluster_metadata", 1, 1), "INVALID_REQUEST Creation of internal topic");
    assert_eq!(create(&mut cluster, vec![topic("a-b", 1, 1)]), ["a-b NONE"]);
}

#[test]
fn topics_of_one_request_must_differ_too() {
    let mut cluster = Cluster::with_brokers(1);
    let topics = vec![topic("x", 1, 1), topic("c.d", 1, 1), topic("x", 1, 1), topic("c_d", 1, 1), topic("y", 1, 1)];
    assert_eq!(
        create(&mut cluster, topics),
        [
            "x INVALID_REQUEST Duplicate topic name.",
            "c.d NONE",
            "c_d INVALID_TOPIC_EXCEPTION Topic 'c_d' collides with existing topic: c.d",
            "y NONE",
        ]
    );
}

#[test]
fn counts_are_checked() {
    let mut cluster = Cluster::with_brokers(2);
    refused(&mut cluster, topic("a", 0, 1), "INVALID_PARTITIONS Number of partitions was set to an invalid");
    refused(&mut cluster, topic("a", -2, 1), "INVALID_PARTITIONS");
    refused(&mut cluster, topic("a", 1, 0), "INVALID_REPLICATION_FACTOR Replication factor must be larger than 0");
    refused(
        &mut cluster,
        topic("a", 1, 3),
        "INVALID_REPLICATION_FACTOR Unable to replicate the partition 3 time(s): The target replication factor of 3 \
         cannot be reached because only 2 broker(s) are registered",
    );
    refused(
        &mut cluster,
        topic("a", 10_001, 1),
        "POLICY_VIOLATION Excessively large number of partitions per request.",
    );
    refused(&mut Cluster::with_brokers(0), topic("a", 1, 1), "All brokers are currently fenced");
}

#[test]
fn replicas_go_where_the_request_says() {
    let mut cluster = Cluster::with_brokers(3);
    let assignment = assigned_to("a", &[(1, &[3, 1]), (0, &[2, 3])]);
    assert_eq!(create(&mut cluster, vec![assignment]), ["a NONE"]);
    let replicas = |index| ids(&cluster.image.partition("a", index).unwrap().replicas);
    assert_eq!((replicas(0), replicas(1)), (vec![2, 3], vec![3, 1]));
}

#[test]
fn assignments_are_checked() {
    let mut cluster = Cluster::with_brokers(3);
    let check = |cluster: &mut Cluster, assignments: &[(i32, &[i32])], expect: &str| {
        refused(cluster, assigned_to("a", assignments), &format!("INVALID_REPLICA_ASSIGNMENT {expect}"));
    };
    check(&mut cluster, &[(0, &[])], "The manual partition assignment includes an empty replica list.");
    check(&mut cluster, &[(0, &[9])], "The manual partition assignment includes broker 9, but no such broker");
    check(&mut cluster, &[(0, &[1, 1])], "The manual partition assignment includes the broker 1 more than once.");
    check(&mut cluster, &[(0, &[1]), (0, &[2])], "Found multiple manual partition assignments for partition 0");
    check(&mut cluster, &[(0, &[1]), (2, &[2])], "partitions should be a consecutive 0-based integer sequence");
    check(&mut cluster, &[(0, &[1, 2]), (1, &[2])], "The manual partition assignment includes a partition with 1");
    let both = CreatableTopic { num_partitions: 1, ..assigned_to("a", &[(0, &[1])]) };
    refused(&mut cluster, both, "INVALID_REQUEST A manual partition assignment was specified, but numPartitions");
    let both = CreatableTopic { replication_factor: 1, ..assigned_to("a", &[(0, &[1])]) };
    refused(&mut cluster, both, "INVALID_REQUEST A manual partition assignment was specified, but replication factor");
}

#[test]
fn fenced_brokers_get_replicas_but_neither_isr_nor_leadership() {
    let mut cluster = Cluster::with_brokers(2);
    let epoch = cluster.image.broker(NodeId(1)).unwrap().epoch;
    let fence = ottla_protocol::FenceBrokerRecord { id: 1, epoch };
    cluster.image.apply(&ottla_protocol::MetadataRecord::FenceBroker(fence)).unwrap();
    assert_eq!(create(&mut cluster, vec![topic("a", 1, 2), assigned_to("b", &[(0, &[1, 2])])]), ["a NONE", "b NONE"]);
    for name in ["a", "b"] {
        let partition = cluster.image.partition(name, 0).unwrap();
        assert_eq!((partition.replicas.len(), ids(&partition.isr), partition.leader), (2, vec![2], Some(NodeId(2))));
    }
    refused(&mut cluster, assigned_to("c", &[(0, &[1])]), "All brokers specified in the manual partition assignment");
}

#[test]
fn configs_are_checked() {
    let mut cluster = Cluster::with_brokers(1);
    let a = || topic("a", 1, 1);
    refused(
        &mut cluster,
        with_config(a(), "retention.m", Some("1")),
        "INVALID_CONFIG Unknown topic config name: retention.m. Did you mean retention.ms?",
    );
    refused(
        &mut cluster,
        with_config(a(), "segment.bytes", Some("1")),
        "INVALID_CONFIG Invalid value 1 for configuration segment.bytes: Value must be at least 1048576",
    );
    refused(
        &mut cluster,
        with_config(a(), "retention.ms", None),
        "INVALID_CONFIG Null value not supported for topic configs: retention.ms",
    );
    let long = "x".repeat(40_000);
    refused(&mut cluster, with_config(a(), "cleanup.policy", Some(&long)), "INVALID_CONFIG The configuration value");
    let lags = with_config(with_config(a(), "min.compaction.lag.ms", Some("2")), "max.compaction.lag.ms", Some("1"));
    refused(&mut cluster, lags, "INVALID_CONFIG conflict topic config setting");
}

#[test]
fn validate_only_answers_the_same_and_changes_nothing() {
    let mut cluster = Cluster::with_brokers(1);
    let request = CreateTopicsRequest { validate_only: true, ..request(vec![topic("a", 1, 1), topic("b b", 1, 1)]) };
    let decision = cluster.decide(|image, context| create_topics(image, &request, context));
    assert!(decision.entries.is_empty());
    assert_eq!(decision.response.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), [0, 17]);
}

#[test]
fn all_topics_of_a_request_are_one_entry() {
    let mut cluster = Cluster::with_brokers(1);
    let request = request(vec![topic("a", 3, 1), topic("b", 2, 1)]);
    let decision = cluster.decide(|image, context| create_topics(image, &request, context));
    assert_eq!(decision.entries.iter().map(Vec::len).collect::<Vec<_>>(), [7]);
}

#[test]
fn equal_chance_gives_equal_decisions() {
    let mut cluster = Cluster::with_brokers(5);
    let request = request(vec![topic("a", 20, 3)]);
    let mut decide = || {
        cluster.turn = 100;
        cluster.decide(|image, context| create_topics(image, &request, context))
    };
    assert_eq!(decide(), decide());
}
