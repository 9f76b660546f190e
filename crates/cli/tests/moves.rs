//! Partitions that move between the log directories of a node, with the built binary, on a real disk.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, good, stdout};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Disks {
    dir: tempfile::TempDir,
}

impl Disks {
    fn path(&self, disk: &str) -> String {
        self.dir.path().join(disk).display().to_string()
    }

    fn start(&self) -> Node {
        self.start_with(&[])
    }

    fn start_with(&self, more: &[&str]) -> Node {
        let log_dirs = format!("log.dirs={},{}", self.path("a"), self.path("b"));
        let (dir, address) = (self.path("a"), "127.0.0.1:0");
        Node::start_at(address, &[&["--data-dir", dir.as_str(), "-o", log_dirs.as_str()], more].concat())
    }

    /// Which of the directories has partition 0 of `t`.
    fn of_t(&self) -> Option<&'static str> {
        ["a", "b"].into_iter().find(|disk| Path::new(&self.path(disk)).join("t-0").exists())
    }

    /// Runs Kafka's tool with a plan that has partition 0 of `t` in this directory.
    fn reassign(&self, node: &Node, disk: &str, action: &str) -> std::process::Output {
        let plan = self.dir.path().join("plan.json");
        let text = format!(
            r#"{{"version": 1, "partitions": [{{"topic": "t", "partition": 0, "replicas": [1], "log_dirs": ["{}"]}}]}}"#,
            self.path(disk)
        );
        std::fs::write(&plan, text).unwrap();
        let plan = plan.display();
        node.ottla(&format!(
            "kafka-reassign-partitions --bootstrap-server {} {action} --reassignment-json-file {plan}",
            node.address
        ))
    }

    fn verified(&self, node: &Node, disk: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = good(&self.reassign(node, disk, "--verify"));
            if said.contains("Reassignment of replica t-0-1 completed successfully.") {
                return;
            }
            assert!(Instant::now() < deadline, "{said}");
        }
    }
}

fn lines(from: u32, to: u32) -> String {
    (from..to).map(|number| format!("{number:0>200}\n")).collect()
}

#[test]
fn a_partition_moves_to_another_disk_under_load_and_kill_9_loses_nothing() {
    let disks = Disks { dir: tempfile::tempdir().unwrap() };
    let node = disks.start();
    good(&node.ottla("topic create t --partitions 1"));
    drop(node);
    let mut written = 0;
    for round in 0..6 {
        let node = disks.start();
        let everything = lines(0, written);
        assert_eq!(good(&node.ottla("consume t")), everything, "before round {round}");
        let target = if disks.of_t() == Some("a") { "b" } else { "a" };
        good(&node.feed("produce t", lines(written, written + 2000).as_bytes()));
        written += 2000;
        let started = good(&disks.reassign(&node, target, "--execute"));
        let line = format!("Successfully started moving log directory to {} for replica t-0", disks.path(target));
        assert!(started.contains(&line), "{line} is not in {started}");
        good(&node.feed("produce t", lines(written, written + 500).as_bytes()));
        written += 500;
        if round % 3 == 2 {
            disks.verified(&node, target);
            assert_eq!(disks.of_t(), Some(target));
            let described = good(
                &node.ottla(&format!("kafka-log-dirs --bootstrap-server {} --describe --topic-list t", node.address)),
            );
            assert!(described.contains(r#""isFuture":false"#), "{described}");
            assert!(!described.contains(r#""isFuture":true"#), "{described}");
        }
        // Dropping the node kills it, wherever the move is.
    }
    let node = disks.start();
    assert_eq!(good(&node.ottla("consume t")), lines(0, written));
}

#[test]
fn a_move_that_is_under_way_is_shown_and_cancelled() {
    let disks = Disks { dir: tempfile::tempdir().unwrap() };
    let node = disks.start_with(&["-o", "replica.alter.log.dirs.io.max.bytes.per.second=1000"]);
    good(&node.ottla("topic create t --partitions 1"));
    good(&node.feed("produce t", lines(0, 2000).as_bytes()));
    let current = disks.of_t().expect("it is somewhere");
    let target = if current == "a" { "b" } else { "a" };
    let refused = disks.reassign(&node, "nowhere", "--execute");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stdout(&refused).contains("Error: Failed to alter dir for t-0-1"), "{}", stdout(&refused));
    let slowly = "--execute --replica-alter-log-dirs-throttle 1000";
    let started = good(&disks.reassign(&node, target, slowly));
    assert!(started.contains("The replica-alter-dir throttle limit was set to 1000 B/s\n"), "{started}");
    let said = good(&disks.reassign(&node, target, "--verify"));
    assert!(said.contains("Reassignment of replica t-0-1 is still in progress."), "{said}");
    let described =
        good(&node.ottla(&format!("kafka-log-dirs --bootstrap-server {} --describe --topic-list t", node.address)));
    assert!(described.contains(r#""isFuture":true"#), "{described}");
    let cancelled = good(&disks.reassign(&node, target, "--cancel"));
    let line = format!("Successfully started moving log directory to {} for replica t-0", disks.path(current));
    assert!(cancelled.contains(&line), "{cancelled}");
    let said = good(&disks.reassign(&node, target, "--verify"));
    assert!(said.contains("Partition t-0 on broker 1 is not being moved from log dir"), "{said}");
    assert_eq!(good(&node.ottla("consume t")), lines(0, 2000));
}
