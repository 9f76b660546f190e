//! The network layer on real sockets.

#[path = "simulated/common.rs"]
#[allow(dead_code)]
mod common;

use bytes::Bytes;
use common::{answer, ask, config, request, requests, serve, serve_file};
use ottla_runtime::watch;
use ottla_runtime::{OpenMode, RealOptions, Runtime};
use ottla_testkit::{RawConnection, temp_dir};
use std::future::Future;
use std::time::Duration;

const MB: usize = 1024 * 1024;

fn run<F: Future>(test: impl FnOnce(Runtime) -> F) -> F::Output {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    tokio.block_on(async { test(Runtime::real(RealOptions::default()).unwrap()).await })
}

#[test]
fn requests_of_every_size_are_answered_in_order() {
    run(|runtime| async move {
        let (server, _script, address) = serve(&runtime, "127.0.0.1", config()).await;
        let mut client = RawConnection::connect(&runtime, &address).await.unwrap();
        let texts: Vec<String> = [1, 4000, 4096, 70_000, 3 * MB, 10].map(|size| "t".repeat(size)).into();
        for (number, text) in texts.iter().cycle().take(18).enumerate() {
            client.send(request(number as i32, &format!("echo {text}"))).await.unwrap();
            let (correlation_id, answered) = answer(&mut client).await;
            assert!(correlation_id == number as i32 && answered == *text, "request {number}");
        }
        client.send(requests(&["echo x"; 60])).await.unwrap();
        for number in 0..60 {
            assert_eq!(answer(&mut client).await, (number, "x".to_string()));
        }
        assert!(server.shutdown(Duration::from_secs(30)).await);
        assert_eq!(server.metrics().request_bytes.get(), 0);
    });
}

#[test]
fn a_file_leaves_in_turns_between_other_replies() {
    run(|runtime| async move {
        let directory = temp_dir();
        let path = directory.path().join("batches");
        let content: Vec<u8> = (0..5 * MB).map(|index| (index % 251) as u8).collect();
        let file = runtime.disk().open(&path, OpenMode::CreateNew).await.unwrap();
        file.write_at(0, &[&content]).unwrap();
        let (_server, _script, address) = serve_file(&runtime, "127.0.0.1", config(), Some(file)).await;
        let mut client = RawConnection::connect(&runtime, &address).await.unwrap();
        client.send(requests(&["echo before", "file 5000000", "echo after"])).await.unwrap();
        assert_eq!(answer(&mut client).await.1, "before");
        let frame = client.read_frame().await.unwrap();
        assert!(frame[4..] == content[3..5_000_003], "the file's bytes arrive as they are");
        assert_eq!(answer(&mut client).await.1, "after");
    });
}

#[test]
fn the_last_reply_survives_a_shutdown_under_load() {
    run(|runtime| async move {
        let (server, script, address) = serve(&runtime, "127.0.0.1", config()).await;
        let mut client = RawConnection::connect(&runtime, &address).await.unwrap();
        client.send(request(1, "gate last")).await.unwrap();
        ottla_testkit::Inquiry::new(&runtime).until("it began", || script.calls().len() == 1).await;
        let shutdown = runtime.spawn("shutdown", async move { server.shutdown(Duration::from_secs(30)).await });
        for number in 2..50 {
            client.send(request(number, "echo too late")).await.unwrap();
        }
        script.gate.send_replace(true);
        assert_eq!(answer(&mut client).await.1, "last");
        drop(client);
        assert_eq!(shutdown.await, Ok(true));
    });
}

/// Resident memory of this process in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = status.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("statm");
    pages * 4096
}

async fn send_a_chunk_per_round(mut slow: RawConnection, mut rounds: watch::Receiver<u32>) {
    let chunk = Bytes::from_static(&[0; 8192]);
    while rounds.changed().await.is_ok() && slow.send(chunk.clone()).await.is_ok() {}
}

#[test]
fn a_thousand_announcements_of_a_hundred_megabytes_take_little_memory() {
    run(|runtime| async move {
        let (server, _script, address) = serve(&runtime, "127.0.0.1", config()).await;
        let before = resident_bytes();
        let rounds = watch::Sender::new(0);
        for _ in 0..1000 {
            let mut slow = RawConnection::connect(&runtime, &address).await.unwrap();
            slow.send((100 * MB as u32).to_be_bytes().to_vec()).await.unwrap();
            let _detached = runtime.spawn("slow", send_a_chunk_per_round(slow, rounds.subscribe()));
        }
        let mut ordinary = RawConnection::connect(&runtime, &address).await.unwrap();
        let text = "z".repeat(200_000);
        for round in 1..=40 {
            rounds.send_replace(round);
            for _ in 0..5 {
                assert_eq!(ask(&mut ordinary, &format!("echo {text}")).await, text);
            }
        }
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < 150 * MB, "resident memory grew by {} MB", grown / MB);
        assert!(server.metrics().request_bytes.get() <= 128 * MB as i64);
        assert!(server.metrics().budget_waits.get() > 0, "the budget was exhausted");
    });
}
