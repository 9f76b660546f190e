//! A running node looked at over HTTP after some load: every query of the Grafana dashboard finds its metric, and `/debug`
//! shows who is busy and no secret.

use ottla_client::{
    Client, ClientOptions, Consumer, ConsumerOptions, FetchSpec, OffsetReset, Producer, ProducerOptions, ProducerRecord,
};
use ottla_node::EmbeddedNode;
use ottla_runtime::Runtime;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const DASHBOARD: &str = include_str!("../../../dist/grafana/ottla.json");
/// Labels that Prometheus adds itself.
const LABELS_OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

async fn loaded_node() -> EmbeddedNode {
    let builder = EmbeddedNode::builder().config("http.listener", "127.0.0.1:0");
    let node = builder.config("ssl.key.password", "open-sesame").config("num.partitions", 2).start().await.unwrap();
    let client = Client::new(&Runtime::in_memory(), node.bootstrap_servers(), ClientOptions::default()).unwrap();
    let producer = Producer::new(&client, ProducerOptions::default()).unwrap();
    for number in 0..20 {
        producer.send_and_wait(ProducerRecord::new("orders", format!("order {number}"))).await.unwrap();
    }
    let options = ConsumerOptions { offset_reset: OffsetReset::Earliest, ..ConsumerOptions::group("kitchen") };
    let mut consumer = Consumer::new(&client, options).unwrap();
    consumer.subscribe(&["orders"]).unwrap();
    let mut seen = 0;
    while seen < 20 {
        seen += consumer.poll(Duration::from_secs(10)).await.unwrap().len();
    }
    consumer.commit().await.unwrap();
    consumer.close().await.unwrap();
    node
}

fn get(node: &EmbeddedNode, path: &str) -> String {
    let address: SocketAddr = node.http_address().expect("http.listener is set");
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: ottla\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    connection.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "a body with a length: {head}");
    body.to_string()
}

/// The values of each label of each metric in the text format.
fn series(metrics: &str) -> BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> {
    let mut series: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (id, _value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = id.split_once('{').unwrap_or((id, ""));
        let metric = series.entry(name).or_default();
        for label in labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once("=\"").unwrap();
            metric.entry(label).or_default().insert(value.trim_end_matches('"'));
        }
    }
    series
}

/// Every metric of a PromQL expression, with what stands in braces behind it.
fn metrics_of(expression: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = ["kafka_", "ottla_", "process_"].iter().filter_map(|prefix| rest.find(prefix)).min() {
        let from_name = &rest[start..];
        let end = from_name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(from_name.len());
        let (name, after) = from_name.split_at(end);
        let selector = after.strip_prefix('{').and_then(|after| after.split_once('}')).map_or("", |(inside, _)| inside);
        found.push((name, selector));
        rest = after;
    }
    found
}

/// Labels that an expression sums by.
fn grouped_by(expression: &str) -> impl Iterator<Item = &str> {
    let groups = expression.split(" by (").skip(1).filter_map(|rest| rest.split_once(')'));
    groups.flat_map(|(labels, _)| labels.split(", "))
}

fn check(expression: &str, series: &BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>>) -> Result<(), String> {
    let metrics = metrics_of(expression);
    if metrics.is_empty() {
        return Err("names no metric".to_string());
    }
    for (name, selector) in metrics {
        let labels = series.get(name).ok_or_else(|| format!("there is no metric {name}"))?;
        for matcher in selector.split(", ").filter(|matcher| !matcher.is_empty()) {
            let end = matcher.find(['=', '!']).ok_or_else(|| format!("{matcher} is no matcher"))?;
            let (label, value) =
                (&matcher[..end], matcher[end..].trim_start_matches(['=', '!', '~']).trim_matches('"'));
            if LABELS_OF_PROMETHEUS.contains(&label) {
                continue;
            }
            // `topic=""` and `topic!=""` are about series without that label.
            if value.is_empty() && matcher[end..].starts_with('=') {
                continue;
            }
            let values = labels.get(label).ok_or_else(|| format!("{name} has no label {label}"))?;
            if matcher[end..].starts_with("=\"") && !values.contains(value) {
                return Err(format!("{name} has no series with {matcher}"));
            }
        }
        for label in grouped_by(expression).filter(|label| !LABELS_OF_PROMETHEUS.contains(label)) {
            labels.get(label).ok_or_else(|| format!("{name} has no label {label} to sum by"))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_query_of_the_dashboard_finds_its_metric() {
    let node = loaded_node().await;
    let metrics = get(&node, "/metrics");
    let series = series(&metrics);
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(expressions.len() > 60, "{}", expressions.len());
    let wrong: Vec<String> = expressions
        .iter()
        .filter_map(|expression| check(expression, &series).err().map(|error| format!("{error}: {expression}")))
        .collect();
    assert!(wrong.is_empty(), "{}\n{metrics}", wrong.join("\n"));
}

#[test]
fn a_wrong_query_is_found() {
    let metrics = "kafka_a{request=\"Produce\",error=\"NONE\"} 1\nottla_b 2\n";
    let series = series(metrics);
    for (expression, expected) in [
        (
            "sum by (request) (rate(kafka_a{instance=~\"$i\", request=\"Produce\"}[1m])) / sum(ottla_b)",
            "ottla_b has no label",
        ),
        ("sum(kafka_a{error!=\"NONE\"})", ""),
        ("sum(kafka_a{error=\"OTHER\"})", "kafka_a has no series with"),
        ("sum(kafka_a{api=\"Produce\"})", "kafka_a has no label api"),
        ("kafka_c", "there is no metric kafka_c"),
        ("up", "names no metric"),
    ] {
        let error = check(expression, &series).err().unwrap_or_default();
        assert!(error.starts_with(expected) && error.is_empty() == expected.is_empty(), "{expression}: {error}");
    }
}

#[tokio::test]
async fn debug_shows_who_is_busy_and_no_secret() {
    let node = loaded_node().await;
    let client = Client::new(&Runtime::in_memory(), node.bootstrap_servers(), ClientOptions::default()).unwrap();
    // Keeps a connection open while the page is made.
    let fetched = client.fetch(&FetchSpec::new("orders", 0, 0)).await;
    assert!(fetched.is_ok(), "{fetched:?}");
    let text = get(&node, "/debug");
    assert!(!text.contains("open-sesame"), "{text}");
    let page: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(page["configs"]["ssl.key.password"]["value"], "(hidden)");
    assert_eq!(page["configs"]["num.partitions"]["value"], "2");
    assert_eq!(page["configs"]["num.partitions"]["source"], "STATIC_BROKER_CONFIG");
    assert!(page["top_connections"].as_array().unwrap().iter().any(|row| row["requests"].as_u64() > Some(0)), "{text}");
    let partitions = page["top_partitions"].as_array().unwrap();
    let orders: Vec<_> = partitions.iter().filter(|row| row["topic"] == "orders").collect();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders.iter().filter_map(|row| row["high_watermark"].as_i64()).sum::<i64>(), 20);
    assert!(
        orders.iter().any(|row| row["bytes_in"].as_u64() > Some(0) && row["bytes_out"].as_u64() > Some(0)),
        "{text}"
    );
    assert!(get(&node, "/readyz").contains("ready"));
}
