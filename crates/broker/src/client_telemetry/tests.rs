//! Stories of clients that push.

use super::*;
use ottla_protocol::{ConfigRecord, MetadataRecord};

const CLIENT: ClientAttributes<'_> = ClientAttributes {
    client_id: "app-1",
    software_name: "apache-kafka-java",
    software_version: "4.3.0",
    source_address: "10.0.0.9",
    source_port: 4000,
};
const ID: Uuid = Uuid([5; 16]);

fn image(subscriptions: &[(&str, &str, &str)]) -> Arc<MetadataImage> {
    let mut image = MetadataImage::empty();
    for (resource, name, value) in subscriptions {
        let record = ConfigRecord {
            resource_type: 16,
            resource_name: resource.to_string(),
            name: name.to_string(),
            value: Some(value.to_string()),
        };
        image.apply(&MetadataRecord::Config(record)).unwrap();
    }
    Arc::new(image)
}

fn push(subscription: &Subscription, is_terminating: bool, bytes: usize) -> Push {
    Push { subscription_id: subscription.id, is_terminating, is_known_compression: true, bytes, bytes_max: 1000 }
}

#[test]
fn a_client_is_asked_for_what_it_matches() {
    let image = image(&[
        ("a", "metrics", "org.apache.kafka.producer."),
        ("a", "interval.ms", "5000"),
        ("a", "match", "client_id=app-.*,client_software_name=apache-kafka-java"),
        ("b", "metrics", "org.apache.kafka.consumer."),
        ("c", "metrics", "*"),
        ("c", "match", "client_id=app"),
        ("d", "metrics", "x"),
        ("d", "match", "client_source_port=(4"),
    ]);
    let subscription = Subscription::of(&image, ID, &CLIENT);
    assert_eq!(subscription.metrics, ["org.apache.kafka.consumer.", "org.apache.kafka.producer."]);
    assert_eq!(subscription.interval_ms, 5000);
    let other = Subscription::of(&image, ID, &ClientAttributes { client_id: "app", ..CLIENT });
    assert_eq!((other.metrics, other.interval_ms), (vec!["*".to_string()], 300_000));
}

#[test]
fn a_client_asks_and_pushes_once_an_interval() {
    let image = image(&[("a", "metrics", "*"), ("a", "interval.ms", "1000")]);
    let instances = ClientInstances::default();
    let subscription = instances.subscribe(&image, ID, &CLIENT, 0).unwrap();
    assert_eq!(instances.subscribe(&image, ID, &CLIENT, 10), Err(ErrorCode::ThrottlingQuotaExceeded));
    let pushed = |push: &Push, now_ms| instances.push(&image, ID, &CLIENT, push, now_ms);
    assert_eq!(pushed(&push(&subscription, false, 10), 500), Ok(60_500));
    assert_eq!(pushed(&push(&subscription, false, 10), 600), Err(ErrorCode::ThrottlingQuotaExceeded));
    assert_eq!(pushed(&push(&subscription, false, 2000), 1600), Err(ErrorCode::TelemetryTooLarge));
    assert!(pushed(&push(&subscription, true, 10), 1700).is_ok());
    assert_eq!(pushed(&push(&subscription, false, 10), 5000), Err(ErrorCode::InvalidRequest));
}

#[test]
fn a_changed_subscription_is_asked_for_again_at_once() {
    let (before, now) = (image(&[("a", "metrics", "x")]), image(&[("a", "metrics", "y")]));
    let instances = ClientInstances::default();
    let old = instances.subscribe(&before, ID, &CLIENT, 0).unwrap();
    let refused = instances.push(&now, ID, &CLIENT, &push(&old, false, 10), 10);
    assert_eq!(refused, Err(ErrorCode::UnknownSubscriptionId));
    let new = instances.subscribe(&now, ID, &CLIENT, 20).unwrap();
    assert_ne!(new.id, old.id);
    assert!(instances.push(&now, ID, &CLIENT, &push(&new, false, 10), 30).is_ok());
}

#[test]
fn clients_are_forgotten() {
    let image = image(&[]);
    let instances = ClientInstances::default();
    for client in 0..INSTANCES_MAX as u32 + 100 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&client.to_be_bytes());
        instances.subscribe(&image, Uuid(id), &CLIENT, i64::from(client)).unwrap();
    }
    assert_eq!(instances.lock().len(), INSTANCES_MAX);
}
