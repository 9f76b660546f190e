//! Kafka's tools of the built binary: called by their names, installed as links, with Kafka's exit codes. What they print is
//! compared with Kafka's own tools by the compat suite `scripts`.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, good, ottla, stderr, stdout};
use std::process::{Command, Stdio};

#[test]
fn a_link_with_a_tools_name_is_that_tool() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    let install = format!("install-scripts {}", bin.display());
    assert!(good(&ottla("localhost:1", &install)).contains("each with and without .sh"));
    // Again is no failure; a file of somebody else is not replaced unless it is said.
    good(&ottla("localhost:1", &install));
    std::fs::remove_file(bin.join("kafka-topics.sh")).unwrap();
    std::fs::write(bin.join("kafka-topics.sh"), "theirs").unwrap();
    let refused = ottla("localhost:1", &install);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("--force"), "{}", stderr(&refused));
    good(&ottla("localhost:1", &format!("{install} --force")));
    let node = Node::start();
    let script = |name: &str, line: &str| {
        let mut command = Command::new(bin.join(name));
        command.args(["--bootstrap-server", &node.address]).args(line.split_whitespace()).stdin(Stdio::null());
        command.output().unwrap()
    };
    assert_eq!(good(&script("kafka-topics.sh", "--create --topic t --partitions 2")), "Created topic t.\n");
    assert_eq!(good(&script("kafka-topics", "--list --exclude-internal")), "t\n");
    assert_eq!(good(&script("kafka-get-offsets.sh", "--topic t")), "t:0:0\nt:1:0\n");
}

#[test]
fn tools_fail_with_exit_code_1_in_kafkas_words() {
    let wrong = ottla("localhost:1", "kafka-topics --list");
    assert_eq!((wrong.status.code(), stdout(&wrong).as_str()), (Some(1), ""));
    assert!(stderr(&wrong).starts_with("--bootstrap-server must be specified\n"), "{}", stderr(&wrong));
    let wrong = ottla("localhost:1", "kafka-get-offsets --nonsense");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).starts_with("nonsense is not a recognized option"), "{}", stderr(&wrong));
    assert_eq!(ottla("localhost:1", "kafka-topics").status.code(), Some(1));
    assert!(good(&ottla("localhost:1", "kafka-topics --help")).contains("--under-replicated-partitions"));
    assert!(good(&ottla("localhost:1", "kafka-console-consumer --version")).starts_with("4.3"));
}

#[test]
fn records_go_through_the_console_tools() {
    let node = Node::start();
    let tool = |line: &str| format!("{} --bootstrap-server {}", line, node.address);
    good(&node.ottla(&tool("kafka-topics --create --topic t")));
    good(&node.feed(
        &tool("kafka-console-producer --topic t --property parse.key=true --compression-codec"),
        b"k\tv\r\nl\tw\n",
    ));
    let read = node.ottla(&tool("kafka-console-consumer --topic t --from-beginning --max-messages 2 --group g"));
    assert_eq!((good(&read).as_str(), stderr(&read).as_str()), ("v\nw\n", "Processed a total of 2 messages\n"));
    let rest = node.ottla(&tool("kafka-console-consumer --topic t --from-beginning --timeout-ms 1000 --group g"));
    assert_eq!(good(&rest), "");
    let failed = node.ottla(&tool("kafka-delete-records --offset-json-file /nonexistent.json"));
    assert_eq!(failed.status.code(), Some(1));
}

#[test]
fn partitions_that_come_are_placed_by_the_rest_of_the_assignment() {
    let node = Node::start();
    let tool = |line: &str| node.ottla(&format!("kafka-topics --bootstrap-server {} {line}", node.address));
    good(&tool("--create --topic t --partitions 1"));
    let too_few = tool("--alter --topic t --partitions 3 --replica-assignment 1,1");
    assert_eq!(too_few.status.code(), Some(1), "one of two that come: {}", stdout(&too_few));
    good(&tool("--alter --topic t --partitions 3 --replica-assignment 1,1,1"));
    assert!(good(&tool("--describe --topic t")).contains("PartitionCount: 3"));
}
