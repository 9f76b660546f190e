//! What a node counts, and where its log lines go.
//!
//! A metric is one row of a table ([`net`], [`broker`], [`log`], [`cleaner`], [`groups`]): a handle, its kind, its name and one
//! sentence. Handles are single atomic numbers, cheap enough for hot paths; their only labels are an API's name and an error's
//! name, so the number of series is bounded. What needs other labels is computed by a [`Collector`] when somebody looks.
//! [`Metrics`] holds all of a node and writes it in Prometheus' text format.

mod api_times;
pub mod broker;
pub mod cleaner;
pub mod client_metrics;
mod collector;
pub mod groups;
mod handles;
pub mod log;
mod logs;
mod metrics;
pub mod net;
mod process;
pub mod quotas;
mod share_groups;
mod table;
pub mod topics;
mod transactions;

pub use api_times::ApiTimes;
pub use broker::{BrokerMetrics, RequestCounters};
pub use cleaner::CleanerMetrics;
pub use collector::{Collector, Family};
pub use groups::{CoordinatorMetrics, GroupMetrics};
pub use handles::{Counter, Gauge, Histogram};
pub use log::LogMetrics;
pub use logs::{
    LOGGERS, LevelError, LogFormat, LogLevels, LogSetupError, ROOT, init_command_logs, init_logs, init_logs_as,
    log_levels,
};
pub use metrics::{Metrics, all_metrics};
pub use net::NetMetrics;
pub use quotas::QuotaMetrics;
pub use share_groups::ShareGroupMetrics;
pub use table::{MetricInfo, MetricKind};
pub use topics::TopicTotals;
pub use transactions::TransactionMetrics;
