//! The built binary, and a node in memory for it.
#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

/// Runs a command line; words are split at spaces.
pub fn ottla(bootstrap: &str, line: &str) -> Output {
    feed(bootstrap, line, b"")
}

/// The same with this standard input.
pub fn feed(bootstrap: &str, line: &str, input: &[u8]) -> Output {
    run(bootstrap, &line.split_whitespace().collect::<Vec<_>>(), input)
}

/// Runs words with this standard input.
pub fn run(bootstrap: &str, words: &[&str], input: &[u8]) -> Output {
    let mut child = begin(bootstrap, words);
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // Who reads nothing breaks the pipe.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the binary ends");
    feeding.join().expect("the input is written");
    output
}

/// Starts words with pipes.
pub fn begin(bootstrap: &str, words: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(words).env("OTTLA_BOOTSTRAP", bootstrap).env_remove("OTTLA_PROFILE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output of a command that must end well.
pub fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}{}", output.status, stdout(output), stderr(output));
    stdout(output)
}

/// A node in memory on a free port, ended when dropped.
pub struct Node {
    process: Child,
    pub address: String,
}

impl Node {
    pub fn start() -> Node {
        Node::start_with(&[])
    }

    /// The same with more configs.
    pub fn start_with(options: &[&str]) -> Node {
        let options: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
        Node::start_at("127.0.0.1:0", &[&["--data-dir", ":memory:"], options.as_slice()].concat())
    }

    /// A node at an address, with more words; without a data directory, in memory.
    pub fn start_at(address: &str, words: &[&str]) -> Node {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
        command.args(["serve", "--listen", address, "--log-level", "warn"]);
        command.args(["-o", "group.initial.rebalance.delay.ms=0"]);
        if !words.contains(&"--data-dir") {
            command.args(["--data-dir", ":memory:"]);
        }
        command.args(words);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the node starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("the ready line");
        let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:"));
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).trim_end_matches(',').to_string();
        Node { process, address }
    }

    /// Runs a command line against it.
    pub fn ottla(&self, line: &str) -> Output {
        ottla(&self.address, line)
    }

    /// Starts a command line against it.
    pub fn begin(&self, line: &str) -> Child {
        begin(&self.address, &line.split_whitespace().collect::<Vec<_>>())
    }

    /// The same with this standard input.
    pub fn feed(&self, line: &str, input: &[u8]) -> Output {
        feed(&self.address, line, input)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
