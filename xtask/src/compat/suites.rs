//! The table of all suites, in the order in which they run.

use super::suite::{Broker, Program, Suite};
use crate::prepare::Need;

/// What the shared broker is started with, whoever it is: members that vanish are missed, and old
/// segments go, within seconds and not minutes.
pub(super) const SHARED_BROKER_OPTIONS: &[&str] = &[
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
    "group.consumer.min.session.timeout.ms=1000",
    "group.consumer.session.timeout.ms=6000",
    "group.consumer.min.heartbeat.interval.ms=100",
    "group.consumer.heartbeat.interval.ms=300",
    "group.consumer.regex.refresh.interval.ms=10000",
    "log.retention.check.interval.ms=5000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
];

const KCAT: Need = Need::Debian { command: "kcat", package: "kcat" };
const MKFS: Need = Need::Debian { command: "mkfs.ext4", package: "e2fsprogs" };
const LOSETUP: Need = Need::Debian { command: "losetup", package: "mount" };
const JAVA: &[Need] = &[Need::Jars, Need::JavaClasses];
const RECIPES: &[Need] = &[Need::Python, Need::Jars, Need::JavaClasses, Need::KafkaJs, Need::Go];
const KILL9_TRANSACTIONS: &[Need] = &[Need::Python, Need::Jars, Need::JavaClasses, Need::Transformer, Need::History];
const DATA_GROUP: &[Need] = &[Need::Python, Need::KafkaJs, Need::Jars, Need::JavaClasses];

/// Every suite under `compat/`.
pub(crate) const SUITES: &[Suite] = &[
    suite("sweep", JAVA, Program::Java("SweepSuite"), Broker::Shared),
    suite("java", JAVA, Program::Java("JavaSuite"), Broker::Shared),
    suite("java-groups", JAVA, Program::Java("JavaGroupsSuite"), Broker::Shared),
    suite("java-share", JAVA, Program::Java("JavaShareSuite"), Broker::Shared),
    suite("java-share-restart", JAVA, Program::Java("ShareRestartSuite"), Broker::Own),
    suite("java-transactions", JAVA, Program::Java("JavaTransactionsSuite"), Broker::Shared),
    suite("java-cluster", JAVA, Program::Java("JavaClusterSuite"), Broker::Shared),
    suite("tools", JAVA, Program::Java("ToolsSuite"), Broker::Shared),
    suite("tools-groups", JAVA, Program::Java("ToolsGroupsSuite"), Broker::Shared),
    suite("scripts", &[Need::Jars, Need::JavaClasses, Need::Ottla], Program::Java("ScriptsSuite"), Broker::Shared),
    suite("docs", &[Need::Python, Need::Ottla], Program::Python("docs/suite.py"), Broker::Own),
    suite("quickstart", &[Need::Root, Need::Python, Need::Ottla], Program::Python("quickstart/suite.py"), Broker::Own),
    suite("streams", JAVA, Program::Java("StreamsSuite"), Broker::Shared),
    suite("streams-groups", JAVA, Program::Java("StreamsGroupsSuite"), Broker::Shared),
    suite("rust-client", &[Need::RustClient], Program::RustClient, Broker::Own),
    suite("kcat", &[Need::Python, KCAT], Program::Python("kcat/suite.py"), Broker::Shared),
    suite("kcat-groups", &[Need::Python, KCAT], Program::Python("kcat/groups.py"), Broker::Shared),
    suite("confluent-kafka", &[Need::Python], Program::Python("python/confluent.py"), Broker::Shared),
    suite("confluent-kafka-groups", &[Need::Python], Program::Python("python/confluent_groups.py"), Broker::Shared),
    suite(
        "confluent-kafka-transactions",
        &[Need::Python],
        Program::Python("python/confluent_transactions.py"),
        Broker::Shared,
    ),
    suite("kafka-python", &[Need::Python], Program::Python("python/kafka_python.py"), Broker::Shared),
    suite("kafka-python-groups", &[Need::Python], Program::Python("python/kafka_python_groups.py"), Broker::Shared),
    suite("aiokafka", &[Need::Python], Program::Python("python/aiokafka_groups.py"), Broker::Shared),
    suite("kafkajs", &[Need::KafkaJs], Program::Node("kafkajs/suite.js"), Broker::Shared),
    suite("kafkajs-groups", &[Need::KafkaJs], Program::Node("kafkajs/groups.js"), Broker::Shared),
    suite("kafkajs-transactions", &[Need::KafkaJs], Program::Node("kafkajs/transactions.js"), Broker::Shared),
    suite("confluent-kafka-javascript", &[Need::ConfluentJs], Program::Node("confluent-js/suite.js"), Broker::Shared),
    suite("franz-go", &[Need::Go], Program::Go("franz"), Broker::Shared),
    suite("franz-go-groups", &[Need::Go], Program::Go("franzgroups"), Broker::Shared),
    suite("franz-go-share", &[Need::Go], Program::Go("franzshare"), Broker::Shared),
    suite("franz-go-transactions", &[Need::Go], Program::Go("franztxn"), Broker::Shared),
    suite("sarama", &[Need::Go], Program::Go("sarama"), Broker::Shared),
    suite("kafka-go", &[Need::Go], Program::Go("kafkago"), Broker::Shared),
    suite("rdkafka", &[Need::Rdkafka], Program::Rdkafka, Broker::Shared),
    suite("recipes", RECIPES, Program::Python("recipes/suite.py"), Broker::OttlaOnly),
    suite("data", &[Need::Python, Need::KafkaJs], Program::Python("data/suite.py"), Broker::Shared),
    suite("data-group", DATA_GROUP, Program::Python("data/group.py"), Broker::Shared),
    suite("malformed", &[Need::Python], Program::Python("malformed/suite.py"), Broker::Own),
    suite("kill9", &[Need::Python], Program::Python("kill9/suite.py"), Broker::Own),
    suite("kill9-transactions", KILL9_TRANSACTIONS, Program::Python("kill9/transactions.py"), Broker::OttlaOnly),
    suite("powerloss", &[Need::Root, Need::Python, MKFS, LOSETUP], Program::Python("powerloss/suite.py"), Broker::Own),
    suite("fulldisk", &[Need::Root, Need::Python, MKFS, LOSETUP], Program::Python("fulldisk/suite.py"), Broker::Own),
];

const fn suite(name: &'static str, needs: &'static [Need], program: Program, broker: Broker) -> Suite {
    Suite { name, needs, program, broker, limit_seconds: (300, 3600) }
}
