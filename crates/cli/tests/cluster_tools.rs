//! `kafka-metadata-quorum` and `kafka-reassign-partitions` of the built binary against a node in memory.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, good, stderr, stdout};

#[test]
fn the_quorum_is_described_and_its_voters_are_fixed() {
    let node = Node::start();
    let tool = |line: &str| node.ottla(&format!("kafka-metadata-quorum --bootstrap-server {} {line}", node.address));
    let status = good(&tool("describe --status"));
    for line in ["LeaderId:               1\n", "MaxFollowerLag:         0\n", "CurrentObservers:       []\n"] {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    assert!(status.contains("CurrentVoters:          [{\"id\": 1"), "{status}");
    let table = good(&tool("describe --replication --human-readable"));
    assert!(table.starts_with("NodeId\tDirectoryId") && table.contains(" ms ago"), "{table}");
    let remove = "remove-controller --controller-id 7 --controller-directory-id AAAAAAAAAAAAAAAAAAAAAg";
    let expected = "DRY RUN of removing  KRaft controller 7 with directory id AAAAAAAAAAAAAAAAAAAAAg\n";
    assert_eq!(good(&tool(&format!("{remove} --dry-run"))), expected);
    let refused = tool(remove);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).starts_with("org.apache.kafka.common.errors.UnsupportedVersionException: Cluster doesn't")
    );
}

#[test]
fn partitions_are_reassigned_by_a_plan_that_was_generated() {
    let node = Node::start();
    good(&node.ottla("topic create t --partitions 2"));
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let tool =
        |line: &str| node.ottla(&format!("kafka-reassign-partitions --bootstrap-server {} {line}", node.address));
    let topics = file("topics.json", r#"{"topics": [{"topic": "t"}]}"#);
    let generated = good(&tool(&format!("--generate --topics-to-move-json-file {topics} --broker-list 1")));
    let (current, proposed) = generated.split_once("\n\nProposed partition reassignment configuration\n").unwrap();
    let row = r#"{"topic":"t","partition":0,"replicas":[1],"log_dirs":["any"]}"#;
    assert!(proposed.contains(row), "{proposed}");
    // The current assignment names log directories; it moves nothing.
    for plan in [proposed, current.lines().last().unwrap()] {
        let plan = file("plan.json", plan);
        let execute = good(&tool(&format!("--execute --reassignment-json-file {plan} --throttle 1000000")));
        for line in [
            "The inter-broker throttle limit was set to 1000000 B/s\n",
            "Successfully started partition reassignments for t-0,t-1\n",
        ] {
            assert!(execute.contains(line), "{line} is not in {execute}");
        }
        let throttled = good(&node.ottla("config describe topic/t"));
        assert!(throttled.contains("leader.replication.throttled.replicas"), "{throttled}");
        let verified = good(&tool(&format!("--verify --reassignment-json-file {plan}")));
        for line in [
            "Reassignment of partition t-1 is completed.\n",
            "Clearing broker-level throttles on broker 1\n",
            "Clearing topic-level throttles on topic t\n",
        ] {
            assert!(verified.contains(line), "{line} is not in {verified}");
        }
        assert!(good(&node.ottla("config describe topic/t")).starts_with("Nothing is set"));
        let cancelled = good(&tool(&format!("--cancel --reassignment-json-file {plan} --preserve-throttles")));
        assert!(cancelled.ends_with("None of the specified partition moves are active."), "{cancelled}");
    }
    assert_eq!(good(&tool("--list")), "No partition reassignments found.\n");
    let plan = r#"{"partitions": [{"topic": "t", "partition": 0, "replicas": [1], "log_dirs": ["/elsewhere"]}]}"#;
    let refused = tool(&format!("--execute --reassignment-json-file {}", file("elsewhere.json", plan)));
    assert_eq!(refused.status.code(), Some(1));
    let text = stdout(&refused);
    assert!(text.contains("Error: Failed to alter dir for t-0-1"), "{text}");
}

/// The address of the controller's own listener.
fn controller_of(node: &Node) -> String {
    let status =
        good(&node.ottla(&format!("kafka-metadata-quorum --bootstrap-server {} describe --status", node.address)));
    let (_, rest) = status.split_once("CONTROLLER://").unwrap_or_else(|| panic!("no controller listener in {status}"));
    rest.split('"').next().unwrap_or_default().to_string()
}

#[test]
fn a_cluster_is_administered_through_its_controller() {
    let node = Node::start_with(&[
        "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
        "controller.listener.names=CONTROLLER",
    ]);
    let controller = controller_of(&node);
    let tool = |tool: &str, line: &str| node.ottla(&format!("{tool} {line} --bootstrap-controller {controller}"));
    assert!(good(&tool("kafka-cluster", "cluster-id")).starts_with("Cluster ID: "));
    let endpoints = good(&tool("kafka-cluster", "list-endpoints"));
    let port = controller.rsplit_once(':').unwrap().1;
    assert!(endpoints.contains(port) && endpoints.contains("controller"), "{endpoints}");
    let first = |tool: &str, line: &str| node.ottla(&format!("{tool} --bootstrap-controller {controller} {line}"));
    assert!(good(&first("kafka-features", "describe")).contains("metadata.version"));
    let status = good(&first("kafka-metadata-quorum", "describe --status"));
    assert!(status.contains("LeaderId:               1\n"), "{status}");
    good(&node.ottla("topic create t --partitions 1"));
    good(&tool("kafka-configs", "--alter --entity-type topics --entity-name t --add-config retention.ms=777"));
    let shown = good(&tool("kafka-configs", "--describe --entity-type topics --entity-name t"));
    assert!(shown.contains("retention.ms=777"), "{shown}");
    assert!(
        good(&tool("kafka-configs", "--describe --entity-type brokers --entity-name 1 --all")).contains("node.id=1")
    );
    assert!(good(&tool("kafka-reassign-partitions", "--list")).contains("No partition reassignments found."));
    // A broker is no controller.
    let mistaken = node.ottla(&format!("kafka-cluster cluster-id --bootstrap-controller {}", node.address));
    assert!(!mistaken.status.success() && stderr(&mistaken).contains("MISMATCHED_ENDPOINT_TYPE"), "{mistaken:?}");
    let mistaken = node.ottla(&format!("kafka-cluster cluster-id --bootstrap-server {controller}"));
    assert!(!mistaken.status.success() && stderr(&mistaken).contains("endpoint of type CONTROLLER"), "{mistaken:?}");
}
