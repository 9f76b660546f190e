//! Topics and configs.

use crate::broker::{Fate, broker_and_client};
use ottla_client::{
    Admin, Client, ClientError, ClientOptions, ConfigChange, Isolation, NewPartitions, NewTopic, OffsetSpec,
};
use ottla_runtime::sim::World;
use ottla_types::{ErrorCode, TopicPartition};
use std::time::Duration;

#[test]
fn a_topic_lives_and_dies() {
    let world = World::new(71);
    world.run(async {
        let (_server, _broker, client) = broker_and_client(&world).await;
        let admin = Admin::new(&client);
        let configs = vec![("cleanup.policy".to_string(), "compact".to_string())];
        let new = NewTopic { name: "orders".to_string(), partitions: Some(3), configs, ..NewTopic::default() };
        admin.create_topic(&new, true).await.unwrap();
        let created = admin.create_topic(&new, false).await.unwrap();
        assert_eq!((created.partitions, created.replication_factor), (3, 1));
        let again = admin.create_topic(&new, false).await.unwrap_err();
        assert_eq!(again.to_string(), "topic 'orders': TOPIC_ALREADY_EXISTS (it is there already)");
        let listed = admin.list_topics().await.unwrap();
        assert_eq!(listed.topics.keys().collect::<Vec<_>>(), ["events", "orders"]);

        admin.create_partitions("orders", &NewPartitions::increase_to(5), false).await.unwrap();
        let change = |name: &str, value: &str| ConfigChange::Set { name: name.to_string(), value: value.to_string() };
        let delete = ConfigChange::Delete { name: "cleanup.policy".to_string() };
        admin.alter_topic_configs("orders", &[change("retention.ms", "1000"), delete]).await.unwrap();
        let described = admin.describe_topic("orders").await.unwrap();
        let partitions = described.metadata.partitions.unwrap();
        assert_eq!(partitions.len(), 5);
        assert_eq!((partitions[4].leader, &partitions[4].isr), (Some(0), &vec![0]));
        let configs: Vec<_> =
            described.configs.iter().map(|c| (c.name.as_str(), c.value.as_deref(), c.is_set)).collect();
        assert_eq!(configs, [("retention.ms", Some("1000"), true)]);

        admin.delete_topic("orders").await.unwrap();
        let gone = admin.delete_topic("orders").await.unwrap_err();
        assert_eq!(gone.code(), Some(ErrorCode::UnknownTopicOrPartition));
        assert!(admin.describe_topic("orders").await.unwrap_err().is_unknown_topic());
    });
}

#[test]
fn administration_goes_on_when_the_broker_is_back() {
    let world = World::new(72);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let admin = Admin::new(&client);
        admin.list_topics().await.unwrap();
        world.cut("broker", "client");
        let healing = world.node("healer");
        let begin = client.runtime().now();
        let listed = async {
            healing.sleep(Duration::from_secs(20)).await;
            world.heal("broker", "client");
        };
        let (listed, ()) = futures_util::future::join(admin.list_topics(), listed).await;
        assert_eq!(listed.unwrap().topics.len(), 1);
        assert!(client.runtime().now() - begin < Duration::from_secs(45));
        broker.inside.lock().unwrap().admin_fates.extend([Fate::LoseRequest, Fate::Silence]);
        let new = |name: &str| NewTopic { name: name.to_string(), partitions: Some(1), ..NewTopic::default() };
        admin.describe_topic("events").await.unwrap();
        broker.inside.lock().unwrap().admin_fates.extend([Fate::LoseRequest, Fate::LoseRequest]);
        admin.create_topic(&new("one"), false).await.unwrap();
        broker.inside.lock().unwrap().admin_fates.extend([Fate::LoseAnswer]);
        let twice = admin.create_topic(&new("two"), false).await.unwrap_err();
        assert_eq!(twice.code(), Some(ErrorCode::TopicAlreadyExists));
        assert!(twice.to_string().ends_with("the answer to an earlier try was lost, it may have been done then)"));
    });
}

#[test]
fn administration_gives_up_after_its_time_and_at_once_when_nothing_was_ever_reached_if_wanted() {
    let world = World::new(73);
    world.run(async {
        let runtime = world.node("client");
        world.node("broker");
        let begin = runtime.now();
        let patient = Client::new(&runtime, "broker:1", ClientOptions::default()).unwrap();
        let error = Admin::new(&patient).list_topics().await.unwrap_err();
        assert!(matches!(error, ClientError::Connect { .. }), "{error}");
        let waited = runtime.now() - begin;
        assert!(waited >= Duration::from_secs(60) && waited < Duration::from_secs(75), "{waited:?}");
        let begin = runtime.now();
        let options = ClientOptions { first_contact_max: Duration::ZERO, ..ClientOptions::default() };
        let hasty = Client::new(&runtime, "broker:1", options).unwrap();
        assert!(Admin::new(&hasty).list_topics().await.is_err());
        assert!(runtime.now() - begin < Duration::from_secs(1));
    });
}

#[test]
fn cautious_administration_ends_with_the_connection() {
    let world = World::new(74);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.inside.lock().unwrap().admin_fates.extend([Fate::LoseAnswer]);
        let new = NewTopic { name: "one".to_string(), partitions: Some(1), ..NewTopic::default() };
        let lost = Admin::cautious(&client).create_topic(&new, false).await.unwrap_err();
        assert!(lost.is_outcome_unknown(), "{lost}");
    });
}

#[test]
fn a_leader_is_asked_once_for_all_its_offsets_and_again_only_for_what_moved() {
    let world = World::new(75);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let admin = Admin::new(&client);
        let of = |partition| TopicPartition::new("events", partition);
        broker.inside.lock().unwrap().moved.insert(("events".to_string(), 1));
        let wanted = [(of(0), OffsetSpec::Latest), (of(1), OffsetSpec::Latest)].into();
        let listed = admin.list_offsets(&wanted, Isolation::ReadUncommitted).await.unwrap();
        assert_eq!(listed.values().map(|found| found.offset).collect::<Vec<_>>(), [0, 0]);
        assert_eq!(broker.inside.lock().unwrap().listed, [2, 1]);

        let wanted = [(of(0), OffsetSpec::Earliest), (of(7), OffsetSpec::Earliest)].into();
        let listed = admin.list_offsets_each(&wanted, Isolation::ReadUncommitted).await;
        assert_eq!(listed[&of(0)].as_ref().map(|found| found.offset), Ok(0));
        let unknown = listed[&of(7)].as_ref().unwrap_err();
        assert_eq!(unknown.to_string(), "events-7: UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(broker.inside.lock().unwrap().listed, [2, 1, 1]);
    });
}

#[test]
fn topics_are_described_in_pages() {
    let world = World::new(76);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        broker.add_topic("large", 7);
        broker.add_topic("small", 1);
        let described = Admin::new(&client).describe_topics(&["small", "none", "large", "events"]).await.unwrap();
        let count = |name: &str| described[name].partitions.as_ref().map(Vec::len).map_err(ClientError::code);
        assert_eq!(["events", "large", "small"].map(count), [Ok(2), Ok(7), Ok(1)]);
        assert_eq!(count("none"), Err(Some(ErrorCode::UnknownTopicOrPartition)));
        let large = described["large"].partitions.as_ref().unwrap();
        assert!(large.iter().map(|partition| partition.partition).eq(0..7));
        assert_eq!(broker.inside.lock().unwrap().pages, 4);
    });
}

#[test]
fn lists_grow_and_shrink_and_partitions_come_where_they_are_wanted() {
    let world = World::new(77);
    world.run(async {
        let (_server, broker, client) = broker_and_client(&world).await;
        let admin = Admin::new(&client);
        let policy = || broker.inside.lock().unwrap().topics["events"].configs.get("cleanup.policy").cloned();
        for (change, expected) in [
            (ConfigChange::set("cleanup.policy", "delete"), "delete"),
            (ConfigChange::append("cleanup.policy", "compact"), "delete,compact"),
            (ConfigChange::subtract("cleanup.policy", "delete"), "compact"),
        ] {
            admin.alter_topic_configs("events", &[change]).await.unwrap();
            assert_eq!(policy().as_deref(), Some(expected));
        }

        let wanted = NewPartitions::increase_to(3).on(vec![vec![0]]);
        admin.create_partitions("events", &wanted, true).await.unwrap();
        assert_eq!(broker.inside.lock().unwrap().made, (Some(vec![vec![0]]), false));
        assert_eq!(broker.inside.lock().unwrap().topics["events"].partitions.len(), 2);
        admin.create_partitions("events", &wanted, false).await.unwrap();
        assert_eq!(broker.inside.lock().unwrap().topics["events"].partitions.len(), 3);
    });
}
