//! The pages that show how a node is: `/metrics`, `/healthz`, `/readyz`, `/debug`, `/debug/log-level`.

mod debug;

pub use debug::{Config, Connection, Debug, Partition};

use crate::Json;
use crate::error::HttpError;
use crate::exposition::{OPENMETRICS, PROMETHEUS, accepts_openmetrics, to_prometheus};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ottla_telemetry::{LevelError, LogLevels, log_levels};
use serde::Serialize;
use std::pin::Pin;
use std::sync::Arc;

const INDEX: &str = "\
/metrics          numbers for Prometheus
/healthz          200 while the process works
/readyz           200 while the node serves clients
/debug            version, configs, busiest connections and partitions
/debug/log-level  log levels; PUT changes them: curl -X PUT --data info,ottla_storage=debug .../debug/log-level
";

/// What a node shows of itself.
pub trait Observed: Send + Sync + 'static {
    /// All numbers, in OpenMetrics' text format.
    fn metrics(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>>;
    /// What it is doing.
    fn phase(&self) -> Phase;
    /// Everything for `/debug`.
    fn debug(&self) -> Debug;
}

/// What a node is doing, in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Clients are not served yet.
    Starting,
    /// Clients are served.
    Ready,
    /// Clients are not served any more.
    Stopping,
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
    phase: Phase,
}

#[derive(Serialize)]
struct Levels {
    levels: String,
}

/// The pages of this node.
pub fn router(observed: Arc<dyn Observed>) -> Router {
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/debug", get(debug_page))
        .route("/debug/log-level", get(log_level).put(set_log_level))
        .with_state(observed)
}

async fn metrics(State(observed): State<Arc<dyn Observed>>, headers: HeaderMap) -> Response {
    let openmetrics = observed.metrics().await;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    match accepts_openmetrics(accept) {
        true => ([(header::CONTENT_TYPE, OPENMETRICS)], openmetrics).into_response(),
        false => ([(header::CONTENT_TYPE, PROMETHEUS)], to_prometheus(&openmetrics)).into_response(),
    }
}

/// That there is an answer says it all: a panic ends the process.
async fn healthz(State(observed): State<Arc<dyn Observed>>) -> Json<Status> {
    Json(Status { status: "ok", phase: observed.phase() })
}

async fn readyz(State(observed): State<Arc<dyn Observed>>) -> (StatusCode, Json<Status>) {
    match observed.phase() {
        Phase::Ready => (StatusCode::OK, Json(Status { status: "ok", phase: Phase::Ready })),
        phase => (StatusCode::SERVICE_UNAVAILABLE, Json(Status { status: "not ready", phase })),
    }
}

async fn debug_page(State(observed): State<Arc<dyn Observed>>) -> Json<Debug> {
    Json(observed.debug())
}

async fn log_level() -> Result<Json<Levels>, HttpError> {
    Ok(Json(Levels { levels: levels()?.text() }))
}

async fn set_log_level(body: String) -> Result<Json<Levels>, HttpError> {
    let levels = levels()?;
    levels.replace(body.trim()).map_err(|error| match error {
        LevelError::Ended => HttpError::unavailable(error.to_string()),
        error => HttpError::bad_request(error.to_string())
            .next_step("send the levels as plain text, as `ottla serve --log-level` takes them"),
    })?;
    Ok(Json(Levels { levels: levels.text() }))
}

fn levels() -> Result<&'static LogLevels, HttpError> {
    log_levels().ok_or_else(|| HttpError::unavailable("this process has not set up logging"))
}
