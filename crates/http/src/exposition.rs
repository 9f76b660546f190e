//! The two text formats of metrics. The registry writes OpenMetrics; Prometheus' older format is made out of it.

/// Content type of [`to_prometheus`]'s output.
pub(crate) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Content type of what the registry writes.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether who sent this `Accept` header wants OpenMetrics.
pub(crate) fn accepts_openmetrics(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| accept.contains("application/openmetrics-text"))
}

/// The same numbers in the older format: a counter's name ends in `_total` in its description too, and nothing marks the end.
pub(crate) fn to_prometheus(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + 1024);
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            continue;
        }
        let described = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        match described {
            // HELP comes directly before TYPE.
            Some((name, help)) if lines.peek().is_some_and(|next| is_counter(next, name)) => {
                text.push_str(&format!("# HELP {name}_total {help}\n# TYPE {name}_total counter\n"));
                lines.next();
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

fn is_counter(line: &str, name: &str) -> bool {
    line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter")) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_described_by_their_whole_name() {
        let openmetrics = "# HELP a Help.\n# TYPE a counter\na_total 1\n# HELP b Help.\n# TYPE b gauge\nb 2\n# EOF\n";
        let prometheus =
            "# HELP a_total Help.\n# TYPE a_total counter\na_total 1\n# HELP b Help.\n# TYPE b gauge\nb 2\n";
        assert_eq!(to_prometheus(openmetrics), prometheus);
    }
}
