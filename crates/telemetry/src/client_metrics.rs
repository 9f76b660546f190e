//! Metrics that clients push (KIP-714): OTLP in, Prometheus series out.
//!
//! The newest value of every series of every client is kept, for as long as the client goes on pushing, and shown when
//! somebody looks. Names are those of the client with `_` for what Prometheus does not allow, and `kafka_client_` in place of
//! `org.apache.kafka.`; labels are the client's id, its instance id and whatever it says of a point. Everything is bounded:
//! see [`limits`].

mod otlp;
mod store;

pub use otlp::{OtlpError, Point, decode};
pub use store::{ClientIdentity, ClientMetricsStore};

use crate::table::metrics_table;

/// What clients may make a node keep.
pub mod limits {
    /// Series of one client.
    pub const SERIES_PER_CLIENT_MAX: usize = 500;
    /// Series of all clients.
    pub const SERIES_MAX: usize = 20_000;
    /// Labels that a client gives one point; further ones are left out.
    pub const LABELS_MAX: usize = 8;
    /// Bytes of a name or a label's value; longer ones are cut.
    pub const TEXT_BYTES_MAX: usize = 200;
}

metrics_table! {
    /// What is counted of client telemetry.
    ClientTelemetryMetrics {
        pushes Counter "ottla_client_telemetry_pushes" "Pushes of client metrics that were taken.";
        refused Counter "ottla_client_telemetry_pushes_refused" "Pushes of client metrics that were refused.";
        series Gauge "ottla_client_telemetry_series" "Series of client metrics that are kept.";
        series_dropped Counter "ottla_client_telemetry_series_dropped"
            "Points of client metrics that were left out, because of their kind or because there are too many series.";
    }
}
