use super::*;
use crate::decide::testing::Cluster;
use crate::features::METADATA_VERSION;
use crate::limits;
use ottla_protocol::create_topics_request::CreatableTopic;

fn register(
    cluster: &mut Cluster,
    request: &BrokerRegistrationRequest,
    has_live_session: bool,
) -> BrokerRegistrationOutcome {
    cluster.run(|image, context| register_broker(image, request, has_live_session, context))
}

fn refused(cluster: &mut Cluster, request: &BrokerRegistrationRequest, code: ErrorCode, expect: &str) {
    let before = cluster.image.clone();
    let outcome = register(cluster, request, true);
    assert_eq!(outcome.response.error_code, code.code());
    let message = outcome.error_message.unwrap();
    assert!(message.contains(expect), "{message}");
    assert_eq!(cluster.image, before);
}

#[test]
fn a_new_broker_is_active_at_once() {
    let mut cluster = Cluster::with_brokers(0);
    let request = cluster.registration(4);
    let outcome = register(&mut cluster, &request, false);
    let broker = cluster.image.broker(NodeId(4)).unwrap();
    assert!(broker.is_active());
    assert_eq!((broker.epoch, broker.incarnation_id), (outcome.response.broker_epoch, request.incarnation_id));
    assert_eq!(broker.endpoint("PLAINTEXT").unwrap().host, "host-4");
}

#[test]
fn a_restarted_broker_never_resumes_an_old_leader_epoch() {
    let mut cluster = Cluster::with_brokers(2);
    cluster.create_topic("a", 8, &[]);
    let before = cluster.image.topic("a").unwrap().partitions.clone();
    let broker_epoch = cluster.image.broker(NodeId(1)).unwrap().epoch;
    cluster.register(1);
    assert!(cluster.image.broker(NodeId(1)).unwrap().epoch > broker_epoch);
    for (before, after) in before.iter().zip(&cluster.image.topic("a").unwrap().partitions) {
        let led = i32::from(before.leader == Some(NodeId(1)));
        assert_eq!(after.leader, before.leader);
        assert_eq!(after.leader_epoch.0, before.leader_epoch.0 + led);
        assert_eq!(after.isr, before.isr);
    }
}

#[test]
fn a_broker_is_unfenced_only_after_all_its_leader_epochs_are_raised() {
    let mut cluster = Cluster::with_brokers(1);
    for name in ["a", "b", "c"] {
        let topic = CreatableTopic {
            name: name.to_string(),
            num_partitions: 9_000,
            replication_factor: 1,
            ..Default::default()
        };
        let request = ottla_protocol::CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        cluster.run(|image, context| crate::decide::create_topics(image, &request, context));
    }
    let request = cluster.registration(1);
    let decision = cluster.decide(|image, context| register_broker(image, &request, false, context));
    assert_eq!(decision.entries.len(), 3);
    assert!(decision.entries.iter().all(|entry| entry.len() <= limits::ENTRY_RECORDS_MAX));
    let mut image = cluster.image.clone();
    let epoch = image.broker(NodeId(1)).unwrap().epoch;
    for record in decision.records() {
        let broker = image.broker(NodeId(1)).unwrap();
        assert!(broker.epoch == epoch || broker.fenced);
        image.apply(record).unwrap();
    }
    assert!(image.is_active(NodeId(1)));
    assert!(image.topics().flat_map(|topic| &topic.partitions).all(|partition| partition.leader_epoch.0 == 1));
}

#[test]
fn an_interrupted_registration_is_begun_again_at_the_next_start() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create_topic("a", 1, &[]);
    let request = cluster.registration(1);
    let decision = cluster.decide(|image, context| register_broker(image, &request, false, context));
    let first = decision.records().next().unwrap();
    cluster.image.apply(first).unwrap();
    assert!(!cluster.image.is_active(NodeId(1)));
    cluster.register(1);
    assert!(cluster.image.is_active(NodeId(1)));
    assert_eq!(cluster.image.partition("a", 0).unwrap().leader_epoch.0, 1);
}

#[test]
fn the_same_incarnation_amends_its_registration() {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create_topic("a", 1, &[]);
    let mut request = cluster.registration(1);
    let epoch = register(&mut cluster, &request, false).response.broker_epoch;
    request.listeners[0].port = 9999;
    assert_eq!(register(&mut cluster, &request, true).response.broker_epoch, epoch);
    let broker = cluster.image.broker(NodeId(1)).unwrap();
    assert!(broker.is_active() && broker.endpoints[0].port == 9999);
    assert_eq!(cluster.image.partition("a", 0).unwrap().leader_epoch.0, 1);
}

#[test]
fn another_live_broker_with_that_id_is_not_pushed_out() {
    let mut cluster = Cluster::with_brokers(1);
    let request = cluster.registration(1);
    refused(&mut cluster, &request, ErrorCode::DuplicateBrokerRegistration, "Another broker is registered with that");
    assert_eq!(register(&mut cluster, &request, false).response.error_code, 0);
}

#[test]
fn a_node_whose_directories_were_all_replaced_is_told_what_to_do() {
    let mut cluster = Cluster::with_brokers(1);
    let mut request = cluster.registration(1);
    request.log_dirs = vec![Uuid([99; 16])];
    let outcome = register(&mut cluster, &request, false);
    assert_eq!(outcome.response.error_code, ErrorCode::InvalidRegistration.code());
    let message = outcome.error_message.unwrap();
    assert!(message.contains("none of them is among those that it has now"), "{message}");
    assert!(message.contains("kafka-cluster unregister --bootstrap-server <another node> --id 1"), "{message}");
    request.log_dirs = vec![Uuid([99; 16]), Uuid([1; 16])];
    assert_eq!(register(&mut cluster, &request, false).response.error_code, 0);
}

#[test]
fn wrong_registrations_are_refused() {
    let mut cluster = Cluster::with_brokers(2);
    let good = cluster.registration(3);
    let invalid = ErrorCode::InvalidRegistration;
    let wrong = |change: &dyn Fn(&mut BrokerRegistrationRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let refused = |cluster: &mut Cluster, code, change: &dyn Fn(&mut BrokerRegistrationRequest), expect: &str| {
        refused(cluster, &wrong(change), code, expect);
    };
    refused(&mut cluster, ErrorCode::InconsistentClusterId, &|r| r.cluster_id = "x".into(), "but got cluster ID x");
    refused(&mut cluster, ErrorCode::InvalidRequest, &|r| r.broker_id = -1, "Invalid broker id -1");
    refused(&mut cluster, ErrorCode::BrokerIdNotRegistered, &|r| r.is_migrating_zk_broker = true, "ZK brokers");
    refused(&mut cluster, invalid, &|r| r.log_dirs.clear(), "No directories specified");
    refused(&mut cluster, invalid, &|r| r.log_dirs = vec![directory_id::LOST], "Reserved directory ID");
    refused(&mut cluster, invalid, &|r| r.log_dirs = vec![Uuid([5; 16]); 2], "Duplicate directory ID");
    refused(&mut cluster, invalid, &|r| r.log_dirs = vec![Uuid([2; 16])], "Broker 2 is already registered with");
    refused(&mut cluster, invalid, &|r| r.features.clear(), "Request features do not contain 'metadata.version'");
    refused(
        &mut cluster,
        ErrorCode::UnsupportedVersion,
        &|r| {
            let feature = r.features.iter_mut().find(|feature| feature.name == METADATA_VERSION);
            feature.expect("every broker offers it").max_supported_version = 29;
        },
        "does not support finalized version 30 of metadata.version. The broker wants a version between 30 and 29",
    );
}
