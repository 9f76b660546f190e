//! The table of all suites, in the order in which they run.

use super::suite::{Broker, Program, Suite};
use crate::prepare::Need;

const KCAT: Need = Need::Debian { command: "kcat", package: "kcat" };
const MKFS: Need = Need::Debian { command: "mkfs.ext4", package: "e2fsprogs" };
const LOSETUP: Need = Need::Debian { command: "losetup", package: "mount" };

/// Every suite under `compat/`.
pub(crate) const SUITES: &[Suite] = &[
    suite("sweep", &[Need::Jars, Need::JavaClasses], Program::Java("SweepSuite"), Broker::Shared),
    suite("java", &[Need::Jars, Need::JavaClasses], Program::Java("JavaSuite"), Broker::Shared),
    suite("tools", &[Need::Jars, Need::JavaClasses], Program::Java("ToolsSuite"), Broker::Shared),
    suite("kcat", &[Need::Python, KCAT], Program::Python("kcat/suite.py"), Broker::Shared),
    suite("confluent-kafka", &[Need::Python], Program::Python("python/confluent.py"), Broker::Shared),
    suite("kafka-python", &[Need::Python], Program::Python("python/kafka_python.py"), Broker::Shared),
    suite("kafkajs", &[Need::Npm], Program::Node("kafkajs/suite.js"), Broker::Shared),
    suite("franz-go", &[Need::FranzGo], Program::FranzGo, Broker::Shared),
    suite("data", &[Need::Python, Need::Npm], Program::Python("data/suite.py"), Broker::Shared),
    suite("malformed", &[Need::Python], Program::Python("malformed/suite.py"), Broker::Own),
    suite("kill9", &[Need::Python], Program::Python("kill9/suite.py"), Broker::Own),
    suite("powerloss", &[Need::Root, Need::Python, MKFS, LOSETUP], Program::Python("powerloss/suite.py"), Broker::Own),
    suite("fulldisk", &[Need::Root, Need::Python, MKFS, LOSETUP], Program::Python("fulldisk/suite.py"), Broker::Own),
];

const fn suite(name: &'static str, needs: &'static [Need], program: Program, broker: Broker) -> Suite {
    Suite { name, needs, program, broker, limit_seconds: (300, 3600) }
}
