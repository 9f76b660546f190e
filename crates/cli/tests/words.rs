//! What the built binary says when something is in the way, its colours, and its filters.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Node, good, ottla, run, stderr, stdout};
use std::io::{Read, Write};
use std::net::TcpListener;

#[test]
fn an_advertised_address_that_does_not_work_is_named_with_the_one_that_does() {
    // A port that nobody has: it was free a moment ago, and below 1024 nobody gets one by chance.
    for (advertised, why) in [("127.0.0.1:1", "connection refused"), ("no-such-host.invalid:9092", "unknown host")] {
        let node = Node::start_with(&[&format!("advertised.listeners=PLAINTEXT://{advertised}")]);
        good(&node.ottla("topic list"));
        good(&node.ottla("topic create t --partitions 1"));
        let failed = node.ottla("consume t");
        let said = stderr(&failed);
        assert_eq!(failed.status.code(), Some(3), "{said}");
        for part in [advertised, node.address.as_str(), "advertised.listeners", why] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let failed = node.feed("produce t", b"x\n");
        assert_eq!(failed.status.code(), Some(3), "{}", stderr(&failed));
        assert!(stderr(&failed).contains("advertised.listeners"), "{}", stderr(&failed));
    }
}

/// Answers the first connections with these bytes.
fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(3).flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
        }
    });
    address
}

#[test]
fn the_wrong_port_is_recognised() {
    let cases: [(&[u8], &str, &str, i32); 3] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it speaks HTTP", "web server", 3),
        (&[0x15, 0x03, 0x03, 0, 2, 2, 70], "it speaks TLS", "PLAINTEXT listener", 3),
        (b"", "before any answer", "", 1),
    ];
    for (answer, cause, next_step, code) in cases {
        let failed = ottla(&server(answer), "topic list");
        let said = stderr(&failed);
        assert_eq!(failed.status.code(), Some(code), "{said}");
        assert!(said.contains(cause) && said.contains(next_step), "{said}");
    }
}

#[test]
fn colours_are_for_terminals_unless_somebody_wants_them() {
    let node = Node::start();
    good(&node.ottla("topic create t --partitions 1"));
    assert!(!good(&node.ottla("topic list")).contains('\u{1b}'));
    assert!(good(&node.ottla("topic list --color always")).starts_with("\u{1b}[1mTOPIC"));
    assert!(!good(&node.ottla("topic list --color never")).contains('\u{1b}'));
    assert!(!good(&node.ottla("topic list --output json --color always")).contains('\u{1b}'));
    let failed = node.ottla("topic describe nosuch --color always");
    assert!(stderr(&failed).starts_with("\u{1b}[1m\u{1b}[31merror:"), "{:?}", stderr(&failed));
    assert!(good(&node.ottla("cluster health --color always")).contains("\u{1b}["));
}

#[test]
fn jq_filters_choose_and_shape_records() {
    let node = Node::start();
    good(&node.ottla("topic create orders --partitions 1"));
    let orders = b"a\t{\"item\":\"tea\",\"price\":2}\nb\t{\"item\":\"cake\",\"price\":5}\n";
    good(&run(&node.address, &["produce", "orders", "-K", "\\t"], orders));
    let jq = |filter: &str, more: &[&str]| {
        let words: Vec<&str> = ["consume", "orders", "--jq", filter].into_iter().chain(more.iter().copied()).collect();
        run(&node.address, &words, b"")
    };
    assert_eq!(good(&jq(".value.item", &[])), "tea\ncake\n");
    assert_eq!(good(&jq("select(.value.price > 3) | {key, offset}", &[])), "{\"key\":\"b\",\"offset\":1}\n");
    assert_eq!(good(&jq(".value.item", &["--output", "json", "-n", "1"])), "\"tea\"\n");
    let wrong = jq(".value |", &[]);
    assert_eq!((wrong.status.code(), stdout(&wrong).as_str()), (Some(2), ""));
    assert!(stderr(&wrong).contains("at line 1, column 9"), "{}", stderr(&wrong));
    let unfit = jq(".value.item.x", &[]);
    assert_eq!(unfit.status.code(), Some(1));
    assert!(stderr(&unfit).contains("orders-0@0"), "{}", stderr(&unfit));
}
