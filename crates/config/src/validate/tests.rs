use super::*;
use crate::layers::Cluster;

fn map(entries: &[(&str, &str)]) -> ConfigMap {
    entries.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn topic_error(existing: &[(&str, &str)], overrides: &[(&str, &str)]) -> String {
    let broker = Layers::defaults(Cluster::of_brokers(1));
    match topic(&map(existing), &map(overrides), &broker) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn topic_configs_are_checked_by_name_value_and_together() {
    assert_eq!(topic_error(&[], &[("retention.ms", "1"), ("cleanup.policy", "compact,delete")]), "");
    assert_eq!(
        topic_error(&[], &[("retention.m", "1")]),
        "Unknown topic config name: retention.m. Did you mean retention.ms?"
    );
    assert_eq!(topic_error(&[], &[("zzz", "1")]), "Unknown topic config name: zzz");
    assert_eq!(
        topic_error(&[], &[("cleanup.policy", "shred")]),
        "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"
    );
    assert_eq!(
        topic_error(&[], &[("cleanup.policy", "delete,delete")]),
        "Configuration 'cleanup.policy' values must not be duplicated."
    );
    assert_eq!(
        topic_error(&[], &[("min.compaction.lag.ms", "2"), ("max.compaction.lag.ms", "1")]),
        "conflict topic config setting min.compaction.lag.ms (2) > max.compaction.lag.ms (1)"
    );
    assert_eq!(
        topic_error(&[], &[("compression.gzip.level", "0")]),
        "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"
    );
}

#[test]
fn the_brokers_compaction_lag_counts_too() {
    let fixed = map(&[("log.cleaner.max.compaction.lag.ms", "5")]);
    let broker = Layers { fixed: &fixed, ..Layers::defaults(Cluster::of_brokers(1)) };
    assert!(topic(&map(&[]), &map(&[("min.compaction.lag.ms", "6")]), &broker).is_err());
    assert!(topic(&map(&[]), &map(&[("min.compaction.lag.ms", "5")]), &broker).is_ok());
}

#[test]
fn throttled_replicas_are_a_star_or_pairs() {
    for good in ["*", "", "0:1", "0:1,1:2"] {
        assert_eq!(topic_error(&[], &[("leader.replication.throttled.replicas", good)]), "", "{good}");
    }
    for bad in ["x", "0", "0:1,*", ":", "0:1:2"] {
        let error = topic_error(&[], &[("leader.replication.throttled.replicas", bad)]);
        assert!(error.contains("must be the literal '*' or a list of replicas"), "{bad}: {error}");
    }
}

#[test]
fn tiered_storage_is_refused_while_there_is_none() {
    assert!(
        topic_error(&[], &[("remote.storage.enable", "true")]).starts_with("Tiered Storage functionality is disabled")
    );
    let was_tiered = [("remote.storage.enable", "true")];
    assert!(topic_error(&was_tiered, &[]).starts_with("It is invalid to disable remote storage"));
    assert_eq!(topic_error(&was_tiered, &[("remote.log.delete.on.disable", "true")]), "");
}

#[test]
fn dynamic_broker_configs_keep_to_their_update_mode() {
    let error = |per_broker, entries: &[(&str, &str)]| match dynamic_broker(per_broker, &map(entries)) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    };
    assert_eq!(error(false, &[("message.max.bytes", "1000"), ("log.retention.ms", "5")]), "");
    assert_eq!(
        error(true, &[("node.id", "5"), ("num.partitions", "5")]),
        "Cannot update these configs dynamically: [node.id, num.partitions]"
    );
    assert_eq!(
        error(false, &[("cordoned.log.dirs", "*")]),
        "Cannot update these configs at default cluster level, broker id must be specified: [cordoned.log.dirs]"
    );
    assert!(error(true, &[("ssl.key.password", "x")]).contains("only per-listener using the listener prefix"));
    assert_eq!(error(true, &[("listener.name.out.ssl.key.password", "x")]), "");
    assert!(error(true, &[("message.max.byte", "1")]).contains("Did you mean message.max.bytes?"));
    assert!(error(true, &[("message.max.bytes", "-1")]).contains("Value must be at least 0"));
}

#[test]
fn share_groups_start_at_earliest_latest_or_a_duration_back() {
    for (text, valid) in
        [("earliest", true), ("LATEST", true), ("by_duration:PT1H", true), ("by_duration:-PT1H", false), ("x", false)]
    {
        assert_eq!(check_each(Scope::Group, &map(&[("share.auto.offset.reset", text)])).is_ok(), valid, "{text}");
    }
}

#[test]
fn group_configs_lie_between_the_brokers_bounds() {
    let error = |entries: &[(&str, &str)], fixed: &[(&str, &str)]| {
        let fixed = map(fixed);
        let broker = Layers { fixed: &fixed, ..Layers::defaults(Cluster::of_brokers(1)) };
        match group(&map(entries), &broker) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(error(&[("consumer.session.timeout.ms", "50000")], &[]), "");
    assert_eq!(
        error(&[("consumer.session.timeout.ms", "44999")], &[]),
        "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"
    );
    assert_eq!(
        error(&[("share.delivery.count.limit", "6")], &[("group.share.max.delivery.count.limit", "5")]),
        "share.delivery.count.limit must be less than or equal to group.share.max.delivery.count.limit"
    );
    assert_eq!(
        error(
            &[("streams.session.timeout.ms", "5000")],
            &[("group.streams.min.session.timeout.ms", "1"), ("group.streams.heartbeat.interval.ms", "5000")]
        ),
        "streams.session.timeout.ms must be greater than streams.heartbeat.interval.ms"
    );
    assert_eq!(
        error(&[("consumer.session.timeout", "1")], &[]).split(". ").next(),
        Some("Unknown group config name: consumer.session.timeout")
    );
}

#[test]
fn subscriptions_match_known_attributes_at_a_sane_interval() {
    let error = |name: &str, value: &str| match client_metrics(&map(&[(name, value)])) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    };
    assert_eq!(error("match", "client_software_name=Java, client_id = a.*"), "");
    assert_eq!(error("match", "colour=blue"), "Illegal client matching pattern: colour=blue");
    assert_eq!(
        error("interval.ms", "99"),
        "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)"
    );
    assert_eq!(error("intervals", "1"), "Unknown client metrics configuration: intervals. Did you mean interval.ms?");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_check_panic(value in "[-+0-9a-zA-Z:,.*=@/\\[\\] ]{0,24}|\\PC{0,12}") {
        let broker = Layers::defaults(Cluster::of_brokers(1));
        for scope in [Scope::Broker, Scope::Topic, Scope::Group, Scope::ClientMetrics] {
            for key in catalog::all(scope) {
                let configs = map(&[(key.name, &value)]);
                let _ = match scope {
                    Scope::Broker => dynamic_broker(true, &configs),
                    Scope::Topic => super::topic(&configs, &configs, &broker),
                    Scope::Group => group(&configs, &broker),
                    Scope::ClientMetrics => client_metrics(&configs),
                };
            }
        }
    }
}
