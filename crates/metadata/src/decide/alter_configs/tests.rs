use super::*;
use crate::decide::testing::Cluster;
use ottla_protocol::{alter_configs_request, incremental_alter_configs_request};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

type Changes<'a> = &'a [(&'a str, i8, Option<&'a str>)];

fn incremental_request(resources: &[(i8, &str, Changes<'_>)]) -> IncrementalAlterConfigsRequest {
    let resource = |(resource_type, name, changes): &(i8, &str, Changes<'_>)| {
        incremental_alter_configs_request::AlterConfigsResource {
            resource_type: *resource_type,
            resource_name: name.to_string(),
            configs: changes
                .iter()
                .map(|(name, operation, value)| incremental_alter_configs_request::AlterableConfig {
                    name: name.to_string(),
                    config_operation: *operation,
                    value: value.map(str::to_string),
                })
                .collect(),
        }
    };
    IncrementalAlterConfigsRequest { resources: resources.iter().map(resource).collect(), validate_only: false }
}

fn line(code: i16, message: &Option<String>) -> String {
    let code = ErrorCode::from_code(code).unwrap();
    format!("{code} {}", message.clone().unwrap_or_default()).trim().to_string()
}

fn change_all(cluster: &mut Cluster, resources: &[(i8, &str, Changes<'_>)]) -> Vec<String> {
    let request = incremental_request(resources);
    let response = cluster.run(|image, context| incremental_alter_configs(image, &request, context));
    response.responses.iter().map(|response| line(response.error_code, &response.error_message)).collect()
}

fn change(cluster: &mut Cluster, resource_type: i8, name: &str, changes: Changes<'_>) -> String {
    change_all(cluster, &[(resource_type, name, changes)]).remove(0)
}

fn replace(cluster: &mut Cluster, resource_type: i8, name: &str, configs: &[(&str, &str)]) -> String {
    let config = |(name, value): &(&str, &str)| alter_configs_request::AlterableConfig {
        name: name.to_string(),
        value: Some(value.to_string()),
    };
    let resource = alter_configs_request::AlterConfigsResource {
        resource_type,
        resource_name: name.to_string(),
        configs: configs.iter().map(config).collect(),
    };
    let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
    let response = cluster.run(|image, context| alter_configs(image, &request, context));
    line(response.responses[0].error_code, &response.responses[0].error_message)
}

fn configs(cluster: &Cluster, resource_type: ResourceType, name: &str) -> String {
    let resource = ConfigResource { resource_type, name: name.to_string() };
    let configs = cluster.image.configs(&resource);
    configs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn with_topic() -> Cluster {
    let mut cluster = Cluster::with_brokers(1);
    cluster.create_topic("a", 1, &[("retention.ms", "1")]);
    cluster
}

#[test]
fn configs_are_set_and_deleted_one_by_one() {
    let mut cluster = with_topic();
    let changes: Changes<'_> =
        &[("segment.ms", SET, Some("7")), ("retention.ms", DELETE, None), ("flush.ms", DELETE, None)];
    assert_eq!(change(&mut cluster, TOPIC, "a", changes), "NONE");
    assert_eq!(configs(&cluster, ResourceType::Topic, "a"), "segment.ms=7");
}

#[test]
fn lists_grow_and_shrink_from_their_default() {
    let mut cluster = with_topic();
    let policy = |cluster: &mut Cluster, operation, value| {
        assert_eq!(change(cluster, TOPIC, "a", &[("cleanup.policy", operation, Some(value))]), "NONE");
        configs(cluster, ResourceType::Topic, "a")
    };
    assert_eq!(policy(&mut cluster, APPEND, "compact"), "cleanup.policy=delete,compact retention.ms=1");
    assert_eq!(policy(&mut cluster, APPEND, "delete,compact"), "cleanup.policy=delete,compact retention.ms=1");
    assert_eq!(policy(&mut cluster, SUBTRACT, "delete"), "cleanup.policy=compact retention.ms=1");
    assert_eq!(
        change(&mut cluster, TOPIC, "a", &[("retention.ms", APPEND, Some("1"))]),
        "INVALID_CONFIG Can't APPEND to key retention.ms because its type is not LIST."
    );
}

#[test]
fn a_resource_is_altered_as_a_whole_and_independently_of_others() {
    let mut cluster = with_topic();
    cluster.create_topic("b", 1, &[]);
    let wrong: Changes<'_> = &[("segment.ms", SET, Some("7")), ("retention.ms", SET, Some("x"))];
    assert_eq!(
        change_all(&mut cluster, &[(TOPIC, "a", wrong), (TOPIC, "b", &[("segment.ms", SET, Some("8"))])]),
        ["INVALID_CONFIG Invalid value x for configuration retention.ms: Not a number of type LONG", "NONE"]
    );
    assert_eq!(configs(&cluster, ResourceType::Topic, "a"), "retention.ms=1");
    assert_eq!(configs(&cluster, ResourceType::Topic, "b"), "segment.ms=8");
}

#[test]
fn malformed_changes_are_refused() {
    let mut cluster = with_topic();
    let set: Changes<'_> = &[("segment.ms", SET, Some("7"))];
    assert_eq!(
        change_all(&mut cluster, &[(TOPIC, "a", set), (TOPIC, "a", set)]),
        ["INVALID_REQUEST Each resource must appear at most once."; 2]
    );
    for (resource_type, name, changes, expect) in [
        (
            TOPIC,
            "a",
            &[("segment.ms", SET, None)] as Changes<'_>,
            "INVALID_REQUEST Null value not supported for : segment.ms",
        ),
        (
            TOPIC,
            "a",
            &[("segment.ms", SET, Some("1")), ("segment.ms", DELETE, None)],
            "INVALID_REQUEST Error due to duplicate config keys",
        ),
        (TOPIC, "a", &[("segment.ms", 4, Some("1"))], "INVALID_REQUEST Unknown operations type 4"),
        (TOPIC, "", set, "INVALID_REQUEST Default topic resources are not allowed."),
        (TOPIC, "a b", set, "INVALID_TOPIC_EXCEPTION Topic name is invalid: 'a b' contains one or more characters"),
        (TOPIC, "b", set, "UNKNOWN_TOPIC_OR_PARTITION The topic 'b' does not exist."),
        (BROKER, "x", &[], "INVALID_REQUEST Unable to parse broker name as a base 10 number."),
        (BROKER, "-1", &[], "INVALID_REQUEST Invalid negative broker ID."),
        (BROKER, "9", &[], "BROKER_ID_NOT_REGISTERED No node with id 9 found."),
        (8, "1", &[], "INVALID_REQUEST The levels of broker loggers"),
        (3, "x", &[], "INVALID_REQUEST Unknown resource type 3"),
        (GROUP, "", &[], "INVALID_REQUEST Default group resources are not allowed."),
        (CLIENT_METRICS, "", &[], "INVALID_REQUEST Subscription name can't be empty"),
    ] {
        let got = change(&mut cluster, resource_type, name, changes);
        assert!(got.starts_with(expect), "{got} does not start with {expect}");
    }
}

#[test]
fn brokers_are_altered_one_or_all_at_a_time() {
    let mut cluster = with_topic();
    assert_eq!(change(&mut cluster, BROKER, "", &[("log.retention.ms", SET, Some("5"))]), "NONE");
    assert_eq!(change(&mut cluster, BROKER, "1", &[("message.max.bytes", SET, Some("9"))]), "NONE");
    let topic = cluster.image.topic("a").unwrap();
    let config = cluster.image.topic_config(topic, &cluster.config);
    assert_eq!((config.retention_ms, config.max_message_bytes), (1, 9));
    assert_eq!(
        change(&mut cluster, BROKER, "1", &[("num.partitions", SET, Some("9"))]),
        "INVALID_REQUEST Cannot update these configs dynamically: [num.partitions]"
    );
    assert_eq!(
        change(&mut cluster, BROKER, "", &[("log.retention.m", SET, Some("9"))]),
        "INVALID_REQUEST Unknown config name: log.retention.m. Did you mean log.retention.ms?"
    );
    assert_eq!(
        change(&mut cluster, BROKER, "", &[("log.cleaner.dedupe.buffer.size", SET, Some("1"))]),
        "INVALID_REQUEST log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."
    );
}

#[test]
fn a_brokers_config_is_recorded_also_when_it_stays_the_same() {
    let mut cluster = with_topic();
    let resource = |kind, name| -> Vec<(i8, &str, Changes<'_>)> {
        vec![(
            kind,
            name,
            if kind == BROKER { &[("message.max.bytes", SET, Some("9"))] } else { &[("retention.ms", SET, Some("1"))] },
        )]
    };
    let mut records = |kind, name| {
        let request = incremental_request(&resource(kind, name));
        let decision = cluster.decide(|image, context| incremental_alter_configs(image, &request, context));
        decision.records().for_each(|record| cluster.image.apply(record).unwrap());
        decision.entries.concat().len()
    };
    assert_eq!([records(BROKER, ""), records(BROKER, ""), records(TOPIC, "a")], [1, 1, 0]);
}

#[test]
fn groups_and_subscriptions_are_altered_without_existing() {
    let mut cluster = with_topic();
    assert_eq!(change(&mut cluster, GROUP, "g", &[("consumer.session.timeout.ms", SET, Some("50000"))]), "NONE");
    assert_eq!(configs(&cluster, ResourceType::Group, "g"), "consumer.session.timeout.ms=50000");
    assert!(
        change(&mut cluster, GROUP, "g", &[("consumer.session.timeout.ms", SET, Some("1"))])
            .starts_with("INVALID_CONFIG consumer.session.timeout.ms must be greater than or equal to")
    );
    assert_eq!(change(&mut cluster, CLIENT_METRICS, "s", &[("interval.ms", SET, Some("1000"))]), "NONE");
    assert!(
        change(&mut cluster, CLIENT_METRICS, "s", &[("nope", SET, Some("1"))]).starts_with("INVALID_REQUEST Unknown")
    );
}

#[test]
fn alter_configs_replaces_everything() {
    let mut cluster = with_topic();
    assert_eq!(replace(&mut cluster, TOPIC, "a", &[("segment.ms", "7")]), "NONE");
    assert_eq!(configs(&cluster, ResourceType::Topic, "a"), "segment.ms=7");
    assert_eq!(replace(&mut cluster, TOPIC, "a", &[]), "NONE");
    assert_eq!(configs(&cluster, ResourceType::Topic, "a"), "");
    assert!(
        replace(&mut cluster, TOPIC, "a", &[("nope", "7")])
            .starts_with("INVALID_CONFIG Unknown topic config name: nope")
    );
}

#[test]
fn validate_only_changes_nothing() {
    let mut cluster = with_topic();
    let mut request = incremental_request(&[(TOPIC, "a", &[("segment.ms", SET, Some("7"))])]);
    request.validate_only = true;
    let decision = cluster.decide(|image, context| incremental_alter_configs(image, &request, context));
    assert!(decision.entries.is_empty() && decision.response.responses[0].error_code == 0);
}
