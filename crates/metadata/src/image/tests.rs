use super::*;
use crate::decide::{self};
use crate::{ControllerRequest, DecideContext, entry};
use ottla_protocol::broker_registration_request::{Feature, Listener};
use ottla_protocol::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_protocol::delete_topics_request::DeleteTopicState;
use ottla_protocol::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::{
    AllocateProducerIdsRequest, BrokerRegistrationRequest, ClientQuotaRecord, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteTopicsRequest, IncrementalAlterConfigsRequest, MetadataRecord, PartitionChangeRecord,
    TopicRecord, UnregisterBrokerRequest, create_partitions_request,
};
use proptest::prelude::*;

/// One thing that happens to a cluster.
#[derive(Debug, Clone)]
enum Step {
    Register { broker: i32, rack: bool, incarnation: u8 },
    Unregister { broker: i32 },
    CreateTopic { name: usize, partitions: i32, factor: i16, retention: Option<u16> },
    DeleteTopic { name: usize },
    Grow { name: usize, count: i32 },
    Configure { broker: bool, name: usize, value: Option<u16> },
    ProducerIds { broker: i32 },
}

const NAMES: &[&str] = &["a", "b.c", "b_c", "d-e", "__consumer_offsets"];

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    prop_oneof![
        3 => (1..5i32, any::<bool>(), 0..3u8).prop_map(|(broker, rack, incarnation)| Step::Register { broker, rack, incarnation }),
        1 => (1..5i32).prop_map(|broker| Step::Unregister { broker }),
        4 => (name.clone(), 1..5i32, -1..4i16, any::<Option<u16>>())
            .prop_map(|(name, partitions, factor, retention)| Step::CreateTopic { name, partitions, factor, retention }),
        1 => name.clone().prop_map(|name| Step::DeleteTopic { name }),
        1 => (name.clone(), 1..9i32).prop_map(|(name, count)| Step::Grow { name, count }),
        2 => (any::<bool>(), name, any::<Option<u16>>())
            .prop_map(|(broker, name, value)| Step::Configure { broker, name, value }),
        1 => (1..5i32).prop_map(|broker| Step::ProducerIds { broker }),
    ]
}

fn to_request(step: &Step, image: &MetadataImage) -> ControllerRequest {
    match step {
        Step::Register { broker, rack, incarnation } => BrokerRegistrationRequest {
            broker_id: *broker,
            cluster_id: image.cluster_id().unwrap().to_string(),
            incarnation_id: Uuid([*incarnation; 16]),
            listeners: vec![Listener { name: "P".into(), host: "h".into(), port: 1, security_protocol: 0 }],
            features: vec![Feature {
                name: "metadata.version".into(),
                min_supported_version: 1,
                max_supported_version: 99,
            }],
            rack: rack.then(|| format!("rack-{}", broker % 2)),
            log_dirs: vec![Uuid([*broker as u8; 16])],
            ..Default::default()
        }
        .into(),
        Step::Unregister { broker } => UnregisterBrokerRequest { broker_id: *broker }.into(),
        Step::CreateTopic { name, partitions, factor, retention } => {
            let config = |ms: u16| CreatableTopicConfig { name: "retention.ms".into(), value: Some(ms.to_string()) };
            let topic = CreatableTopic {
                name: NAMES[*name].into(),
                num_partitions: *partitions,
                replication_factor: *factor,
                configs: retention.map(config).into_iter().collect(),
                ..Default::default()
            };
            CreateTopicsRequest { topics: vec![topic], ..Default::default() }.into()
        }
        Step::DeleteTopic { name } => {
            let topic = DeleteTopicState { name: Some(NAMES[*name].into()), topic_id: Uuid::ZERO };
            DeleteTopicsRequest { topics: vec![topic], ..Default::default() }.into()
        }
        Step::Grow { name, count } => {
            let topic = create_partitions_request::CreatePartitionsTopic {
                name: NAMES[*name].into(),
                count: *count,
                assignments: None,
            };
            CreatePartitionsRequest { topics: vec![topic], ..Default::default() }.into()
        }
        Step::Configure { broker, name, value } => {
            let config = |name: &str| AlterableConfig {
                name: name.into(),
                config_operation: i8::from(value.is_none()),
                value: value.map(|value| value.to_string()),
            };
            let resource = match broker {
                true => AlterConfigsResource {
                    resource_type: 4,
                    resource_name: String::new(),
                    configs: vec![config("log.retention.ms")],
                },
                false => AlterConfigsResource {
                    resource_type: 2,
                    resource_name: NAMES[*name].into(),
                    configs: vec![config("retention.ms")],
                },
            };
            IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() }.into()
        }
        Step::ProducerIds { broker } => {
            let broker_epoch = image.broker(NodeId(*broker)).map_or(0, |broker| broker.epoch);
            AllocateProducerIdsRequest { broker_id: *broker, broker_epoch }.into()
        }
    }
}

fn replayed(records: &[MetadataRecord]) -> MetadataImage {
    let mut image = MetadataImage::empty();
    for record in records {
        image.apply(record).unwrap();
    }
    image
}

/// What holds in every image.
fn check_invariants(image: &MetadataImage) {
    assert_eq!(image.partition_count(), image.topics().map(|topic| topic.partitions.len()).sum::<usize>());
    for topic in image.topics() {
        assert!(!topic.partitions.is_empty());
        for partition in &topic.partitions {
            assert!(partition.isr.iter().all(|node| partition.replicas.contains(node)));
            assert!(!partition.isr.is_empty());
            assert_eq!(partition.directories.len(), partition.replicas.len());
            if let Some(leader) = partition.leader {
                assert!(partition.isr.contains(&leader) && image.is_active(leader), "{partition:?}");
            }
        }
        let key = crate::topic_name::collision_key(&topic.name);
        let collides = |other: &&Arc<Topic>| key.is_some() && crate::topic_name::collision_key(&other.name) == key;
        assert!(image.topics().filter(collides).count() <= 1);
    }
}

/// The changes of topics are those that a comparison of all of them finds.
fn check_changes(before: &MetadataImage, now: &MetadataImage) {
    let configs = |image: &MetadataImage, name: &str| image.configs(&ConfigResource::topic(name)).clone();
    let ids: std::collections::BTreeSet<Uuid> = before.topics().chain(now.topics()).map(|topic| topic.id).collect();
    let differs = |id: &Uuid| {
        let (old, new) = (before.topic_by_id(*id), now.topic_by_id(*id));
        old != new || new.is_some_and(|topic| configs(before, &topic.name) != configs(now, &topic.name))
    };
    let expected: Vec<Uuid> = ids.into_iter().filter(differs).collect();
    let found = now.changed_topics(before);
    let id = |change: &TopicChange<'_>| change.now.or(change.before).unwrap().id;
    assert_eq!(found.iter().map(id).collect::<Vec<_>>(), expected);
    for change in &found {
        let same = |image: &MetadataImage, told: Option<&Arc<Topic>>| image.topic_by_id(id(change)) == told;
        assert!(same(before, change.before) && same(now, change.now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_history_is_the_same_from_its_log_and_from_its_snapshot(
        steps in proptest::collection::vec(step(), 1..40),
        seed in any::<u64>(),
    ) {
        let config = BrokerConfig::parse(ConfigMap::new()).unwrap();
        let mut image = MetadataImage::empty();
        let mut log = Vec::new();
        let context = |index: usize| DecideContext {
            config: &config,
            random: seed.wrapping_add(index as u64),
            metadata_index: index as i64,
            quorum: crate::QuorumView::default(),
        };
        let first = decide::bootstrap(&image, None, &context(0));
        log.extend(first.records().cloned());
        image = replayed(&log);
        for (index, step) in steps.iter().enumerate() {
            let decision = decide::decide(&image, &to_request(step, &image), false, &context(index + 1));
            let before = image.clone();
            for entry in &decision.entries {
                let bytes = entry::encode(entry).unwrap();
                prop_assert_eq!(&entry::decode(&bytes).unwrap(), entry);
                for record in entry {
                    image.apply(record).unwrap();
                }
                log.extend(entry.iter().cloned());
            }
            check_invariants(&image);
            check_changes(&before, &image);
        }
        prop_assert_eq!(&replayed(&log), &image);
        prop_assert_eq!(&replayed(&image.to_records()), &image);
        let chunks = entry::encode_chunks(&image.to_records(), 300).unwrap();
        let records: Vec<_> = chunks.iter().flat_map(|chunk| entry::decode(chunk).unwrap()).collect();
        prop_assert_eq!(&replayed(&records), &image);
    }
}

#[test]
fn records_that_do_not_fit_are_refused_and_change_nothing() {
    let topic = |name: &str, id| MetadataRecord::Topic(TopicRecord { name: name.into(), topic_id: Uuid([id; 16]) });
    let mut image = replayed(&[topic("a", 1)]);
    let before = image.clone();
    let change = PartitionChangeRecord { topic_id: Uuid([1; 16]), partition_id: 0, leader: 1, ..Default::default() };
    for record in [topic("a", 2), topic("b", 1), MetadataRecord::PartitionChange(change)] {
        assert!(matches!(image.apply(&record), Err(ReplayError::Misfit { .. })), "{record:?}");
        assert_eq!(image, before);
    }
    let quota = MetadataRecord::ClientQuota(ClientQuotaRecord::default());
    assert!(matches!(image.apply(&quota), Err(ReplayError::Misfit { .. })));
    let token = MetadataRecord::DelegationToken(Default::default());
    assert_eq!(image.apply(&token), Err(ReplayError::Unsupported("DelegationTokenRecord")));
}

#[test]
fn the_cluster_id_never_changes() {
    let record = |n| records::cluster_id_record(Uuid([n; 16]));
    let mut image = replayed(&[record(1), record(1)]);
    assert_eq!(image.cluster_id(), Some(Uuid([1; 16])));
    assert!(image.apply(&record(2)).is_err());
}

#[test]
fn old_images_stay_as_they_were() {
    let topic = |name: &str, id| MetadataRecord::Topic(TopicRecord { name: name.into(), topic_id: Uuid([id; 16]) });
    let old = replayed(&[topic("a", 1)]);
    let mut new = old.clone();
    new.apply(&topic("b", 2)).unwrap();
    assert_eq!((old.topic_count(), new.topic_count()), (1, 2));
    assert_eq!(new.topics_from("aa").map(|topic| topic.name.to_string()).collect::<Vec<_>>(), ["b"]);
}
