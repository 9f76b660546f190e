//! Export of the metrics to an OpenTelemetry collector: OTLP over HTTP, in its JSON form (cargo feature `otel`).
//!
//! It is told what to do by OpenTelemetry's own variables, and does nothing without an endpoint:
//!
//! | variable | meaning |
//! |---|---|
//! | `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` | URL that metrics are posted to, as it is |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | URL of the collector; `/v1/metrics` is added |
//! | `OTEL_METRIC_EXPORT_INTERVAL` | milliseconds between exports, 60000 |
//! | `OTEL_SERVICE_NAME` | `ottla` |
//! | `OTEL_RESOURCE_ATTRIBUTES` | more attributes, as `key=value,key=value` |

mod convert;
mod endpoint;

pub use endpoint::EndpointError;

use crate::observe::Observed;
use convert::Resource;
use endpoint::Endpoint;
use ottla_runtime::{AbortOnDrop, Runtime};
use std::sync::Arc;
use std::time::Duration;

/// Time between exports when nobody says.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(60);
/// The shortest time between exports.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Exports until it is dropped.
pub struct Exporter {
    _task: AbortOnDrop<()>,
}

/// Starts exporting what this node shows, if the variables name an endpoint.
///
/// # Errors
/// The endpoint is no `http://` URL.
pub fn start_from_env(runtime: &Runtime, observed: Arc<dyn Observed>) -> Result<Option<Exporter>, EndpointError> {
    start(runtime, observed, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// As [`start_from_env`], with the variables of this function.
///
/// # Errors
/// As [`start_from_env`].
pub fn start(
    runtime: &Runtime,
    observed: Arc<dyn Observed>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Exporter>, EndpointError> {
    let url = variable("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").or_else(|| {
        let collector = variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        Some(format!("{}/v1/metrics", collector.trim_end_matches('/')))
    });
    let Some(url) = url else { return Ok(None) };
    let endpoint = Endpoint::parse(&url)?;
    let interval = variable("OTEL_METRIC_EXPORT_INTERVAL").and_then(|text| text.parse().ok());
    let interval = interval.map_or(INTERVAL_DEFAULT, Duration::from_millis).max(INTERVAL_MIN);
    let service = variable("OTEL_SERVICE_NAME").unwrap_or_else(|| "ottla".to_string());
    let resource = Resource::new(&service, &variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
    tracing::info!(url, interval_ms = interval.as_millis() as u64, "metrics are exported to OpenTelemetry");
    let exporting = export(runtime.clone(), observed, endpoint, resource, interval);
    Ok(Some(Exporter { _task: runtime.spawn("http.otlp", exporting).abort_on_drop() }))
}

async fn export(
    runtime: Runtime,
    observed: Arc<dyn Observed>,
    endpoint: Endpoint,
    resource: Resource,
    interval: Duration,
) {
    let started_ms = runtime.wall_clock_ms();
    let mut failing = false;
    loop {
        runtime.sleep(interval).await;
        let text = observed.metrics().await;
        let body = convert::to_otlp(&text, &resource, started_ms, runtime.wall_clock_ms());
        let outcome = endpoint.post(&body.to_string()).await;
        match &outcome {
            Ok(()) if failing => tracing::info!("the OpenTelemetry collector takes metrics again"),
            Err(error) if !failing => {
                let next =
                    "it is tried again at every interval; look at the collector, or unset OTEL_EXPORTER_OTLP_ENDPOINT";
                tracing::warn!(error = error.as_str(), next, "metrics could not be exported to OpenTelemetry");
            }
            Ok(()) | Err(_) => {}
        }
        failing = outcome.is_err();
    }
}
