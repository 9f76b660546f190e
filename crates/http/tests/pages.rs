//! The pages of a node over a real socket, asked well and badly.
// Pages are asked for as any program would.
#![allow(clippy::disallowed_methods)]

use ottla_http::observe::{Debug, Observed, Phase, router};
use ottla_http::{BODY_BYTES_MAX, BoundHttp, CONNECTIONS_MAX, HttpServer};
use ottla_runtime::Runtime;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Default)]
struct Fake {
    is_ready: AtomicBool,
}

impl Observed for Fake {
    fn metrics(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(async { "# HELP a Help.\n# TYPE a counter\na_total 1\n# EOF\n".to_string() })
    }

    fn phase(&self) -> Phase {
        if self.is_ready.load(Ordering::Relaxed) { Phase::Ready } else { Phase::Starting }
    }

    fn debug(&self) -> Debug {
        Debug {
            version: "1",
            node_id: 7,
            cluster_id: None,
            uptime_ms: 1,
            listeners: BTreeMap::new(),
            log_levels: None,
            connection_count: 0,
            top_connections: Vec::new(),
            partition_count: 0,
            top_partitions: Vec::new(),
            configs: BTreeMap::new(),
        }
    }
}

async fn server() -> (HttpServer, Arc<Fake>) {
    let fake = Arc::new(Fake::default());
    let bound = BoundHttp::bind("127.0.0.1:0").await.unwrap();
    (bound.serve(&Runtime::in_memory(), router(fake.clone())), fake)
}

/// Sends these bytes and reads until the other side closes.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    // A server that has heard enough may close before it has read everything.
    let _heard_enough = connection.write_all(request).await;
    let mut reply = Vec::new();
    let _reset_after_the_reply = connection.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

async fn ask(address: SocketAddr, line: &str, more: &str) -> String {
    exchange(address, format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n").as_bytes()).await
}

#[track_caller]
fn expect(reply: &str, status: u16, parts: &[&str]) {
    assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    for part in parts {
        assert!(reply.contains(part), "{part:?} is not in {reply}");
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let (server, _) = server().await;
    let plain = ask(server.local_addr(), "GET /metrics", "").await;
    expect(&plain, 200, &["content-type: text/plain; version=0.0.4", "# TYPE a_total counter\na_total 1\n"]);
    assert!(!plain.contains("# EOF"), "{plain}");
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let openmetrics = ask(server.local_addr(), "GET /metrics", accept).await;
    expect(&openmetrics, 200, &["content-type: application/openmetrics-text", "# TYPE a counter\na_total 1\n# EOF"]);
}

#[tokio::test]
async fn readiness_follows_the_node() {
    let (server, node) = server().await;
    expect(&ask(server.local_addr(), "GET /readyz", "").await, 503, &["\"phase\": \"starting\""]);
    expect(&ask(server.local_addr(), "GET /healthz", "").await, 200, &["\"status\": \"ok\""]);
    node.is_ready.store(true, Ordering::Relaxed);
    expect(&ask(server.local_addr(), "GET /readyz", "").await, 200, &["\"phase\": \"ready\""]);
    expect(&ask(server.local_addr(), "GET /debug", "").await, 200, &["application/json", "\"node_id\": 7"]);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let (server, _) = server().await;
    let address = server.local_addr();
    expect(&ask(address, "GET /metric", "").await, 404, &["there is no page /metric", "see / for"]);
    expect(&ask(address, "GET /", "").await, 200, &["/debug/log-level"]);
    expect(&ask(address, "DELETE /metrics", "").await, 405, &["/metrics does not know the method DELETE"]);
    let body = |text: &str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
    // Logging is not set up in this test's process.
    expect(&ask(address, "PUT /debug/log-level", &body("debug")).await, 503, &["has not set up logging"]);
    let huge = "x".repeat(BODY_BYTES_MAX + 1);
    expect(&ask(address, "PUT /debug/log-level", &body(&huge)).await, 413, &[]);
    expect(&exchange(address, b"\x16\x03\x01\x02\x00\x01\x00 this is no HTTP\r\n\r\n").await, 400, &[]);
    let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(2 * BODY_BYTES_MAX));
    expect(&exchange(address, head.as_bytes()).await, 431, &[]);
}

/// The clock jumps as soon as everybody waits.
#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_given_up() {
    let (server, _) = server().await;
    assert_eq!(exchange(server.local_addr(), b"").await, "", "an idle connection");
    let reply = exchange(server.local_addr(), b"GET / HTTP/1.1\r\nHost:").await;
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 408"), "{reply}");
}

#[tokio::test]
async fn connections_are_bounded_and_their_places_come_back() {
    let (server, _) = server().await;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut connection = TcpStream::connect(server.local_addr()).await.unwrap();
        connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        connection.readable().await.unwrap();
        open.push(connection);
    }
    let mut waiting = std::pin::pin!(ask(server.local_addr(), "GET /healthz", ""));
    let early = futures_poll(waiting.as_mut()).await;
    assert!(early.is_none(), "{early:?}");
    open.pop();
    expect(&waiting.await, 200, &[]);
}

/// Gives a future every chance to end without a place.
async fn futures_poll<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    for _ in 0..200 {
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await;
        if let std::task::Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[tokio::test]
async fn a_server_that_is_dropped_lets_go_of_its_port() {
    let (server, _) = server().await;
    let address = server.local_addr();
    drop(server);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    BoundHttp::bind(&address.to_string()).await.unwrap();
}
