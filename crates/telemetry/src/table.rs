//! Metrics as data: one row declares the field, its kind, its name and its help text.

/// Kind of a metric, as Prometheus calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; its name ends in `_total` when written.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Distribution of durations in seconds.
    Histogram,
    /// Distributions of durations in seconds, by API.
    ApiTimes,
    /// Counters by API and error; its name ends in `_total` when written.
    RequestCounters,
}

/// One row of a table.
#[derive(Debug, Clone, Copy)]
pub struct MetricInfo {
    /// Name, without the suffix that the kind adds.
    pub name: &'static str,
    /// Kind.
    pub kind: MetricKind,
    /// One sentence.
    pub help: &'static str,
}

/// Makes a struct of handles out of rows, with `INFO` (the rows) and `register`.
macro_rules! metrics_table {
    ($(#[$doc:meta])* $table:ident { $($field:ident $kind:ident $name:literal $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $table {
            $(#[doc = $help] pub $field: crate::$kind,)*
        }

        impl $table {
            /// The rows of the table.
            pub const INFO: &'static [crate::MetricInfo] = &[
                $(crate::MetricInfo { name: $name, kind: crate::MetricKind::$kind, help: $help },)*
            ];

            pub(crate) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
                // The registry ends every help text with a full stop of its own.
                $(registry.register($name, $help.trim_end_matches('.'), self.$field.0.clone());)*
            }
        }
    };
}

/// Makes constants out of rows, for series that a [`crate::Collector`] computes, and `FAMILIES` of them all.
macro_rules! metric_families {
    ($($(#[$doc:meta])* $constant:ident $kind:ident $name:literal $help:literal;)*) => {
        $(
            $(#[$doc])*
            pub static $constant: crate::MetricInfo =
                crate::MetricInfo { name: $name, kind: crate::MetricKind::$kind, help: $help };
        )*

        /// All of them.
        pub(crate) static FAMILIES: &[&crate::MetricInfo] = &[$(&$constant,)*];
    };
}

pub(crate) use metric_families;
pub(crate) use metrics_table;
