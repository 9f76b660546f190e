use super::*;
use crate::layers::Cluster;

fn map(entries: &[(&str, &str)]) -> ConfigMap {
    entries.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// `value source {SOURCE:name=value, ...}` of the entry `name`.
fn line(entries: &[ConfigEntry], name: &str) -> String {
    let entry = entries.iter().find(|entry| entry.key.name == name).unwrap();
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_string());
    let place = |place: &ConfigSynonym| format!("{:?}:{}={}", place.source, place.name, text(&place.value));
    let places = entry.synonyms.iter().map(place).collect::<Vec<_>>().join(", ");
    format!("{} {:?} {{{places}}}", text(&entry.value), entry.source)
}

#[test]
fn a_topic_config_lists_its_own_value_and_the_brokers() {
    let (own, fixed) = (map(&[("segment.bytes", "2097152")]), map(&[("log.segment.bytes", "4194304")]));
    let layers = Layers { topic: &own, fixed: &fixed, ..Layers::defaults(Cluster::of_brokers(1)) };
    let entries = topic(&layers);
    assert_eq!(
        line(&entries, "segment.bytes"),
        "2097152 Topic {Topic:segment.bytes=2097152, StaticBroker:log.segment.bytes=4194304, \
         Default:log.segment.bytes=1073741824}"
    );
    assert_eq!(line(&entries, "retention.ms"), "604800000 Default {}");
    assert_eq!(line(&entries, "remote.storage.enable"), "false Default {}");
    assert!(entries.iter().all(|entry| entry.key.name != "internal.segment.bytes"));
}

#[test]
fn synonyms_in_other_units_follow_the_one_that_is_set() {
    let fixed = map(&[("log.retention.ms", "5"), ("log.retention.hours", "2")]);
    let layers = Layers { fixed: &fixed, ..Layers::defaults(Cluster::of_brokers(1)) };
    assert_eq!(
        line(&topic(&layers), "retention.ms"),
        "5 StaticBroker {StaticBroker:log.retention.ms=5, StaticBroker:log.retention.hours=2, \
         Default:log.retention.hours=168}"
    );
    let hours = map(&[("log.retention.hours", "2")]);
    let layers = Layers { fixed: &hours, ..Layers::defaults(Cluster::of_brokers(1)) };
    assert_eq!(line(&topic(&layers), "retention.ms"), "7200000 Default {}");
}

#[test]
fn a_broker_config_names_every_layer_in_order() {
    let (broker_map, default, fixed) =
        (map(&[("message.max.bytes", "3")]), map(&[("message.max.bytes", "2")]), map(&[("message.max.bytes", "1")]));
    let layers = Layers {
        broker: &broker_map,
        default_broker: &default,
        fixed: &fixed,
        ..Layers::defaults(Cluster::of_brokers(3))
    };
    assert_eq!(
        line(&broker(&layers), "message.max.bytes"),
        "3 DynamicBroker {DynamicBroker:message.max.bytes=3, DynamicDefaultBroker:message.max.bytes=2, \
         StaticBroker:message.max.bytes=1, Default:message.max.bytes=1048588}"
    );
    assert_eq!(
        line(&default_broker(&layers), "message.max.bytes"),
        "2 DynamicDefaultBroker {DynamicDefaultBroker:message.max.bytes=2}"
    );
    assert_eq!(default_broker(&layers).len(), 1);
    assert_eq!(
        line(&broker(&layers), "default.replication.factor"),
        "3 Default {Default:default.replication.factor=3}"
    );
    assert_eq!(line(&broker(&layers), "min.insync.replicas"), "2 Default {Default:min.insync.replicas=2}");
}

#[test]
fn secrets_are_described_without_their_value() {
    let fixed = map(&[("ssl.key.password", "tiger")]);
    let layers = Layers { fixed: &fixed, ..Layers::defaults(Cluster::of_brokers(1)) };
    assert_eq!(line(&broker(&layers), "ssl.key.password"), "null StaticBroker {StaticBroker:ssl.key.password=null}");
}

#[test]
fn a_group_config_falls_back_to_the_brokers() {
    let layers = Layers::defaults(Cluster::of_brokers(1));
    let entries = group(&map(&[("consumer.session.timeout.ms", "50000")]), &layers);
    assert_eq!(
        line(&entries, "consumer.session.timeout.ms"),
        "50000 Group {Group:consumer.session.timeout.ms=50000, Default:group.consumer.session.timeout.ms=45000}"
    );
    assert_eq!(
        line(&entries, "share.isolation.level"),
        "read_uncommitted Default {Default:share.isolation.level=read_uncommitted}"
    );
}

#[test]
fn a_subscription_has_only_its_own_values_as_synonyms() {
    let layers = Layers::defaults(Cluster::of_brokers(1));
    let entries = client_metrics(&map(&[("interval.ms", "1000")]), &layers);
    assert_eq!(line(&entries, "interval.ms"), "1000 ClientMetrics {ClientMetrics:interval.ms=1000}");
    assert_eq!(line(&entries, "metrics"), " Default {}");
}
