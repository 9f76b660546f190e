//! The export reaches a collector, and goes on when one was away.
#![cfg(feature = "otel")]

use ottla_http::observe::{Debug, Observed, Phase};
use ottla_http::otlp;
use ottla_runtime::Runtime;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

struct Fake;

impl Observed for Fake {
    fn metrics(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(async { "# HELP a Help.\n# TYPE a counter\na_total 1\n# EOF\n".to_string() })
    }

    fn phase(&self) -> Phase {
        Phase::Ready
    }

    fn debug(&self) -> Debug {
        unreachable!("not exported")
    }
}

#[tokio::test]
async fn a_collector_gets_the_metrics_again_and_again() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", collector.local_addr().unwrap());
    let variable = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.clone()),
        "OTEL_METRIC_EXPORT_INTERVAL" => Some("1".to_string()),
        _ => None,
    };
    let _exporter = otlp::start(&Runtime::in_memory(), Arc::new(Fake), variable).unwrap().expect("an endpoint");
    for status in ["503 Service Unavailable", "200 OK"] {
        let (mut connection, _) = collector.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"]}]}") {
            assert!(connection.read_buf(&mut request).await.unwrap() > 0, "{}", String::from_utf8_lossy(&request));
        }
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\"name\":\"a\"") && request.contains("\"stringValue\":\"ottla\""), "{request}");
        connection.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
    }
}

#[test]
fn without_an_endpoint_nothing_is_exported() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    assert!(otlp::start(&Runtime::in_memory(), Arc::new(Fake), |_| None).unwrap().is_none());
    let https = |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "https://h:1".to_string());
    assert!(otlp::start(&Runtime::in_memory(), Arc::new(Fake), https).is_err());
}
