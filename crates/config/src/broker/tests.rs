use super::*;
use crate::parse_properties;

fn parse(entries: &[(&str, &str)]) -> Result<BrokerConfig, String> {
    let fixed = entries.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    BrokerConfig::parse(fixed).map_err(|errors| errors.to_string())
}

fn refused(entries: &[(&str, &str)], expect: &str) {
    let error = parse(entries).unwrap_err();
    assert!(error.contains(expect), "{error}");
}

fn names(listeners: &[Listener]) -> Vec<String> {
    listeners.iter().map(Listener::to_string).collect()
}

#[test]
fn a_node_needs_no_config_at_all() {
    let config = parse(&[]).unwrap();
    assert_eq!(config.node_id, NodeId(1));
    assert_eq!(names(&config.listeners), ["PLAINTEXT://127.0.0.1:9092"]);
    assert_eq!(names(&config.advertised_listeners), ["PLAINTEXT://127.0.0.1:9092"]);
    assert!(config.roles.broker && config.roles.controller);
    let here = std::env::current_dir().unwrap();
    assert_eq!(config.storage.log_dirs, [here.join("ottla-data").display().to_string()], "as tools have to name it");
    assert_eq!(config.network.queued_max_request_bytes, Some(134_217_728));
    assert_eq!(config.topics.replication_factor(1), 1);
    assert_eq!(config.topics.replication_factor(7), 3);
}

/// The settings of the file that Apache Kafka 4.3 ships as `config/server.properties`.
const SERVER_PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

#[test]
fn kafkas_own_server_properties_are_taken_unchanged() {
    let config = BrokerConfig::parse(parse_properties(SERVER_PROPERTIES).unwrap()).unwrap();
    assert_eq!(names(&config.listeners), ["PLAINTEXT://:9092", "CONTROLLER://:9093"]);
    assert_eq!(names(&config.advertised_listeners), ["PLAINTEXT://localhost:9092"]);
    assert!(config.is_controller_listener("CONTROLLER") && !config.is_controller_listener("PLAINTEXT"));
    assert_eq!(config.quorum.bootstrap_servers, ["localhost:9093"]);
    assert_eq!(config.storage.log_dirs, ["/tmp/kraft-combined-logs"]);
    assert_eq!(config.storage.metadata_log_dir, "/tmp/kraft-combined-logs");
    assert_eq!(config.inter_broker_listener_name, "PLAINTEXT");
}

#[test]
fn a_wildcard_address_is_never_advertised() {
    for host in ["0.0.0.0", "[::]"] {
        let listener = format!("PLAINTEXT://{host}:9092");
        refused(&[("listeners", &listener)], "Set advertised.listeners=PLAINTEXT://<a name or address of this machine");
        refused(&[("advertised.listeners", &listener)], "cannot use the nonroutable meta-address");
        let advertised = ("advertised.listeners", "PLAINTEXT://kafka.example.org:9092");
        parse(&[("listeners", &listener), advertised]).unwrap();
    }
    assert_eq!(parse(&[("listeners", "PLAINTEXT://:9092")]).unwrap().advertised_listeners[0].host, None);
}

#[test]
fn listeners_with_names_of_their_own_need_no_inter_broker_listener_name() {
    let map = ("listener.security.protocol.map", "IN:PLAINTEXT,OUT:PLAINTEXT");
    let config = parse(&[map, ("listeners", "IN://127.0.0.1:0,OUT://127.0.0.1:0")]).unwrap();
    assert_eq!(config.inter_broker_listener_name, "IN");
    let listeners = ("listeners", "IN://127.0.0.1:0");
    refused(
        &[map, listeners, ("inter.broker.listener.name", "OUT")],
        "The valid options based on currently configured",
    );
}

#[test]
fn protected_listeners_are_refused_until_they_are_served() {
    refused(&[("listeners", "SSL://127.0.0.1:9092")], "uses SSL, which is not served yet");
    refused(&[("listeners", "PLAINTEXT://:1,SASL_PLAINTEXT://:2")], "uses SASL_PLAINTEXT, which is not served yet");
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let error = parse(&[("num.partition", "2"), ("num.io.threads", "many"), ("log.retention.hour", "1")]).unwrap_err();
    assert_eq!(
        error,
        "Unknown config name: log.retention.hour. Did you mean log.retention.hours?\n\
         Invalid value many for configuration num.io.threads: Not a number of type INT\n\
         Unknown config name: num.partition. Did you mean num.partitions?"
    );
}

#[test]
fn rules_between_configs_are_kafkas() {
    refused(&[("node.id", "1"), ("broker.id", "2")], "You must set `node.id` to the same value as `broker.id`.");
    refused(&[("queued.max.request.bytes", "1000")], "must be larger or equal to socket.request.max.bytes");
    refused(&[("log.retention.ms", "0")], "log.retention.ms must be unlimited (-1)");
    refused(&[("log.roll.ms", "0")], "log.roll.ms must be greater than or equal to 1");
    refused(&[("controller.listener.names", "CONTROLLER")], "must only contain values appearing in the 'listeners'");
    refused(&[("process.roles", "broker")], "must name the controllers");
    refused(&[("process.roles", "")], "'process.roles' must not be empty");
    refused(&[("controller.quorum.voters", "2@localhost:9093")], "the node id 1 must be included in the set of voters");
    refused(&[("controller.quorum.voters", "localhost:9093")], "is not of the form id@host:port");
    refused(
        &[("log.cleaner.min.compaction.lag.ms", "9"), ("log.cleaner.max.compaction.lag.ms", "8")],
        "conflict topic",
    );
    refused(&[("default.replication.factor", "0")], "Value must be at least 1");
    assert_eq!(parse(&[("broker.id", "0")]).unwrap().node_id, NodeId(0));
}

#[test]
fn dynamic_configs_lie_over_the_fixed_ones_and_wrong_ones_are_passed_over() {
    let config = parse(&[("log.retention.hours", "1"), ("max.connections", "7")]).unwrap();
    let map = |entries: &[(&str, &str)]| entries.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let all: ConfigMap = map(&[("log.retention.ms", "5000"), ("max.connections", "many"), ("node.id", "9")]);
    let mine: ConfigMap = map(&[("message.max.bytes", "100")]);
    let dynamic = config.with_dynamic(&all, &mine);
    assert_eq!(dynamic.network.max_connections, 7);
    assert_eq!(dynamic.node_id, config.node_id);
    let topic = dynamic.topic_config(&NO_CONFIGS, Cluster::of_brokers(1));
    assert_eq!((topic.retention_ms, topic.max_message_bytes), (5000, 100));
    assert_eq!(dynamic.with_dynamic(&NO_CONFIGS, &NO_CONFIGS), config);
}

#[test]
fn dynamic_configs_that_contradict_the_fixed_ones_are_refused_and_never_stop_a_node() {
    let config = parse(&[("log.cleaner.threads", "4"), ("log.retention.hours", "1")]).unwrap();
    let map = |entries: &[(&str, &str)]| entries.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let small: ConfigMap = map(&[("log.cleaner.dedupe.buffer.size", "4000000"), ("log.retention.ms", "5")]);
    let error = config.check_dynamic(&small, &NO_CONFIGS).unwrap_err().to_string();
    assert_eq!(error, "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
    assert_eq!(config.with_dynamic(&small, &NO_CONFIGS), config);
}

#[test]
fn limits_per_address_are_read() {
    let config = parse(&[("max.connections.per.ip.overrides", "127.0.0.1:5, host:7")]).unwrap();
    let overrides: Vec<_> = config.network.max_connections_per_ip_overrides.into_iter().collect();
    assert_eq!(overrides, [("127.0.0.1".to_string(), 5), ("host".to_string(), 7)]);
    refused(&[("max.connections.per.ip.overrides", "nonsense")], "is not of the form address:count");
}
