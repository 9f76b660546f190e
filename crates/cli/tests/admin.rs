//! The administration commands of the built binary against a node in memory: groups, configs, the cluster, doctor, profiles.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, good, ottla, stderr, stdout};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a command line with a configuration folder of its own and no address.
fn with_home(home: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(line.split_whitespace()).env("XDG_CONFIG_HOME", home).stdin(Stdio::null());
    command.env_remove("OTTLA_BOOTSTRAP").env_remove("OTTLA_PROFILE").output().expect("the binary runs")
}

#[test]
fn offsets_are_reset_after_a_dry_run() {
    let node = Node::start();
    good(&node.ottla("topic create orders --partitions 1"));
    good(&node.feed("produce orders", b"a\nb\nc\n"));
    let dry = good(&node.ottla("group reset-offsets g --topic orders --to-latest"));
    assert!(dry.contains("orders          0       -      3      -") && dry.contains("--execute"), "{dry}");
    let missing = node.ottla("group describe g");
    assert_eq!(missing.status.code(), Some(4), "a dry run makes no group");
    good(&node.ottla("group reset-offsets g --topic orders:0 --to-offset 1 --execute"));
    let described = good(&node.ottla("group describe g"));
    assert!(described.starts_with("Group g: Empty") && described.contains("lag 2"), "{described}");
    let plan = good(&node.ottla("group reset-offsets g --all-topics --shift-by 1 --output json"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plan.json");
    std::fs::write(&file, plan).unwrap();
    good(&node.ottla(&format!("group reset-offsets g --from-file {} --execute", file.display())));
    assert!(good(&node.ottla("group describe g")).contains("lag 1"));
    let unknown = node.ottla("group describe gg");
    assert!(stderr(&unknown).contains("did you mean 'g'?") || stderr(&unknown).contains("group list"));
    assert!(good(&node.ottla("group list")).contains("Empty"));
    assert!(good(&node.ottla("group delete-offsets g --topic orders")).contains("deleted"));
    let deleted = good(&node.ottla("group delete g --output json"));
    assert_eq!(deleted, "[\n  {\n    \"group\": \"g\"\n  }\n]\n");
    assert!(good(&node.ottla("group list")).starts_with("No groups yet"));
}

#[test]
fn configs_are_set_shown_and_unset() {
    let node = Node::start();
    good(&node.ottla("topic create t"));
    let refused = node.ottla("config set topic/t retention.m=5");
    assert_eq!(refused.status.code(), Some(4));
    assert!(stderr(&refused).contains("did you mean 'retention.ms'?"), "{}", stderr(&refused));
    good(&node.ottla("config set topic/t retention.ms=5000 --dry-run"));
    assert!(good(&node.ottla("config describe topic/t")).starts_with("Nothing is set on topic 't'."));
    good(&node.ottla("config set topic/t retention.ms=5000"));
    let shown = good(&node.ottla("config describe topic/t"));
    assert!(shown.contains("retention.ms  5000") && shown.contains("How long"), "{shown}");
    good(&node.ottla("config unset topic/t retention.ms"));
    assert!(good(&node.ottla("config describe topic/t")).starts_with("Nothing is set"));
    let wrong = node.ottla("config set topic/t retention.ms=x");
    assert_eq!(wrong.status.code(), Some(1));
    let misspelt = node.ottla("config describe topic/tt");
    assert!(stderr(&misspelt).contains("did you mean 't'?"), "{}", stderr(&misspelt));
    good(&node.ottla("config set brokers log.retention.ms=777000"));
    assert!(good(&node.ottla("config describe brokers")).contains("777000"));
    let set = good(&node.ottla("config set topic/t retention.ms=5 --output json"));
    assert_eq!(
        set,
        "{\n  \"entity\": \"topic 't'\",\n  \"configs\": [\n    \"retention.ms\"\n  ],\n  \"dry_run\": false\n}\n"
    );
    let checked = good(&node.ottla("config set topic/t retention.ms=6 --dry-run --output yaml"));
    assert_eq!(checked, "entity: topic 't'\nconfigs:\n- retention.ms\ndry_run: true\n");
    assert!(good(&node.ottla("config unset topic/t retention.ms --output json")).contains("\"topic 't'\""));
    assert!(good(&ottla("localhost:1", "config list topics --grep segment")).contains("segment.bytes  int"));
}

#[test]
fn a_sound_cluster_is_healthy_and_an_unreachable_one_is_not() {
    let node = Node::start();
    good(&node.ottla("topic create t --partitions 3"));
    let info = good(&node.ottla("cluster info"));
    assert!(info.contains("1 topics, 3 partitions") && info.contains("controller"), "{info}");
    assert!(good(&node.ottla("cluster health --min-free 0")).starts_with("Healthy: 1 broker, 3 partitions."));
    let full = node.ottla("cluster health --min-free 101");
    assert_eq!((full.status.code(), stdout(&full).contains("% left")), (Some(1), true), "{}", stdout(&full));
    let doctor = node.ottla("doctor");
    assert!(stdout(&doctor).contains("every broker is reached at its advertised address"), "{}", stdout(&doctor));
    assert_eq!(ottla("127.0.0.1:1", "cluster health").status.code(), Some(3));
}

#[test]
fn a_profile_says_which_cluster_is_meant() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::start();
    let run = |line: &str| with_home(home.path(), line);
    assert!(good(&run("profile list")).starts_with("No profiles yet"));
    good(&run(&format!("profile create test --bootstrap-server {} -X client.id=me", node.address)));
    good(&run("profile create other --bootstrap-server 127.0.0.1:1"));
    good(&run("topic create t"));
    assert_eq!(run("topic list --profile other").status.code(), Some(3));
    assert!(good(&run(&format!("topic list --bootstrap-server {}", node.address))).contains('t'));
    good(&run("profile use other"));
    assert_eq!(run("topic list").status.code(), Some(3));
    let used = good(&run("profile use test --output yaml"));
    assert!(used.starts_with("profile: test\n") && used.contains("in_use: true"), "{used}");
    assert!(good(&run("profile show")).contains("client.id=me"));
    let unknown = run("topic list --profile tset");
    assert_eq!(unknown.status.code(), Some(4));
    assert!(stderr(&unknown).contains("did you mean 'test'?"), "{}", stderr(&unknown));
    good(&run("profile delete test"));
    assert!(good(&run("profile delete other --output json")).contains("\"profile\": \"other\""));
}

#[test]
fn doctor_names_every_mistake_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.properties");
    let text = |extra: &str| {
        format!(
            "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n\
             controller.listener.names=CONTROLLER\nlog.dirs={}\n{extra}",
            dir.path().join("data").display()
        )
    };
    std::fs::write(&file, text("num.partition=3\nlog.retention.ms=x\n")).unwrap();
    let wrong = ottla("localhost:1", &format!("doctor --config {}", file.display()));
    assert_eq!(wrong.status.code(), Some(1));
    let told = stdout(&wrong);
    assert!(told.contains("write num.partitions") && told.contains("log.retention.ms"), "{told}");
    assert!(stderr(&wrong).starts_with("error: 2 errors were found"), "{}", stderr(&wrong));
    std::fs::write(&file, text("")).unwrap();
    let sound = ottla("localhost:1", &format!("doctor --config {}", file.display()));
    assert!(good(&sound).contains("is valid"), "{}", stdout(&sound));
    assert!(!dir.path().join("data").exists(), "doctor makes nothing");
}

#[test]
fn completions_are_made_for_shells() {
    for (shell, part) in [("bash", "complete -F"), ("zsh", "#compdef ottla"), ("fish", "complete -c ottla")] {
        assert!(good(&ottla("localhost:1", &format!("completion {shell}"))).contains(part), "{shell}");
    }
}

#[test]
fn kafkas_administration_tools_answer() {
    let node = Node::start();
    let tool = |line: &str| node.ottla(&format!("{line} --bootstrap-server {}", node.address));
    good(&node.ottla("topic create t"));
    good(&tool("kafka-consumer-groups --reset-offsets --group g --topic t --to-earliest --execute"));
    assert_eq!(good(&tool("kafka-consumer-groups --list")), "g\n");
    assert!(good(&tool("kafka-groups --list")).contains("Classic"));
    let missing = tool("kafka-consumer-groups --describe --group nope");
    assert!(
        good(&missing).contains("\nError: Executing consumer group command failed due to org.apache.kafka"),
        "exit code 0"
    );
    let set = "kafka-configs --alter --topic t --add-config cleanup.policy=[compact,delete]";
    assert_eq!(good(&tool(set)), "Completed updating config for topic t.\n");
    assert!(
        good(&tool("kafka-configs --describe --topic t")).contains("  cleanup.policy=compact,delete sensitive=false")
    );
    assert!(good(&tool("kafka-cluster cluster-id")).starts_with("Cluster ID: "));
    assert!(good(&tool("kafka-log-dirs --describe --topic-list t")).contains(r#""partition":"t-0""#));
    assert!(good(&tool("kafka-broker-api-versions")).contains("ApiVersions(18): 0 to 4 [usable: 4]"));
    assert_eq!(good(&node.ottla("kafka-storage random-uuid")).trim().len(), 22);
    let set = "kafka-configs --alter --user bob --add-config producer_byte_rate=1048576";
    assert_eq!(good(&tool(set)), "Completed updating config for user bob.\n");
    let shown = good(&tool("kafka-configs --describe --entity-type users"));
    assert!(shown.contains("Quota configs for user-principal 'bob' are producer_byte_rate=1048576.0\n"), "{shown}");
}

#[test]
fn kafkas_tools_for_share_groups_and_streams_groups_answer() {
    let node = Node::start();
    let tool = |line: &str| node.ottla(&format!("{line} --bootstrap-server {}", node.address));
    good(&node.ottla("topic create t"));
    let reset = good(&tool("kafka-share-groups --reset-offsets --group g --topic t --to-earliest --execute"));
    assert!(reset.ends_with("\ng               t               0          0\n"), "{reset}");
    assert_eq!(good(&tool("kafka-share-groups --list")), "g\n");
    assert_eq!(good(&tool("kafka-share-groups --list --state")), "GROUP           STATE\ng               Empty\n");
    let described = good(&tool("kafka-share-groups --describe --all-groups --verbose"));
    assert!(
        described.ends_with("\ng               t               0          0             0             0\n"),
        "{described}"
    );
    let state = good(&tool("kafka-share-groups --describe --group g --state"));
    assert!(state.contains("(1)") && state.contains(" Empty           0\n"), "{state}");
    let deleted = good(&tool("kafka-share-groups --delete-offsets --group g --topic t"));
    assert_eq!(deleted, "\nTOPIC           STATUS\nt               Successful\n");
    let none = good(&tool("kafka-share-groups --describe --group g"));
    assert_eq!(none, "\nShare group 'g' has no offset information.\n");
    let deleted = good(&tool("kafka-share-groups --delete --group g"));
    assert_eq!(deleted, "Deletion of requested share groups ('g') was successful.\n");
    let missing = good(&tool("kafka-share-groups --describe --group g"));
    assert!(missing.contains("GroupIdNotFoundException: Group g not found.\n"), "exit code 0");
    assert_eq!(good(&tool("kafka-streams-groups --list")), "");
    let missing = tool("kafka-streams-groups --describe --group g");
    assert_eq!(missing.status.code(), Some(1));
    assert!(stdout(&missing).contains("\nError: Executing streams group command failed due to org.apache.kafka"));
    let refused = good(&tool("kafka-streams-groups --delete --group g"));
    assert!(refused.contains("Group 'g' does not exist or is not a streams group.\n"), "{refused}");
}

#[test]
fn kafkas_tool_resets_an_application() {
    let node = Node::start();
    good(&node.ottla("topic create in --partitions 1"));
    good(&node.ottla("topic create app-store-changelog --partitions 1"));
    good(&node.feed("produce in", b"a\nb\nc\n"));
    let tool = |rest: &str| {
        let words = "kafka-streams-application-reset --application-id app";
        node.ottla(&format!("{words} --bootstrap-server {} {rest}", node.address))
    };
    let moved = |offset: i64| {
        format!(
            "Reset-offsets for input topics [in]\n\
             Following input topics offsets will be reset to (for consumer group app)\n\
             Topic: in Partition: 0 Offset: {offset}\nDone.\n"
        )
    };
    let deleted = |topics: &str| format!("Deleting inferred internal topics [{topics}]\nDone.\n");
    let dry = good(&tool("--input-topics in --to-latest --dry-run"));
    let heading = "----Dry run displays the actions which will be performed when running Streams Reset Tool----\n";
    assert_eq!(dry, format!("{heading}{}{}", moved(3), deleted("app-store-changelog")));
    assert!(good(&node.ottla("topic list")).contains("app-store-changelog"));
    assert_eq!(node.ottla("group describe app").status.code(), Some(4), "a dry run makes no group");

    let refused = tool("--internal-topics in");
    assert!(stderr(&refused).starts_with("ERROR: java.lang.IllegalArgumentException: Invalid topic specified"));
    assert_eq!(good(&tool("--input-topics in --to-offset 1")), moved(1) + &deleted("app-store-changelog"));
    assert!(!good(&node.ottla("topic list")).contains("app-store-changelog"));
    assert!(good(&node.ottla("group describe app")).contains("lag 2"));
    assert_eq!(good(&tool("--input-topics in --shift-by 1")), moved(2) + &deleted(""));
    let high = "New offset (9) is higher than latest offset. Value will be set to 3\n";
    assert!(good(&tool("--input-topics in --to-offset 9")).contains(high));
    let missing = tool("--input-topics in,none");
    assert_eq!(missing.status.code(), Some(1));
    assert!(stdout(&missing).contains("Following input topics are not found, skipping them\nTopic: none\n"));
    assert!(stdout(&missing).ends_with(&deleted("")), "the rest is done all the same");
}
