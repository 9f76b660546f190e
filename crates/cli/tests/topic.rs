//! The topic commands of the built binary: against a node in memory, and against what is no broker.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, ottla, stderr, stdout};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

#[test]
fn a_topic_is_made_shown_changed_and_deleted() {
    let node = Node::start();
    let ottla = |line: &str| ottla(&node.address, line);
    assert!(stdout(&ottla("topic list")).starts_with("No topics yet"));
    let made = ottla("topic create orders --partitions 3 --config retention.ms=1000");
    assert_eq!(stdout(&made), "Created topic orders: 3 partitions, replication factor 1.\n", "{}", stderr(&made));
    let again = ottla("topic create orders");
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("TOPIC_ALREADY_EXISTS"), "{}", stderr(&again));
    assert!(ottla("topic create orders --if-not-exists").status.success());
    let altered = ottla("topic alter orders --partitions 4 --config segment.ms=60000 --delete-config retention.ms");
    assert!(altered.status.success(), "{}", stderr(&altered));
    let described = stdout(&ottla("topic describe orders"));
    assert!(described.contains("4 partitions\n  segment.ms=60000\nPARTITION"), "{described}");
    assert!(stdout(&ottla("topic list")).contains("orders           4         1  ok"));
    let misspelt = ottla("topic delete order");
    assert_eq!(misspelt.status.code(), Some(4));
    assert_eq!(stderr(&misspelt), "error: topic 'order' does not exist\nnext step: did you mean 'orders'?\n");
    assert_eq!(stdout(&ottla("topic delete orders")), "Deleted topic orders.\n");
    assert_eq!(stdout(&ottla("topic delete orders --if-exists")), "Topic orders does not exist.\n");
}

#[test]
fn nobody_listening_is_said_with_a_next_step() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = ottla(&free.to_string(), "topic list");
    assert_eq!(output.status.code(), Some(3));
    let text = stderr(&output);
    assert!(text.contains("connection refused") && text.contains("ottla serve"), "{text}");
}

#[test]
fn a_web_server_is_told_from_a_broker() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || answer_with_http(listener.accept().unwrap().0));
    let output = ottla(&address, "topic list");
    serving.join().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("is not a Kafka port: it speaks HTTP"), "{}", stderr(&output));
}

fn answer_with_http(mut stream: TcpStream) {
    let mut request = [0; 512];
    let _ = stream.read(&mut request).unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    assert_eq!(ottla("localhost:1", "topic create").status.code(), Some(2));
    assert_eq!(ottla("localhost:1", "topic alter a").status.code(), Some(2));
}
