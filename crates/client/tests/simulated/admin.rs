//! Topics and configs.

use crate::broker::broker_and_client;
use ottla_client::{Admin, ConfigChange, NewTopic};
use ottla_runtime::sim::World;
use ottla_types::ErrorCode;

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

        admin.create_partitions("orders", 5).await.unwrap();
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
