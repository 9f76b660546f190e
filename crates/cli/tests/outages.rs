//! Commands while a broker is away, not there yet, or refuses: what they say, that they go on, and that they can be ended.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, good, stderr};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often something that cannot be waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A command under way.
struct Running {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    fn start(bootstrap: &str, line: &str) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
        command.args(line.split_whitespace()).env("OTTLA_BOOTSTRAP", bootstrap).env_remove("OTTLA_PROFILE");
        command.env_remove("RUST_LOG").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        Running { process, stdin, stdout: lines(stdout.unwrap()), stderr: lines(stderr.unwrap()) }
    }

    fn says(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.stderr.recv_timeout(left).unwrap_or_else(|_| panic!("nobody says {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    fn prints(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).unwrap()
    }

    fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).unwrap();
    }

    fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            std::thread::park_timeout(LOOK);
        }
        panic!("it does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// An address where nobody listens.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_dead_address_is_said_once_and_not_on_standard_output() {
    let address = free_address();
    let line = format!("kafka-console-consumer --bootstrap-server {address} --topic t --timeout-ms 4000");
    let mut consumer = Running::start(&address, &line);
    assert!(consumer.ends().success(), "as Kafka's ends");
    let said: Vec<String> = consumer.stderr.iter().collect();
    let expected = format!("WARN Connection to node -1 ({address}) could not be established: connection refused");
    assert_eq!(said.iter().filter(|line| **line == expected).count(), 1, "{said:?}");
    assert_eq!(consumer.stdout.iter().count(), 0);
    let line = format!("kafka-console-producer --bootstrap-server {address} --topic t --max-block-ms 2000");
    let mut producer = Running::start(&address, &line);
    producer.write("a\n");
    assert_eq!(producer.says("Connection to node"), expected);
}

#[test]
fn kafkas_tools_wait_for_a_node_that_comes() {
    let address = free_address();
    let mut tool =
        Running::start(&address, &format!("kafka-topics --bootstrap-server {address} --create --topic early"));
    tool.says("could not be established");
    let node = Node::start_at(&address, &[]);
    assert!(tool.ends().success());
    assert_eq!(tool.prints(), "Created topic early.");
    assert!(good(&node.ottla("topic list")).contains("early"));
}

#[test]
fn a_pattern_is_followed_through_an_outage_and_ctrl_c_ends_it_without_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let data = ["--data-dir", dir.path().to_str().unwrap()];
    let node = Node::start_at("127.0.0.1:0", &data);
    let address = node.address.clone();
    good(&node.ottla("topic create t1"));
    good(&node.feed("produce t1", b"one\n"));
    let tool = format!("kafka-console-consumer --bootstrap-server {address} --include t.* --from-beginning --group g");
    let mut consumer = Running::start(&address, &tool);
    assert_eq!(consumer.prints(), "one");
    drop(node);
    consumer.says("could not be established");
    // New topics are looked for in vain meanwhile.
    let looked = Instant::now() + Duration::from_secs(7);
    while Instant::now() < looked {
        assert!(consumer.process.try_wait().unwrap().is_none(), "it goes on");
        std::thread::park_timeout(LOOK);
    }
    let node = Node::start_at(&address, &data);
    good(&node.feed("produce t1", b"two\n"));
    assert_eq!(consumer.prints(), "two");
    drop(node);
    consumer.says("could not be established");
    let begun = Instant::now();
    consumer.interrupt();
    consumer.ends();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let node = Node::start();
    let address = node.address.clone();
    good(&node.ottla("topic create t"));
    good(&node.feed("produce t", b"one\n"));
    let mut consumer = Running::start(&address, "consume t --group g --follow --from-beginning");
    assert_eq!(consumer.prints(), "one");
    drop(node);
    consumer.says("could not be established");
    consumer.interrupt();
    // The first one may not be noticed yet: two that come together are one.
    let begun = Instant::now();
    while consumer.process.try_wait().unwrap().is_none() {
        consumer.interrupt();
        std::thread::park_timeout(LOOK);
        assert!(begun.elapsed() < PATIENCE);
    }
    assert_eq!(consumer.ends().code(), Some(130));
}

#[test]
fn a_topic_that_is_subscribed_to_before_it_is_there_is_read() {
    let node = Node::start();
    let tool = "kafka-console-consumer --topic later --from-beginning --bootstrap-server";
    let consumer = Running::start(&node.address, &format!("{tool} {}", node.address));
    let deadline = Instant::now() + PATIENCE;
    while !good(&node.ottla("topic list")).contains("later") {
        assert!(Instant::now() < deadline, "subscribing makes the topic");
    }
    good(&node.feed("produce later", b"one\n"));
    assert_eq!(consumer.prints(), "one");
}

#[test]
fn a_refused_record_is_told_while_the_input_goes_on() {
    let node = Node::start();
    good(&node.ottla("topic create small --config max.message.bytes=200"));
    let large = "x".repeat(1000) + "\n";
    let line = format!("kafka-console-producer --bootstrap-server {} --topic small", node.address);
    let mut tool = Running::start(&node.address, &line);
    tool.write(&large);
    assert!(tool.says("Error when sending message").contains("MESSAGE_TOO_LARGE"));
    tool.write("fits\n");
    drop(tool.stdin.take());
    assert!(tool.ends().success());
    let mut produce = Running::start(&node.address, "produce small --output json");
    produce.write("fits too\n");
    assert!(produce.prints().contains(r#""offset":1"#), "told at once");
    produce.write(&large);
    assert_eq!(produce.ends().code(), Some(1));
    assert!(produce.says("error:").contains("MESSAGE_TOO_LARGE"));
}

#[test]
fn warnings_follow_rust_log() {
    let address = free_address();
    let line = format!("kafka-console-consumer --bootstrap-server {address} --topic t --timeout-ms 1500");
    let words: Vec<&str> = line.split_whitespace().collect();
    let run = |level: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
        command.args(&words).env("RUST_LOG", level).stdin(Stdio::null());
        stderr(&command.output().unwrap())
    };
    assert!(!run("off").contains("Connection to node"));
    let wrong = run("nonsense=loud");
    assert!(wrong.contains("RUST_LOG") && wrong.contains("Connection to node"), "{wrong}");
}
