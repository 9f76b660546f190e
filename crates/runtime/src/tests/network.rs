use super::*;
use crate::{Connection, File, FileRange, ListenOptions, Part};
use bytes::{Bytes, BytesMut};
use std::io::ErrorKind;

/// Both ends of a fresh connection.
async fn connected(runtime: &Runtime) -> (Connection, Connection) {
    let listener = runtime.listen("127.0.0.1:0", ListenOptions::default()).await.unwrap();
    let address = listener.local_addr();
    assert_ne!(address.port(), 0);
    let client = runtime.connect(&address.to_string()).await.unwrap();
    let (server, from) = listener.accept().await.unwrap();
    assert_eq!((from, server.peer_addr()), (client.local_addr(), client.local_addr()));
    assert_eq!((client.peer_addr(), server.local_addr()), (address, address));
    (client, server)
}

/// Sends `parts` through one connection and returns all that arrives at its other end.
async fn delivered(runtime: &Runtime, parts: Vec<Part>) -> Vec<u8> {
    let (client, server) = connected(runtime).await;
    let (mut receiver, _keep_open) = client.split();
    let sending = runtime.spawn("send", async move {
        let (_keep_open, mut sender) = server.split();
        sender.send(parts).await.unwrap();
    });
    let mut received = BytesMut::new();
    loop {
        receiver.readable().await.unwrap();
        received.reserve(4096);
        if receiver.read(&mut received).await.unwrap() == 0 {
            break;
        }
    }
    sending.await.unwrap();
    received.to_vec()
}

async fn file_with(runtime: &Runtime, dir: &Path, content: &[u8]) -> File {
    let file = runtime.disk().open(&dir.join("segment"), OpenMode::Create).await.unwrap();
    file.write_at(0, &[content]).unwrap();
    file.sync("test.segment").await.unwrap();
    file
}

#[test]
fn parts_arrive_in_order_and_whole() {
    in_every_world(async |runtime, dir| {
        let content = pattern(300_000, 2);
        let file = file_with(&runtime, &dir, &content).await;
        let range = |offset: u64, len: u64| Part::File(FileRange { file: file.clone(), offset, len });
        let bytes = |text: &'static str| Part::Bytes(Bytes::from_static(text.as_bytes()));
        let mut parts =
            vec![bytes("header"), range(1000, 250_000), range(5, 0), bytes(""), bytes("between"), range(0, 10)];
        parts.extend((0..500).map(|_| bytes("tail")));
        let expected = [&b"header"[..], &content[1000..251_000], b"between", &content[..10], &b"tail".repeat(500)];
        assert_eq!(delivered(&runtime, parts).await, expected.concat());
    });
}

#[test]
fn a_range_of_a_removed_file_is_still_sent() {
    in_every_world(async |runtime, dir| {
        let content = pattern(10_000, 3);
        let file = file_with(&runtime, &dir, &content).await;
        runtime.disk().remove_file(&dir.join("segment")).await.unwrap();
        let parts = vec![Part::File(FileRange { file, offset: 0, len: 10_000 })];
        assert_eq!(delivered(&runtime, parts).await, content);
    });
}

#[test]
fn a_file_shorter_than_its_range_closes_the_connection() {
    in_every_world(async |runtime, dir| {
        let file = file_with(&runtime, &dir, b"short").await;
        let (client, server) = connected(&runtime).await;
        let (_receiver, mut sender) = server.split();
        let short = vec![Part::File(FileRange { file, offset: 0, len: 6 })];
        assert_eq!(sender.send(short).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        let again = sender.send(vec![Part::Bytes(Bytes::from_static(b"x"))]).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let (mut receiver, _keep_open) = client.split();
        let mut received = BytesMut::with_capacity(100);
        while let Ok(1..) = receiver.read(&mut received).await {}
        assert!(received.len() <= 5, "then the end or a reset");
    });
}

#[test]
fn a_send_waits_for_the_reader() {
    in_every_world(async |runtime, dir| {
        const LEN: usize = 32 << 20;
        let file = runtime.disk().open(&dir.join("sparse"), OpenMode::Create).await.unwrap();
        file.set_len(LEN as u64).unwrap();
        let (client, server) = connected(&runtime).await;
        let (mut receiver, _keep_open) = client.split();
        let sending = runtime.spawn("send", async move {
            let (_keep_open, mut sender) = server.split();
            sender.send(vec![Part::File(FileRange { file, offset: 0, len: LEN as u64 })]).await
        });
        let mut seen = 0;
        while seen < LEN {
            // What fits between the two ends is bounded, so the sender cannot be done this early.
            assert!(seen > LEN / 4 || !sending.is_finished());
            seen += receiver.read(&mut BytesMut::with_capacity(256 * 1024)).await.unwrap();
        }
        sending.await.unwrap().unwrap();
    });
}

#[test]
fn a_dropped_send_breaks_the_connection() {
    in_every_world(async |runtime, _dir| {
        let (_client, server) = connected(&runtime).await;
        let (_receiver, mut sender) = server.split();
        let endless = vec![Part::Bytes(Bytes::from(vec![0; 64 << 20]))];
        let cut_off = runtime.timeout(std::time::Duration::from_millis(20), sender.send(endless)).await;
        assert!(cut_off.is_err(), "nobody reads");
        let again = sender.send(vec![Part::Bytes(Bytes::from_static(b"x"))]).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_taken_port_and_a_silent_one_are_refused() {
    in_every_world(async |runtime, _dir| {
        let listener = runtime.listen("127.0.0.1:0", ListenOptions::default()).await.unwrap();
        let address = listener.local_addr().to_string();
        let taken = runtime.listen(&address, ListenOptions::default()).await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        assert!(taken.to_string().contains(&address), "{taken}");
        drop(listener);
        assert_eq!(runtime.connect(&address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        runtime.listen(&address, ListenOptions::default()).await.unwrap();
        assert!(runtime.listen("not an address", ListenOptions::default()).await.is_err());
    });
}

#[test]
fn nodes_reach_each_other_by_name_and_lose_each_other_by_a_cut() {
    let world = World::new(3);
    world.run(async {
        let (one, other) = (world.node("one"), world.node("other"));
        let listener = one.listen("0.0.0.0:9092", ListenOptions::default()).await.unwrap();
        assert_eq!(listener.local_addr().to_string(), "10.0.0.1:9092");
        let (_receiver, mut sender) = other.connect("one:9092").await.unwrap().split();
        let _accepted = listener.accept().await.unwrap();
        world.cut("other", "one");
        let reset = sender.send(vec![Part::Bytes(Bytes::from_static(b"x"))]).await.unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
        assert_eq!(other.connect("10.0.0.1:9092").await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(one.connect("localhost:9092").await.is_ok(), "a node reaches itself");
        world.heal("one", "other");
        assert!(other.connect("one:9092").await.is_ok());
    });
}

#[test]
fn a_crash_resets_connections_and_frees_the_address() {
    for seed in 0..20 {
        let world = World::new(seed);
        world.run(async {
            let (server, client) = (world.node("server"), world.node("client"));
            let listener = server.listen("127.0.0.1:9092", ListenOptions::default()).await.unwrap();
            let (mut receiver, mut sender) = client.connect("127.0.0.1:9092").await.unwrap().split();
            let (accepted, _) = listener.accept().await.unwrap();
            let (_theirs, mut reply) = accepted.split();
            reply.send(vec![Part::Bytes(Bytes::from_static(b"sent"))]).await.unwrap();
            world.crash("server");
            let mut received = BytesMut::with_capacity(100);
            let error = loop {
                match receiver.read(&mut received).await {
                    Ok(count) => assert!(count > 0, "a reset is no orderly end"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            assert!(b"sent".starts_with(&received));
            assert!(sender.send(vec![Part::Bytes(Bytes::from_static(b"x"))]).await.is_err());
            assert!(reply.send(vec![Part::Bytes(Bytes::from_static(b"x"))]).await.is_err(), "the dead send nothing");
            assert!(listener.accept().await.is_err());
            let again = world.node("server");
            again.listen("127.0.0.1:9092", ListenOptions::default()).await.unwrap();
        });
    }
}
