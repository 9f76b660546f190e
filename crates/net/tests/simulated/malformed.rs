//! Whatever arrives ends at most its own connection, with one line in the log.

use crate::common::{answer, ask, config, request, requests, serve};
use bytes::Bytes;
use ottla_runtime::sim::World;
use ottla_testkit::{Inquiry, LogCapture, RawConnection};

/// A whole frame with this key, version and rest.
fn frame(key: i16, version: i16, rest: &[u8]) -> Vec<u8> {
    let body = [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1], rest].concat();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

/// What is sent, and what the one line about it says.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        ("negative size", vec![0xff, 0xff, 0xff, 0x00], "a frame of negative size -256"),
        ("oversized", (100 * 1024 * 1024 + 1u32).to_be_bytes().to_vec(), "socket.request.max.bytes is 104857600"),
        ("empty frame", vec![0, 0, 0, 0], "a frame of 0 bytes is too short"),
        ("short frame", vec![0, 0, 0, 3, 1, 2, 3], "a frame of 3 bytes is too short"),
        ("cut header", frame(3, 9, b"\0\x20abc"), "the header of a Metadata request cannot be read"),
        ("bad header tags", frame(3, 9, b"\xff\xff\xff\xff\xff\xff\xff\xff"), "the header of a Metadata request"),
        ("unknown key", frame(9999, 0, b"\xff\xff"), "unknown API key 9999"),
        ("removed key", frame(4, 0, b"\xff\xff"), "API key 4 was removed in Apache Kafka 4.0"),
        ("old version", frame(0, 2, b"\xff\xff"), "Produce version 2 is not supported (supported: 3 to 13)"),
        ("future version", frame(3, 99, b"\xff\xff\0"), "Metadata version 99 is not supported"),
        ("internal API", frame(62, 0, b"\xff\xff\0"), "BrokerRegistration is not served on this listener"),
        ("TLS hello", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], "a TLS handshake arrived"),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "an HTTP request (GET...)"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "an HTTP request (HTTP/2...)"),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), "an SSH client arrived"),
        ("ZooKeeper", b"ruok".to_vec(), "ZooKeeper"),
        ("text", b"hello there".to_vec(), "text arrived"),
        ("garbage", vec![0x9c; 5000], "a frame of negative size"),
    ]
}

#[test]
fn malformed_input_closes_its_connection_with_one_line() {
    for (name, bytes, expected) in cases() {
        let world = World::new(11);
        world.run(async {
            let (server, _script, address) = serve(&world.node("broker"), "broker", config()).await;
            let client_runtime = world.node("client");
            let mut good = RawConnection::connect(&client_runtime, &address).await.unwrap();
            assert_eq!(ask(&mut good, "echo before").await, "before");
            let log = LogCapture::start();
            let mut bad = RawConnection::connect(&client_runtime, &address).await.unwrap();
            bad.send(bytes).await.unwrap();
            assert_eq!(bad.read_to_end().await, Bytes::new(), "{name}: nothing is answered");
            let malformed = &server.metrics().connections_malformed;
            drop(bad);
            Inquiry::new(&client_runtime).until("the end is reported", || malformed.get() == 1).await;
            let lines = log.take();
            assert_eq!(lines.len(), 1, "{name}: {lines:#?}");
            assert!(lines[0].contains(expected), "{name}: {lines:?}");
            assert!(lines[0].contains("listener=\"PLAINTEXT\""), "{name}: {lines:?}");
            assert_eq!(ask(&mut good, "echo after").await, "after", "{name}: the others go on");
        });
    }
}

#[test]
fn a_connection_that_ends_inside_a_frame_is_one_line() {
    let cases: &[&[u8]] = &[&[0, 0], &[0, 0, 0, 50, 1, 2, 3], &[0, 1, 0, 0, 1, 2, 3]];
    for bytes in cases {
        let world = World::new(12);
        world.run(async {
            let (server, _script, address) = serve(&world.node("broker"), "broker", config()).await;
            let client_runtime = world.node("client");
            let log = LogCapture::start();
            let mut bad = RawConnection::connect(&client_runtime, &address).await.unwrap();
            bad.send(Bytes::from_static(bytes)).await.unwrap();
            bad.finish_sending();
            assert_eq!(bad.read_to_end().await, Bytes::new());
            let malformed = &server.metrics().connections_malformed;
            Inquiry::new(&client_runtime).until("the end is reported", || malformed.get() == 1).await;
            let lines = log.take();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].contains("the connection ended inside a frame"), "{lines:?}");
            assert_eq!(server.metrics().request_bytes.get(), 0);
        });
    }
}

#[test]
fn an_ordinary_end_is_no_line() {
    let world = World::new(13);
    world.run(async {
        let (_server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let log = LogCapture::start();
        let mut client = RawConnection::connect(&client_runtime, &address).await.unwrap();
        assert_eq!(ask(&mut client, "echo hi").await, "hi");
        drop(client);
        Inquiry::new(&client_runtime).until("it is closed", || script.closed.lock().unwrap().len() == 1).await;
        assert_eq!(log.take(), Vec::<String>::new());
    });
}

#[test]
fn requests_before_the_garbage_are_answered() {
    let world = World::new(14);
    world.run(async {
        let (_server, _script, address) = serve(&world.node("broker"), "broker", config()).await;
        let mut client = RawConnection::connect(&world.node("client"), &address).await.unwrap();
        client.send([requests(&["later 30 a", "echo b"]), b"GET / HTTP/1.1".to_vec()].concat()).await.unwrap();
        assert_eq!(answer(&mut client).await.1, "a");
        assert_eq!(answer(&mut client).await.1, "b");
        assert!(client.read_to_end().await.is_empty());
    });
}

#[test]
fn api_versions_of_the_future_reaches_the_handler() {
    let world = World::new(15);
    world.run(async {
        let (_server, script, address) = serve(&world.node("broker"), "broker", config()).await;
        let mut client = RawConnection::connect(&world.node("client"), &address).await.unwrap();
        client.send(frame(18, 77, b"\xff\xff\0whatever")).await.unwrap();
        assert_eq!(answer(&mut client).await, (1, "ok".to_string()));
        assert_eq!(script.calls(), ["whatever"]);
    });
}

#[test]
fn a_flood_of_garbage_does_not_flood_the_log() {
    let world = World::new(16);
    world.run(async {
        let (server, _script, address) = serve(&world.node("broker"), "broker", config()).await;
        let client_runtime = world.node("client");
        let log = LogCapture::start();
        for _ in 0..200 {
            let mut bad = RawConnection::connect(&client_runtime, &address).await.unwrap();
            bad.send(&b"\xff\xff\xff\xff"[..]).await.unwrap();
            bad.read_to_end().await;
        }
        let malformed = &server.metrics().connections_malformed;
        Inquiry::new(&client_runtime).until("all were reported", || malformed.get() == 200).await;
        let lines = log.take();
        assert!((20..60).contains(&lines.len()), "{} lines", lines.len());
    });
}

#[test]
fn a_frame_that_dribbles_in_is_a_frame() {
    let world = World::new(17);
    world.run(async {
        let (_server, _script, address) = serve(&world.node("broker"), "broker", config()).await;
        let mut client = RawConnection::connect(&world.node("client"), &address).await.unwrap();
        for byte in request(5, "echo dribbled") {
            client.send(vec![byte]).await.unwrap();
        }
        assert_eq!(answer(&mut client).await, (5, "dribbled".to_string()));
    });
}
