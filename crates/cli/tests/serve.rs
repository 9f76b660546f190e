//! The built binary as a process: Kafka's own config file, a data directory that stays, signals.
#![allow(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A node of the built binary, ended when dropped.
struct Node {
    process: Child,
    ready_line: String,
}

impl Node {
    fn start(arguments: &[&str]) -> Node {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
        command.arg("serve").args(arguments).args(["--log-level", "warn"]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the node starts");
        let mut ready_line = String::new();
        BufReader::new(process.stdout.as_mut().expect("a pipe")).read_line(&mut ready_line).expect("the ready line");
        Node { process, ready_line }
    }

    fn address(&self) -> &str {
        let words = self.ready_line.split_whitespace();
        words.skip_while(|word| *word != "on").nth(1).unwrap_or_else(|| panic!("no address in {:?}", self.ready_line))
    }

    /// Ends the node as an operator does; true when it says that the end was clean.
    fn terminate(mut self) -> bool {
        let kill = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().expect("kill runs");
        assert!(kill.success());
        self.process.wait().expect("the node ends").success()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ottla(bootstrap: &str, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(line.split_whitespace()).env("OTTLA_BOOTSTRAP", bootstrap).stdin(Stdio::null());
    command.output().expect("the binary runs")
}

/// What Apache Kafka 4.3 sets in the `config/server.properties` that it ships, on other ports and in another directory.
fn server_properties(broker: u16, controller: u16, log_dirs: &Path) -> String {
    let mut text = String::new();
    let mut set = |name: &str, value: String| writeln!(text, "{name}={value}").expect("a string grows");
    set("process.roles", "broker,controller".to_string());
    set("node.id", "1".to_string());
    set("controller.quorum.bootstrap.servers", format!("localhost:{controller}"));
    set("listeners", format!("PLAINTEXT://:{broker},CONTROLLER://:{controller}"));
    set("inter.broker.listener.name", "PLAINTEXT".to_string());
    set("advertised.listeners", format!("PLAINTEXT://localhost:{broker},CONTROLLER://localhost:{controller}"));
    set("controller.listener.names", "CONTROLLER".to_string());
    let protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL";
    set("listener.security.protocol.map", protocols.to_string());
    set("num.network.threads", "3".to_string());
    set("num.io.threads", "8".to_string());
    set("socket.send.buffer.bytes", "102400".to_string());
    set("socket.receive.buffer.bytes", "102400".to_string());
    set("socket.request.max.bytes", "104857600".to_string());
    set("log.dirs", log_dirs.display().to_string());
    set("num.partitions", "1".to_string());
    set("num.recovery.threads.per.data.dir", "2".to_string());
    set("offsets.topic.replication.factor", "1".to_string());
    set("share.coordinator.state.topic.replication.factor", "1".to_string());
    set("share.coordinator.state.topic.min.isr", "1".to_string());
    set("transaction.state.log.replication.factor", "1".to_string());
    set("transaction.state.log.min.isr", "1".to_string());
    set("log.retention.hours", "168".to_string());
    set("log.segment.bytes", "1073741824".to_string());
    set("log.retention.check.interval.ms", "300000".to_string());
    text
}

#[test]
fn kafkas_server_properties_starts_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let free = [TcpListener::bind("[::]:0").unwrap(), TcpListener::bind("[::]:0").unwrap()];
    let [broker, controller] = free.map(|listener| listener.local_addr().unwrap().port());
    let file = dir.path().join("server.properties");
    std::fs::write(&file, server_properties(broker, controller, &dir.path().join("logs"))).unwrap();

    let node = Node::start(&["--config", file.to_str().unwrap()]);

    assert!(!node.ready_line.contains(&controller.to_string()), "not for clients: {}", node.ready_line);
    TcpStream::connect(("localhost", controller)).expect("the controller's listener is bound");
    let created = ottla(&format!("localhost:{broker}"), "topic create from-kafkas-file");
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    assert!(node.terminate(), "SIGTERM is a clean end");
}

#[test]
fn a_second_start_finds_the_topics_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let arguments = ["--data-dir", data_dir.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let first = Node::start(&arguments);
    assert!(ottla(first.address(), "topic create kept --partitions 2").status.success());
    assert!(first.terminate());

    let second = Node::start(&arguments);

    let listed = ottla(second.address(), "topic list");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("kept"), "{listed:?}");
}

#[test]
fn a_data_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let arguments = ["--data-dir", data_dir.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let _first = Node::start(&arguments);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    let mut second =
        command.arg("serve").args(arguments).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    second.stderr.take().expect("a pipe").read_to_string(&mut told).unwrap();
    assert!(!second.wait().unwrap().success());
    assert!(told.contains(data_dir.to_str().unwrap()), "{told}");
}

#[test]
fn a_misspelt_config_is_refused_with_the_nearest_name() {
    let output = ottla("localhost:1", "serve --data-dir :memory: -o log.retention.hour=3");
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("log.retention.hours"), "{told}");
}

#[test]
fn print_address_prints_one_line_and_the_end_of_stdin_stops_the_node() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args([
        "serve",
        "--data-dir",
        ":memory:",
        "--listen",
        "127.0.0.1:0",
        "--print-address",
        "--stop-with-stdin",
    ]);
    let mut node = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(node.stdout.take().expect("a pipe"));
    let mut address = String::new();
    output.read_line(&mut address).unwrap();
    assert!(ottla(address.trim_end(), "topic list").status.success(), "{address:?}");

    drop(node.stdin.take());

    let mut more = String::new();
    output.read_to_string(&mut more).unwrap();
    assert_eq!(more, "", "one line and nothing else");
    assert!(node.wait().unwrap().success(), "a clean end");
}

/// The first line of the log of a node that starts with these words and this variable, and ends at once.
fn first_line_of_the_log(words: &[&str], variable: Option<&str>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(["serve", "--data-dir", ":memory:", "--listen", "127.0.0.1:0", "--stop-with-stdin"]).args(words);
    command.env_remove("RUST_LOG").env_remove("OTTLA_LOG_FORMAT").stdin(Stdio::null());
    command.envs(variable.map(|value| ("OTTLA_LOG_FORMAT", value)));
    let output = command.output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    told.lines().next().unwrap_or_default().to_string()
}

#[test]
fn the_log_is_json_by_option_variable_or_config_and_its_level_is_a_config_too() {
    let is_json = |line: &str| {
        let read: Option<serde_json::Value> = serde_json::from_str(line).ok();
        read.is_some_and(|event| event["level"] == "INFO" && event["message"].is_string())
    };
    let config = ["-o", "logging.format=json"];
    assert!(is_json(&first_line_of_the_log(&config, None)));
    assert!(is_json(&first_line_of_the_log(&[], Some("json"))));
    assert!(is_json(&first_line_of_the_log(&["--log-format", "json"], Some("text"))));
    let text = first_line_of_the_log(&config, Some("text"));
    assert!(!is_json(&text) && text.contains("INFO"), "the variable wins over the config: {text}");
    assert_eq!(first_line_of_the_log(&["-o", "logging.level=error"], None), "");
    let refused = ottla("localhost:1", "serve --data-dir :memory: -o logging.format=xml");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("logging.format"), "{refused:?}");
}
