//! From the registry's OpenMetrics text to OTLP's metrics.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Cumulative, in OTLP's words `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u8 = 2;

/// Who the numbers are of.
#[derive(Debug, Clone)]
pub(super) struct Resource(Vec<Value>);

impl Resource {
    /// A service with more attributes, `key=value,key=value`; what is not of that form is left out.
    pub(super) fn new(service: &str, attributes: &str) -> Resource {
        let more = attributes.split(',').filter_map(|pair| pair.split_once('='));
        let more = more.map(|(key, value)| attribute(key.trim(), value.trim()));
        Resource([attribute("service.name", service)].into_iter().chain(more).collect())
    }
}

/// A metric as the text describes it, with its samples.
struct Metric<'a> {
    name: &'a str,
    help: &'a str,
    kind: &'a str,
    /// `(suffix, labels, value)`.
    samples: Vec<(&'a str, Labels<'a>, f64)>,
}

type Labels<'a> = BTreeMap<&'a str, &'a str>;

/// The body of an export: every metric of `text` at `now_ms`, counted since `started_ms` (milliseconds since 1970).
pub(super) fn to_otlp(text: &str, resource: &Resource, started_ms: i64, now_ms: i64) -> Value {
    let times = Times { start: nanos(started_ms), now: nanos(now_ms) };
    let metrics: Vec<Value> = read(text).iter().filter_map(|metric| convert(metric, &times)).collect();
    json!({ "resourceMetrics": [{
        "resource": { "attributes": resource.0 },
        "scopeMetrics": [{ "scope": { "name": "ottla", "version": env!("CARGO_PKG_VERSION") }, "metrics": metrics }],
    }] })
}

struct Times {
    start: String,
    now: String,
}

/// 64-bit numbers are strings in OTLP's JSON.
fn nanos(ms: i64) -> String {
    (i128::from(ms) * 1_000_000).to_string()
}

fn read(text: &str) -> Vec<Metric<'_>> {
    let (mut metrics, mut help): (Vec<Metric<'_>>, &str) = (Vec::new(), "");
    for line in text.lines() {
        if let Some((_, described)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help = described;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            metrics.push(Metric { name, help: std::mem::take(&mut help), kind, samples: Vec::new() });
        } else if let (Some(metric), Some(sample)) = (metrics.last_mut(), sample(line)) {
            let (name, labels, value) = sample;
            if let Some(suffix) = name.strip_prefix(metric.name) {
                metric.samples.push((suffix, labels, value));
            }
        }
    }
    metrics
}

fn sample(line: &str) -> Option<(&str, Labels<'_>, f64)> {
    let (id, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
    let (name, labels) = id.split_once('{').unwrap_or((id, ""));
    let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once("=\""));
    Some((name, labels.map(|(label, value)| (label, value.trim_end_matches('"'))).collect(), value.parse().ok()?))
}

fn convert(metric: &Metric<'_>, times: &Times) -> Option<Value> {
    let point = |(_, labels, value): &(&str, Labels<'_>, f64)| {
        json!({ "attributes": attributes(labels), "startTimeUnixNano": times.start, "timeUnixNano": times.now,
            "asDouble": value })
    };
    let points = || metric.samples.iter().map(point).collect::<Vec<_>>();
    let (kind, data) = match metric.kind {
        "counter" => {
            ("sum", json!({ "aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points() }))
        }
        "gauge" => ("gauge", json!({ "dataPoints": points() })),
        "histogram" => {
            ("histogram", json!({ "aggregationTemporality": CUMULATIVE, "dataPoints": histograms(metric, times) }))
        }
        _ => return None,
    };
    Some(json!({ "name": metric.name, "description": metric.help, kind: data }))
}

/// One point for each set of labels: OTLP counts each bucket by itself, the text all up to its bound.
fn histograms(metric: &Metric<'_>, times: &Times) -> Vec<Value> {
    #[derive(Default)]
    struct Point {
        sum: f64,
        bounds: Vec<f64>,
        counts: Vec<u64>,
    }
    let mut series: BTreeMap<Labels<'_>, Point> = BTreeMap::new();
    for (suffix, labels, value) in &metric.samples {
        let mut labels = labels.clone();
        let bound = labels.remove("le");
        let point = series.entry(labels).or_default();
        match (*suffix, bound.map(str::parse::<f64>)) {
            ("_sum", _) => point.sum = *value,
            ("_bucket", Some(Ok(bound))) => {
                if bound.is_finite() {
                    point.bounds.push(bound);
                }
                let before: u64 = point.counts.iter().sum();
                point.counts.push((*value as u64).saturating_sub(before));
            }
            _ => {}
        }
    }
    let points = series.into_iter().map(|(labels, point)| {
        let counts: Vec<String> = point.counts.iter().map(u64::to_string).collect();
        json!({ "attributes": attributes(&labels), "startTimeUnixNano": times.start, "timeUnixNano": times.now,
            "count": point.counts.iter().sum::<u64>().to_string(), "sum": point.sum,
            "bucketCounts": counts, "explicitBounds": point.bounds })
    });
    points.collect()
}

fn attributes(labels: &Labels<'_>) -> Vec<Value> {
    labels.iter().map(|(label, value)| attribute(label, value)).collect()
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_becomes_its_counterpart() {
        let text = "# HELP c Count.\n# TYPE c counter\nc_total{request=\"Produce\",error=\"NONE\"} 3\n# HELP g Gauge.\n\
                    # TYPE g gauge\ng 2\n# HELP h Times.\n# TYPE h histogram\nh_sum{request=\"Fetch\"} 1.5\n\
                    h_count{request=\"Fetch\"} 4\nh_bucket{le=\"0.5\",request=\"Fetch\"} 1\n\
                    h_bucket{le=\"1.0\",request=\"Fetch\"} 3\nh_bucket{le=\"+Inf\",request=\"Fetch\"} 4\n# EOF\n";
        let body = to_otlp(text, &Resource::new("ottla", "zone=a, bad ,host=b"), 1, 2);
        let resource = &body["resourceMetrics"][0];
        let keys: Vec<_> = resource["resource"]["attributes"].as_array().unwrap().iter().map(|a| &a["key"]).collect();
        assert_eq!(keys, ["service.name", "zone", "host"]);
        let metrics = &resource["scopeMetrics"][0]["metrics"];
        let point = &metrics[0]["sum"]["dataPoints"][0];
        assert_eq!(
            (&metrics[0]["name"], &point["asDouble"], &point["timeUnixNano"]),
            (&json!("c"), &json!(3.0), &json!("2000000"))
        );
        assert_eq!(metrics[1]["gauge"]["dataPoints"][0]["asDouble"], json!(2.0));
        let histogram = &metrics[2]["histogram"]["dataPoints"][0];
        assert_eq!(histogram["explicitBounds"], json!([0.5, 1.0]));
        assert_eq!(histogram["bucketCounts"], json!(["1", "2", "1"]));
        assert_eq!((&histogram["count"], &histogram["sum"]), (&json!("4"), &json!(1.5)));
    }
}
