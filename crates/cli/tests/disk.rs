//! Commands that work on data directories: `ottla log`, `kafka-dump-log`, `kafka-storage`, `kafka-server-start`.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{good, ottla, stderr, stdout};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A node with a data directory, ended as an operator does.
struct Node {
    process: Child,
    address: String,
}

impl Node {
    fn start(words: &[&str]) -> Node {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
        let mut process = command.args(words).stdout(Stdio::piped()).spawn().expect("the node starts");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("the ready line");
        let words = line.split_whitespace();
        let address = words.skip_while(|word| *word != "on").nth(1).unwrap_or_else(|| panic!("no address in {line:?}"));
        Node { process, address: address.trim_end_matches(',').to_string() }
    }

    fn on(data_dir: &Path) -> Node {
        let data_dir = data_dir.to_str().unwrap();
        Node::start(&["serve", "--data-dir", data_dir, "--listen", "127.0.0.1:0", "--log-level", "error"])
    }

    fn stop(mut self) {
        let kill = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(kill.success() && self.process.wait().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_damaged_log_is_shown_cut_and_brought_back() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let partition = data.join("t-0");
    let node = Node::on(&data);
    good(&ottla(&node.address, "topic create t"));
    for value in ["one", "two", "three"] {
        good(&common::feed(&node.address, "produce t", format!("{value}\n").as_bytes()));
    }
    let log = partition.join("00000000000000000000.log");
    let dumped = good(&ottla("localhost:1", &format!("log dump {} --records", partition.display())));
    assert!(dumped.contains("0..0  1 records") && dumped.contains("three"), "{dumped}");
    let busy = ottla("localhost:1", &format!("log repair {}", partition.display()));
    assert_eq!(busy.status.code(), Some(1));
    assert!(stderr(&busy).contains("stop the node"), "{}", stderr(&busy));
    node.stop();
    assert_eq!(good(&ottla("localhost:1", &format!("log verify {}", data.display()))).matches(": ok, ").count(), 1);

    let size = fs::metadata(&log).unwrap().len();
    let file = fs::File::options().write(true).open(&log).unwrap();
    file.write_all_at(b"!!", size - 3).unwrap();
    let found = ottla("localhost:1", &format!("log verify {}", partition.display()));
    assert_eq!(found.status.code(), Some(1));
    assert!(stdout(&found).contains("would lose") && stdout(&found).contains("from offset 2 on"), "{}", stdout(&found));
    assert!(stderr(&found).contains("ottla log repair"), "{}", stderr(&found));
    let asked = ottla("localhost:1", &format!("log repair {}", partition.display()));
    assert_eq!((asked.status.code(), fs::metadata(&log).unwrap().len()), (Some(1), size), "nobody agreed");
    let done = good(&ottla("localhost:1", &format!("log repair {} --yes", partition.display())));
    assert!(done.contains("ends at offset 2") && done.contains("cut bytes are in"), "{done}");
    let kept = done.lines().find_map(|line| line.trim().strip_prefix("cut bytes are in ")).unwrap();
    assert!(fs::metadata(kept).unwrap().len() > 0);

    let node = Node::on(&data);
    let read = good(&ottla(&node.address, "consume t --from-beginning --max-messages 2"));
    assert!(read.contains("one") && read.contains("two"), "{read}");
    good(&common::feed(&node.address, "produce t", b"four\n"));
    let ends = good(&ottla(&node.address, &format!("kafka-get-offsets --bootstrap-server {} --topic t", node.address)));
    assert_eq!(ends, "t:0:3\n");
    node.stop();
}

#[test]
fn kafkas_dump_log_reads_segments_and_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let node = Node::on(&data);
    good(&ottla(&node.address, "topic create t"));
    good(&common::feed(&node.address, "produce t", b"one\n"));
    good(&ottla(&node.address, "group reset-offsets g --topic t --to-latest --execute"));
    node.stop();
    let files = |suffix: &str| format!("{}/t-0/00000000000000000000.{suffix}", data.display());
    let dump = |line: &str| ottla("localhost:1", &format!("kafka-dump-log {line}"));
    let text = good(&dump(&format!("--print-data-log --files {}", files("log"))));
    assert!(text.contains("Log starting offset: 0\nbaseOffset: 0 lastOffset: 0 count: 1"), "{text}");
    assert!(text.contains("payload: one\n"), "{text}");
    assert!(good(&dump(&format!("--index-sanity-check --files {}", files("timeindex")))).contains("sanity check"));
    let groups = fs::read_dir(&data).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let groups: Vec<String> = groups
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("__consumer_offsets-"))
        .map(|path| path.join("00000000000000000000.log").display().to_string())
        .collect();
    let text = good(&dump(&format!("--offsets-decoder --files {}", groups.join(","))));
    assert!(text.contains(r#"key: {"type":"1","data":{"group":"g","topic":"t","partition":0}}"#), "{text}");
}

#[test]
fn a_formatted_node_has_the_cluster_id_of_the_format_step() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.properties");
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\ncontroller.listener.names=CONTROLLER\nlog.dirs={}\n",
        dir.path().join("logs").display()
    );
    fs::write(&file, text).unwrap();
    let config = file.display();
    let id = good(&ottla("localhost:1", "kafka-storage random-uuid")).trim().to_string();
    let storage = |line: &str| ottla("localhost:1", &format!("kafka-storage {line}"));
    let unsaid = storage(&format!("format -t {id} -c {config}"));
    assert_eq!(unsaid.status.code(), Some(1));
    assert!(stderr(&unsaid).contains("--standalone, --initial-controllers"), "{}", stderr(&unsaid));
    for lost in ["--release-version nonsense", "--release-version 4.0", "--feature transaction.version=0"] {
        let refused = storage(&format!("format --standalone -t {id} -c {config} {lost}"));
        assert_eq!(refused.status.code(), Some(1), "{lost}: {}", stdout(&refused));
    }
    let done = good(&storage(&format!("format --standalone -t {id} -c {config} --release-version 4.3")));
    assert!(done.contains("with metadata.version 4.3-IV0."), "{done}");
    assert!(done.contains("Formatting dynamic metadata voter directory"), "{done}");
    assert_eq!(storage(&format!("format --standalone -t {id} -c {config}")).status.code(), Some(1));
    let again = good(&storage(&format!("format --standalone --ignore-formatted -t {id} -c {config}")));
    assert_eq!(again, "All of the log directories are already formatted.\n");
    assert!(good(&storage(&format!("info -c {config}"))).contains(&format!("cluster.id={id}")));

    let node = Node::start(&["kafka-server-start", file.to_str().unwrap(), "--override", "num.partitions=2"]);
    let told = ottla(&node.address, &format!("kafka-cluster cluster-id --bootstrap-server {}", node.address));
    assert_eq!(good(&told), format!("Cluster ID: {id}\n"));
    node.stop();
}
