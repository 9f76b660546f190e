//! The table of all suites, in the order in which they run.

use super::suite::{Broker, Program, Suite};
use crate::prepare::Need;

/// The one switch for consumer groups. While it is `false`, the suites in which clients join groups run only when
/// `--only` names them, or against Apache Kafka.
const GROUPS_ARE_SERVED: bool = true;

/// What the shared broker is started with, whoever it is: members that vanish are missed within seconds, not minutes.
pub(super) const SHARED_BROKER_OPTIONS: &[&str] = &[
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
    "group.consumer.min.session.timeout.ms=1000",
    "group.consumer.session.timeout.ms=6000",
    "group.consumer.min.heartbeat.interval.ms=100",
    "group.consumer.heartbeat.interval.ms=300",
    "group.consumer.regex.refresh.interval.ms=10000",
];

const KCAT: Need = Need::Debian { command: "kcat", package: "kcat" };
const MKFS: Need = Need::Debian { command: "mkfs.ext4", package: "e2fsprogs" };
const LOSETUP: Need = Need::Debian { command: "losetup", package: "mount" };
const JAVA: &[Need] = &[Need::Jars, Need::JavaClasses];

/// Every suite under `compat/`.
pub(crate) const SUITES: &[Suite] = &[
    suite("sweep", JAVA, Program::Java("SweepSuite"), Broker::Shared),
    suite("java", JAVA, Program::Java("JavaSuite"), Broker::Shared),
    groups("java-groups", JAVA, Program::Java("JavaGroupsSuite")),
    suite("tools", JAVA, Program::Java("ToolsSuite"), Broker::Shared),
    groups("tools-groups", JAVA, Program::Java("ToolsGroupsSuite")),
    groups("streams", JAVA, Program::Java("StreamsSuite")),
    suite("kcat", &[Need::Python, KCAT], Program::Python("kcat/suite.py"), Broker::Shared),
    groups("kcat-groups", &[Need::Python, KCAT], Program::Python("kcat/groups.py")),
    suite("confluent-kafka", &[Need::Python], Program::Python("python/confluent.py"), Broker::Shared),
    groups("confluent-kafka-groups", &[Need::Python], Program::Python("python/confluent_groups.py")),
    suite("kafka-python", &[Need::Python], Program::Python("python/kafka_python.py"), Broker::Shared),
    groups("kafka-python-groups", &[Need::Python], Program::Python("python/kafka_python_groups.py")),
    groups("aiokafka", &[Need::Python], Program::Python("python/aiokafka_groups.py")),
    suite("kafkajs", &[Need::KafkaJs], Program::Node("kafkajs/suite.js"), Broker::Shared),
    groups("kafkajs-groups", &[Need::KafkaJs], Program::Node("kafkajs/groups.js")),
    groups("confluent-kafka-javascript", &[Need::ConfluentJs], Program::Node("confluent-js/suite.js")),
    suite("franz-go", &[Need::Go], Program::Go("franz"), Broker::Shared),
    groups("franz-go-groups", &[Need::Go], Program::Go("franzgroups")),
    groups("sarama", &[Need::Go], Program::Go("sarama")),
    groups("kafka-go", &[Need::Go], Program::Go("kafkago")),
    groups("rdkafka", &[Need::Rdkafka], Program::Rdkafka),
    suite("data", &[Need::Python, Need::KafkaJs], Program::Python("data/suite.py"), Broker::Shared),
    suite("malformed", &[Need::Python], Program::Python("malformed/suite.py"), Broker::Own),
    suite("kill9", &[Need::Python], Program::Python("kill9/suite.py"), Broker::Own),
    suite("powerloss", &[Need::Root, Need::Python, MKFS, LOSETUP], Program::Python("powerloss/suite.py"), Broker::Own),
    suite("fulldisk", &[Need::Root, Need::Python, MKFS, LOSETUP], Program::Python("fulldisk/suite.py"), Broker::Own),
];

const fn suite(name: &'static str, needs: &'static [Need], program: Program, broker: Broker) -> Suite {
    Suite { name, needs, program, broker, limit_seconds: (300, 3600), by_default: true }
}

/// A suite in which clients join consumer groups.
const fn groups(name: &'static str, needs: &'static [Need], program: Program) -> Suite {
    Suite { by_default: GROUPS_ARE_SERVED, ..suite(name, needs, program, Broker::Shared) }
}
